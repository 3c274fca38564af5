"""Pull: ask the vendor what changed, append the answers to raw, then the ledger, then mark partitions dirty.

Users are taken in chunks; a chunk's documents are durable before its state is committed, so a pull that is killed
anywhere is simply run again. Nothing is normalised here.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Protocol

from assets.builds import mark_nights_around
from assets.night_facts import mark_stale_nights
from assets.raw.asleep_vendor import AsleepVendor, pull_user_document
from assets.raw.committing import commit, is_still_gone
from assets.raw.deletions import Brake, Vanished, deletions_of
from assets.raw.months_of_user import owe_months_not_asked_for, pull_months
from assets.raw.pulled import Known, SessionCounts, UserPull
from assets.raw.reconcile import users_to_reconcile
from assets.raw.vendor import Look, Vendor
from connectors.errors import UserNotFound, VendorError, stops_everything
from connectors.home import Home
from connectors.state.ledger import (
    COMPLETE,
    NOT_ASKED,
    count_sessions,
    documents_of,
    owe_average_stats,
    put_unpulled,
    sessions_of,
    unpulled,
    unpulled_days,
    users_with_pending,
)
from connectors.state.nights import first_answered, never_asked, note_asked
from connectors.state.roster import RosterUser, users_to_ask
from connectors.state.vendor import VendorAccount, check_vendor, remember_complete_pull
from schemas.asleep import ASLEEP
from schemas.documents import SESSION
from schemas.nights import utc_date

CHUNK_USERS = 50
CHUNK_USER_DAYS = 1_800
"""Of a pull over many days a chunk has fewer users, so that no more of their nights are in memory at once."""

CHUNKS_AT_ONCE = 2


class Progress(Protocol):
    """Who wants to see a pull advance."""

    def users(self, total: int) -> None:
        """The pull begins with so many users."""

    def user_done(self, counts: SessionCounts) -> None:
        """One more user is pulled."""


class Unseen:
    """Nobody watches."""

    def users(self, total: int) -> None:
        """Show nothing."""

    def user_done(self, counts: SessionCounts) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True)
class Window:
    """Inclusive UTC start dates to list; ``only_unpulled`` asks only whom the last pull did not get, if any.

    ``accept_deletions`` deletes what the vendor does not have any more, however much that is. With ``reconcile_days``
    above 1 webhooks bring the nights, and only those are listed whom ``users_to_reconcile`` names.
    """

    first: date
    last: date
    only_unpulled: bool = False
    accept_deletions: bool = False
    reconcile_days: int = 1


@dataclass(slots=True)
class PullReport:
    """What a pull came to; no user is named.

    ``failed`` counts users by kind of error. ``gone`` counts users whom the vendor did not know the last time either:
    they are asked again every time, but are a failure only if the vendor knows nobody at all.
    """

    source: str = ""
    users: int = 0
    gone: int = 0
    counts: SessionCounts = field(default_factory=SessionCounts)
    documents: int = 0
    dirty_days: set[date] = field(default_factory=set)
    dirty_months: set[date] = field(default_factory=set)
    users_changed: bool = False
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        """Whether every user asked for was pulled."""
        return not self.failed


@dataclass(frozen=True, slots=True)
class Errand:
    """What is asked for every user, on which account.

    With ``days`` it is the pull of sessions that start on them: it must reach every user, so whom it does not get is
    remembered with these days, and can be asked again.
    """

    account: VendorAccount
    pull_one: Callable[[RosterUser, Known], Awaitable[UserPull]]
    days: tuple[date, date] | None = None


def look_back(home: Home, days: int) -> Window:
    """The window of a nightly pull: the last ``days`` days up to today, in UTC."""
    today = utc_date(home.clock())
    return Window(today - timedelta(days=days), today)


async def pull(
    home: Home, vendor: Vendor, account: VendorAccount, window: Window, progress: Progress | None = None
) -> PullReport:
    """Pull every rostered user of the vendor's source over the window, and everything pending.

    Raises: OtherVendor; what ``stops_everything`` (what was pulled before is kept); TooManyDeletions (nothing is
    deleted, everything else is kept); StateUnavailable, DiskUnavailable.
    """
    source = vendor.source.name
    users, window = _what_to_ask(home, source, window)

    with home.state.read() as connection:
        brake = Brake.of(count_sessions(connection, COMPLETE, source), accept=window.accept_deletions)

    async def one(user: RosterUser, known: Known) -> UserPull:
        pulled = UserPull(user)
        await vendor.pull_user(Look(vendor, known, brake, home.clock()), pulled, window.first, window.last)
        return pulled

    errand = Errand(account, one, days=(window.first, window.last))
    try:
        report = await _pull_users(home, errand, users, progress or Unseen())
    finally:
        mark_stale_nights(home, window.first, window.last)
    if brake.pulled:
        _have_statistics_asked_again(home, brake.vanished)
    brake.check()
    _delete(home, account, brake.vanished, report)
    if report.complete and not (window.only_unpulled and _left_over(home, source)):
        remember_complete_pull(home.state, source, home.clock())
    return report


async def pull_average_stats(
    home: Home, vendor: AsleepVendor, account: VendorAccount, months: Sequence[date], progress: Progress | None = None
) -> PullReport:
    """Pull the statistics of these months (their first days) for every user who was followed in them.

    Raises: as ``pull``.
    """

    async def one(user: RosterUser, known: Known) -> UserPull:
        pulled = UserPull(user)
        look = _look(home, vendor, known)
        await _or_failure(pulled, pull_months(vendor.client, look, pulled, months))
        owe_months_not_asked_for(pulled, look.now)
        return pulled

    with home.state.read() as connection:
        users = users_to_ask(connection, ASLEEP)
    return await _pull_users(home, Errand(account, one), users, progress or Unseen())


async def pull_user_documents(
    home: Home, vendor: AsleepVendor, account: VendorAccount, progress: Progress | None = None
) -> PullReport:
    """Pull the user documents that are missing or older than a week. Raises: as ``pull``."""

    async def one(user: RosterUser, known: Known) -> UserPull:
        pulled = UserPull(user)
        await _or_failure(pulled, pull_user_document(vendor.client, _look(home, vendor, known), pulled))
        return pulled

    with home.state.read() as connection:
        users = users_to_ask(connection, ASLEEP)
    return await _pull_users(home, Errand(account, one), users, progress or Unseen())


def _look(home: Home, vendor: Vendor, known: Known) -> Look:
    """What a pull works with that lists nothing, so that it can miss nothing either."""
    return Look(vendor, known, Brake(allowed=0), home.clock())


def _have_statistics_asked_again(home: Home, vanished: Sequence[Vanished]) -> None:
    """What the vendor says of months whose sessions it has forgotten is not to stay once it knows them again."""
    with home.state.write() as connection:
        for source, user_id in {gone.user.key for gone in vanished}:
            owe_average_stats(connection, source, user_id)


def _delete(home: Home, account: VendorAccount, vanished: Sequence[Vanished], report: PullReport) -> None:
    deletions = deletions_of([_as_raw_has_it(home, gone) for gone in vanished], home.clock())
    commit(home, account, deletions)
    for deletion in deletions:
        _count(report, deletion)


def _as_raw_has_it(home: Home, gone: Vanished) -> Vanished:
    """A pull that was killed may have kept a version of a session of which the ledger knows none: it is deleted too."""
    seen = gone.seen
    if seen.content_hash is not None:
        return gone
    for kept in home.raw.readable(seen.source, SESSION, seen.partition):
        if (kept.document.user_id, kept.document.document_id) == (seen.user_id, seen.session_id) and not kept.deleted:
            known = replace(seen, content_hash=kept.document.content_hash, revision=kept.revision)
            return replace(gone, seen=replace(known, changed_at=max(seen.changed_at, kept.document.fetched_at)))
    return gone


async def _or_failure(pulled: UserPull, calls: Awaitable[None]) -> None:
    try:
        await calls
    except VendorError as error:
        if stops_everything(error):
            raise
        pulled.failure = error


async def _pull_users(home: Home, errand: Errand, users: Sequence[RosterUser], progress: Progress) -> PullReport:
    source = errand.account.source
    check_vendor(home.state, errand.account)
    progress.users(len(users))
    if errand.days:
        with home.state.write() as connection:
            put_unpulled(connection, source, {user.user_id: NOT_ASKED for user in users}, home.clock(), errand.days)
            windows = [(user, window) for user in users if (window := user.active_within(*errand.days))]
            today = utc_date(home.clock())
            fresh = {day for day in never_asked(connection, windows) if day < today}  # no night is lost by a kill
            mark_nights_around(connection, note_asked(connection, windows) | fresh, today)
    report = PullReport(source, users=len(users))
    places = asyncio.Semaphore(CHUNKS_AT_ONCE)

    async def take(chunk: Sequence[RosterUser]) -> None:
        async with places:
            await _pull_chunk(home, errand, chunk, report, progress)

    await _together(take(chunk) for chunk in _chunks(users, errand.days))
    if report.gone and report.gone == report.users and _nobody_is_known(home, source):
        report.failed[UserNotFound.kind] += report.gone
    return report


async def _pull_chunk(
    home: Home,
    errand: Errand,
    chunk: Sequence[RosterUser],
    report: PullReport,
    progress: Progress,
) -> None:
    began = home.clock()
    known = await asyncio.to_thread(_known, home, errand.account.source, chunk)
    pulls: list[UserPull] = []

    async def take(user: RosterUser) -> None:
        pulled = await errand.pull_one(user, known[user.user_id])
        pulls.append(pulled)
        progress.user_done(pulled.counts)

    try:
        await _together(take(user) for user in chunk)
    except BaseException:
        # Who was finished when the pull stopped is not asked again.
        commit(home, errand.account, pulls, errand.days, began)
        raise
    await asyncio.to_thread(commit, home, errand.account, pulls, errand.days, began)
    for pulled in pulls:
        _count(report, pulled)


async def _together(calls: Iterable[Coroutine[None, None, None]]) -> None:
    """Run calls at once; the first error cancels the others and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for call in calls:
                tasks.create_task(call)
    except BaseExceptionGroup as group:
        error = group.exceptions[0]
    else:
        return
    raise error


