"""Raw: every document as received, in zstd Parquet, append-only. All else is rebuilt from here without an API call.

Files lie at ``raw/<source>/<document>/date=YYYY-MM-DD/<digest of the content>.parquet``: the same documents give the
same file, so a pull that was killed and repeated does not double them, and a damaged byte is noticed. A compaction
may put one file in the place of many at any time (``compaction``). What a document means is not known here.

A document may move to another date: then both dates have a ``MOVED`` document that names both, durable before its first
version under the new one. Its versions are one history, wherever they lie; it is read under the date of the newest one,
and under no other.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from errno import EIO
from hashlib import sha256
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import NightshiftError
from connectors.failpoints import failpoint
from connectors.lake.publish import publish
from schemas import documents as kinds

HTTP_OK = 200
NOT_FOUND = 404
MOVED = 301
"""Status of what is not an answer, but our own note that a document lies, or has lain, under two dates."""

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
        ("known_revision", pa.int32()),
        ("known_since", pa.timestamp("us", tz="UTC")),
        ("body", pa.binary()),
    ]
)


class RawDamaged(NightshiftError):
    """A raw file's bytes are not those that were written."""


@dataclass(frozen=True, slots=True)
class RawDocument:
    """One answer as received. ``status`` 404 is a tombstone (the vendor said that the document is no more), 301 a note.

    ``reason`` says why it was kept (a word of ``schemas.documents``). ``known_revision`` and ``known_since`` are of a
    document that was fetched again because its file was damaged: which revision it is and when that was first fetched,
    as the ledger knows it; the bytes came at ``fetched_at``. One that has moved has the first of them too, in case
    that what is under the old date gets lost. Files of older releases have none of the three.
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
    known_revision: int | None = None
    known_since: datetime | None = None

    def __repr__(self) -> str:
        return f"RawDocument(document={self.document}, date={self.date}, status={self.status})"

    @property
    def raw_sha256(self) -> str:
        """SHA-256 of the bytes as received."""
        return sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class CurrentDocument:
    """A version of a document, mostly the one that counts, with its revision (1 = first) and its first fetch."""

    document: RawDocument
    revision: int
    fetched_at: datetime

    @property
    def deleted(self) -> bool:
        """Whether the answer is a tombstone."""
        return self.document.status == NOT_FOUND


class Move(msgspec.Struct, frozen=True):
    """What a ``MOVED`` document says: under which date a document lay, and under which it lies from then on."""

    was: date
    now: date


def moved(document: RawDocument, was: date) -> list[RawDocument]:
    """What raw must have for a document that lay under ``was`` and goes to another date: the note, under both dates."""
    body = msgspec.json.encode(Move(was, document.date))
    note = replace(
        document,
        status=MOVED,
        content_hash=f"moved:{was}:{document.date}",
        body=body,
        reason=kinds.MOVED,
        known_revision=None,
        known_since=None,
    )
    return [replace(note, date=was), note]


class RawFolder(NamedTuple):
    """The place of the documents of a source, kind and UTC date."""

    source: str
    document: str
    date: date
    path: Path

    def files(self) -> list[Path]:
        """Its files, in order; what a killed process left and what was set aside is not among them."""
        return sorted(self.path.glob("[!.]*.parquet"))


class RawStore:
    """The raw documents under ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def append(self, documents: Iterable[RawDocument]) -> int:
        """Add documents durably, one file for each source, kind and date; the number of new files.

        Notes of moves come first, in files of their own: who reads between two files sees a document under one date.

        Raises: DiskUnavailable.
        """
        documents = list(documents)
        notes = [document for document in documents if document.status == MOVED]
        return self._append(notes) + self._append(document for document in documents if document.status != MOVED)

    def _append(self, documents: Iterable[RawDocument]) -> int:
        groups: dict[Path, list[RawDocument]] = defaultdict(list)
        for document in documents:
            groups[self._folder(document.source, document.document, document.date).path].append(document)
        written = 0
        for folder, group in sorted(groups.items()):
            content = encode(group)
            written += publish(folder / file_name(content), content)
            failpoint("raw.appended")
        return written

    def current(self, source: str, document: str, day: date) -> list[CurrentDocument]:
        """The newest version of every document of a date, tombstones included, ordered by user and document.

        What has moved on to another date is not among them. Raises: RawDamaged.
        """
        return [versions[-1] for versions in self.versions(source, document, day)]

    def versions(self, source: str, document: str, day: date) -> list[list[CurrentDocument]]:
        """Every version of every document of a date, tombstones included: by user and document, oldest first.

        A document that has moved here brings its versions from other dates; one that has moved on is left out. The
        same content fetched again is the same version. Raises: RawDamaged.
        """
        return _lying_under(day, self._gathered(self._folder(source, document, day))[0])

    def readable_versions(self, source: str, document: str, day: date) -> list[list[CurrentDocument]]:
        """As ``versions``, of the files that can be read: for a repair only, because what is damaged may be newer."""
        return _lying_under(day, self._gathered(self._folder(source, document, day), skip_damaged=True)[0])

    def readable(self, source: str, document: str, day: date) -> list[CurrentDocument]:
        """As ``current``, of the files that can be read: for a repair only, because what is damaged may be newer."""
        return [versions[-1] for versions in self.readable_versions(source, document, day)]

    def dates_beside(self, source: str, document: str, day: date) -> set[date]:
        """The other dates under which documents of a date lie or have lain, directly or not. Raises: RawDamaged."""
        return self._gathered(self._folder(source, document, day))[1]

    def notes_of_moves(self, source: str, document: str, day: date) -> set[RawDocument]:
        """Every note of a move from or to a date, under whichever date, of the files that can be read."""
        folders = [self._folder(source, document, there) for there in self.dates(source, document)]
        found = (note for folder in folders for note in _read(folder, skip_damaged=True) if note.status == MOVED)
        return {note for note in found if day in _dates_in(note)}

    def current_of_all_dates(self, source: str, document: str) -> list[CurrentDocument]:
        """The newest version of every document of a kind, whatever its date."""
        return self._of_all_dates(source, document, skip_damaged=False)

    def readable_of_all_dates(self, source: str, document: str) -> list[CurrentDocument]:
        """As ``current_of_all_dates``, of the files that can be read: for a repair only."""
        return self._of_all_dates(source, document, skip_damaged=True)

    def dates(self, source: str, document: str) -> list[date]:
        """The dates that have documents of a kind, in order."""
        folders = (self._root / source / document).glob("date=*")
        return sorted(date.fromisoformat(folder.name.removeprefix("date=")) for folder in folders)

    def folders(self) -> list[RawFolder]:
        """Every source, kind and date there is a folder of, in order."""
        paths = sorted(self._root.glob("*/*/date=*"))
        return [
            RawFolder(
                path.parent.parent.name, path.parent.name, date.fromisoformat(path.name.removeprefix("date=")), path
            )
            for path in paths
        ]

    def _folder(self, source: str, document: str, day: date) -> RawFolder:
        return RawFolder(source, document, day, self._root / source / document / f"date={day.isoformat()}")

    def _gathered(self, folder: RawFolder, *, skip_damaged: bool = False) -> tuple[list[RawDocument], set[date]]:
        """The documents of a date, with what those that have moved have under others; and these other dates."""
        found = _read(folder, skip_damaged=skip_damaged)
        moving = {_key(note) for note in found if note.status == MOVED}
        read = {folder.date}
        while unread := {day for note in found if note.status == MOVED for day in _dates_in(note)} - read:
            for day in sorted(unread):
                there = _read(self._folder(folder.source, folder.document, day), skip_damaged=skip_damaged)
                found += [document for document in there if _key(document) in moving]
            read |= unread
        return found, read - {folder.date}

    def _of_all_dates(self, source: str, document: str, *, skip_damaged: bool) -> list[CurrentDocument]:
        folders = [self._folder(source, document, day) for day in self.dates(source, document)]
        found = [document for folder in folders for document in _read(folder, skip_damaged=skip_damaged)]
        return [versions[-1] for versions in _histories(found)]


