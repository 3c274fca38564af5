"""Nights of one user for the tests of the ledger: what was asked for, what was slept, and the rows that makes."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from assets.builds import build_partitions
from assets.lake.night_ledger import build_night_ledger
from assets.lake.sleep_sessions import build_sleep_sessions
from connectors.home import Home
from connectors.state.ledger import COMPLETE, LedgerSession, put_sessions
from connectors.state.nights import note_answered, note_asked
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP
from schemas.tables import NIGHT_LEDGER
from tests.assets.homes import NOW
from tests.assets.lake.documents import USER_ID, session_document
from tests.assets.raw.scripted import detail_of

DAY = timedelta(days=1)
TODAY = NOW.date()
BED = datetime(2026, 10, 31, 14, 10, 8, tzinfo=UTC)
"""23:10 in Seoul, in the night of 31 October."""
SESSION_ID = f"{BED:%Y%m%d%H%M%S}_h3k9q"
NIGHTS = [date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)]
"""Those over at ``NOW`` (06:00 UTC on 3 November) in Seoul, and asked for by ``answered``."""


def asked(home: Home, *users: RosterUser, first: date = NIGHTS[0], last: date = TODAY) -> set[date]:
    """Note the dates as asked for, as a pull does before it begins."""
    with home.state.write() as connection:
        return note_asked(connection, [(user, (first, last)) for user in users])


def answered(home: Home, *users: RosterUser, first: date = NIGHTS[0], last: date = TODAY) -> None:
    """Note the dates as asked for and answered."""
    asked(home, *users, first=first, last=last)
    with home.state.write() as connection:
        note_answered(connection, [(user, (first, last)) for user in users], home.clock())


def known(home: Home, session_id: str = SESSION_ID, **changes: Any) -> None:
    """A complete session in the ledger, with changes."""
    plain = LedgerSession(ASLEEP, USER_ID, session_id, "clinic", BED.date(), "f", COMPLETE, "h", 1, BED + DAY, BED)
    with home.state.write() as connection:
        put_sessions(connection, [replace(plain, **changes)])


def slept(home: Home, session_id: str = SESSION_ID, start: datetime = BED, **changes: Any) -> None:
    """A session in raw, in the ledger and in the lake, with changes of the detail."""
    body = detail_of(session_id, start, **changes)
    document = session_document(body, session_id=session_id, day=start.date(), fetched_at=BED + DAY)
    home.raw.append([replace(document, content_hash=f"hash of {session_id}")])
    known(home, session_id, partition=start.date())
    build_partitions(home, "sleep_sessions", [start.date().isoformat()], lambda day: build_sleep_sessions(home, day))


def ledger(home: Home, nights: Iterable[date] = NIGHTS) -> dict[tuple[str, date], dict[str, Any]]:
    """The rows of these nights after a build, by user and night."""
    for night in nights:
        build_night_ledger(home, night.isoformat())
    rows = [row for night in nights for row in home.lake.read(NIGHT_LEDGER, f"date={night}").to_pylist()]
    assert len({(row["user_id"], row["night_of"]) for row in rows}) == len(rows)
    return {(row["user_id"], row["night_of"]): row for row in rows}


def verdicts(home: Home, user_id: str = USER_ID) -> list[str | None]:
    """The verdicts of a user's nights, None where there is no row."""
    rows = ledger(home)
    return [rows[user_id, night]["verdict"] if (user_id, night) in rows else None for night in NIGHTS]
