"""Whether rows fit their table as the lake keeps them, and whether a refusal keeps to itself what it has seen."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from assets.sources.decoding import Refused
from schemas.tables import Table
from tests.assets.lake.any_document import CANARY


def fits(table: Table, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as the lake would keep them: exactly the table's columns, every required one filled."""
    rows = list(rows)
    assert all(list(row) == table.schema.names for row in rows)
    kept = pa.Table.from_pylist(rows, schema=table.schema)
    assert all(field.nullable or kept[field.name].null_count == 0 for field in table.schema)
    return kept.to_pylist()  # type: ignore[no-any-return]


def tells_nothing(refused: Refused) -> None:
    """One sentence and a path, without what was put into the document."""
    assert refused.explanation.endswith(".")
    assert refused.path.startswith("$")
    assert not any(CANARY in text for text in (refused.explanation, refused.path, repr(refused)))
