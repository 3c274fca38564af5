"""Rows of the tables of beds for the FHIR tests: one plain night, stay and sample, with every column filled."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from schemas.bed_tables import BED_NIGHTS, BED_PRESENCE, BED_SAMPLES
from schemas.columns import Table
from tests.schemas.fhir.rows import ORG_ID, USER_ID

START, END = datetime(2025, 3, 10, 14, 0, tzinfo=UTC), datetime(2025, 3, 10, 22, 0, tzinfo=UTC)
_FIGURES: dict[pa.DataType, Any] = {
    pa.float64(): 47.5,
    pa.int64(): 1,
    pa.string(): "canary",
    pa.list_(pa.string()): ["canary"],
    pa.bool_(): True,
    pa.date32(): date(2025, 3, 11),
    pa.timestamp("us", tz="UTC"): START,
}
_IDS = {"org_id": ORG_ID, "source": "eight_sleep", "user_id": USER_ID, "timezone": "Asia/Seoul"}


def bed_night(**changes: Any) -> dict[str, Any]:
    """A final night of ``bed_nights``, with changes."""
    return _row(BED_NIGHTS, {"presence_end": END, **changes})


def stay(**changes: Any) -> dict[str, Any]:
    """A stay of ``bed_presence`` whose ends were seen, with changes."""
    return _row(BED_PRESENCE, {"end_time": END, "starts_unseen": False, "ends_unseen": False, **changes})


def sample(**changes: Any) -> dict[str, Any]:
    """A moment of ``bed_samples``, with changes."""
    return _row(BED_SAMPLES, changes)


def _row(table: Table, changes: dict[str, Any]) -> dict[str, Any]:
    filled = {field.name: _FIGURES[field.type] for field in table.schema}
    row = filled | {name: value for name, value in _IDS.items() if name in filled} | changes
    found: dict[str, Any] = pa.Table.from_pylist([row], schema=table.schema).to_pylist()[0]
    return found
