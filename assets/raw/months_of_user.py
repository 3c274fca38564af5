"""Pulling one user's average statistics: the months that were touched, and those that are owed.

They show the figures of the sessions they are over, so that they reveal an analysis that left the list as it was.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime

from assets.raw.pulled import UserPull, all_or_first_error, keep_if_new, last_day
from assets.raw.sessions_of_user import fetch_revealed, is_followed
from assets.raw.vendor import Look
from connectors.answer import Answer
from connectors.asleep.client import AsleepClient
from connectors.errors import UnreadableAnswer, VendorError, stops_everything
from connectors.state.ledger import COMPLETE, OWED, LedgerDocument, LedgerSession
from connectors.state.roster import RosterUser
from schemas.asleep import AverageStats
from schemas.canonical import average_stats_hash, averaged_hashes
from schemas.documents import AVERAGE_STATS
from schemas.nights import local_date

Answers = dict[date, Answer[AverageStats]]
"""Statistics by the first day of their month."""


async def pull_average_stats(client: AsleepClient, look: Look, pull: UserPull) -> None:
    """Fetch the statistics of the months in which this pull changed something, and of those that are owed."""
    owed = {
        date.fromisoformat(f"{document_id}-01")
        for (kind, document_id), document in look.known.documents.items()
        if kind == AVERAGE_STATS and document.content_hash == OWED
    }
    asked: set[date] = set()
    while months := (pull.touched_months | owed) - asked:  # what they reveal may lie near another month
        asked |= months
        await pull_months(client, look, pull, sorted(months))


async def pull_months(client: AsleepClient, look: Look, pull: UserPull, months: Iterable[date]) -> None:
    """Fetch the statistics of these months (their first days), then the sessions that they show analysed again.

    A month in which there is nothing to ask for (``period_of``) is left out; one that fails is remembered as owed.
    Raises: VendorError.
    """
    answers: Answers = {}
    periods = {month: period for month in months if (period := period_of(pull.user, month, look.now))}
    failure: VendorError | None = None
    try:
        await all_or_first_error([_pull_month(client, look, pull, *asked, answers) for asked in periods.items()])
    except VendorError as error:
        if stops_everything(error):
            raise
        failure = error
    _owe_what_lags_behind(pull, {month: periods[month] for month in answers}, answers, look.now)
    await _fetch_revealed(look, pull, answers)
    if failure:
        raise failure


def period_of(user: RosterUser, month: date, now: datetime) -> tuple[date, date] | None:
    """The local dates for which the statistics of a month are asked: to its last day, or today in the user's zone.

    Only those on which the user is followed; None for a month that has not begun there or has none of them.
    """
    today = local_date(now, user.timezone)
    return user.period_within(month, min(last_day(month), today)) if month <= today else None


async def _pull_month(
    client: AsleepClient, look: Look, pull: UserPull, month: date, period: tuple[date, date], answers: Answers
) -> None:
    document_id = f"{month:%Y-%m}"
    try:
        answer = await client.average_stats(pull.user.asked_as, *period, zone=pull.user.timezone)
    except VendorError:
        pull.documents.append(_owed(pull.user, document_id, look.now))
        raise
    pull.heard = True
    answers[month] = answer
    if keep_if_new(pull, look.known, AVERAGE_STATS, document_id, answer, average_stats_hash(answer.body), month):
        pull.dirty_months.add(month)


def _owe_what_lags_behind(
    pull: UserPull, periods: Mapping[date, tuple[date, date]], answers: Answers, now: datetime
) -> None:
    """Have months asked for once more that do not name a new session yet.

    It may be counted under any of several dates, also of two months: it is missed only if the answers that are over
    all of these dates do not have it.
    """
    for session_id, days in pull.averaged.items():
        over = {month for day in days for month, (first, last) in periods.items() if first <= day <= last}
        covered = {day for day in days for month in over if periods[month][0] <= day <= periods[month][1]}
        names = [_named(answers[month]) for month in over]
        if covered == days and not any(named is None or session_id in named for named in names):
            _owe(pull, over, now)


def _named(answer: Answer[AverageStats]) -> set[str | None] | None:
    """The sessions that statistics are over; None where they do not name them all."""
    try:
        stats = answer.result()
    except UnreadableAnswer:
        return None
    if stats.slept_sessions is None or stats.never_slept_sessions is None:
        return None
    return {listed.id or listed.session_id for listed in (*stats.slept_sessions, *stats.never_slept_sessions)}


async def _fetch_revealed(look: Look, pull: UserPull, answers: Answers) -> None:
    """Fetch the sessions of which the statistics show other figures than the last time, and remember what they show.

    What this pull has fetched before is new already, and what was never shown before is no news.
    """
    fetched = {session.session_id: place for place, session in enumerate(pull.sessions)}
    revealed: list[LedgerSession] = []
    for session_id, shown in _shown(answers).items():
        place = fetched.get(session_id)
        known = pull.remembered.get(session_id) or look.known.sessions.get(session_id)
        seen = known if place is None else pull.sessions[place]
        if seen is None or seen.verdict != COMPLETE or seen.averaged_hash == shown or not is_followed(pull.user, seen):
            continue
        showing = replace(seen, averaged_hash=shown)
        if place is not None:
            pull.sessions[place] = showing
        elif seen.averaged_hash is None:
            pull.remembered[session_id] = showing
        else:
            revealed.append(showing)
    await all_or_first_error([fetch_revealed(look, pull, session) for session in revealed])


def _shown(answers: Answers) -> dict[str, str]:
    """The hash of what statistics show of each session; of two months, one of which is wrong, always the later one."""
    return {
        session_id: shown
        for _, answer in sorted(answers.items())
        for session_id, shown in averaged_hashes(answer.body).items()
    }


def owe_months_not_asked_for(pull: UserPull, now: datetime) -> None:
    """Remember the months that this pull touched and could not ask for: their sessions will not look new again."""
    asked_for = {document.document_id for document in pull.documents if document.document == AVERAGE_STATS}
    left = {month for month in pull.touched_months if f"{month:%Y-%m}" not in asked_for}
    _owe(pull, {month for month in left if period_of(pull.user, month, now)}, now)


def _owe(pull: UserPull, months: Iterable[date], now: datetime) -> None:
    owed = {f"{month:%Y-%m}" for month in months}
    others = [noted for noted in pull.documents if noted.document != AVERAGE_STATS or noted.document_id not in owed]
    pull.documents = others + [_owed(pull.user, document_id, now) for document_id in sorted(owed)]


def _owed(user: RosterUser, document_id: str, now: datetime) -> LedgerDocument:
    return LedgerDocument(user.source, AVERAGE_STATS, user.user_id, document_id, OWED, now)
