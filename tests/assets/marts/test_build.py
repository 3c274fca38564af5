"""Building the marts: from Parquet as from Arrow, in the schemas' types; what is wrong is found."""

from datetime import date

import duckdb
import pyarrow as pa
import pytest

from assets.marts.build import MART_INPUTS, SHARED_QUERIES, Marts, MartsUnavailable, build_marts, mart_sql
from assets.marts.checks import check_marts
from schemas.marts import COHORT_DAYS, MART_TABLES, NIGHTS
from schemas.tables import Table
from tests.assets.marts.recordings import BED, Row, ledger_of, marts_of, session, stages_of

each_mart = pytest.mark.parametrize("table", MART_TABLES, ids=[table.name for table in MART_TABLES])
ROWS = [
    session("night", "3 23:00", "4 07:00", "Asia/Seoul", has_stages="4-stage"),
    session("nap", "3 14:00", "3 14:30", "Asia/Seoul"),
    session("bed", "3 23:00", "4 07:00", "Asia/Seoul", **BED, has_stages="4-stage"),
]
STAGES = [one for row in (ROWS[0], ROWS[2]) for one in stages_of(row, [0, 1, 2, 3] * 240)]
SHARED = [name for names in SHARED_QUERIES.values() for name in names]


@each_mart
def test_each_file_opens_with_what_one_row_is(table: Table) -> None:
    """And the one of the nights says what the main sleep is."""
    first, *rest = mart_sql(table.name).splitlines()
    assert first.startswith(f"-- {table.name}: one row is one ")
    assert any("The main sleep is" in line for line in rest) == (table is NIGHTS)


@pytest.mark.parametrize("name", [*(table.name for table in MART_TABLES), *SHARED])
def test_files_are_in_the_sql_that_other_engines_share(name: str) -> None:
    """Nothing that only DuckDB knows, so that a mart can be computed where the tables are; told in its first line."""
    assert mart_sql(name).startswith(f"-- {name}: one row is one ")
    code = "\n".join(line for line in mart_sql(name).lower().splitlines() if not line.startswith("--"))
    own = ("qualify", "//", "quantile_cont", "median(", "exclude", "group by all", "order by all", "list_", "epoch_us")
    assert not [word for word in own if word in code]


@pytest.mark.parametrize("rows", [[], ROWS], ids=["empty lake", "a night"])
def test_marts_come_in_the_types_of_their_schemas(rows: list[Row]) -> None:
    """Also when there is nothing; with descriptions and units; sorted; sound."""
    marts = marts_of(rows, ledger_of(rows), stages=STAGES if rows else [])
    assert list(marts.tables) == [table.name for table in MART_TABLES]
    for table in MART_TABLES:
        assert marts.tables[table.name].schema.equals(table.schema, check_metadata=True)
        assert bool(marts.tables[table.name].num_rows) == bool(rows)
    assert all(check.passed for check in marts.checks)
    assert marts.sound
    assert "ann" not in repr(marts)


def test_relations_of_the_marts_names_are_hidden_only_for_the_moment() -> None:
    """A warehouse that has the marts of yesterday computes those of today, and is as it was."""
    with duckdb.connect() as connection:
        for table in MART_INPUTS:
            connection.register(table.name, table.schema.empty_table())
        connection.execute("CREATE TABLE nights AS SELECT 1 AS yesterday")
        assert build_marts(connection).tables["nights"].num_rows == 0
        assert connection.execute("SELECT * FROM nights").fetchall() == [(1,)]


def test_an_error_names_nobody() -> None:
    """What the database says can quote values; only its kind is told."""
    with duckdb.connect() as connection:
        for table in MART_INPUTS[1:]:
            connection.register(table.name, table.schema.empty_table())
        connection.execute("CREATE TABLE sleep_sessions AS SELECT 'mallory' AS timezone")
        with pytest.raises(MartsUnavailable, match=r"^The marts cannot be computed \(\w+\): ") as raised:
            build_marts(connection)
    assert "mallory" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


@pytest.fixture(scope="module")
def sound() -> Marts:
    """Marts in which nothing is wrong."""
    return marts_of(ROWS, ledger_of(ROWS), stages=STAGES)


