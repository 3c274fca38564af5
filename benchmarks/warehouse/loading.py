"""Nights into an empty PostgreSQL warehouse: ours, COPY of prepared bytes, and pandas, by turns."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial

import pandas as pd
import psycopg
import pyarrow as pa
import sqlalchemy as sa

from benchmarks.warehouse.costs import Cost
from benchmarks.warehouse.nights import OF_NIGHTS, Tables
from benchmarks.warehouse.server import Server
from connectors.warehouse.postgresql import PostgresWarehouse
from schemas.tables import SLEEP_STAGE_INTERVALS, Table

OURS, COPY = "ours, intervals", "COPY of prepared bytes, intervals"
OURS_ALL, COPY_ALL = "ours, all four tables", "COPY of prepared bytes, all four"
PANDAS = "pandas.to_sql, a sample of intervals"

_A_WRITE = 1 << 18
_OURS, _THEIRS = "bench_ours", "bench_theirs"


def rounds(server: Server, nights: Mapping[date, Tables], number: int, sample_rows: int) -> Iterator[dict[str, Cost]]:
    """What each costs, round by round. Everyone begins with empty tables of our layout, and writes the same rows.

    Raises: AssertionError when they are not the same afterwards.
    """
    for schema in (_OURS, _THEIRS):
        PostgresWarehouse(server.url, schema).load_nights({})
    alone = {day: _nothing_but(SLEEP_STAGE_INTERVALS, tables) for day, tables in nights.items()}
    PostgresWarehouse(server.url, _OURS).load_nights(nights)
    prepared = {table: _bytes(server, table) for table in OF_NIGHTS}
    sample = pa.concat_tables(tables[SLEEP_STAGE_INTERVALS.name] for tables in nights.values())
    frame = sample.slice(0, sample_rows).to_pandas()
    for _ in range(number):
        costs = {}
        for ours, theirs, mine, tables in (
            (OURS, COPY, alone, [SLEEP_STAGE_INTERVALS]),
            (OURS_ALL, COPY_ALL, nights, list(OF_NIGHTS)),
        ):
            _empty(server)
            costs[ours] = server.cost(partial(PostgresWarehouse(server.url, _OURS).load_nights, mine))
            costs[theirs] = server.cost(partial(_copy, server, tables, prepared))
            _check(server, tables)
        _empty(server)
        costs[PANDAS] = server.cost(lambda: _to_sql(server, frame))
        yield costs
    _empty(server)


def _nothing_but(kept: Table, tables: Tables) -> Tables:
    return {name: rows if name == kept.name else rows.slice(0, 0) for name, rows in tables.items()}


def _empty(server: Server) -> None:
    names = ", ".join(f"{schema}.{table.name}" for schema in (_OURS, _THEIRS) for table in OF_NIGHTS)
    server.ask(f"TRUNCATE {names}")


def _bytes(server: Server, table: Table) -> list[bytes]:
    """The rows of a table as the server itself sends them, in the order in which they were loaded."""
    statement = f"COPY {_OURS}.{table.name} TO STDOUT (FORMAT BINARY)"
    with psycopg.connect(server.url) as connection, connection.cursor().copy(statement) as copy:
        all_bytes = b"".join(copy)
    return [all_bytes[first : first + _A_WRITE] for first in range(0, len(all_bytes), _A_WRITE)]


def _copy(server: Server, tables: Sequence[Table], prepared: Mapping[Table, list[bytes]]) -> None:
    with psycopg.connect(server.url) as connection, connection.cursor() as cursor:
        for table in tables:
            with cursor.copy(f"COPY {_THEIRS}.{table.name} FROM STDIN (FORMAT BINARY)") as copy:
                for part in prepared[table]:
                    copy.write(part)


def _to_sql(server: Server, frame: pd.DataFrame) -> None:
    engine = sa.create_engine(sa.make_url(server.url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    frame.to_sql(SLEEP_STAGE_INTERVALS.name, engine, schema=_THEIRS, if_exists="append", index=False)


def _check(server: Server, tables: Sequence[Table]) -> None:
    for table in tables:
        ours, theirs = (
            server.ask(
                f"SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {schema}.{table.name} AS t"  # noqa: S608 - ours
            )
            for schema in (_OURS, _THEIRS)
        )
        assert ours == theirs, f"{table.name}: not the same rows"
