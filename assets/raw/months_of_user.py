"""Pulling one user's average statistics: the months that were touched, and those that are owed."""

from collections.abc import Iterable
from datetime import date, datetime

from assets.raw.pulled import Known, UserPull, all_or_first_error, keep_if_new, last_day
from connectors.asleep.answer import Answer
from connectors.asleep.client import AsleepClient
from connectors.errors import UnreadableAnswer, VendorError
from connectors.state.ledger import OWED, LedgerDocument
from connectors.state.roster import RosterUser
from schemas.asleep import AverageStats
from schemas.canonical import average_stats_hash
from schemas.documents import AVERAGE_STATS
from schemas.nights import local_date


async def pull_average_stats(client: AsleepClient, pull: UserPull, known: Known, now: datetime) -> None:
    """Fetch the statistics of the months in which this pull changed something, and of those that are owed."""
    owed = {
        date.fromisoformat(f"{document_id}-01")
        for (kind, document_id), document in known.documents.items()
        if kind == AVERAGE_STATS and document.content_hash == OWED
    }
    await pull_months(client, pull, sorted(pull.touched_months | owed), known, now)


async def pull_months(
    client: AsleepClient, pull: UserPull, months: Iterable[date], known: Known, now: datetime
) -> None:
    """Fetch the statistics of these months (their first days), to the last day or today in the user's zone.

    A month that has not begun there is left out; one that fails is remembered as owed.
    """
    today = local_date(now, pull.user.timezone)
    await all_or_first_error(
        [
            _pull_month(client, pull, month, min(last_day(month), today), known, now)
            for month in months
            if month <= today
        ]
    )


async def _pull_month(
    client: AsleepClient, pull: UserPull, month: date, end: date, known: Known, now: datetime
) -> None:
    document_id = f"{month:%Y-%m}"
    try:
        answer = await client.average_stats(pull.user.user_id, month, end, zone=pull.user.timezone)
    except VendorError:
        pull.documents.append(_owed(pull.user, document_id, now))
        raise
    pull.heard = True
    if keep_if_new(pull, known, AVERAGE_STATS, document_id, answer, average_stats_hash(answer.body), month):
        pull.dirty_months.add(month)
    if _lags_behind(answer, pull.averaged.get(month, set())):
        pull.documents[-1] = _owed(pull.user, document_id, now)


def _lags_behind(answer: Answer[AverageStats], new: set[str]) -> bool:
    """Whether statistics that name their sessions do not name a new one yet: they are asked for once more."""
    try:
        stats = answer.result()
    except UnreadableAnswer:
        return False
    if stats.slept_sessions is None or stats.never_slept_sessions is None:
        return False
    named = {listed.id or listed.session_id for listed in (*stats.slept_sessions, *stats.never_slept_sessions)}
    return not new <= named


def owe_months_not_asked_for(pull: UserPull, now: datetime) -> None:
    """Remember the months that this pull touched and could not ask for: their sessions will not look new again."""
    asked_for = {document.document_id for document in pull.documents if document.document == AVERAGE_STATS}
    touched = {f"{month:%Y-%m}" for month in pull.touched_months}
    pull.documents += [_owed(pull.user, document_id, now) for document_id in sorted(touched - asked_for)]


def _owed(user: RosterUser, document_id: str, now: datetime) -> LedgerDocument:
    return LedgerDocument(user.source, AVERAGE_STATS, user.user_id, document_id, OWED, now)
