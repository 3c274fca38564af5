"""The inbox: what Asleep has posted, in an SQLite file of its own, until it has become tables.

The receiver writes it, whoever empties it reads and marks; both at once, from several processes. An event is there
once, whatever the number of its deliveries. Beside it is the audit of every attempt, which tells of nobody.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from connectors.asleep.webhooks import live_sessions
from connectors.asleep.webhooks.inbox_tables import migrate
from connectors.asleep.webhooks.live_sessions import LiveBatch, LiveSession, SessionKey
from connectors.errors import NightshiftError
from connectors.failpoints import failpoint
from connectors.sqlite import make_shareable

FILE_NAME = "inbox.db"
"""The file's name in the home."""

ATTEMPTS_KEPT = 2_000_000
"""The audit forgets older attempts, so that whoever knocks for ever does not fill the disk."""

Key = tuple[str, str, str, str]
"""Source, event, session id and hash of the body: what makes an event that event."""

_COLUMNS = "received_at, source, event, user_id, session_id, status, reason, unknown_users, body"
_INSERT = """INSERT INTO events
    (received_at, source, event, user_id, session_id, status, reason, unknown_users, sha256, body) VALUES """
_PLACES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ONCE = " ON CONFLICT DO NOTHING"
_ROWS_A_STATEMENT = 500
_LONG_BYTES = 64 * 1024
_BUSY_S = 10.0
_CHECKPOINT_PAGES = 4_000
_WAL_KEPT_BYTES = 64_000_000
_READ_AT_ONCE_BYTES = 64_000_000


class InboxUnavailable(NightshiftError):
    """The inbox cannot be opened, read or written: disk full, locked for too long, not a database."""


class Status(StrEnum):
    """What has become of an event."""

    NEW = "new"
    DONE = "done"
    DEAD_LETTER = "dead_letter"


class Outcome(StrEnum):
    """How an attempt to deliver ended; all that the audit says about it beside time and size."""

    ACCEPTED = "accepted"
    DEAD_LETTER = "dead_letter"
    DUPLICATE = "duplicate"
    NOT_COMMITTED = "not_committed"
    METHOD = "method_not_allowed"
    TOO_LARGE = "too_large"
    WRONG_KEY = "wrong_key"
    NO_USER = "no_user"
    ENCODED = "encoded"
    TOO_SLOW = "too_slow"
    CUT_OFF = "cut_off"
    NOT_JSON = "not_json"
    OTHER_USER = "other_user"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event to keep. ``event`` and ``session_id`` are empty where the body does not tell them.

    ``unknown_users`` is what was to be done, when it came, with a user who is not on the roster.
    """

    source: str
    event: str
    user_id: str
    session_id: str
    status: Status
    reason: str
    unknown_users: str
    body: bytes
    sha256: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", sha256(self.body).hexdigest())

    def __repr__(self) -> str:
        return f"Delivery(status={self.status})"

    @property
    def key(self) -> Key:
        """What is equal for two deliveries of one event."""
        return self.source, self.event, self.session_id, self.sha256


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request to the webhook, with how it ended and, if it is to be kept, what it delivered."""

    at: datetime
    outcome: Outcome
    body_bytes: int
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """An event in the inbox; ids rise in the order of commits."""

    id: int
    received_at: datetime
    delivery: Delivery

    def __repr__(self) -> str:
        return f"InboxEvent(id={self.id})"


class Settled(NamedTuple):
    """What has become of the event ``id``, why in a fixed word, and whether its body is forgotten."""

    id: int
    status: Status
    reason: str
    forgotten: bool = False


class Listed(NamedTuple):
    """An event as a list shows it: whose it is is not told."""

    id: int
    received_at: datetime
    event: str
    status: Status
    reason: str
    body_bytes: int


class Backlog(NamedTuple):
    """How many events wait, and since when (seconds) the oldest of them; None when none does."""

    depth: int
    oldest_age_s: float | None


