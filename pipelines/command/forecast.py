"""What a backfill will cost: calls, time at the limit, bytes, room on the disk. Nothing is written.

Without ``--list`` no call is made, and the number of sessions is an estimate. With it every list of Asleep's is read
as the backfill would read it; as long as the vendor changes nothing, the backfill makes exactly the calls told here. Of
beds, whose lists are their sessions, all is an estimate.
"""

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.errors import InvalidUserId, UserNotFound
from pipelines.command.bed_forecast import USUAL_SESSIONS_PER_NIGHT, BedForecast, bed_forecast, duration_words
from pipelines.dirty_runs import day_ranges
from schemas.asleep import ASLEEP, COMPLETE, STATES
from schemas.nights import utc_date

if TYPE_CHECKING:
    from pathlib import Path

    from assets.raw.pulled import Known
    from connectors.asleep.client import AsleepClient
    from connectors.home import Home
    from connectors.state.roster import RosterUser
    from pipelines.settings import Settings
    from schemas.asleep import SessionRow

CHUNK_USERS = 50

ENOUGH_SESSIONS = 100
"""With fewer in a home its own sizes say little, and the usual ones are taken."""

USUAL_RAW_BYTES = 3_000
USUAL_BUILT_BYTES = 20_000
USUAL_DATE_BYTES = 80_000
USUAL_WAREHOUSE_BYTES = 5_000
"""Bytes a session; a date more for its Parquet files, however few sessions are in them."""

MONTHS_FROM_DAYS = 62
YEARS_FROM_DAYS = 3 * 366
"""From so many days on the sessions are told by month, or by year."""


