"""The doctor on the warehouse: that it is there, can be read by analysts, and has the nights that the lake has."""

from collections.abc import Iterator

from connectors.home import Home
from connectors.warehouse.addresses import DUCKDB
from connectors.warehouse.loading import Warehouse
from pipelines.command.doctor.findings import Finding
from schemas.marts import NIGHTS, WAREHOUSE_TABLES
from schemas.tables import SLEEP_SESSIONS

_LAST_NIGHT = f"SELECT count(*), max(night_of) FROM {NIGHTS.name}"  # noqa: S608 - names are ours
_SYNC = "Run `nightshift sync`: it brings the tables up to date without asking for a night twice."


def warehouse_findings(warehouse: Warehouse, home: Home, url: str | None) -> Iterator[Finding]:
    """Whether it can be read, and how far its nights go; before the first night there is nothing to say.

    Raises: WarehouseUnavailable.
    """
    place = "warehouse.duckdb" if url is None or url.startswith(DUCKDB) else "The database of NIGHTSHIFT_WAREHOUSE_URL"
    if not warehouse.exists():
        has_nights = (home.root / "lake" / SLEEP_SESSIONS.name).is_dir()
        if has_nights:
            yield Finding("warehouse", False, f"{place} is not there, but the lake has nights.", _SYNC)
        return
    with warehouse.read() as reader:
        try:
            for table in WAREHOUSE_TABLES:
                reader.execute(f"SELECT {', '.join(table.schema.names)} FROM {table.name} WHERE 1 = 0").fetchall()  # noqa: S608
            ((count, last),) = reader.execute(_LAST_NIGHT).fetchall()
        except warehouse.query_errors:
            # Its own words are not passed on: they can quote values.
            yield Finding("warehouse", False, f"{place} lacks tables or columns of this release.", _SYNC)
            return
    nights = f"{count} night(s), the last of {str(last)[:10]}" if count else "no nights yet"
    yield Finding("warehouse", True, f"{place} can be read: {nights}.")
