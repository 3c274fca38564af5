"""Raw: every document as received, in zstd Parquet, append-only. All else is rebuilt from here without an API call.

Files lie at ``raw/<source>/<document>/date=YYYY-MM-DD/<digest of the content>.parquet``: the same documents give the
same file, so a pull that was killed and repeated does not double them, and a damaged byte is noticed. What a document
means is not known here.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import NightshiftError
from connectors.failpoints import failpoint
from connectors.lake.publish import publish

HTTP_OK = 200
NOT_FOUND = 404

RAW_SCHEMA = pa.schema(
    [
        ("org_id", pa.string()),
        ("source", pa.string()),
        ("document", pa.string()),
        ("user_id", pa.string()),
        ("document_id", pa.string()),
        ("status", pa.int16()),
        ("fetched_at", pa.timestamp("us", tz="UTC")),
        ("raw_sha256", pa.string()),
        ("content_hash", pa.string()),
        ("reason", pa.string()),
        ("body", pa.binary()),
    ]
)


class RawDamaged(NightshiftError):
    """A raw file's bytes are not those that were written."""


@dataclass(frozen=True, slots=True)
class RawDocument:
    """One answer as received. ``status`` 404 is a tombstone: the vendor said that the document is no more.

    ``reason`` says why it was kept (a word of ``schemas.documents``); files of older releases do not have it.
    """

    org_id: str
    source: str
    document: str
    user_id: str
    document_id: str
    date: date
    status: int
    fetched_at: datetime
    content_hash: str
    body: bytes
    reason: str | None = None

    def __repr__(self) -> str:
        return f"RawDocument(document={self.document}, date={self.date}, status={self.status})"

    @property
    def raw_sha256(self) -> str:
        """SHA-256 of the bytes as received."""
        return sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class CurrentDocument:
    """The version of a document that counts, with its revision (1 = first) and when that version was first fetched."""

    document: RawDocument
    revision: int
    fetched_at: datetime

    @property
    def deleted(self) -> bool:
        """Whether the newest answer is a tombstone."""
        return self.document.status == NOT_FOUND


class RawStore:
    """The raw documents under ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def append(self, documents: Iterable[RawDocument]) -> int:
        """Add documents durably, one file for each source, kind and date; the number of new files.

        Raises: DiskUnavailable.
        """
        groups: dict[Path, list[RawDocument]] = defaultdict(list)
        for document in documents:
            groups[self._folder(document.source, document.document, document.date)].append(document)
        written = 0
        for folder, group in sorted(groups.items()):
            content = _encode(sorted(group, key=_order))
            written += publish(folder / f"{_digest(content)}.parquet", content)
            failpoint("raw.appended")
        return written

    def current(self, source: str, document: str, day: date) -> list[CurrentDocument]:
        """The newest version of every document of a date, tombstones included, ordered by user and document.

        Raises: RawDamaged.
        """
        return _newest(self._read(self._folder(source, document, day), day))

    def current_of_all_dates(self, source: str, document: str) -> list[CurrentDocument]:
        """The newest version of every document of a kind, whatever its date."""
        documents: list[RawDocument] = []
        for folder in sorted((self._root / source / document).glob("date=*")):
            documents += self._read(folder, date.fromisoformat(folder.name.removeprefix("date=")))
        return _newest(documents)

    def dates(self, source: str, document: str) -> list[date]:
        """The dates that have documents of a kind, in order."""
        folders = (self._root / source / document).glob("date=*")
        return sorted(date.fromisoformat(folder.name.removeprefix("date=")) for folder in folders)

    def _folder(self, source: str, document: str, day: date) -> Path:
        return self._root / source / document / f"date={day.isoformat()}"

    def _read(self, folder: Path, day: date) -> list[RawDocument]:
        paths = sorted(folder.glob("[!.]*.parquet"))
        return [RawDocument(date=day, **row) for path in paths for row in _rows(path)]


def _order(document: RawDocument) -> tuple[str, str, datetime, str, int, bytes, str, str]:
    # Down to the last field, so that it does not matter in which files, or in which order, documents came.
    return (
        document.user_id,
        document.document_id,
        document.fetched_at,
        document.content_hash,
        document.status,
        document.body,
        document.org_id,
        document.reason or "",
    )


def _newest(documents: list[RawDocument]) -> list[CurrentDocument]:
    documents.sort(key=_order)
    same = groupby(documents, key=lambda document: (document.user_id, document.document_id))
    return [_current_version(list(versions)) for _, versions in same]


def _current_version(versions: list[RawDocument]) -> CurrentDocument:
    revision, first = 0, versions[0]
    for version in versions:
        if revision == 0 or version.content_hash != first.content_hash:
            revision, first = revision + 1, version
    return CurrentDocument(first, revision, first.fetched_at)


def _rows(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    if _digest(content) != path.stem:
        raise RawDamaged(
            f"A raw file of {path.parent.parent.name} on {path.parent.name.removeprefix('date=')} is damaged on disk "
            f"({path.name}): restore that file from a copy; nothing was built from it."
        )
    columns = [name for name in RAW_SCHEMA.names if name != "raw_sha256"]
    rows: list[dict[str, Any]] = pq.ParquetFile(pa.BufferReader(content)).read(columns).to_pylist()
    return rows


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:24]


def _encode(documents: Sequence[RawDocument]) -> bytes:
    rows = [{name: getattr(document, name) for name in RAW_SCHEMA.names} for document in documents]
    buffer = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=RAW_SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()