@dataclass(slots=True)
class Part:
    """A month or year of the range, or all of it: sessions that are there already, calls that are to be made."""

    period: str
    there: int = 0
    details: int = 0
    stats: int = 0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes that raw, the layers built from it, and the warehouse grow by, and what else a load needs for a while."""

    raw: int
    built: int
    warehouse: int
    copy: int

    @property
    def needed(self) -> int:
        """Bytes that should be free on the disk."""
        return self.raw + self.built + self.warehouse + self.copy


@dataclass(slots=True)
class Forecast:
    """The forecast of the inclusive UTC dates ``first``..``last``; ``exact`` if the vendor was asked for its lists."""

    first: date
    last: date
    users: int
    exact: bool
    per_second: float
    free_bytes: int
    list_calls: int = 0
    user_calls: int = 0
    parts: dict[str, Part] = field(default_factory=dict)
    beds: BedForecast | None = None
    sizes: Sizes = field(default_factory=lambda: Sizes(0, 0, 0, 0))

    @property
    def calls(self) -> dict[str, int]:
        """Calls by endpoint."""
        parts = self.parts.values()
        return {
            "list": self.list_calls,
            "detail": sum(part.details for part in parts),
            "stats": sum(part.stats for part in parts),
            "user": self.user_calls,
        }

    @property
    def there(self) -> int:
        """Sessions of the range that are there already and are not fetched again."""
        return sum(part.there for part in self.parts.values())

    @property
    def seconds(self) -> float:
        """How long the calls take at the configured limit, and those of beds after them at theirs."""
        return self.asleep_seconds + (self.beds.seconds if self.beds else 0)

    @property
    def asleep_seconds(self) -> float:
        """How long the calls to Asleep take at the configured limit."""
        return sum(self.calls.values()) / self.per_second

    @property
    def enough_room(self) -> bool:
        """Whether the disk has room for it."""
        return self.free_bytes >= self.sizes.needed

    def clamped(self, day: date) -> date:
        """The date of the range that is nearest to a date."""
        return min(max(day, self.first), self.last)

    def part_of(self, day: date) -> Part:
        """The part of the range in which a date lies."""
        days = (self.last - self.first).days + 1
        form = "" if days <= MONTHS_FROM_DAYS else "%Y-%m" if days <= YEARS_FROM_DAYS else "%Y"
        period = day.strftime(form) if form else f"{self.first} to {self.last}"
        return self.parts.setdefault(period, Part(period))

    def summary(self) -> dict[str, Any]:
        """The forecast as ``--json`` prints it."""
        return {
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "exact": self.exact,
            "users": self.users,
            "sessions_there": self.there,
            "calls": self.calls,
            **({"beds": self.beds.summary()} if self.beds else {}),
            "seconds": round(self.seconds, 1),
            "bytes": {
                "raw": self.sizes.raw,
                "built": self.sizes.built,
                "warehouse": self.sizes.warehouse,
                "needed": self.sizes.needed,
                "free": self.free_bytes,
            },
            "enough_room": self.enough_room,
            "periods": [
                {"period": part.period, "there": part.there, "detail": part.details, "stats": part.stats}
                for _, part in sorted(self.parts.items())
            ],
        }

    def lines(self) -> list[str]:
        """The forecast in words."""
        about = "" if self.exact else "about "
        calls, sizes = self.calls, self.sizes
        lasts = duration_words(self.asleep_seconds)
        lines = [
            f"{self.users} users followed in this range; {self.there} sessions are there already and stay as they are.",
            f"Calls: {calls['list']} list, {about}{calls['detail']} detail, {about}{calls['stats']} stats, "
            f"{calls['user']} user; {about}{sum(calls.values())} in all, {lasts} at the limit of "
            "ASLEEP_REQUESTS_PER_SECOND.",
            *([self.beds.line()] if self.beds else []),
            f"Raw grows by about {_size(sizes.raw)}, lake and fhir by {_size(sizes.built)}, the warehouse by "
            f"{_size(sizes.warehouse)}.",
            f"Disk: {_size(self.free_bytes)} free, about {_size(sizes.needed)} needed while the warehouse is loaded.",
        ]
        if not self.enough_room:
            lines.append("This disk is too small for it: make room, or take a shorter range.")
        if len(self.parts) > 1:
            lines += [
                f"{part.period}: {part.there} sessions there, {about}{part.details} detail and {about}{part.stats} "
                "stats calls."
                for _, part in sorted(self.parts.items())
            ]
        return lines


def forecast(home: "Home", settings: "Settings", first: date, last: date, *, with_lists: bool) -> Forecast:
    """What a backfill of these inclusive UTC dates will cost. Raises: NightshiftError if the lists cannot be read."""
    from connectors.state.ledger import count_sessions
    from connectors.state.roster import list_users

    with home.state.read() as connection:
        everybody = list_users(connection, ASLEEP)
        users = [user for user in everybody if user.active_within(first, last)]
        seen = count_sessions(connection, "complete")
    found = Forecast(
        first=first,
        last=last,
        users=len(users),
        exact=with_lists,
        per_second=settings.asleep_requests_per_second,
        free_bytes=shutil.disk_usage(home.root).free,
    )
    if with_lists and users:
        asyncio.run(_count_listed(home, settings, users, found))
    else:
        _estimate(home, users, found)
    found.beds = bed_forecast(home, settings, first, last)
    # Of whom the vendor will delete only the user document is asked for, by every range.
    found.user_calls += sum(user.to_be_deleted for user in everybody) * len(list(day_ranges(first, last)))
    found.sizes = _sizes(home, settings, found, seen)
    return found


def _estimate(home: "Home", users: "Sequence[RosterUser]", found: Forecast) -> None:
    from connectors.state.ledger import sessions_between

    for start, end in day_ranges(found.first, found.last):
        found.list_calls += sum(user.active_within(start, end) is not None for user in users)
    for start, end in _months(found.first, found.last):
        with home.state.read() as connection:
            there = len(sessions_between(connection, ASLEEP, start, end))
        windows = [window for user in users if (window := user.active_within(start, end))]
        nights = sum((window[1] - window[0]).days + 1 for window in windows)
        new = max(0, round(nights * USUAL_SESSIONS_PER_NIGHT) - there)
        part = found.part_of(start)
        part.there += there
        part.details += new
        part.stats += min(new, len(windows))
    found.user_calls = sum(_needs_user_document(home, user, known) for user, known in _with_known(home, users))


async def _count_listed(home: "Home", settings: "Settings", users: "Sequence[RosterUser]", found: Forecast) -> None:
    from pipelines.resources import asleep_connection

    ranges = list(day_ranges(found.first, found.last))
    async with asleep_connection(settings, home).open() as client:

        async def count(user: "RosterUser", known: "Known") -> None:
            try:
                for number, (start, end) in enumerate(ranges):
                    window = user.active_within(start, end)
                    rows = await _listed(client, user, window) if window else []
                    months = _count_range(found, user, known, window, rows, home.clock())
                    if not number:
                        months |= _owed_months(known)
                    _count_months(found, user, months, home.clock())
            except (UserNotFound, InvalidUserId):
                return  # the backfill gets no further with this user either
            found.user_calls += _needs_user_document(home, user, known)

        for start in range(0, len(users), CHUNK_USERS):
            chunk = list(_with_known(home, users[start : start + CHUNK_USERS]))
            for outcome in await asyncio.gather(*(count(*one) for one in chunk), return_exceptions=True):
                if outcome is not None:
                    raise outcome
        found.list_calls = client.calls.by_endpoint["list"]


async def _listed(client: "AsleepClient", user: "RosterUser", window: tuple[date, date]) -> "list[SessionRow]":
    rows = client.iterate_sessions(user.user_id, date_gte=window[0], date_lte=window[1])
    return [row async for row in rows]


def _count_range(
    found: Forecast,
    user: "RosterUser",
    known: "Known",
    window: tuple[date, date] | None,
    rows: "Sequence[SessionRow]",
    now: datetime,
) -> set[date]:
    """Count what a range of the backfill will ask of a user; gives the months that it touches."""
    from assets.raw.asleep_vendor import listed as as_listed
    from assets.raw.event_marks import figures_of_event
    from assets.raw.sessions_of_user import (
        days_around,
        days_near,
        is_asked_for,
        is_followed_row,
        months_of,
    )
    from connectors.state import ledger

    months: set[date] = set()
    for row in rows:
        if not is_followed_row(user, as_listed(row)):
            continue
        start = datetime.fromisoformat(row.session_start_time).astimezone(UTC)
        part = found.part_of(utc_date(start))
        before = known.sessions.get(row.session_id)
        marked = before is not None and figures_of_event(before.fingerprint, row) is not None
        is_known = marked or (before is not None and before.fingerprint == as_listed(row).fingerprint)
        if before and before.verdict == ledger.COMPLETE and is_known:
            part.there += 1
        elif row.state not in STATES - {COMPLETE}:
            part.details += 1
            months |= months_of(days_near(start, user.timezone, now))
    listed = {row.session_id for row in rows}
    for session in known.sessions.values():
        within = window is not None and window[0] <= session.partition <= window[1]
        asked = session.verdict == ledger.PENDING or (within and session.verdict == ledger.COMPLETE)
        if asked and session.session_id not in listed and is_asked_for(user, session):
            found.part_of(found.clamped(session.partition)).details += 1
            if session.verdict == ledger.COMPLETE:  # it has been deleted, so its month is asked for as well
                months |= months_of(days_around(session.partition, user.timezone))
    return months


def _count_months(found: Forecast, user: "RosterUser", months: set[date], now: datetime) -> None:
    from assets.raw.months_of_user import period_of

    for month in months:
        if period_of(user, month, now):
            found.part_of(found.clamped(month)).stats += 1


def _owed_months(known: "Known") -> set[date]:
    from connectors.state.ledger import OWED
    from schemas.documents import AVERAGE_STATS

    return {
        date.fromisoformat(f"{month}-01")
        for (kind, month), document in known.documents.items()
        if kind == AVERAGE_STATS and document.content_hash == OWED
    }


def _with_known(home: "Home", users: "Sequence[RosterUser]") -> "Iterator[tuple[RosterUser, Known]]":
    """Each user with what the ledger knows of him or her, read in chunks."""
    from assets.raw.pulled import Known
    from connectors.state.ledger import documents_of, sessions_of

    for start in range(0, len(users), CHUNK_USERS):
        chunk = users[start : start + CHUNK_USERS]
        user_ids = [user.user_id for user in chunk]
        with home.state.read() as connection:
            sessions, documents = sessions_of(connection, ASLEEP, user_ids), documents_of(connection, ASLEEP, user_ids)
        for user in chunk:
            known = {session.session_id: session for session in sessions[user.user_id]}
            yield user, Known(known, documents[user.user_id])


def _needs_user_document(home: "Home", user: "RosterUser", known: "Known") -> bool:
    from assets.raw.pulled import USER_DOCUMENT_AGE
    from schemas.documents import USER

    before = known.documents.get((USER, user.user_id))
    return before is None or home.clock() - before.fetched_at >= USER_DOCUMENT_AGE


def _months(first: date, last: date) -> Iterator[tuple[date, date]]:
    """The months of a range, cut to it."""
    while first <= last:
        following = (first.replace(day=1) + timedelta(days=31)).replace(day=1)
        yield first, min(last, following - timedelta(days=1))
        first = following


def _sizes(home: "Home", settings: "Settings", found: Forecast, seen: int) -> Sizes:
    """From what this home's sessions take, as soon as it has some."""
    from pipelines.resources import warehouse_file

    path = warehouse_file(settings, home)
    loaded = path.stat().st_size if path and path.exists() else 0
    new, days = found.calls["detail"] + (found.beds.sessions if found.beds else 0), (found.last - found.first).days + 1
    if seen >= ENOUGH_SESSIONS:
        raw = new * _bytes_in(home.root / "raw") // seen
        built = new * (_bytes_in(home.root / "lake") + _bytes_in(home.root / "fhir")) // seen
        warehouse = new * loaded // seen
    else:
        raw = new * USUAL_RAW_BYTES
        built = new * USUAL_BUILT_BYTES + min(new, days) * USUAL_DATE_BYTES
        warehouse = new * USUAL_WAREHOUSE_BYTES
    if path is None or (path.parent.exists() and path.parent.stat().st_dev != home.root.stat().st_dev):
        return Sizes(raw, built, warehouse, copy=-warehouse)  # the warehouse grows on another disk
    return Sizes(raw, built, warehouse, copy=loaded + warehouse)


def _bytes_in(folder: "Path") -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a run may replace it meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
