"""Whom a nightly pull lists when webhooks bring the nights: each user once in some days, and whose night did not come.

A webhook that was lost is found on the day after the night, one for a session that nobody missed (a nap, a deletion) on
the user's own day. Without webhooks every user is listed every time.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zlib import crc32

import sqlalchemy as sa

from assets.night_facts import night_of_session
from connectors.state.ledger import COMPLETE, unpulled, users_with_pending
from connectors.state.nights import last_answered, sessions_starting
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP
from schemas.night_hours import last_night_over
from schemas.nights import utc_date

DAY = timedelta(days=1)


def users_to_reconcile(
    connection: sa.Connection, users: Sequence[RosterUser], every_days: int, now: datetime
) -> list[RosterUser]:
    """The users to list now, in their order, when each is to be listed once in ``every_days`` days (1: all).

    They are those who were not listed since their own day, those without a complete session in the last night that is
    over for them, and those of whom something waits or the last pull did not come through.
    """
    if every_days <= 1:
        return list(users)
    listed = last_answered(connection, ASLEEP)
    waiting = users_with_pending(connection, ASLEEP) | unpulled(connection, ASLEEP).keys()
    waiting |= _without_last_night(connection, users, now)
    return [
        user
        for user in users
        if user.user_id in waiting or _is_due(user.user_id, listed.get(user.user_id), every_days, now)
    ]


def _is_due(user_id: str, listed: datetime | None, every_days: int, now: datetime) -> bool:
    return listed is None or utc_date(listed) < _own_day(user_id, every_days, now)


def _own_day(user_id: str, every_days: int, now: datetime) -> date:
    """The latest day on which it was this user's turn: users are spread evenly, and a day missed is made up for."""
    today = utc_date(now)
    return today - timedelta(days=(today.toordinal() - crc32(user_id.encode())) % every_days)


def _without_last_night(connection: sa.Connection, users: Sequence[RosterUser], now: datetime) -> set[str]:
    """Whose last night is over, and nothing complete of it is known."""
    nights = {user.user_id: last_night_over(now, user.timezone) for user in users}
    zones = {user.user_id: user.timezone for user in users}
    expected = {user.user_id for user in users if user.is_within(nights[user.user_id]) and not user.to_be_deleted}
    if not expected:
        return set()
    near = sessions_starting(connection, ASLEEP, min(nights.values()), max(nights.values()) + 2 * DAY)
    came = {
        session.user_id
        for session in near
        if session.user_id in expected
        and session.verdict == COMPLETE
        and night_of_session(session, zones[session.user_id]) == nights[session.user_id]
    }
    return expected - came
