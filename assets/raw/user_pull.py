"""How a pull of one user goes, whichever vendor is asked: step by step, and once in a while through all history."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zlib import crc32

from assets.raw.pulled import Known, UserPull
from assets.raw.sessions_of_user import pull_sessions
from assets.raw.vendor import Look, Step
from connectors.errors import InvalidUserId, UserNotFound, VendorError, stops_everything
from connectors.state.ledger import LedgerDocument
from schemas.nights import utc_date

SWEEP_AGE = timedelta(days=30)
"""How long ago the whole history of a user may have been listed: late uploads and deletions beyond the look-back."""

SWEEP = "sweep"
"""In the ledger's documents: when the whole history of a user was listed last."""

SWEPT = "swept"


async def take_steps(pull: UserPull, steps: Sequence[Step]) -> None:
    """Take one step after the other. An error that concerns only this user is handed back as ``pull.failure``.

    The steps after it are taken all the same, unless nobody knows the user. After a step that finds the user marked for
    deletion none is taken.

    Raises: what ``stops_everything``, once what was in flight for this user has ended.
    """
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


async def pull_window_or_history(look: Look, pull: UserPull, first: date, last: date) -> None:
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
