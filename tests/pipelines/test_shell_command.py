"""``nightshift shell``: statements from a pipe and at a terminal, answered from the present state; none can write."""

import csv
import io
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import WrongUsage
from connectors.warehouse.duckdb import DuckDbWarehouse
from pipelines.command import main
from pipelines.command.shell import CONTINUED, MOST_ROWS, PROMPT
from pipelines.command.sql import ask, statements
from schemas.tables import USERS
from tests.connectors.warehouse.test_duckdb import arrow
from tests.schemas.fhir.rows import user
from tests.system.worlds import hear_ctrl_c


class Ended(NamedTuple):
    """Exit code and what was printed."""

    status: int
    out: str
    err: str


Shell = Callable[..., Ended]


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDbWarehouse:
    """A warehouse with one user, in a home."""
    warehouse = DuckDbWarehouse(tmp_path / "warehouse.duckdb")
    fill(warehouse, "anna")
    return warehouse


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Shell:
    """The command on that home, with lines as its stdin."""
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path))
    monkeypatch.delenv("NIGHTSHIFT_WAREHOUSE_URL", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(lines: str | Iterator[str], *options: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["nightshift", "shell", *options])
        monkeypatch.setattr(sys, "stdin", Piped(iter(lines.splitlines(True)) if isinstance(lines, str) else lines))
        capfd.readouterr()
        status = None
        try:
            main.main()
        except SystemExit as ended:
            status = int(ended.code or 0)
        assert status is not None
        return Ended(status, *capfd.readouterr())

    return run


class Piped:
    """A stdin that comes line by line, and is no terminal."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def isatty(self) -> bool:
        """Never."""
        return False


def fill(warehouse: DuckDbWarehouse, *users: str) -> None:
    """Load these users."""
    warehouse.load_whole(USERS, arrow(USERS, [user(user_id=name) for name in users]))


def cells(out: str) -> list[list[str]]:
    """Rows of CSV."""
    return list(csv.reader(io.StringIO(out)))


@pytest.mark.usefixtures("warehouse")
def test_statements_from_a_pipe(shell: Shell) -> None:
    """Over several lines, several on one, the last without a semicolon; those in texts and comments end nothing."""
    typed = (
        "select 'a;b' as x -- no; end\n, 1 as y;\nselect 2 as z; select 3 as z;\n-- only a comment;\n;\nselect 4 as z\n"
    )
    ended = shell(typed, "--csv")
    assert (ended.status, ended.err) == (0, "")
    assert cells(ended.out) == [["x", "y"], ["a;b", "1"], ["z"], ["2"], ["z"], ["3"], ["z"], ["4"]]


@pytest.mark.usefixtures("warehouse")
def test_tables_and_their_columns(shell: Shell) -> None:
    """With units; an answer is a table unless CSV is asked for; what comes after .quit is not looked at."""
    ended = shell(".tables\n.describe sleep_sessions\n.help\nselect 42 as answer;\n.quit\nselect nothing;\n")
    assert (ended.status, ended.err) == (0, "")
    assert "a person's night" in ended.out
    assert "REM sleep." in ended.out
    (line,) = [line for line in ended.out.splitlines() if line.split()[:1] == ["rem_sleep_s"]]
    assert line.split()[1:3] == ["int64", "s"]
    assert ["answer"] in [line.split() for line in ended.out.splitlines()]


@pytest.mark.usefixtures("warehouse")
def test_what_is_wrong_is_a_sentence_each_and_the_rest_is_answered(shell: Shell) -> None:
    """And exit code 1; nothing can be written."""
    wrong = "select nothing;\n.nonsense\n.describe nights users\n.describe nobody\ndelete from users;\n"
    ended = shell(f"{wrong}select 42 as n;\n", "--csv")
    assert ended.status == 1
    complaints = ended.err.splitlines()
    assert len(complaints) == 5
    assert all(line.startswith("nightshift: ") for line in complaints)
    assert cells(ended.out) == [["n"], ["42"]]


def test_a_night_that_is_loaded_meanwhile_is_in_the_next_answer(shell: Shell, warehouse: DuckDbWarehouse) -> None:
    """Without leaving, and the load is not held up."""

    def typed() -> Iterator[str]:
        yield "select count(*) as n from users;\n"
        fill(warehouse, "anna", "berta")
        yield "select count(*) as n from users;\n"

    assert cells(shell(typed(), "--csv").out) == [["n"], ["1"], ["n"], ["2"]]


def test_one_query_is_one_statement(warehouse: DuckDbWarehouse) -> None:
    """Else a COMMIT would end what makes it read-only; a semicolon at the end, or in a text, is no second one."""
    for query in ("select 'a;b' as n", "select 'a;b' as n;", "-- c;\nselect 'a;b' as n; -- d"):
        assert ask(warehouse, query).rows == [("a;b",)]
    for query in ("commit; delete from users", "select 1; select 2;"):
        with pytest.raises(WrongUsage, match="One statement at a time"):
            ask(warehouse, query)


def test_without_a_warehouse_nothing_is_asked(shell: Shell) -> None:
    """What to do is told at once."""
    ended = shell("select 1;\n")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err == "nightshift: There is no warehouse yet: run `nightshift sync` first.\n"


def test_at_a_terminal(warehouse: DuckDbWarehouse) -> None:
    """Lines go on until a semicolon, Ctrl-C drops them, a mistake brings the prompt again, Ctrl-D leaves with 0.

    Of a long answer the first rows are shown, and told so; nothing that was typed is written to the home.
    """
    controller, terminal = pty.openpty()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("NIGHTSHIFT_")},
        **{"NIGHTSHIFT_HOME": str(warehouse.path.parent), "HOME": str(warehouse.path.parent), "TERM": "dumb"},
    }
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines.command.main", "shell"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        preexec_fn=hear_ctrl_c,
    ) as process:
        os.close(terminal)

        def type_and_read(keys: str, *endings: str) -> str:
            os.write(controller, keys.encode())
            return "".join(read_until(controller, ending) for ending in endings)

        read_until(controller, PROMPT)
        type_and_read("select 1 +\n", CONTINUED)
        process.send_signal(signal.SIGINT)
        # Python may not look at a signal that comes just before it waits for keys until there is a line.
        type_and_read("\n", PROMPT)
        type_and_read("select 40 + 2 as answer;\n", " 42 ", PROMPT)
        type_and_read("select nothing;\n", "nightshift: The query cannot be run", PROMPT)
        type_and_read("select 6 *\n", CONTINUED)
        type_and_read("9 as answer;\n", " 54 ", PROMPT)
        many = f"The first {MOST_ROWS} of {MOST_ROWS + 1} rows."
        type_and_read(f"from range({MOST_ROWS + 1});\n", many, PROMPT)
        os.write(controller, b"\x04")
        assert process.wait(60) == 0
    os.close(controller)
    assert not list(warehouse.path.parent.glob(".*history*"))


def read_until(controller: int, ending: str) -> str:
    """What the terminal shows up to and with an ending."""
    shown = ""
    while not shown.endswith(ending):
        ready, _, _ = select.select([controller], [], [], 60)
        assert ready, f"{ending!r} does not come after {shown!r}"
        shown += os.read(controller, 1).decode(errors="replace")
    return shown


PARTS = st.sampled_from(
    ["select 1", "'a;b'", "'it''s;'", '"x;y"', "-- c;\n", "/* ; */", "$$ ; $$", "$f$;'$f$", " ", "\n"]
)


@given(
    st.lists(st.lists(PARTS, min_size=1, max_size=5).map("x".join), max_size=4), st.sampled_from(["", "'a;", "/* ;"])
)
def test_a_text_is_split_at_the_semicolons_that_end_a_statement(whole: list[str], rest: str) -> None:
    """Whatever stands in the statements; what is not ended stays."""
    whole = [f"s{part}" for part in whole]
    assert statements("".join(f"{part};" for part in whole) + rest) == ([part.strip() for part in whole], rest)