class Inbox:
    """The inbox in the file ``path``, made on first use; usable from several threads.

    Raises: InboxUnavailable, by every method.
    """

    def __init__(self, path: Path, busy_s: float = _BUSY_S) -> None:
        self._path = path
        self._busy_s = busy_s
        self._turn = threading.Lock()

    def __repr__(self) -> str:
        return "Inbox(…)"

    def record(self, attempts: Sequence[Attempt]) -> list[Outcome]:
        """Keep attempts and what they delivered, durably, all or none; how each ended, duplicates told."""
        with self._transaction() as connection:
            delivered = [(each.at, each.delivery) for each in attempts if each.delivery]
            ended = _with_duplicates(attempts, _keep(connection, delivered))
            _audit(connection, attempts, ended)
            failpoint("inbox.written")
        failpoint("inbox.committed")
        return ended

    def events_after(self, cursor: int, limit: int) -> list[InboxEvent]:
        """Up to ``limit`` new events whose id is above ``cursor``, in the order of ids; fewer if they are long."""
        query = f"SELECT id, {_COLUMNS} FROM events WHERE status = 'new' AND id > ? ORDER BY id LIMIT ?"  # noqa: S608
        events: list[InboxEvent] = []
        size = 0
        with self._connected() as connection:
            for row in connection.execute(query, (cursor, limit)):
                events.append(_event(*row))
                size += len(events[-1].delivery.body)
                if size > _READ_AT_ONCE_BYTES:
                    break
        return events

    def settle(
        self, settled: Iterable[Settled], at: datetime, live: Iterable[LiveBatch] = (), ended: Iterable[SessionKey] = ()
    ) -> None:
        """Set what has become of new events, with what they say of running sessions; durably, all or none.

        Batches are written into their sessions, then those that have ``ended`` are removed.
        """
        settled = list(settled)
        with self._transaction() as connection:
            connection.executemany(
                "UPDATE events SET status = ?, reason = ?, marked_at = ? WHERE id = ?",
                [(each.status, each.reason, _text(at), each.id) for each in settled],
            )
            forgotten = [(each.id,) for each in settled if each.forgotten]
            connection.executemany("UPDATE events SET body = x'' WHERE id = ?", forgotten)
            live_sessions.add_batches(connection, ((batch, _text(batch.received_at)) for batch in live))
            live_sessions.end(connection, ended)
            failpoint("inbox.settling")
        failpoint("inbox.settled")

    def live_sessions(self) -> list[LiveSession]:
        """Every session of which batches have come and that is not known to be complete, by user and session."""
        with self._connected() as connection:
            return live_sessions.read_all(connection)

    def running(self, keys: Iterable[SessionKey]) -> set[SessionKey]:
        """Those of these sessions that run."""
        with self._connected() as connection:
            return live_sessions.running(connection, keys)

    def silent_sessions(self, since: datetime) -> list[SessionKey]:
        """The running sessions of which nothing has come since then."""
        with self._connected() as connection:
            return live_sessions.silent_since(connection, _text(since))

    def forget_done(self, before: datetime) -> int:
        """Delete the events that were done before then; how many. Dead letters stay."""
        with self._transaction() as connection:
            done = "DELETE FROM events WHERE status = 'done' AND marked_at < ?"
            return connection.execute(done, (_text(before),)).rowcount

    def retry(self, number: int | None = None) -> list[int]:
        """Make dead letters new again, or one of them; their ids."""
        again = "UPDATE events SET status = 'new', reason = '' WHERE status = 'dead_letter'"
        one, values = ("", ()) if number is None else (" AND id = ?", (number,))
        with self._transaction() as connection:
            return sorted(row[0] for row in connection.execute(again + one + " RETURNING id", values).fetchall())

    def listed(self, status: Status) -> list[Listed]:
        """The events of a status in the order of their ids, without their bodies."""
        query = """SELECT id, received_at, event, status, reason, length(body) FROM events
            WHERE status = ? ORDER BY id"""
        with self._connected() as connection:
            rows = connection.execute(query, (status,)).fetchall()
        return [Listed(row[0], datetime.fromisoformat(row[1]), row[2], Status(row[3]), *row[4:]) for row in rows]

    def event(self, number: int) -> InboxEvent | None:
        """The event of an id, if it is there."""
        query = f"SELECT id, {_COLUMNS} FROM events WHERE id = ?"  # noqa: S608
        with self._connected() as connection:
            row = connection.execute(query, (number,)).fetchone()
        return _event(*row) if row else None

    def counts(self) -> dict[tuple[Status, str], int]:
        """How many events have which status, and which reason."""
        query = "SELECT status, reason, count(*) FROM events GROUP BY status, reason ORDER BY status, reason"
        with self._connected() as connection:
            return {(Status(status), reason): count for status, reason, count in connection.execute(query)}

    def newest(self) -> int | None:
        """The highest id of a new event; None if nothing is new."""
        with self._connected() as connection:
            newest: int | None = connection.execute("SELECT max(id) FROM events WHERE status = 'new'").fetchone()[0]
        return newest

    def mark(self, ids: Iterable[int], status: Status, at: datetime, reason: str = "") -> int:
        """Set what has become of events, durably; the number of them that are there. ``reason`` is a fixed word."""
        changes = [(status, reason, _text(at), number) for number in ids]
        with self._transaction() as connection:
            update = "UPDATE events SET status = ?, reason = ?, marked_at = ? WHERE id = ?"
            return connection.executemany(update, changes).rowcount if changes else 0

    def backlog(self, now: datetime) -> Backlog:
        """How many events are new, and the age of the oldest."""
        query = "SELECT count(*), min(received_at) FROM events WHERE status = 'new'"
        with self._connected() as connection:
            depth, oldest = connection.execute(query).fetchone()
        return Backlog(depth, (now - datetime.fromisoformat(oldest)).total_seconds() if oldest else None)

    def outcomes(self) -> dict[Outcome, int]:
        """How many attempts of the audit ended how."""
        query = "SELECT outcome, count(*) FROM attempts GROUP BY outcome ORDER BY outcome"
        with self._connected() as connection:
            return {Outcome(outcome): count for outcome, count in connection.execute(query)}

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._turn:
            self._forget_connection()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as connection:
            # Ids rise in the order of commits, because writers take turns from the first statement on.
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """The connection, for one thread at a time; after any failure it is a new one, which rolls back."""
        with self._turn:
            try:
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                self._forget_connection()
                # Neither the file's name nor the database's words, which can quote values.
                raise InboxUnavailable(
                    f"The inbox of webhooks cannot be used ({getattr(error, 'sqlite_errorname', type(error).__name__)})"
                    ": check that NIGHTSHIFT_HOME can be written and has free space."
                ) from None
            except BaseException:
                self._forget_connection()
                raise

    @cached_property
    def _connection(self) -> sqlite3.Connection:
        # Only a file that is new: closing one that is open elsewhere in this process would drop its locks on it.
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(self._path, timeout=self._busy_s, isolation_level=None, check_same_thread=False)
        try:
            make_shareable(connection)
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
            if migrate(connection):
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
        raise InboxUnavailable(
            "The inbox of webhooks was made by a newer Nightshift: use that version, or another NIGHTSHIFT_HOME."
        )

    def _forget_connection(self) -> None:
        if "_connection" in self.__dict__:
            self._connection.close()
            del self._connection


