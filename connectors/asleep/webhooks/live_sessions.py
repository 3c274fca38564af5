"""Sessions that run at this moment: the stages of each so far, put together from batches that come in any order.

A batch says the last minutes, so that most epochs are told several times: of every epoch the highest batch counts,
whenever it came. A batch that comes again changes nothing.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from schemas.asleep import Epochs
from schemas.stages import FOUR_STAGE, UNKNOWN, packed_asleep_codes, packed_asleep_marks

EPOCH_S = 30

_FACTS = "first_received_at, last_received_at, epochs, batches, sleep_stages, breath_stages, snoring_stages"
_INNER = "sleep_from, breath_from, snoring_from, batch_numbers"
_COLUMNS = f"source, user_id, session_id, epoch_s, {_FACTS}, {_INNER}"
_NO_BATCH = -1


class SessionKey(NamedTuple):
    """Whose session it is."""

    source: str
    user_id: str
    session_id: str

    def __repr__(self) -> str:
        return "SessionKey(…)"


@dataclass(frozen=True, slots=True)
class LiveBatch:
    """A batch: its number from 0, the first epoch it tells, and the vendor's codes from there on."""

    key: SessionKey
    received_at: datetime
    number: int
    first_epoch: int
    sleep_stages: Epochs | None
    breath_stages: Epochs | None
    snoring_stages: Epochs | None

    def __repr__(self) -> str:
        return "LiveBatch(…)"


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A running session: one code an epoch of ``epoch_s`` seconds from its start, -1 where nothing is known.

    The codes are the vendor's documented ones: of sleep 0 wake, 1 light (in a plan of two stages: asleep), 2 deep,
    3 REM; of breath and snoring 0 and 1. Nothing here is final.
    """

    source: str
    user_id: str
    session_id: str
    epoch_s: int
    epochs: int
    batches: int
    first_received_at: datetime
    last_received_at: datetime
    sleep_stages: list[int]
    breath_stages: list[int]
    snoring_stages: list[int]

    def __repr__(self) -> str:
        return f"LiveSession(epochs={self.epochs}, batches={self.batches})"

    @property
    def key(self) -> SessionKey:
        """Whose session it is."""
        return SessionKey(self.source, self.user_id, self.session_id)


@dataclass(slots=True)
class _Line:
    """One array so far, and of each code the batch that it is from."""

    codes: "array[int]"
    told_by: "array[int]"

    @classmethod
    def of(cls, codes: bytes = b"", told_by: bytes = b"") -> "_Line":
        line = cls(array("b"), array("h"))
        line.codes.frombytes(codes)
        line.told_by.frombytes(told_by)
        return line

    def lengthen(self, epochs: int) -> None:
        missing = epochs - len(self.codes)
        self.codes.extend([UNKNOWN] * missing)
        self.told_by.extend([_NO_BATCH] * missing)

    def write(self, first: int, codes: "array[int]", number: int) -> None:
        for epoch, code in enumerate(codes, first):
            # Should one batch come with two contents, the order of their arrival still must not matter.
            if (number, code) > (self.told_by[epoch], self.codes[epoch]):
                self.told_by[epoch], self.codes[epoch] = number, code


@dataclass(slots=True)
class _Running:
    """A session that is being put together; ``numbers`` has a bit for each batch that came."""

    first_received_at: str
    last_received_at: str
    sleep: _Line = field(default_factory=_Line.of)
    breath: _Line = field(default_factory=_Line.of)
    snoring: _Line = field(default_factory=_Line.of)
    numbers: int = 0

    def add(self, batch: LiveBatch, received_at: str) -> None:
        self.first_received_at = min(self.first_received_at, received_at)
        self.last_received_at = max(self.last_received_at, received_at)
        self.numbers |= 1 << batch.number
        breath, snoring = (
            packed_asleep_marks(codes) if codes is not None else None
            for codes in (batch.breath_stages, batch.snoring_stages)
        )
        sleep = packed_asleep_codes(batch.sleep_stages, FOUR_STAGE) if batch.sleep_stages is not None else None
        told = ((self.sleep, sleep), (self.breath, breath), (self.snoring, snoring))
        end = batch.first_epoch + max((len(codes) for _, codes in told if codes is not None), default=0)
        for line, codes in told:
            line.lengthen(max(end, len(line.codes)))
            if codes is not None:
                line.write(batch.first_epoch, codes, batch.number)


def add_batches(connection: sqlite3.Connection, batches: Iterable[tuple[LiveBatch, str]]) -> None:
    """Write batches into their sessions, by epoch; the text is when each was received, as the file has times."""
    running: dict[SessionKey, _Running] = {}
    for batch, received_at in batches:
        if batch.key not in running:
            running[batch.key] = _read(connection, batch.key) or _Running(received_at, received_at)
        running[batch.key].add(batch, received_at)
    places = ", ".join("?" * 15)
    rows = [_row(key, session) for key, session in running.items()]
    connection.executemany(f"INSERT OR REPLACE INTO live_sessions ({_COLUMNS}) VALUES ({places})", rows)  # noqa: S608


def end(connection: sqlite3.Connection, keys: Iterable[SessionKey]) -> int:
    """Remove sessions that run no more; how many there were."""
    ended = "DELETE FROM live_sessions WHERE source = ? AND user_id = ? AND session_id = ?"
    keys = list(keys)
    return connection.executemany(ended, keys).rowcount if keys else 0


def running(connection: sqlite3.Connection, keys: Iterable[SessionKey]) -> set[SessionKey]:
    """Those of these sessions that run."""
    query = "SELECT 1 FROM live_sessions WHERE source = ? AND user_id = ? AND session_id = ?"
    return {key for key in keys if connection.execute(query, key).fetchone()}


def silent_since(connection: sqlite3.Connection, moment: str) -> list[SessionKey]:
    """The sessions of which nothing came after a moment."""
    query = "SELECT source, user_id, session_id FROM live_sessions WHERE last_received_at < ?"
    return [SessionKey(*row) for row in connection.execute(query, (moment,))]


def read_all(connection: sqlite3.Connection) -> list[LiveSession]:
    """Every session that runs, in the order of users and sessions."""
    query = f"SELECT source, user_id, session_id, epoch_s, {_FACTS} FROM live_sessions ORDER BY 1, 2, 3"  # noqa: S608
    return [_live(*row) for row in connection.execute(query)]


def _read(connection: sqlite3.Connection, key: SessionKey) -> _Running | None:
    query = f"SELECT {_FACTS}, {_INNER} FROM live_sessions WHERE source = ? AND user_id = ? AND session_id = ?"  # noqa: S608
    row = connection.execute(query, key).fetchone()
    if row is None:
        return None
    first, last, _, _, sleep, breath, snoring, sleep_from, breath_from, snoring_from, numbers = row
    lines = (_Line.of(sleep, sleep_from), _Line.of(breath, breath_from), _Line.of(snoring, snoring_from))
    return _Running(first, last, *lines, numbers=int.from_bytes(numbers, "big"))


def _row(key: SessionKey, session: _Running) -> Sequence[str | int | bytes]:
    lines = (session.sleep, session.breath, session.snoring)
    return (
        *key,
        EPOCH_S,
        session.first_received_at,
        session.last_received_at,
        len(session.sleep.codes),
        session.numbers.bit_count(),
        *(line.codes.tobytes() for line in lines),
        *(line.told_by.tobytes() for line in lines),
        session.numbers.to_bytes((session.numbers.bit_length() + 7) // 8, "big"),
    )


def _live(
    source: str,
    user_id: str,
    session_id: str,
    epoch_s: int,
    first: str,
    last: str,
    epochs: int,
    batches: int,
    *lines: bytes,
) -> LiveSession:
    codes = [_Line.of(line).codes.tolist() for line in lines]
    times = (datetime.fromisoformat(first), datetime.fromisoformat(last))
    return LiveSession(source, user_id, session_id, epoch_s, epochs, batches, *times, *codes)
