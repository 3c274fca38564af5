"""What state knows of nights: for which UTC dates the vendor was asked about each user, when it answered, who is left.

Kept as intervals a user, written in the transaction that commits the pull. Once every night on a date is over and the
vendor has answered about it, the date is settled and keeps that time, so that asking again changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

import sqlalchemy as sa

from connectors.state.database import upsert
from connectors.state.ledger import LedgerSession
from connectors.state.roster import RosterUser
from connectors.state.tables import asked_days, quarantine, sessions, unpulled_users
from schemas.documents import SESSION
from schemas.night_hours import settles_at
from schemas.nights import FIRST_DAY

DAY = timedelta(days=1)

Days = tuple[date, date]
"""Inclusive UTC dates."""

_USERS_AT_ONCE = 500


class LeftOver(NamedTuple):
    """Why a user is still to be pulled, and for which dates: ``NOT_ASKED`` or the kind of error."""

    kind: str
    first: date
    last: date


@dataclass(frozen=True, slots=True, order=True)
class Asked:
    """Dates for which a user was asked, and when the vendor answered about them (None: it never did)."""

    first: date
    last: date
    checked_at: datetime | None


def never_asked(connection: sa.Connection, asked: Sequence[tuple[RosterUser, Days]]) -> set[date]:
    """The dates among these for which one of the users was never asked."""
    known = _around(connection, asked)
    return {
        day
        for user, days in asked
        for day in _changing(known.get((user.source, user.user_id), []), days, None, user.timezone)
    }


def note_asked(connection: sa.Connection, asked: Sequence[tuple[RosterUser, Days]]) -> set[date]:
    """Note the dates for which the vendor is about to be asked, before it is.

    Gives the dates outside of them that a user's nights are expected from now on: those between a first pull and
    ``active_from``, and the gap to what was asked for before, on either side. Their nights must be built.
    """
    new: set[date] = set()
    spans = _asked_span_of(connection, [user for user, _ in asked])
    for user, (first, last) in asked:
        before = spans.get((user.source, user.user_id))
        if before is None:
            new.update(_dates(max(FIRST_DAY, user.active_from or first), first - DAY))
            continue
        begun, ended = before
        if first > ended:
            new.update(_dates(ended, first - DAY))  # the nights on the last date were not over when it was asked for
        if first < begun and user.active_from is None:
            new.update(_dates(last + DAY, begun - DAY))
    _change(connection, asked, None)
    return new


def note_answered(connection: sa.Connection, answered: Sequence[tuple[RosterUser, Days]], at: datetime) -> set[date]:
    """Note that the vendor has listed these dates of these users completely and without an error.

    ``at`` is not later than the first of these calls. Gives the dates of which anything new is known by that.
    """
    return _change(connection, answered, at)


def asked_between(connection: sa.Connection, source: str, first: date, last: date) -> dict[str, dict[date, Asked]]:
    """By user and date, within ``first``..``last`` (inclusive): the interval of a date that was ever asked for."""
    found: dict[str, dict[date, Asked]] = {}
    touching = (asked_days.c.first_day <= last) & (asked_days.c.last_day >= first)
    query = sa.select(asked_days).where(asked_days.c.source == source, touching).order_by(asked_days.c.first_day)
    for row in connection.execute(query):
        interval = Asked(row.first_day, row.last_day, row.checked_at)
        days = found.setdefault(row.user_id, {})
        for day in _dates(max(first, interval.first), min(last, interval.last)):
            days[day] = _newer(days.get(day), interval)
    return found


def first_asked(connection: sa.Connection, source: str) -> dict[str, date]:
    """The first date for which each user was ever asked."""
    query = sa.select(asked_days.c.user_id, sa.func.min(asked_days.c.first_day).label("first"))
    rows = connection.execute(query.where(asked_days.c.source == source).group_by(asked_days.c.user_id))
    return {row.user_id: row.first for row in rows}


def first_answered(connection: sa.Connection, source: str) -> dict[str, date]:
    """The first date of each user about which the vendor has ever answered."""
    query = sa.select(asked_days.c.user_id, sa.func.min(asked_days.c.first_day).label("first"))
    answered = query.where(asked_days.c.source == source, asked_days.c.checked_at.is_not(None))
    return {row.user_id: row.first for row in connection.execute(answered.group_by(asked_days.c.user_id))}


def last_answered(connection: sa.Connection, source: str) -> dict[str, datetime]:
    """When the vendor last answered about dates of each user of which it had not answered before."""
    query = sa.select(asked_days.c.user_id, sa.func.max(asked_days.c.checked_at).label("at"))
    answered = query.where(asked_days.c.source == source, asked_days.c.checked_at.is_not(None))
    return {row.user_id: row.at for row in connection.execute(answered.group_by(asked_days.c.user_id))}


def last_asked(connection: sa.Connection, source: str) -> date | None:
    """The last date for which anybody was ever asked."""
    query = sa.select(sa.func.max(asked_days.c.last_day)).where(asked_days.c.source == source)
    last: date | None = connection.execute(query).scalar_one()
    return last


def left_over(connection: sa.Connection, source: str) -> dict[str, LeftOver]:
    """The users who are still to be pulled, by id."""
    rows = connection.execute(sa.select(unpulled_users).where(unpulled_users.c.source == source))
    return {row.user_id: LeftOver(row.kind, row.first_day, row.last_day) for row in rows}


def sessions_starting(connection: sa.Connection, source: str, first: date, last: date) -> list[LedgerSession]:
    """Every session the ledger knows that starts on ``first``..``last`` (inclusive UTC dates)."""
    mine = (sessions.c.source == source) & sessions.c.partition.between(first, last)
    return [LedgerSession(**row._mapping) for row in connection.execute(sa.select(sessions).where(mine))]


def refused_sessions(connection: sa.Connection, source: str, first: date, last: date) -> set[tuple[str, str]]:
    """The sessions of these inclusive UTC dates that are in quarantine, as (user id, session id)."""
    mine = (quarantine.c.source == source) & (quarantine.c.document == SESSION)
    within = quarantine.c.partition.between(first.isoformat(), last.isoformat())
    query = sa.select(quarantine.c.user_id, quarantine.c.document_id).where(mine, within)
    return {(row.user_id, row.document_id) for row in connection.execute(query)}


def _change(connection: sa.Connection, asked: Sequence[tuple[RosterUser, Days]], at: datetime | None) -> set[date]:
    changed: set[date] = set()
    removed, added = list[dict[str, object]](), list[dict[str, object]]()
    known = _around(connection, asked)
    for user, days in asked:
        before = known.get((user.source, user.user_id), [])
        changing = _changing(before, days, at, user.timezone)
        if not changing:
            continue
        changed.update(changing)
        after = _with(before, changing, at)
        key = {"source": user.source, "user_id": user.user_id}
        starts = {interval.first for interval in after}
        removed += [{**_bound(key), "gone": old.first} for old in before if old.first not in starts]
        added += [
            {**key, "first_day": new.first, "last_day": new.last, "checked_at": new.checked_at}
            for new in after
            if new not in before
        ]
    if removed:
        mine = (asked_days.c.source == sa.bindparam("of_source")) & (asked_days.c.user_id == sa.bindparam("of_user"))
        this = mine & (asked_days.c.first_day == sa.bindparam("gone"))
        connection.execute(sa.delete(asked_days).where(this), removed)
    upsert(connection, asked_days, added)
    return changed


def _bound(key: Mapping[str, str]) -> dict[str, object]:
    return {"of_source": key["source"], "of_user": key["user_id"]}


def _around(connection: sa.Connection, asked: Sequence[tuple[RosterUser, Days]]) -> dict[tuple[str, str], list[Asked]]:
    """What is known of these users from the day before to the day after the dates, locked against other writers."""
    found: dict[tuple[str, str], list[Asked]] = {}
    if not asked:
        return found
    first, last = min(days[0] for _, days in asked) - DAY, max(days[1] for _, days in asked) + DAY
    touching = (asked_days.c.first_day <= last) & (asked_days.c.last_day >= first)
    for part in _parts([user.user_id for user, _ in asked]):
        query = sa.select(asked_days).where(asked_days.c.user_id.in_(part), touching)
        for row in connection.execute(query.order_by(asked_days.c.user_id, asked_days.c.first_day).with_for_update()):
            interval = Asked(row.first_day, row.last_day, row.checked_at)
            found.setdefault((row.source, row.user_id), []).append(interval)
    return found


def _with(known: Sequence[Asked], changing: Sequence[date], at: datetime | None) -> list[Asked]:
    """The intervals once these dates are noted; those that lie apart from them are left as they are."""
    first, last = changing[0] - DAY, changing[-1] + DAY
    touched = [interval for interval in known if interval.first <= last and interval.last >= first]
    checked = _by_date(touched, first=date.min, last=date.max) | dict.fromkeys(changing, at)
    return [interval for interval in known if interval not in touched] + _intervals(checked)


def _changing(known: Iterable[Asked], days: Days, at: datetime | None, zone: str) -> list[date]:
    """The dates of a range that ``at`` changes: those neither settled nor answered later, or, for None, never asked."""
    checked = _by_date(known, *days)
    if at is None:
        return [day for day in _dates(*days) if day not in checked]
    before = {day: answered for day, answered in checked.items() if answered}
    return [
        day for day in _dates(*days) if day not in before or (before[day] < at and before[day] < settles_at(day, zone))
    ]


def _by_date(known: Iterable[Asked], first: date, last: date) -> dict[date, datetime | None]:
    checked: dict[date, datetime | None] = {}
    for interval in known:
        for day in _dates(max(first, interval.first), min(last, interval.last)):
            checked[day] = _later(checked.get(day), interval.checked_at)
    return checked


def _intervals(checked: Mapping[date, datetime | None]) -> list[Asked]:
    """The fewest intervals that say the same as times by date."""
    found: list[Asked] = []
    for day, at in sorted(checked.items()):
        if found and found[-1].last == day - DAY and found[-1].checked_at == at:
            found[-1] = Asked(found[-1].first, day, at)
        else:
            found.append(Asked(day, day, at))
    return found


def _asked_span_of(connection: sa.Connection, users: Sequence[RosterUser]) -> dict[tuple[str, str], Days]:
    """The first and the last date for which each of these users was ever asked."""
    found: dict[tuple[str, str], Days] = {}
    columns = (asked_days.c.source, asked_days.c.user_id)
    bounds = (sa.func.min(asked_days.c.first_day).label("first"), sa.func.max(asked_days.c.last_day).label("last"))
    for part in _parts([user.user_id for user in users]):
        query = sa.select(*columns, *bounds).group_by(*columns)
        for row in connection.execute(query.where(asked_days.c.user_id.in_(part))):
            found[row.source, row.user_id] = (row.first, row.last)
    return found


def _parts(user_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    # Databases take a limited number of parameters in one statement.
    for start in range(0, len(user_ids), _USERS_AT_ONCE):
        yield user_ids[start : start + _USERS_AT_ONCE]


def _dates(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + number * DAY


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other


def _newer(one: Asked | None, other: Asked) -> Asked:
    """Of two intervals over one date, which two writers at once may leave, the one with the later answer."""
    if one is None or one.checked_at is None:
        return other
    return other if other.checked_at and other.checked_at > one.checked_at else one