# A batch is a few statements, not a few for each of its rows: after each the thread of the writer has to wait until the
# event loop lets go of the interpreter, which may take 5 ms.


def _keep(connection: sqlite3.Connection, delivered: Sequence[tuple[datetime, Delivery]]) -> set[Key]:
    """Insert what was delivered; the keys of those that were not there before."""
    (before,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    rows = [_row(*each) for each in delivered if len(each[1].body) <= _LONG_BYTES]
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        some = rows[start : start + _ROWS_A_STATEMENT]
        connection.execute(_INSERT + ", ".join([_PLACES] * len(some)) + _ONCE, [value for row in some for value in row])
    for at, delivery in delivered:
        if len(delivery.body) > _LONG_BYTES:
            _keep_long(connection, at, delivery)
    added = "SELECT json_group_array(json_array(source, event, session_id, sha256)) FROM events WHERE id > ?"
    (keys,) = connection.execute(added, (before,)).fetchone()
    return {(source, event, session_id, digest) for source, event, session_id, digest in json.loads(keys)}


def _keep_long(connection: sqlite3.Connection, at: datetime, delivery: Delivery) -> None:
    """Insert one whose body is written in pieces, because SQLite copies what it is given twice."""
    *row, body = _row(at, delivery)
    added = connection.execute(_INSERT + _PLACES[:-2] + "zeroblob(?))" + _ONCE, [*row, len(body)])
    if not added.rowcount:
        return
    with connection.blobopen("events", "body", added.lastrowid or 0) as blob:
        for start in range(0, len(body), _LONG_BYTES):
            blob.write(delivery.body[start : start + _LONG_BYTES])


def _row(at: datetime, delivery: Delivery) -> tuple[str | bytes, ...]:
    return (
        _text(at),
        delivery.source,
        delivery.event,
        delivery.user_id,
        delivery.session_id,
        delivery.status,
        delivery.reason,
        delivery.unknown_users,
        delivery.sha256,
        delivery.body,
    )


def _with_duplicates(attempts: Sequence[Attempt], added: set[Key]) -> list[Outcome]:
    """How attempts ended: of several with one key, the first is the one that was added."""
    ended = []
    for attempt in attempts:
        is_new = attempt.delivery is None or attempt.delivery.key in added
        ended.append(attempt.outcome if is_new else Outcome.DUPLICATE)
        if attempt.delivery:
            added.discard(attempt.delivery.key)
    return ended


def _audit(connection: sqlite3.Connection, attempts: Sequence[Attempt], ended: Sequence[Outcome]) -> None:
    lines = [(_text(each.at), outcome, each.body_bytes) for each, outcome in zip(attempts, ended, strict=True)]
    connection.execute(
        "INSERT INTO attempts (at, outcome, body_bytes) "
        "SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?) ORDER BY key",
        (json.dumps(lines),),
    )
    connection.execute("DELETE FROM attempts WHERE id <= (SELECT max(id) FROM attempts) - ?", (ATTEMPTS_KEPT,))


def _event(number: int, received_at: str, *told: Any) -> InboxEvent:
    source, event, user_id, session_id, status, reason, unknown_users, body = told
    delivery = Delivery(source, event, user_id, session_id, Status(status), reason, unknown_users, body)
    return InboxEvent(number, datetime.fromisoformat(received_at), delivery)


def _text(moment: datetime) -> str:
    # Always with all six digits, so that texts sort as times do.
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
