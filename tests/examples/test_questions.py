"""The questions of ``examples/questions``: each answer is the one that the simulator's own people give."""

from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assets.marts.loading import load_marts
from assets.warehouse.tables import load_night_ledger, load_nights, load_users
from connectors.home import Home
from connectors.warehouse.duckdb import DuckDbWarehouse
from connectors.warehouse.loading import Warehouse
from connectors.warehouse.postgresql import PostgresWarehouse
from tests.connectors.warehouse.conftest import Server, server
from tests.examples.answers import TRUTHS, Lived, Rows
from tests.examples.conftest import Pulled

__all__ = ["server"]  # a fixture, found by its name

QUESTIONS = Path(__file__).parents[2] / "examples" / "questions"
OF_TWO_SOURCES = ("source_agreement",)
"""Asked in ``test_two_sources``: the people here sleep with the phone alone."""
each_question = pytest.mark.parametrize("name", TRUTHS)


class Asked(NamedTuple):
    """What is true, and the same nights in DuckDB and in PostgreSQL."""

    truth: Lived
    duckdb: Warehouse
    postgresql: Warehouse


@pytest.fixture(scope="module")
def asked(pulled: Pulled, server: Server) -> Asked:
    """The nights of the home in the warehouse that it has, and in one in PostgreSQL."""
    home = pulled.home
    postgresql = PostgresWarehouse(server.url, "questions")
    load_nights(home, postgresql, partitions(home, "session_history"))
    load_night_ledger(home, postgresql, partitions(home, "night_ledger"))
    load_users(home, postgresql)
    load_marts(home, postgresql)
    return Asked(pulled.truth, DuckDbWarehouse(home.root / "warehouse.duckdb"), postgresql)


def partitions(home: Home, table: str) -> list[str]:
    """The dates that a table has."""
    return sorted(path.name.removeprefix("date=") for path in (home.root / "lake" / table).glob("date=*"))


def question(name: str) -> str:
    """The query of a file."""
    return (QUESTIONS / f"{name}.sql").read_text(encoding="utf-8")


def answer(warehouse: Warehouse, name: str) -> Rows:
    """The rows of a question."""
    with warehouse.read() as reader:
        return [tuple(row) for row in reader.execute(question(name)).fetchall()]


def is_rounded(found: Any, true: Any) -> bool:
    """Whether a figure is the true one, to the digits that it has."""
    if isinstance(found, Decimal) and true is not None:
        exponent = found.as_tuple().exponent
        assert isinstance(exponent, int)
        return bool(abs(float(found) - true) <= 0.5 * 10.0**exponent + 1e-6)
    return bool(found == true)


@each_question
def test_the_answer_is_what_the_people_really_slept(asked: Asked, name: str) -> None:
    """Every row and figure, in the order that is told; there is always somebody whom it is about."""
    known = TRUTHS[name]
    found, true = answer(asked.duckdb, name), known.truth(asked.truth)
    if name == "missing_nights":
        assert all(reason for *_, reason in found)
        found = [row[:-1] for row in found]
    assert found == sorted(found, key=known.order)
    assert sorted(row[: known.keys] for row in found) == sorted(row[: known.keys] for row in true)
    expected = {row[: known.keys]: row for row in true}
    wrong = [
        (row, expected[row[: known.keys]])
        for row in found
        if not all(map(is_rounded, row, expected[row[: known.keys]]))
    ]
    assert wrong == []
    assert found


@each_question
def test_postgresql_gives_the_same_rows(asked: Asked, name: str) -> None:
    """In the same order, with the same digits."""
    assert answer(asked.postgresql, name) == answer(asked.duckdb, name)


def test_the_world_has_what_the_questions_are_about(asked: Asked) -> None:
    """Otherwise an answer could be right by chance: gaps of two kinds, changes, a deletion, two organisations."""
    rows = {name: known.truth(asked.truth) for name, known in TRUTHS.items()}
    assert {"no_recording", "deleted"} <= {verdict for *_, verdict in rows["missing_nights"]}
    assert {reason for _, _, _, _, reason, _, _ in rows["revised_nights"]} == {"re_analysed", "deleted"}
    assert len(rows["short_sleepers"]) == 1
    assert len(rows["first_night"]) == 2
    assert 0 < len(rows["nap_habit"]) < len(asked.truth.people)


def test_every_question_is_told_in_its_file() -> None:
    """Each opens with a comment: the question, and what one row of the answer is; there are at least ten."""
    files = sorted(path.stem for path in QUESTIONS.glob("*.sql"))
    assert files == sorted([*TRUTHS, *OF_TWO_SOURCES])
    assert len(files) >= 11
    for name in files:
        first, second, *_ = question(name).splitlines()
        assert first.startswith("-- ")
        assert first.endswith("?")
        assert second.startswith("-- One row is one ")


@pytest.mark.parametrize("name", [*TRUTHS, *OF_TWO_SOURCES])
def test_questions_are_in_the_sql_that_other_databases_share(name: str) -> None:
    """Nothing that only DuckDB knows."""
    code = "\n".join(line for line in question(name).lower().splitlines() if not line.startswith("--"))
    own = ("qualify", "//", "quantile", "median", "exclude", "group by all", "order by all", "list_", "epoch_us", "::")
    assert not [word for word in own if word in code]
