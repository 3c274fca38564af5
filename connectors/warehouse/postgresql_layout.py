"""The tables of a PostgreSQL warehouse: made, compared with those of this release, and brought up to it in place.

Nothing is ever dropped, and nothing is done that would hold up a reader when all is as it should be. What cannot be
changed without risk to what is in the tables is refused with the statement to run.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from connectors.warehouse.loading import IncompatibleWarehouse
from schemas.documents import DELETED
from schemas.marts import WAREHOUSE_TABLES
from schemas.stages import STAGE_NAMES
from schemas.tables import (
    LAKE_TABLES,
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    Table,
)

if TYPE_CHECKING:
    import psycopg

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

_TYPES: dict[pa.DataType, Any] = {
    # Keys compare byte by byte: as DuckDB orders them, quicker, and the same after an update of the server's system.
    pa.string(): sa.Text(collation="C"),
    pa.int64(): sa.BigInteger(),
    pa.float64(): sa.Double(),
    pa.bool_(): sa.Boolean(),
    pa.date32(): sa.Date(),
    pa.time32("ms"): sa.Time(),
    pa.timestamp("us", tz="UTC"): sa.DateTime(timezone=True),
    pa.list_(pa.int8()): postgresql.ARRAY(sa.SmallInteger),
    pa.list_(pa.string()): postgresql.ARRAY(sa.Text(collation="C")),
}
_TYPE_NAMES: dict[pa.DataType, str] = {
    pa.string(): "text",
    pa.int64(): "bigint",
    pa.float64(): "double precision",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    pa.time32("ms"): "time without time zone",
    pa.timestamp("us", tz="UTC"): "timestamp with time zone",
    pa.list_(pa.int8()): "smallint[]",
    pa.list_(pa.string()): "text[]",
}
"""As the server tells them."""

_INDEXED = {
    SLEEP_SESSIONS.name: "start_time",
    SLEEP_HYPNOGRAMS.name: "start_time",
    SESSION_HISTORY.name: "start_date",
    **{table.name: table.partition_column for table in WAREHOUSE_TABLES if table.partition_column},
}
"""What the partitions of a table are told by, so that replacing one does not look through the whole table."""

EPOCHS = "sleep_epochs"
AS_OF = "sleep_sessions_as_of"


@dataclass(slots=True)
class _Found:
    """A table or view as it is in the warehouse; of each column: type, NOT NULL, whether it has a default, comment."""

    comment: str
    columns: dict[str, tuple[str, bool, bool, str]] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    key_name: str = ""


def quoted(name: str) -> str:
    """A name for use in SQL."""
    return '"' + name.replace('"', '""') + '"'


def columns_of(table: Table, prefix: str = "") -> str:
    """The columns of a table for use in SQL, each with a prefix."""
    return ", ".join(f"{prefix}{name}" for name in table.schema.names)


def prepare(connection: "psycopg.Connection[Any]", schema: str) -> None:
    """Make or migrate the tables of a schema, in the transaction that is open and holds the warehouse's lock.

    Raises: IncompatibleWarehouse; psycopg.Error.
    """
    if not _one(connection, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)", schema):
        connection.execute(f"CREATE SCHEMA {quoted(schema)}")
    found = _found(connection, schema)
    differences = [
        difference
        for table in WAREHOUSE_TABLES
        if table.name in found
        for difference in _differences(schema, table, found[table.name])
    ]
    if differences:
        statement = " ".join(f"{repair};" for _, repair in differences)
        what = ", ".join(problem for problem, _ in differences)
        raise IncompatibleWarehouse(
            f"The warehouse's tables do not fit this release ({what}): nothing was loaded; let their owner run "
            f"`{statement}`, then run again.",
            statement,
        )
    metadata = sa.MetaData(schema=schema)
    for table in WAREHOUSE_TABLES:
        if table.name not in found:
            _create(connection, table, metadata)
        _add_columns(connection, schema, table, found)
        _comment(connection, schema, table, found)
    _define(connection, schema, found)


def has_tables(connection: "psycopg.Connection[Any]", schema: str) -> bool:
    """Whether the tables of the lake are there; the marts may be still to come."""
    names = [table.name for table in LAKE_TABLES]
    count = "SELECT count(*) FROM pg_tables WHERE schemaname = %s AND tablename = ANY(%s)"
    return bool(_one(connection, count, schema, names) == len(names))


def _one(connection: "psycopg.Connection[Any]", query: str, *values: object) -> Any:
    row = connection.execute(query, values).fetchone()
    return row[0] if row else None


def _found(connection: "psycopg.Connection[Any]", schema: str) -> dict[str, _Found]:
    found: dict[str, _Found] = {}
    for table, comment, column, *about in connection.execute(_COLUMNS, [schema]).fetchall():
        found.setdefault(table, _Found(comment)).columns[column] = tuple(about)
    for table, key_name, key in connection.execute(_KEYS, [schema]).fetchall():
        found[table].key, found[table].key_name = tuple(key), key_name
    function = f"{quoted(schema)}.{AS_OF}(timestamp with time zone)"
    for (comment,) in connection.execute(_FUNCTION, [function]).fetchall():
        found[AS_OF] = _Found(comment)
    return found


_COLUMNS = """
SELECT c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''), a.attname, format_type(a.atttypid, a.atttypmod),
       a.attnotnull, a.atthasdef OR a.attidentity <> '', coalesce(col_description(c.oid, a.attnum), '')
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY c.relname, a.attnum
"""
_KEYS = """
SELECT c.relname, p.conname, array_agg(a.attname::text ORDER BY k.place)
FROM pg_constraint p
JOIN pg_class c ON c.oid = p.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(p.conkey) WITH ORDINALITY AS k(number, place)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
WHERE n.nspname = %s AND p.contype = 'p'
GROUP BY c.relname, p.conname
"""
_FUNCTION = "SELECT coalesce(obj_description(oid, 'pg_proc'), '') FROM pg_proc WHERE oid = to_regprocedure(%s)"


def _differences(schema: str, table: Table, found: _Found) -> Iterator[tuple[str, str]]:
    """What cannot be migrated: the problem and the statement that takes it away."""
    place = f"{quoted(schema)}.{table.name}"
    if missing := [name for name in table.key if name not in found.columns]:
        yield f"{table.name} has no {missing[0]}", f"ALTER TABLE {place} RENAME TO {table.name}_old"
        return
    # Before the columns: one that is in the key of an older release takes no nulls as long as it is.
    if found.key != table.key:
        wanted_key = ", ".join(table.key)
        drop = f"DROP CONSTRAINT {quoted(found.key_name)}, " if found.key else ""
        yield (
            f"{table.name} has the key ({', '.join(found.key)}) instead of ({wanted_key})",
            f"ALTER TABLE {place} {drop}ADD PRIMARY KEY ({wanted_key})",
        )
    for column in table.schema:
        if column.name not in found.columns:
            continue
        is_type, is_required, *_ = found.columns[column.name]
        wanted = _TYPE_NAMES[column.type]
        if is_type != wanted:
            # The view reads the hypnograms; the next load makes it again.
            free = f"DROP VIEW IF EXISTS {quoted(schema)}.{EPOCHS}; " if table is SLEEP_HYPNOGRAMS else ""
            yield (
                f"{table.name}.{column.name} is {is_type} instead of {wanted}",
                f"{free}ALTER TABLE {place} ALTER COLUMN {column.name} TYPE {wanted} USING {column.name}::{wanted}",
            )
        if is_required and column.nullable:
            yield (
                f"{table.name}.{column.name} does not take nulls",
                f"ALTER TABLE {place} ALTER COLUMN {column.name} DROP NOT NULL",
            )
    for name, (_, is_required, has_default, _) in found.columns.items():
        if name not in table.schema.names and is_required and not has_default:
            yield (
                f"{table.name} has a column of its own that does not take nulls",
                f"ALTER TABLE {place} ALTER COLUMN {quoted(name)} DROP NOT NULL",
            )


def _create(connection: "psycopg.Connection[Any]", table: Table, metadata: sa.MetaData) -> None:
    columns = [
        sa.Column(
            column.name,
            _TYPES[column.type],
            primary_key=column.name in table.key,
            nullable=column.nullable,
            autoincrement=False,
        )
        for column in table.schema
    ]
    made = sa.Table(table.name, metadata, *columns, sa.PrimaryKeyConstraint(*table.key))
    connection.execute(str(CreateTable(made).compile(dialect=_DIALECT)))
    if indexed := _INDEXED.get(table.name):
        connection.execute(f"CREATE INDEX ON {quoted(metadata.schema or '')}.{table.name} ({indexed})")


def _add_columns(connection: "psycopg.Connection[Any]", schema: str, table: Table, found: dict[str, _Found]) -> None:
    """Columns that a newer release has; they are null until their rows are loaded again, hence no NOT NULL."""
    known = found.setdefault(table.name, _Found("", dict.fromkeys(table.schema.names, ("", False, False, ""))))
    for column in table.schema:
        if column.name not in known.columns:
            made = sa.Column(column.name, _TYPES[column.type])
            definition = f"{made.name} {made.type.compile(dialect=_DIALECT)}"
            _change(connection, f"ALTER TABLE {quoted(schema)}.{table.name} ADD COLUMN {definition}")
            known.columns[column.name] = (_TYPE_NAMES[column.type], False, False, "")


def _change(connection: "psycopg.Connection[Any]", statement: str) -> None:
    # While it waits for a reader to end, all later readers wait behind it.
    connection.execute("SET LOCAL lock_timeout = '60s'")
    connection.execute(statement)


def _comment(connection: "psycopg.Connection[Any]", schema: str, table: Table, found: dict[str, _Found]) -> None:
    place, known = f"{quoted(schema)}.{table.name}", found[table.name]
    if known.comment != (row := f"One row is {table.row}."):
        connection.execute(f"COMMENT ON TABLE {place} IS {_text(row)}")
    for name in table.schema.names:
        unit = table.unit(name)
        told = table.description(name) + (f" Unit: {unit}." if unit else "")
        if known.columns[name][3] != told:
            connection.execute(f"COMMENT ON COLUMN {place}.{name} IS {_text(told)}")


def _define(connection: "psycopg.Connection[Any]", schema: str, found: dict[str, _Found]) -> None:
    """Make the view and the function where they are not as they should be, which their comments tell."""
    place = quoted(schema)
    view = f"CREATE OR REPLACE VIEW {place}.{EPOCHS} AS {_EPOCHS.format(schema=place)}"
    told = f"One row is an epoch of a session. Definition {_digest(view)}."
    if EPOCHS not in found or found[EPOCHS].comment != told:
        _change(connection, view)
        connection.execute(f"COMMENT ON VIEW {place}.{EPOCHS} IS {_text(told)}")
    # In the order of the table as it is, where columns of newer releases stand last.
    columns = ", ".join(_as_of_column(name, about[0]) for name, about in found[SLEEP_SESSIONS.name].columns.items())
    function = (
        f"CREATE OR REPLACE FUNCTION {place}.{AS_OF}(moment timestamp with time zone) "
        f"RETURNS SETOF {place}.{SLEEP_SESSIONS.name} LANGUAGE sql STABLE AS "
        f"{_text(_AS_OF_QUERY.format(schema=place, columns=columns))}"
    )
    told = f"The rows of sleep_sessions as they counted at that moment. Definition {_digest(function)}."
    if AS_OF not in found or found[AS_OF].comment != told:
        _change(connection, function)
        connection.execute(f"COMMENT ON FUNCTION {place}.{AS_OF}(timestamp with time zone) IS {_text(told)}")


def _as_of_column(name: str, type_name: str) -> str:
    if name not in SLEEP_SESSIONS.schema.names:
        return f"NULL::{type_name}"
    return "seen_at" if name == "fetched_at" else name


def _digest(statement: str) -> str:
    return hashlib.sha256(statement.encode()).hexdigest()[:12]


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_STAGE_CASES = " ".join(f"WHEN {code} THEN {_text(name)}" for code, name in STAGE_NAMES.items())

_EPOCHS = f"""
SELECT
    h.source,
    h.user_id,
    h.session_id,
    e.place - 1 AS epoch,
    h.start_time + (e.place - 1) * h.epoch_s * interval '1 second' AS start_time,
    e.sleep_stage,
    CASE e.sleep_stage {_STAGE_CASES} END AS stage,
    h.breath_stages[e.place::integer] AS breath_stage,
    h.snoring_stages[e.place::integer] AS snoring_stage
FROM {{schema}}.{SLEEP_HYPNOGRAMS.name} AS h
CROSS JOIN LATERAL unnest(h.sleep_stages) WITH ORDINALITY AS e(sleep_stage, place)
"""  # noqa: S608 - every name in it is ours

_AS_OF_QUERY = f"""
SELECT {{columns}}
FROM {{schema}}.{SESSION_HISTORY.name}
WHERE valid_from <= moment
  AND (valid_to IS NULL OR valid_to > moment)
  AND reason <> {_text(DELETED)}
"""  # noqa: S608 - every name in it is ours
