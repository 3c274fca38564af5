"""Sessions analysed again, among a year of nights in PostgreSQL: our merge, and one upsert a row, by turns."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import psycopg
import pyarrow as pa

from benchmarks.warehouse.costs import Cost
from benchmarks.warehouse.nights import OF_NIGHTS, Tables
from benchmarks.warehouse.server import Server
from connectors.warehouse.postgresql import PostgresWarehouse
from schemas.tables import SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS

OURS, ROW_WISE, AGAIN = "our merge", "an upsert a row", "our merge, nothing new"

_OURS, _THEIRS = "bench_merged", "bench_upserted"


def rounds(
    server: Server, year: Mapping[date, Tables], changed: Mapping[date, Tables], number: int
) -> Iterator[dict[str, Cost]]:
    """What each costs, round by round; before each, the year is as it was and vacuumed, as a server does by itself.

    Both are given the same tables of the dates with changes, and write what is in them.
    Raises: AssertionError when they have not the same rows afterwards.
    """
    warehouses = [PostgresWarehouse(server.url, schema) for schema in (_OURS, _THEIRS)]
    ours = warehouses[0]
    for warehouse in warehouses:
        warehouse.load_nights(year)
    before = {day: year[day] for day in changed}
    for _ in range(number):
        for warehouse in warehouses:
            warehouse.load_nights(before)
        server.ask("VACUUM (ANALYZE)")
        costs = {
            OURS: server.cost(lambda: ours.load_nights(changed)),
            ROW_WISE: server.cost(lambda: _upsert(server, changed)),
            AGAIN: server.cost(lambda: ours.load_nights(changed)),
        }
        _check(server)
        yield costs
    for schema in (_OURS, _THEIRS):
        server.ask(f"DROP SCHEMA {schema} CASCADE")


def _upsert(server: Server, nights: Mapping[date, Tables]) -> None:
    """Row by row, as ``executemany`` does without pipelining, then what is no longer there; one transaction."""
    with psycopg.connect(server.url) as connection, connection.cursor() as cursor:
        for table in OF_NIGHTS:
            names = table.schema.names
            changing = ", ".join(f"{name} = excluded.{name}" for name in names if name not in table.key)
            statement = (
                f"INSERT INTO {_THEIRS}.{table.name} ({', '.join(names)}) "  # noqa: S608 - names are ours
                f"VALUES ({', '.join(['%s'] * len(names))}) "
                f"ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {changing}"
            )
            for tables in nights.values():
                for row in _rows(tables[table.name]):
                    cursor.execute(statement, row)
        gone = (
            f"DELETE FROM {_THEIRS}.{SLEEP_STAGE_INTERVALS.name} "  # noqa: S608 - names are ours
            f"WHERE {' AND '.join(f'{name} = %s' for name in SLEEP_SESSIONS.key)} AND first_epoch <> ALL(%s)"
        )
        for tables in nights.values():
            intervals = tables[SLEEP_STAGE_INTERVALS.name].group_by(list(SLEEP_SESSIONS.key))
            for *key, first_epochs in _rows(intervals.aggregate([("first_epoch", "list")])):
                cursor.execute(gone, (*key, first_epochs))


def _rows(table: pa.Table) -> "Iterator[tuple[Any, ...]]":
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _check(server: Server) -> None:
    for table in OF_NIGHTS:
        columns = ", ".join(table.schema.names)
        for one, other in ((_OURS, _THEIRS), (_THEIRS, _OURS)):
            beyond = server.ask(
                f"SELECT {columns} FROM {one}.{table.name} "  # noqa: S608 - names are ours
                f"EXCEPT SELECT {columns} FROM {other}.{table.name} LIMIT 1"
            )
            assert not beyond, f"{table.name}, after the merge"
