"""How many bytes of Parquet a session takes in the lake, on the fullest UTC date of many simulated users."""

from collections import Counter
from pathlib import Path

from benchmarks.warehouse.nights import documents, hypnograms_of
from connectors.lake.tables import LakeStore
from schemas.tables import SLEEP_HYPNOGRAMS

_USERS, _NIGHTS = 1_200, 2


def hypnograms(root: Path) -> tuple[int, float]:
    """Sessions of the date, and bytes of its file for each; nothing of it is a copy, for copies are smaller."""
    found = documents(_USERS, _NIGHTS)
    ((day, _),) = Counter(document.document.date for document in found).most_common(1)
    rows = hypnograms_of([document for document in found if document.document.date == day])
    lake, partition = LakeStore(root / "sizes"), f"date={day}"
    lake.replace(SLEEP_HYPNOGRAMS, partition, rows)
    return len(rows), lake.path(SLEEP_HYPNOGRAMS, partition).stat().st_size / len(rows)
