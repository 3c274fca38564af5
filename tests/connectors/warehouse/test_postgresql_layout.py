"""The tables of a PostgreSQL warehouse: those of the schemas, migrated in place, or refused with what to run."""

from typing import Any

import pytest

from connectors.warehouse.loading import IncompatibleWarehouse
from schemas.marts import WAREHOUSE_TABLES
from schemas.tables import SESSION_HISTORY, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, USERS
from tests.connectors.warehouse.conftest import Tried
from tests.connectors.warehouse.loads import load, nights, rows_of, start_of
from tests.connectors.warehouse.test_duckdb import version, with_unit
from tests.schemas.fhir.rows import epochs, user

STAGES = [0, 0, 1, 2, 2, 3, -1]
TYPES = {
    ("sleep_sessions", "start_time"): "timestamp with time zone",
    ("sleep_sessions", "night_of"): "date",
    ("sleep_sessions", "peculiarities"): "text[]",
    ("sleep_sessions", "total_sleep_time_s"): "bigint",
    ("sleep_sessions", "sleep_efficiency"): "double precision",
    ("sleep_hypnograms", "sleep_stages"): "smallint[]",
    ("average_stats", "bedtime"): "time without time zone",
    ("users", "user_id"): "text",
    ("users", "to_be_deleted"): "boolean",
}


def columns(tried: Tried) -> list[tuple[Any, ...]]:
    """Table, column, whether nulls are allowed and comment of every column, in order."""
    return tried.ask(
        "SELECT c.relname, a.attname, NOT a.attnotnull, col_description(c.oid, a.attnum) FROM pg_class c "
        "JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = '{schema}'::regnamespace AND a.attnum > 0 "
        "AND c.relkind = 'r' AND NOT a.attisdropped ORDER BY c.relname COLLATE \"C\", a.attnum"
    )


def test_tables_have_the_columns_types_keys_and_comments_of_the_schemas(tried: Tried) -> None:
    """Every column in its order, NOT NULL where it is required, with its meaning and unit as comment."""
    load(tried.warehouse, USERS, [])
    tables = sorted(WAREHOUSE_TABLES, key=lambda table: table.name)
    assert columns(tried) == [
        (table.name, field.name, field.nullable, with_unit(table.description(field.name), table.unit(field.name)))
        for table in tables
        for field in table.schema
    ]
    types = tried.ask(
        "SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "JOIN pg_class c ON c.oid = attrelid WHERE c.relnamespace = '{schema}'::regnamespace"
    )
    found = {(table.removeprefix(f"{tried.schema}."), column): type_name for table, column, type_name in types}
    assert found.items() >= TYPES.items()
    comments = tried.ask(
        "SELECT obj_description(oid, 'pg_class') FROM pg_class "
        "WHERE relnamespace = '{schema}'::regnamespace AND relkind = 'r' ORDER BY relname COLLATE \"C\""
    )
    assert comments == [(f"One row is {table.row}.",) for table in tables]
    keys = tried.ask(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = '{schema}'::regnamespace "
        "AND contype = 'p' ORDER BY conrelid::regclass::text COLLATE \"C\""
    )
    told = [(definition.replace('"', ""),) for (definition,) in keys]  # a key may have a word of SQL for a name
    assert told == [(f"PRIMARY KEY ({', '.join(table.key)})",) for table in tables]


def test_sessions_are_told_as_they_were_at_a_moment(tried: Tried) -> None:
    """By the history: neither versions of before or after nor deletions; the columns are those of the sessions."""
    first, second, gone = start_of(11), start_of(12), start_of(13)
    row: dict[str, Any] = {"start_time": start_of(10), "start_date": start_of(10).date()}
    history = [
        version(**row, revision=1, seen_at=first, valid_from=first, valid_to=second, awakenings=1),
        version(**row, revision=2, seen_at=second, valid_from=second, valid_to=gone, awakenings=2),
        version(**row, revision=3, seen_at=gone, valid_from=gone, valid_to=None, reason="deleted"),
    ]
    load(tried.warehouse, SESSION_HISTORY, history)
    columns = "revision, awakenings, fetched_at"
    with tried.warehouse.read() as reader:
        found = [
            reader.execute(f"SELECT {columns} FROM sleep_sessions_as_of('{moment}')").fetchall()  # noqa: S608 - ours
            for moment in (start_of(10), first, second, gone)
        ]
        answer = reader.execute("SELECT * FROM sleep_sessions_as_of('2025-03-12 00:00:00+00')")
    assert found == [[], [(1, 1, first)], [(2, 2, second)], []]
    assert [column[0] for column in answer.description or []] == SLEEP_SESSIONS.schema.names


