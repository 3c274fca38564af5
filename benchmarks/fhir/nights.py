"""The lake of the benchmark: the simulator's nights, again and again under new ids, dates and lengths.

What a session of the simulator becomes in the lake is made by the pipeline's own functions. Copies are longer by some
seconds, so that times and efficiencies do not repeat more than in life. The same arguments give the same bytes.
"""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pyarrow as pa

from assets.lake.sleep_hypnograms import hypnogram_rows
from assets.sources.asleep import SOURCE, recorded_session
from assets.sources.asleep_documents import decode_session
from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import session_detail
from connectors.home import Home
from connectors.lake.raw import HTTP_OK, CurrentDocument, RawDocument
from schemas.asleep import ASLEEP
from schemas.canonical import session_hash
from schemas.documents import SESSION
from schemas.nights import utc_date
from schemas.tables import SLEEP_HYPNOGRAMS, SLEEP_SESSIONS

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
LAST = date(2026, 11, 18)
A_DATE = 1_000
"""Sessions of a UTC date."""

_USERS, _NIGHTS = 200, 14
_MOMENTS = ("start_time", "end_time", "sleep_onset", "final_wake")
_LONGER_BY_AT_MOST_S = 30

Row = dict[str, Any]


def open_home(root: Path) -> Home:
    """The benchmark's home; nothing of a real one's settings."""
    home = Home(root, pseudonym_key=b"the same in every benchmark of FHIR", clock=lambda: NOW)
    home.prepare()
    return home


def folders(sessions: int) -> list[str]:
    """The partitions that so many sessions fill, the latest first."""
    return [f"date={LAST - timedelta(days=number)}" for number in range(sessions // A_DATE)]


def fill(home: Home, sessions: int) -> None:
    """Put so many sessions into the lake, ``A_DATE`` a partition."""
    originals, epochs = _simulated()
    for number, folder in enumerate(folders(sessions)):
        day = date.fromisoformat(folder.removeprefix("date="))
        chosen = [(number * A_DATE + user) % len(originals) for user in range(A_DATE)]
        rows = [_copy(originals[index], day, user, number) for user, index in enumerate(chosen)]
        home.lake.replace(SLEEP_SESSIONS, folder, rows)
        home.lake.replace(SLEEP_HYPNOGRAMS, folder, _of(rows, epochs.take(chosen)))


def _simulated() -> tuple[list[Row], pa.Table]:
    """Rows of ``sleep_sessions``, and those of ``sleep_hypnograms`` in the same order."""
    world = World(users=_USERS, nights=_NIGHTS, now=NOW)
    sessions, hypnograms = [], []
    for user in world.users():
        for session in user.sessions:
            detail = session_detail(session, NOW, ZoneInfo("UTC"))
            if detail["session"]["sleep_stages"] and session.state(NOW) == "COMPLETE":
                body, day = orjson.dumps({"detail": None, "result": detail}), utc_date(session.start)
                names = ("clinic", ASLEEP, SESSION, user.user_id, session.id)
                document = RawDocument(*names, day, HTTP_OK, NOW, session_hash(body), body)
                decoded = decode_session(CurrentDocument(document, 1, NOW))
                sessions.append(SOURCE.normalise(decoded, "clinic", user.person.timezone).row)
                hypnograms += hypnogram_rows([recorded_session(decoded)])
    return sessions, pa.Table.from_pylist(hypnograms, schema=SLEEP_HYPNOGRAMS.schema)


def _copy(original: Row, day: date, user: int, number: int) -> Row:
    """The night as another user's on another date, ended some seconds later."""
    longer_s = (number + user) % _LONGER_BY_AT_MOST_S
    later = datetime.combine(day, time(), UTC) - datetime.combine(utc_date(original["start_time"]), time(), UTC)
    row = original | {name: original[name] and original[name] + later for name in _MOMENTS}
    row |= {"user_id": f"G-{user:020}", "session_id": f"{day:%Y%m%d}_{user:05}"}
    row["end_time"] += timedelta(seconds=longer_s)
    row["fetched_at"] += timedelta(microseconds=997 * user + number)
    for name in ("time_in_bed_s", "wakeup_latency_s"):
        row[name] = row[name] and row[name] + longer_s
    if row["time_in_bed_s"] and row["total_sleep_time_s"] is not None:
        row["sleep_efficiency"] = row["total_sleep_time_s"] / row["time_in_bed_s"]
    return row


def _of(rows: list[Row], epochs: pa.Table) -> pa.Table:
    """The epochs under the ids and starts of these sessions."""
    for column in ("user_id", "session_id", "start_time"):
        field = SLEEP_HYPNOGRAMS.schema.field(column)
        place = epochs.schema.get_field_index(column)
        epochs = epochs.set_column(place, field, pa.array([row[column] for row in rows], field.type))
    return epochs
