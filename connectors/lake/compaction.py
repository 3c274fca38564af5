"""Compaction: one raw file in the place of the many of a closed day, with every document as it was.

The new file is durable before the first old one goes, and identical documents are one version wherever they lie: so a
compaction that is killed anywhere is simply run again, and what is appended meanwhile stays as it is. One compaction of
a home runs at a time (its caller holds a lock); readers and pulls need none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from connectors.errors import NightshiftError
from connectors.failpoints import failpoint
from connectors.lake.damage import DamagedFile
from connectors.lake.publish import publish, retract
from connectors.lake.raw import (
    RAW_SCHEMA,
    RawDamaged,
    RawDocument,
    RawFolder,
    RawStore,
    decode,
    encode,
    file_name,
    read_file,
)


class NotCompactable(NightshiftError):
    """Merging these files would lose something."""


@dataclass(slots=True)
class Compaction:
    """Files and bytes of the closed days before and after; ``damaged`` are why a day was left as it was."""

    days: int = 0
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    damaged: list[DamagedFile] = field(default_factory=list)


def compact(raw: RawStore, before: date, *, dry_run: bool = False) -> Compaction:
    """Merge the files of every source, kind and date before ``before``; ``dry_run``: only say what would come of it.

    Raises: NotCompactable, DiskUnavailable; what is merged by then stays merged.
    """
    found = Compaction()
    for folder in raw.folders():
        paths = folder.files()
        if folder.date >= before or not paths:
            continue
        found.days += 1
        size = _size(paths)
        found.files_before += len(paths)
        found.bytes_before += size
        merged = _merged(folder, paths, found.damaged) if len(paths) > 1 else None
        found.files_after += 1 if merged else len(paths)
        found.bytes_after += len(merged) if merged else size
        if merged and not dry_run:
            _replace(folder, paths, merged)
    return found


def _merged(folder: RawFolder, paths: Sequence[Path], damaged: list[DamagedFile]) -> bytes | None:
    """The one file with the documents of all these, each once; None if one of them is damaged."""
    documents: set[RawDocument] = set()
    for path in paths:
        try:
            documents.update(read_file(path, folder.date))
        except RawDamaged:
            damaged.append(DamagedFile(folder.source, folder.document, folder.date, path))
            return None
        if not set(pq.read_schema(path).names) <= set(RAW_SCHEMA.names):
            raise NotCompactable("Raw holds files of a newer Nightshift: compact with that version.")
    content = encode(documents)
    if set(decode(content, folder.date)) != documents:
        raise NotCompactable(
            f"The files of {folder.document} on {folder.date} do not come back from one file as they are: they were "
            "left alone. Please report this."
        )
    return content


def _replace(folder: RawFolder, paths: Sequence[Path], content: bytes) -> None:
    whole = folder.path / file_name(content)
    publish(whole, content)
    failpoint("compaction.merged")
    for path in paths:
        if path != whole:
            retract(path)
            failpoint("compaction.removed")


def _size(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths)