def test_an_older_warehouse_gets_tables_and_columns_in_place(tried: Tried) -> None:
    """With comments, types and the function that returns them; rows of before have null until they are loaded again."""
    days = [start_of(10).date(), start_of(11).date()]
    world = {"old": (start_of(10), STAGES), "new": (start_of(11), STAGES)}
    tried.warehouse.load_nights(nights(world, days[:1]))
    made = columns(tried)
    tried.ask(
        "DROP FUNCTION {schema}.sleep_sessions_as_of; DROP VIEW {schema}.sleep_epochs; DROP TABLE {schema}.users; "
        "ALTER TABLE {schema}.sleep_sessions DROP COLUMN provider_agreement, DROP COLUMN awakenings; "
        "ALTER TABLE {schema}.session_history DROP COLUMN awakenings"
    )
    tried.warehouse.load_nights(nights(world, days[1:]))
    assert sorted(columns(tried)) == sorted(made)
    sessions = {row["session_id"]: row for row in rows_of(tried.warehouse, SLEEP_SESSIONS)}
    assert [sessions[name]["provider_agreement"] for name in ("old", "new")] == [None, "exact"]
    with tried.warehouse.read() as reader:
        answer = reader.execute("SELECT * FROM sleep_sessions_as_of('2026-01-01 00:00:00+00')")
        names = [column[0] for column in answer.description or []]
        found = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
        assert len(reader.execute("SELECT * FROM sleep_epochs").fetchall()) == 2 * len(STAGES)
    assert names[-2:] == ["awakenings", "provider_agreement"]
    assert {row["session_id"]: row["awakenings"] for row in found} == {"old": None, "new": sum(STAGES)}
    tried.warehouse.load_nights(nights(world, days))
    assert {row["awakenings"] for row in rows_of(tried.warehouse, SLEEP_SESSIONS)} == {sum(STAGES)}


def test_columns_and_tables_of_others_stay(tried: Tried) -> None:
    """What an analyst has added is neither dropped nor emptied, and is no part of what is loaded."""
    load(tried.warehouse, USERS, [user()])
    tried.ask(
        "ALTER TABLE {schema}.users ADD COLUMN remark text; UPDATE {schema}.users SET remark = 'mine'; "
        "ALTER TABLE {schema}.sleep_sessions ADD COLUMN remark text; CREATE TABLE {schema}.mine (a int)"
    )
    load(tried.warehouse, USERS, [user(gender="male")])
    assert tried.ask("SELECT gender, remark FROM {schema}.users") == [("male", "mine")]
    assert tried.ask("SELECT count(*) FROM {schema}.mine") == [(0,)]
    assert tried.ask("SELECT remark FROM {schema}.sleep_sessions_as_of(now())") == []


INCOMPATIBLE = {
    "type": (
        "ALTER TABLE {schema}.users ALTER COLUMN birth_year TYPE text",
        "users.birth_year is text instead of bigint",
    ),
    "list": (
        "DROP VIEW {schema}.sleep_epochs; "
        "ALTER TABLE {schema}.sleep_hypnograms ALTER COLUMN sleep_stages TYPE bigint[] USING sleep_stages::bigint[]; "
        "CREATE VIEW {schema}.sleep_epochs AS SELECT sleep_stages FROM {schema}.sleep_hypnograms",
        "sleep_hypnograms.sleep_stages is bigint[] instead of smallint[]",
    ),
    "key": (
        "ALTER TABLE {schema}.users DROP CONSTRAINT users_pkey, ADD CONSTRAINT other PRIMARY KEY (user_id)",
        "users has the key (user_id) instead of (source, user_id)",
    ),
    "no key": (
        "ALTER TABLE {schema}.users DROP CONSTRAINT users_pkey",
        "users has the key () instead of (source, user_id)",
    ),
    "nulls": (
        "ALTER TABLE {schema}.users ALTER COLUMN gender SET NOT NULL",
        "users.gender does not take nulls",
    ),
    "own column": (
        'ALTER TABLE {schema}.users ADD COLUMN "my own" int NOT NULL DEFAULT 1; '
        'ALTER TABLE {schema}.users ALTER COLUMN "my own" DROP DEFAULT',
        "users has a column of its own that does not take nulls",
    ),
    "somebody's table": (
        "DROP TABLE {schema}.users; CREATE TABLE {schema}.users (id int PRIMARY KEY); "
        "INSERT INTO {schema}.users VALUES (1)",
        "users has no source",
    ),
}


@pytest.mark.parametrize("kind", INCOMPATIBLE)
def test_an_incompatible_table_is_refused_with_the_statement_to_run(tried: Tried, kind: str) -> None:
    """Nothing is changed before; after the statement has been run, the load succeeds."""
    change, problem = INCOMPATIBLE[kind]
    load(tried.warehouse, USERS, [user()])
    load(tried.warehouse, SLEEP_HYPNOGRAMS, [epochs()])
    tried.ask(change)
    before = columns(tried), tried.ask("SELECT * FROM {schema}.users")
    with pytest.raises(IncompatibleWarehouse) as refused:
        load(tried.warehouse, USERS, [user(gender="male", birth_year=None)])
    assert str(refused.value) == (
        f"The warehouse's tables do not fit this release ({problem}): nothing was loaded; let their owner run "
        f"`{refused.value.statement}`, then run again."
    )
    assert not refused.value.may_pass
    assert (columns(tried), tried.ask("SELECT * FROM {schema}.users")) == before
    tried.ask(refused.value.statement)
    load(tried.warehouse, USERS, [user(gender="male", birth_year=None)])
    assert rows_of(tried.warehouse, USERS) == [user(gender="male", birth_year=None)]
    assert rows_of(tried.warehouse, SLEEP_HYPNOGRAMS) == [epochs()]