def read_file(path: Path, day: date) -> list[RawDocument]:
    """The documents of one file. Raises: RawDamaged; FileNotFoundError if a compaction took it meanwhile."""
    return decode(_sound_content(path), day)


def is_damaged(path: Path) -> bool:
    """Whether a file's bytes are not those that were written. Raises: FileNotFoundError."""
    try:
        _sound_content(path)
    except RawDamaged:
        return True
    return False


def encode(documents: Iterable[RawDocument]) -> bytes:
    """The file of these documents; in whatever order they come, it is the same."""
    rows = [{name: getattr(document, name) for name in RAW_SCHEMA.names} for document in sorted(documents, key=_order)]
    buffer = BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=RAW_SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()


def decode(content: bytes, day: date) -> list[RawDocument]:
    """The documents of a file's bytes."""
    columns = [name for name in RAW_SCHEMA.names if name != "raw_sha256"]
    rows: list[dict[str, Any]] = pq.ParquetFile(pa.BufferReader(content)).read(columns, use_threads=False).to_pylist()
    return [RawDocument(date=day, **row) for row in rows]


def file_name(content: bytes) -> str:
    """The name of the file with these bytes."""
    return f"{_digest(content)}.parquet"


def _read(folder: RawFolder, *, skip_damaged: bool = False) -> list[RawDocument]:
    # A compaction adds a file, then removes those it is made of. A listing that it falls into may show neither, so what
    # was read counts only if the folder looks the same before and after.
    while True:
        paths = folder.files()
        try:
            documents = [
                document
                for path in paths
                if not (skip_damaged and is_damaged(path))
                for document in read_file(path, folder.date)
            ]
        except FileNotFoundError:
            if paths == folder.files():
                raise
            continue
        if paths == folder.files():
            return documents