def _count(report: PullReport, pulled: UserPull) -> None:
    report.counts.add(pulled.counts)
    report.documents += len(pulled.raw)
    report.dirty_days |= pulled.dirty_days
    report.dirty_months |= pulled.dirty_months
    report.users_changed |= pulled.users_dirty
    if is_still_gone(pulled):
        report.gone += 1
    elif pulled.failure is not None:
        report.failed[pulled.failure.kind] += 1


def _what_to_ask(home: Home, source: str, window: Window) -> tuple[list[RosterUser], Window]:
    """The users to ask and the dates: those left over, over all dates they were left for, or whom the window means.

    Who is ended, unknown to the vendor and waits for nothing has nothing to be asked for.
    """
    with home.state.read() as connection:
        everybody, waiting = users_to_ask(connection, source), users_with_pending(connection, source)
        left, days = unpulled(connection, source), unpulled_days(connection, source)
    today = utc_date(home.clock())
    users = [
        user
        for user in everybody
        if not user.gone or user.user_id in waiting or user.active_to is None or user.active_to > today
    ]
    chosen = [user for user in users if user.user_id in left]
    if not (window.only_unpulled and chosen and days):
        with home.state.read() as connection:
            return users_to_reconcile(connection, users, window.reconcile_days, home.clock()), window
    return chosen, replace(window, first=min(window.first, days[0]), last=max(window.last, days[1]))


def _nobody_is_known(home: Home, source: str) -> bool:
    """Whether the vendor knows none of the roster's users; those who were not asked now count as they did."""
    with home.state.read() as connection:
        return all(user.gone for user in users_to_ask(connection, source))


def _left_over(home: Home, source: str) -> bool:
    with home.state.read() as connection:
        return bool(unpulled(connection, source))


def _known(home: Home, source: str, chunk: Sequence[RosterUser]) -> dict[str, Known]:
    user_ids = [user.user_id for user in chunk]
    with home.state.read() as connection:
        sessions = sessions_of(connection, source, user_ids)
        documents = documents_of(connection, source, user_ids)
        begun = first_answered(connection, source)
    return {
        user_id: Known({s.session_id: s for s in sessions[user_id]}, documents[user_id], begun.get(user_id))
        for user_id in user_ids
    }


def _chunks(users: Sequence[RosterUser], days: tuple[date, date] | None) -> Iterator[Sequence[RosterUser]]:
    length = CHUNK_USERS
    if days:
        first, last = days
        length = max(1, min(length, CHUNK_USER_DAYS // ((last - first).days + 1)))
    for start in range(0, len(users), length):
        yield users[start : start + length]
