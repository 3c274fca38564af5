"""Pulling one user: sessions, statistics of the months touched, the user document.

Talks to the vendor and decides; writes nothing. What to keep and what to remember is handed back in ``UserPull``.
"""

from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from functools import partial
from zlib import crc32

from assets.raw.deletions import Brake
from assets.raw.months_of_user import owe_months_not_asked_for, pull_average_stats
from assets.raw.pulled import Known, UserPull, keep_if_new
from assets.raw.sessions_of_user import Look, pull_sessions
from connectors.asleep.client import AsleepClient
from connectors.errors import InvalidUserId, UserNotFound, VendorError, stops_everything
from connectors.state.ledger import LedgerDocument
from connectors.state.roster import RosterUser
from schemas.canonical import user_hash
from schemas.documents import USER
from schemas.nights import utc_date

USER_DOCUMENT_AGE = timedelta(days=7)
"""How old a user document may become before it is fetched again."""

SWEEP_AGE = timedelta(days=30)
"""How long ago the whole history of a user may have been listed: late uploads and deletions beyond the look-back."""

SWEEP = "sweep"
"""In the ledger's documents: when the whole history of a user was listed last."""

SWEPT = "swept"


async def pull_user(
    client: AsleepClient, user: RosterUser, first: date, last: date, known: Known, brake: Brake, now: datetime
) -> UserPull:
    """Pull the sessions that start on ``first``..``last`` (inclusive UTC dates) and everything of the user pending.

    An error that concerns only this user is handed back as ``failure``, with what had been pulled before.

    Raises: what ``stops_everything``, once what was in flight for this user has ended.
    """
    pull = UserPull(user)
    steps: list[Callable[[], Awaitable[None]]] = [
        partial(_pull_sessions, Look(client, known, brake, now), pull, first, last),
        partial(pull_average_stats, client, pull, known, now),
        partial(pull_user_document, client, pull, known, now),
    ]
    for step in steps:
        try:
            await step()
        except VendorError as error:
            if stops_everything(error):
                raise
            pull.failure = pull.failure or error
            if isinstance(error, (UserNotFound, InvalidUserId)):
                break
    owe_months_not_asked_for(pull, now)
    return pull


async def _pull_sessions(look: Look, pull: UserPull, first: date, last: date) -> None:
    """The sessions of the window, or of all dates when the user's whole history is due to be looked through."""
    sweeps = is_sweep_due(look.known, pull.user.user_id, look.now)
    await pull_sessions(look, pull, min(first, first_known_day(look.known) or first) if sweeps else first, last)
    if sweeps:
        user = pull.user
        pull.documents.append(LedgerDocument(user.source, SWEEP, user.user_id, user.user_id, SWEPT, look.now))


def is_sweep_due(known: Known, user_id: str, now: datetime) -> bool:
    """Whether the whole history of a user is to be listed: once in ``SWEEP_AGE``, users spread evenly over the days."""
    before = known.documents.get((SWEEP, user_id))
    if before is not None:
        return now - before.fetched_at >= SWEEP_AGE
    return crc32(user_id.encode()) % SWEEP_AGE.days == now.toordinal() % SWEEP_AGE.days


def first_known_day(known: Known) -> date | None:
    """The first UTC date on which a session of the user is known to start: earlier history was never asked for."""
    return min((session.partition for session in known.sessions.values()), default=None)


async def pull_user_document(client: AsleepClient, pull: UserPull, known: Known, now: datetime) -> None:
    """Fetch the user's document if there is none, or if it is older than ``USER_DOCUMENT_AGE``."""
    before = known.documents.get((USER, pull.user.user_id))
    if before is not None and now - before.fetched_at < USER_DOCUMENT_AGE:
        return
    answer = await client.get_user(pull.user.user_id)
    pull.heard = True
    day = utc_date(answer.fetched_at)
    if keep_if_new(pull, known, USER, pull.user.user_id, answer, user_hash(answer.body), day):
        pull.users_dirty = True