@pytest.mark.parametrize(
    ("mart", "check", "harm"),
    [
        ("nights", "unique_key", "INSERT INTO nights SELECT * FROM nights"),
        ("nights", "not_null", "UPDATE nights SET org_id = NULL"),
        ("nights", "ranges", "UPDATE nights SET sleep_efficiency = 1.5"),
        ("nights", "ranges", "UPDATE nights SET naps = -1"),
        ("nights", "ranges", "UPDATE nights SET recorded_s = 'nan'"),
        ("nights", "every_session_once", "UPDATE nights SET main_session_id = NULL"),
        ("nights", "every_session_once", "UPDATE nights SET overlapped_session_ids = ['nap']"),
        ("nights", "every_session_once", "UPDATE nights SET night_of = night_of + 1"),
        ("nights", "every_expected_night", "DELETE FROM nights"),
        ("nights", "every_expected_night", "UPDATE nights SET verdict = 'pending'"),
        ("nights", "kinds_are_the_sessions", "UPDATE nights SET naps = 2"),
        ("nights", "parts_are_the_recorded_time", "UPDATE nights SET nap_tracked_s = nap_tracked_s + 1"),
        ("nights", "sleep_is_that_of_the_sessions", "UPDATE nights SET asleep_s = asleep_s + 1"),
        ("nights", "main_is_the_ledgers", "UPDATE nights SET main_session_id = 'nap'"),
        ("nights", "every_expected_night", "UPDATE nights SET verdict = NULL"),
        ("nights", "sources_are_those_of_the_sessions", "UPDATE nights SET sources = ['asleep']"),
        ("nights", "sources_are_those_of_the_sessions", "UPDATE nights SET source = 'another'"),
        ("user_weeks", "unique_key", "INSERT INTO user_weeks SELECT * FROM user_weeks"),
        ("user_weeks", "sums_are_those_of_nights", "UPDATE user_weeks SET nights_in_means = 0"),
        ("user_months", "sums_are_those_of_nights", "DELETE FROM user_months"),
        ("cohort_days", "sums_are_those_of_nights", "UPDATE cohort_days SET users_expected = 2"),
        ("cohort_days", "ranges", "UPDATE cohort_days SET total_sleep_time_s_p50 = -1"),
        ("source_agreement_nights", "unique_key", "INSERT INTO source_agreement_nights FROM source_agreement_nights"),
        ("source_agreement_nights", "ranges", "UPDATE source_agreement_nights SET stage_agreement = 1.1"),
        (
            "source_agreement_nights",
            "pairs_are_sessions_of_the_night",
            "UPDATE source_agreement_nights SET phone_session_id = 'nap'",
        ),
        (
            "source_agreement_nights",
            "pairs_are_sessions_of_the_night",
            "UPDATE source_agreement_nights SET unknown_epochs = 3",
        ),
        (
            "source_agreement_nights",
            "kappa_is_between_its_bounds",
            "UPDATE source_agreement_nights SET stage_kappa = 2",
        ),
        ("source_agreement", "sums_are_those_of_nights", "UPDATE source_agreement SET epochs = epochs + 1"),
        ("source_agreement", "sums_are_those_of_nights", "DELETE FROM source_agreement WHERE metric = 'stages'"),
    ],
)
def test_what_is_wrong_is_found(sound: Marts, mart: str, check: str, harm: str) -> None:
    """Each check fails when what it watches over is broken."""
    ledger = ledger_of(ROWS)
    rows = {"sleep_sessions": ROWS, "night_ledger": ledger, "users": [], "sleep_stage_intervals": STAGES}
    with duckdb.connect() as connection:
        for table in MART_INPUTS:
            connection.register(table.name, pa.Table.from_pylist(rows[table.name], schema=table.schema))
        for name, content in sound.tables.items():
            connection.register("content", content)
            connection.execute(f"CREATE TABLE {name} AS SELECT * FROM content")  # noqa: S608 - names are ours
        assert all(found.passed for found in check_marts(connection))
        connection.execute(harm)
        failed = {(found.mart, found.name) for found in check_marts(connection) if not found.passed}
    assert (mart, check) in failed


def test_a_mart_that_is_wrong_by_our_doing_is_not_sound() -> None:
    """Odd figures of the vendor's are told, and do not stop the night."""
    odd = marts_of([ROWS[0] | {"sleep_efficiency": 1.2}])
    assert [check.name for check in odd.checks if not check.passed] == [
        "ranges"
    ] * 3  # a cohort has no mean of it to be wrong
    assert odd.sound
    twice = marts_of([ROWS[0], ROWS[0]])
    assert not twice.sound


def test_a_cohort_names_nobody() -> None:
    """No column of it is an id of a user or of a session."""
    assert not {name for name in COHORT_DAYS.schema.names if "user_id" in name or "session" in name}
    assert marts_of(ROWS, ledger_of(ROWS)).tables["cohort_days"]["night_of"].to_pylist() == [date(2026, 11, 3)]