def _order(document: RawDocument) -> tuple[object, ...]:
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
        document.known_revision or 0,
        document.known_since or document.fetched_at,
        document.date,
    )


def _key(document: RawDocument) -> tuple[str, str]:
    return document.user_id, document.document_id


def _dates_in(note: RawDocument) -> set[date]:
    move = msgspec.json.decode(note.body, type=Move)
    return {move.was, move.now}


def _lying_under(day: date, documents: list[RawDocument]) -> list[list[CurrentDocument]]:
    return [versions for versions in _histories(documents) if versions[-1].document.date == day]


def _histories(documents: list[RawDocument]) -> list[list[CurrentDocument]]:
    answers = sorted((document for document in documents if document.status != MOVED), key=_order)
    return [_versions(fetched) for _, fetched in groupby(answers, key=_key)]


def _versions(fetched: Iterable[RawDocument]) -> list[CurrentDocument]:
    versions: list[CurrentDocument] = []
    for document in fetched:
        if not versions or not _is_same(document, versions[-1].document):
            revision = versions[-1].revision + 1 if versions else 1
            versions.append(CurrentDocument(document, revision, document.known_since or document.fetched_at))
        if document.known_revision:  # versions before it may be lost
            versions[-1] = replace(versions[-1], revision=max(versions[-1].revision, document.known_revision))
    return versions


def _is_same(document: RawDocument, before: RawDocument) -> bool:
    # What could not be used under one date may be right under another.
    return document.content_hash == before.content_hash and document.date == before.date


def _sound_content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        if error.errno != EIO:
            raise
        content = b""  # the disk cannot read it any more
    if _digest(content) != path.stem:
        raise RawDamaged(
            f"A raw file of {path.parent.parent.name} on {path.parent.name.removeprefix('date=')} is damaged on disk "
            f"({path.name}): run `nightshift repair`, or restore that file from a copy; nothing was built from it."
        )
    return content


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:24]
