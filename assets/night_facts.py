"""What is known of every expected night: facts from state and lake, and the rows of ``night_ledger`` they make.

Also finds the nights whose rows are not what the facts say now: time alone moves them on. No Dagster here, so that a
pull can use it; what a verdict means is in ``schemas.night_verdicts``.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from assets.builds import mark_nights_dirty
from connectors.home import Home
from connectors.lake.tables import LakeDamaged
from connectors.state.ledger import DELETED, NOT_ASKED, LedgerSession
from connectors.state.nights import (
    Asked,
    LeftOver,
    asked_between,
    first_asked,
    left_over,
    refused_sessions,
    sessions_starting,
)
from connectors.state.roster import RosterUser, list_users
from schemas.night_hours import first_night_from, last_night_over, night_dates, night_hours
from schemas.night_verdicts import POLL, WEBHOOK, NightFacts, NightSession, Standing, judge
from schemas.nights import FIRST_DAY, night_of, utc_date
from schemas.session_ids import start_in
from schemas.tables import NIGHT_LEDGER, SESSION_HISTORY, SLEEP_SESSIONS

DAY = timedelta(days=1)
NEVER_SLEPT, TOO_SHORT = "NEVER_SLEPT", "TOO_SHORT_FOR_ANALYSIS"

_READ = ["source", "user_id", "session_id", "start_time", "end_time", "timezone", "night_of", "peculiarities"]
_READ += ["revision", "fetched_at", "total_sleep_time_s"]

SessionKey = tuple[str, str]
"""User id, session id."""

Row = dict[str, Any]


@dataclass(slots=True)
class Span:
    """Everything that is known about the nights ``first``..``last`` of a source's users, as read at ``now``."""

    now: datetime
    users: list[RosterUser]
    begun: dict[str, date]
    asked: dict[str, dict[date, Asked]]
    left: dict[str, LeftOver]
    sessions: dict[tuple[str, date], list[NightSession]] = field(default_factory=lambda: defaultdict(list))

    def __repr__(self) -> str:
        return "Span(…)"


def read_spans(home: Home, first: date, last: date) -> list[Span]:
    """Read what is known about these nights, for each source that somebody is rostered at.

    A session of a night may start on the UTC date before or after it.
    """
    start, end = max(FIRST_DAY, first - DAY), last + DAY
    now = home.clock()
    with home.state.read() as connection:
        users = list_users(connection)
        known = [
            _Known(
                Span(
                    now=now,
                    users=[user for user in users if user.source == source],
                    begun=first_asked(connection, source),
                    asked=asked_between(connection, source, start, end),
                    left=left_over(connection, source),
                ),
                {(s.user_id, s.session_id): s for s in sessions_starting(connection, source, start, end)},
                refused_sessions(connection, source, start, end),
            )
            for source in sorted({user.source for user in users})
        ]
    lake, paths = list(_lake_rows(home, start, end)), _paths(home, start, end)
    for each in known:
        _place_sessions(each, lake, paths)
    return [each.span for each in known]


class _Known(NamedTuple):
    """A span without sessions yet, the sessions of the ledger that belong into it, and which of them were refused."""

    span: Span
    sessions: dict[SessionKey, LedgerSession]
    refused: set[SessionKey]


def _place_sessions(known: _Known, lake: Iterable[Row], paths: Mapping[tuple[str, SessionKey], str]) -> None:
    span, sessions, refused = known
    zones = {user.user_id: user.timezone for user in span.users}
    source = span.users[0].source
    built = {key for key, session in sessions.items() if session.verdict != DELETED and key not in refused}
    for row in lake:
        key = (row["user_id"], row["session_id"])
        if row["source"] == source and (key in built or key not in sessions):
            path = paths.get((source, key))
            span.sessions[row["user_id"], row["night_of"]].append(_built(row, sessions.pop(key, None), path))
    for key, session in sessions.items():
        if session.user_id in zones:
            night = night_of_session(session, zones[session.user_id])
            span.sessions[session.user_id, night].append(_not_built(session, key in refused))


def expected(span: Span, user: RosterUser, night: date) -> bool:
    """Whether a user has a row for a night.

    It is over in the user's zone, lies within ``active_from``..``active_to`` and, where there is no ``active_from``,
    not before the first date the vendor was ever asked for. Outside of the roster's dates it has one if the vendor was
    asked about it before they were changed: no night loses its row.
    """
    if not FIRST_DAY <= night <= last_night_over(span.now, user.timezone):
        return False
    if not user.is_within(night):
        return _asked_about(span, user, night)
    if user.active_from:
        return True
    asked = span.begun.get(user.user_id)
    return asked is not None and first_night_from(asked, user.timezone) <= night


def _asked_about(span: Span, user: RosterUser, night: date) -> bool:
    asked = span.asked.get(user.user_id, {})
    return all(day in asked for day in night_dates(night, user.timezone))


def night_rows(spans: Iterable[Span], night: date) -> list[Row]:
    """The rows of a night within the spans, in the order of the table."""
    rows = (_row(span, user, night) for span in spans for user in span.users if expected(span, user, night))
    return sorted(rows, key=lambda row: tuple(row[name] for name in NIGHT_LEDGER.sort_by))


