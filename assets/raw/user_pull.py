"""Pulling one user: sessions, statistics of the months touched, the user document.

Talks to the vendor and decides; writes nothing. What to keep and what to remember is handed back in ``UserPull``.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from zlib import crc32

from assets.raw.deletions import Brake
from assets.raw.months_of_user import owe_months_not_asked_for, pull_average_stats
from assets.raw.pulled import Known, UserPull, keep_if_new
from assets.raw.sessions_of_user import Look, pull_sessions
from connectors.asleep.client import AsleepClient
from connectors.errors import InvalidUserId, UnreadableAnswer, UserNotFound, VendorError, stops_everything
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

    Of a user whom the vendor has marked for deletion only the user document is asked for, and all else once the mark
    is taken back. An error that concerns only this user is handed back as ``failure``, with what had been pulled.

    Raises: what ``stops_everything``, once what was in flight for this user has ended.
    """
    pull, look = UserPull(user), Look(client, known, brake, now)
    sessions, months = partial(_pull_sessions, look, pull, first, last), partial(pull_average_stats, look, pull)
    document = partial(pull_user_document, look, pull)
    steps: list[Callable[[], Awaitable[None]]]
    steps = [document, sessions, months] if user.to_be_deleted else [sessions, months, document]
    for step in steps:
        try:
            await step()
        except VendorError as error:
            if stops_everything(error):
                raise
            pull.failure = pull.failure or error
            if isinstance(error, (UserNotFound, InvalidUserId)):
                break
        if pull.user.to_be_deleted:
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
    """Whether the whole history of a user is to be listed: once in ``SWEEP_AGE``, users spread evenly over the days.

    Every user has a day of their own. If no pull comes through on it, the next one makes up for it.
    """
    before = known.documents.get((SWEEP, user_id))
    return before is None or utc_date(before.fetched_at) < _latest_sweep_day(user_id, now)


def _latest_sweep_day(user_id: str, now: datetime) -> date:
    today = utc_date(now)
    return today - timedelta(days=(today.toordinal() - crc32(user_id.encode())) % SWEEP_AGE.days)


def first_known_day(known: Known) -> date | None:
    """The first UTC date that was ever listed of a user, or a session starts on: earlier history was never pulled."""
    days = [session.partition for session in known.sessions.values()]
    return min([*days, known.begun] if known.begun else days, default=None)


async def pull_user_document(look: Look, pull: UserPull) -> None:
    """Fetch the user's document if there is none, if it is older than ``USER_DOCUMENT_AGE``, or if it bears the mark.

    ``pull.user`` is then as the document says: marked for deletion or not.
    """
    before = look.known.documents.get((USER, pull.user.user_id))
    if before is not None and look.now - before.fetched_at < USER_DOCUMENT_AGE and not pull.user.to_be_deleted:
        return
    answer = await look.client.get_user(pull.user.user_id)
    pull.heard = True
    day = utc_date(answer.fetched_at)
    if keep_if_new(pull, look.known, USER, pull.user.user_id, answer, user_hash(answer.body), day):
        pull.users_dirty = True
    try:
        pull.user = replace(pull.user, to_be_deleted=answer.result().to_be_deleted)
    except UnreadableAnswer:
        return  # the build says what is wrong with it; what was known of the mark stays known
    pull.to_be_deleted = pull.user.to_be_deleted
