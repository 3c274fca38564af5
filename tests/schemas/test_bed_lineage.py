"""Where the columns of the tables of beds come from: fields that the payloads have, and nothing forgotten."""

from typing import Any

import pytest

from schemas.bed_lineage import POLLED, bed_lineage
from schemas.bed_tables import BED_STATUS, BED_TABLES
from schemas.columns import Table
from schemas.documented_fields import fields_of
from schemas.eight_sleep import BedStatus, Interval, TrendDay

OF_OURS = ("org_id", "source", "user_id", "timezone", "utc_date", "time", "revision", "final_versions", "fetched_at")


def is_field(path: str, fields: Any) -> bool:
    """Whether a payload has the field of a JSON path; of a ``health`` any, which has no shape."""
    names = path.replace("[0]", "").replace("[1]", "").replace("[]", "").split(".")
    for name in names:
        if fields is None:
            return True
        if name not in fields:
            return False
        fields = fields[name]
    return True


@pytest.mark.parametrize("table", BED_TABLES, ids=lambda table: table.name)
def test_every_column_is_the_vendors_or_ours(table: Table) -> None:
    """And the vendor's are fields of its answers."""
    lineage = bed_lineage(table)
    assert [name for name in table.schema.names if name not in lineage and name not in OF_OURS] == []
    assert not lineage.keys() - set(table.schema.names)
    for origin in {origin for origins in lineage.values() for origin in origins}:
        if origin.layer == "lake":
            assert origin.column in BED_STATUS.schema.names
        elif origin.name == POLLED:
            assert is_field(origin.column.removeprefix("$."), fields_of(BedStatus))
        else:
            _, parent, path = origin.column.split(".", 2)
            fields = {"days[]": fields_of(TrendDay), "intervals[]": fields_of(Interval)}[parent]
            assert is_field(path, fields)
