"""Damaged raw files: finding them, keeping them as evidence, and setting them aside once what they held is there again.

Evidence lies beside the other files, under a name that is not read. Nothing is deleted here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path

from connectors.failpoints import failpoint
from connectors.lake.publish import DiskUnavailable, publish
from connectors.lake.raw import RawStore, is_damaged

ASIDE = ".damaged"


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A raw file whose bytes are not those that were written."""

    source: str
    document: str
    date: date
    path: Path

    def __str__(self) -> str:
        return f"{self.document}, {self.date}, {self.path.name}"


def find_damaged(raw: RawStore, first: date, last: date) -> list[DamagedFile]:
    """Read every raw file of these inclusive dates and give those that are damaged."""
    return list(_damaged(raw, first, last))


def keep_evidence(file: DamagedFile) -> Path:
    """Copy a damaged file beside itself, under a name that is not read; where to. Raises: DiskUnavailable."""
    try:
        content = file.path.read_bytes()
    except OSError:
        content = b""  # the disk cannot read it any more; the file itself goes there later
    names = (f"{file.path.name}{ASIDE}{number or ''}" for number in count())
    place = next(path for path in map(file.path.with_name, names) if not path.exists() or path.read_bytes() == content)
    publish(place, content)
    return place


def set_aside(file: DamagedFile, place: Path) -> None:
    """Move a damaged file to ``place``, that of its copy, so that it is not read any more. Raises: DiskUnavailable.

    One that has been written again meanwhile, with the bytes it should have, stays.
    """
    try:
        if is_damaged(file.path):
            file.path.replace(place)  # not durable at once: if it is undone, the file is damaged still, and moved again
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        failpoint("damage.set_aside")
        return
    raise DiskUnavailable(f"A damaged raw file cannot be set aside ({reason}): check the permissions of the home.")


def _damaged(raw: RawStore, first: date, last: date) -> Iterator[DamagedFile]:
    for folder in raw.folders():
        if first <= folder.date <= last:
            for path in folder.files():
                try:
                    damaged = is_damaged(path)
                except FileNotFoundError:
                    continue  # a compaction has read it and put its documents elsewhere
                if damaged:
                    yield DamagedFile(folder.source, folder.document, folder.date, path)