def stale_nights(home: Home, first: date, last: date) -> list[date]:
    """The nights of ``first``..``last`` whose rows in the lake are not those that the facts make now."""
    spans = read_spans(home, first, last)
    return [
        night
        for night in _dates(max(FIRST_DAY, first), last)
        if home.lake.read(NIGHT_LEDGER, f"date={night.isoformat()}").to_pylist() != night_rows(spans, night)
    ]


def mark_stale_nights(home: Home, first: date, last: date) -> int:
    """Have the nights around these UTC dates built again whose rows are out of date; gives how many.

    Called at the end of every pull: nights become over, and the vendor's answers turn gaps into verdicts, without any
    new document. Where a file of the lake is damaged all of them are, so that their build says which, and the pull is
    not lost. Raises: StateUnavailable.
    """
    try:
        stale = stale_nights(home, first - DAY, last)
    except LakeDamaged:
        stale = list(_dates(max(FIRST_DAY, first - DAY), last))
    if stale:
        with home.state.write() as connection:
            mark_nights_dirty(connection, stale)
    return len(stale)


def _row(span: Span, user: RosterUser, night: date) -> Row:
    facts = _facts(span, user, night)
    verdict = judge(facts)
    return {
        "org_id": user.org_id,
        "source": user.source,
        "user_id": user.user_id,
        "night_of": night,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "session_ids": verdict.session_ids,
        "main_session_id": verdict.main_session_id,
        "late_days": verdict.late_days,
        "revised": verdict.revised,
        "path": verdict.path,
        "first_seen_at": verdict.first_seen_at,
        "checked_at": facts.checked_at,
    }


def _facts(span: Span, user: RosterUser, night: date) -> NightFacts:
    dates, ended_at = night_dates(night, user.timezone), night_hours(night, user.timezone)[1]
    asked = span.asked.get(user.user_id, {})
    answers = [answer for day in dates if day in asked and (answer := asked[day].checked_at) and answer >= ended_at]
    followed, left = user.is_within(night), span.left.get(user.user_id)
    owed = followed and left is not None and any(left.first <= day <= left.last for day in dates)
    return NightFacts(
        ended_at=ended_at,
        sessions=span.sessions.get((user.user_id, night), ()),
        checked_at=min(answers) if len(answers) == len(dates) else None,
        asked=all(day in asked for day in dates),
        followed=followed,
        known=not user.gone,
        marked=user.to_be_deleted,
        failure=left.kind if left and owed and left.kind != NOT_ASKED else None,
        stopped=bool(left and owed and left.kind == NOT_ASKED),
    )


def _lake_rows(home: Home, first: date, last: date) -> Iterator[Row]:
    for day in _dates(first, last):
        yield from home.lake.read(SLEEP_SESSIONS, f"date={day.isoformat()}", _READ).to_pylist()


def _paths(home: Home, first: date, last: date) -> dict[tuple[str, SessionKey], str]:
    """How the first version of each session came, by source and session."""
    firsts: dict[tuple[str, SessionKey], tuple[int, str]] = {}
    for day in _dates(first, last):
        columns = ["source", "user_id", "session_id", "revision", "reason"]
        for row in home.lake.read(SESSION_HISTORY, f"date={day.isoformat()}", columns).to_pylist():
            key, version = (row["source"], (row["user_id"], row["session_id"])), (row["revision"], row["reason"])
            firsts[key] = min(firsts.get(key, version), version)
    return {key: WEBHOOK if reason == WEBHOOK else POLL for key, (_, reason) in firsts.items()}


def _built(row: Mapping[str, Any], session: LedgerSession | None, path: str | None) -> NightSession:
    asleep_s, remarks = row["total_sleep_time_s"], row["peculiarities"]
    slept = asleep_s > 0 if asleep_s is not None else (False if NEVER_SLEPT in remarks else None)
    return NightSession(
        session_id=row["session_id"],
        standing=Standing.BUILT,
        first_seen_at=session.first_seen_at if session else row["fetched_at"],
        revision=row["revision"],
        start=row["start_time"],
        end=row["end_time"],
        zone=row["timezone"],
        slept=slept,
        too_short=TOO_SHORT in remarks and not slept,
        path=path,
    )


def _not_built(session: LedgerSession, refused: bool) -> NightSession:
    # What is complete but neither built nor refused waits for its build, which has this night built again.
    waiting = Standing.REFUSED if refused else Standing.WAITING
    standing = Standing.DELETED if session.verdict == DELETED else waiting
    return NightSession(session.session_id, standing, session.first_seen_at, session.revision)


def night_of_session(session: LedgerSession, zone: str) -> date:
    """The night of a session of which only the ledger knows, in the roster's zone.

    The vendor's ids begin with the start in UTC. Should one not fit the session's date, the night is taken whose
    bedtime lies on that date.
    """
    start = start_in(session.session_id)
    if start is None or utc_date(start) != session.partition:
        start = datetime(session.partition.year, session.partition.month, session.partition.day, 12, tzinfo=UTC)
    return night_of(start, zone)


def _dates(first: date, last: date) -> Iterable[date]:
    return (first + number * DAY for number in range((last - first).days + 1))
