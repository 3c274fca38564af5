"""Pulling one user: list, details of what is new or changed, statistics of the months touched, the user document.

Talks to the vendor and decides; writes nothing. What to keep and what to remember is handed back in ``UserPull``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import TypeVar

import msgspec

from connectors.asleep.answer import Answer
from connectors.asleep.client import AsleepClient
from connectors.errors import (
    InvalidUserId,
    SessionNotFound,
    UnreadableAnswer,
    UserNotFound,
    VendorError,
    stops_everything,
)
from connectors.lake.raw import HTTP_OK, NOT_FOUND, RawDocument
from connectors.state.ledger import COMPLETE, DELETED, OWED, PENDING, LedgerDocument, LedgerSession
from connectors.state.roster import RosterUser
from schemas import asleep, documents
from schemas.canonical import average_stats_hash, session_hash, user_hash
from schemas.documents import AVERAGE_STATS, SESSION, SESSION_LIST, USER
from schemas.nights import FIRST_DAY, local_date, utc_date

USER_DOCUMENT_AGE = timedelta(days=7)
"""How old a user document may become before it is fetched again."""

T = TypeVar("T")


@dataclass(slots=True)
class SessionCounts:
    """Sessions by what the pull found (contract of ``sync --json``)."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    pending: int = 0

    def add(self, other: "SessionCounts") -> None:
        """Count another user in."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class UserPull:
    """What pulling one user came to.

    ``failure`` is the error that left it incomplete, if any; ``heard`` says that the vendor answered at all.
    """

    user: RosterUser
    heard: bool = False
    counts: SessionCounts = field(default_factory=SessionCounts)
    raw: list[RawDocument] = field(default_factory=list)
    sessions: list[LedgerSession] = field(default_factory=list)
    documents: list[LedgerDocument] = field(default_factory=list)
    dirty_days: set[date] = field(default_factory=set)
    touched_months: set[date] = field(default_factory=set)
    dirty_months: set[date] = field(default_factory=set)
    users_dirty: bool = False
    failure: VendorError | None = None

    def __repr__(self) -> str:
        return "UserPull(…)"


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger knows of a user: sessions by id, documents by (kind, document id)."""

    sessions: dict[str, LedgerSession]
    documents: dict[tuple[str, str], LedgerDocument]

    def __repr__(self) -> str:
        return "Known(…)"


async def pull_user(
    client: AsleepClient, user: RosterUser, first: date, last: date, known: Known, now: datetime
) -> UserPull:
    """Pull the sessions that start on ``first``..``last`` (inclusive UTC dates) and everything of the user pending.

    An error that concerns only this user is handed back as ``failure``, with what had been pulled before.

    Raises: what ``stops_everything``, once what was in flight for this user has ended.
    """
    pull = UserPull(user)
    steps: list[Callable[[], Awaitable[None]]] = [
        partial(_pull_sessions, client, pull, first, last, known, now),
        partial(_pull_average_stats, client, pull, known, now),
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
    _owe_months_not_asked_for(pull, now)
    return pull


async def _pull_sessions(
    client: AsleepClient, pull: UserPull, first: date, last: date, known: Known, now: datetime
) -> None:
    window = pull.user.active_within(first, last)
    listed: dict[str, asleep.SessionRow] = {}
    pages: list[Answer[asleep.SessionList]] = []
    if window is not None:
        rows = client.iterate_sessions(pull.user.user_id, date_gte=window[0], date_lte=window[1], on_page=pages.append)
        listed = {row.session_id: row async for row in rows}
        pull.heard = True
    pull.raw.extend(_telling_pages(pull.user, pages, known))
    waiting = [
        session
        for session in known.sessions.values()
        if session.verdict == PENDING and session.session_id not in listed
    ]
    await _all_or_first_error(
        [
            *(_look_at_row(client, pull, row, known.sessions.get(row.session_id), now) for row in listed.values()),
            *(_look_at_waiting(client, pull, session, now) for session in waiting),
        ]
    )


def _telling_pages(
    user: RosterUser, pages: Iterable[Answer[asleep.SessionList]], known: Known
) -> Iterator[RawDocument]:
    """The list pages that say something new: those with a row whose fingerprint is not the known one."""
    for number, page in enumerate(pages):
        rows = page.result().sleep_session_list
        before = (known.sessions.get(row.session_id) for row in rows)
        if any(seen is None or seen.fingerprint != fingerprint(row) for row, seen in zip(rows, before, strict=True)):
            day = utc_date(page.fetched_at)
            yield _raw(user, SESSION_LIST, f"page {number}", day, page, sha256(page.body).hexdigest())


async def _look_at_row(
    client: AsleepClient, pull: UserPull, row: asleep.SessionRow, before: LedgerSession | None, now: datetime
) -> None:
    mark = fingerprint(row)
    if before is not None and before.fingerprint == mark and before.verdict == COMPLETE:
        pull.counts.unchanged += 1
        return
    seen = before or _first_sight(pull.user, row, now)
    if row.state in asleep.STATES - {asleep.COMPLETE}:
        pull.counts.pending += 1
        if before is None or before.fingerprint != mark:
            pull.sessions.append(replace(seen, fingerprint=mark, verdict=PENDING, changed_at=now))
        return
    seen = replace(seen, fingerprint=mark)
    try:
        await _fetch_session(client, pull, seen, now)
    except VendorError:
        pull.sessions.append(replace(seen, verdict=PENDING, changed_at=now))  # not forgotten beyond the look-back
        raise


async def _look_at_waiting(client: AsleepClient, pull: UserPull, before: LedgerSession, now: datetime) -> None:
    try:
        await _fetch_session(client, pull, before, now)
    except SessionNotFound as error:
        _keep_tombstone(pull, before, error.body, now)


async def _fetch_session(client: AsleepClient, pull: UserPull, seen: LedgerSession, now: datetime) -> None:
    answer = await client.get_session(pull.user.user_id, seen.session_id)
    pull.heard = True
    if _still_analysing(answer):
        pull.counts.pending += 1
        pull.sessions.append(replace(seen, verdict=PENDING))
    else:
        _keep_session(pull, seen, answer, now)


def _keep_session(pull: UserPull, seen: LedgerSession, answer: Answer[asleep.SessionDetail], now: datetime) -> None:
    content_hash = session_hash(answer.body)
    changed = content_hash != seen.content_hash
    # What the build will refuse is kept, and asked for again until the vendor answers as documented.
    verdict = COMPLETE if _is_of(answer, seen.session_id) else PENDING
    if not changed:
        pull.counts.unchanged += 1
    elif seen.content_hash is None:
        pull.counts.new += 1
    else:
        pull.counts.changed += 1
    if changed:
        document = _raw(pull.user, SESSION, seen.session_id, seen.partition, answer, content_hash)
        document = replace(document, reason=_reason(seen, now))
        pull.raw.append(document)
        pull.dirty_days.add(seen.partition)
        pull.touched_months |= _months_of(answer, seen, pull.user)
    pull.sessions.append(
        replace(
            seen,
            verdict=verdict,
            content_hash=content_hash,
            revision=seen.revision + changed,
            changed_at=answer.fetched_at if changed else seen.changed_at,
        )
    )


def _reason(seen: LedgerSession, now: datetime) -> str:
    if seen.content_hash is not None:
        return documents.RE_ANALYSED
    return documents.FIRST_SEEN if seen.first_seen_at == now else documents.COMPLETED


def _keep_tombstone(pull: UserPull, seen: LedgerSession, body: bytes, now: datetime) -> None:
    pull.counts.deleted += 1
    deleted = replace(seen, verdict=DELETED, changed_at=now)
    if seen.content_hash is not None:
        content_hash = f"tombstone:{sha256(body).hexdigest()}"
        deleted = replace(deleted, content_hash=content_hash, revision=seen.revision + 1)
        pull.raw.append(
            RawDocument(
                org_id=pull.user.org_id,
                source=pull.user.source,
                document=SESSION,
                user_id=pull.user.user_id,
                document_id=seen.session_id,
                date=seen.partition,
                status=NOT_FOUND,
                fetched_at=now,
                content_hash=content_hash,
                body=body,
                reason=documents.DELETED,
            )
        )
        pull.dirty_days.add(seen.partition)
        pull.touched_months |= _months_around(seen.partition, pull.user.timezone)
    pull.sessions.append(deleted)


async def _pull_average_stats(client: AsleepClient, pull: UserPull, known: Known, now: datetime) -> None:
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
    await _all_or_first_error(
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
    if _is_new(pull, known, AVERAGE_STATS, document_id, answer, average_stats_hash(answer.body), month):
        pull.dirty_months.add(month)


def _owe_months_not_asked_for(pull: UserPull, now: datetime) -> None:
    # The sessions that call for these months will not look new again.
    asked_for = {document.document_id for document in pull.documents if document.document == AVERAGE_STATS}
    touched = {f"{month:%Y-%m}" for month in pull.touched_months}
    pull.documents += [_owed(pull.user, document_id, now) for document_id in sorted(touched - asked_for)]


def _owed(user: RosterUser, document_id: str, now: datetime) -> LedgerDocument:
    return LedgerDocument(user.source, AVERAGE_STATS, user.user_id, document_id, OWED, now)


async def pull_user_document(client: AsleepClient, pull: UserPull, known: Known, now: datetime) -> None:
    """Fetch the user's document if there is none, or if it is older than ``USER_DOCUMENT_AGE``."""
    before = known.documents.get((USER, pull.user.user_id))
    if before is not None and now - before.fetched_at < USER_DOCUMENT_AGE:
        return
    answer = await client.get_user(pull.user.user_id)
    pull.heard = True
    day = utc_date(answer.fetched_at)
    if _is_new(pull, known, USER, pull.user.user_id, answer, user_hash(answer.body), day):
        pull.users_dirty = True


def _is_new(
    pull: UserPull, known: Known, kind: str, document_id: str, answer: Answer[T], content_hash: str, day: date
) -> bool:
    before = known.documents.get((kind, document_id))
    changed = before is None or before.content_hash != content_hash
    if changed:
        pull.raw.append(_raw(pull.user, kind, document_id, day, answer, content_hash))
    pull.documents.append(
        LedgerDocument(pull.user.source, kind, pull.user.user_id, document_id, content_hash, answer.fetched_at)
    )
    return changed


def fingerprint(row: asleep.SessionRow) -> str:
    """A mark of a list row that changes with any of its fields."""
    return sha256(msgspec.json.encode(row)).hexdigest()[:32]


def last_day(month: date) -> date:
    """The last day of the month that starts on ``month``."""
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _first_sight(user: RosterUser, row: asleep.SessionRow, now: datetime) -> LedgerSession:
    return LedgerSession(
        source=user.source,
        user_id=user.user_id,
        session_id=row.session_id,
        org_id=user.org_id,
        partition=_partition(row, now),
        fingerprint="",
        verdict=PENDING,
        content_hash=None,
        revision=0,
        first_seen_at=now,
        changed_at=now,
    )


def _partition(row: asleep.SessionRow, now: datetime) -> date:
    partition = utc_date(_instant(row.session_start_time))
    if not FIRST_DAY <= partition <= utc_date(now):
        raise UnreadableAnswer(f"A listed session starts before {FIRST_DAY} or in the future; check the clock.")
    return partition


def _months_of(answer: Answer[asleep.SessionDetail], seen: LedgerSession, user: RosterUser) -> set[date]:
    try:
        start = _instant(answer.result().session.start_time)
    except UnreadableAnswer:
        start = None
    if start is None or utc_date(start) != seen.partition:
        return _months_around(seen.partition, user.timezone)
    return {local_date(start, user.timezone).replace(day=1)}


def _months_around(day: date, zone: str) -> set[date]:
    """The months of the zone, mostly one, in which a session may lie that starts on this UTC date."""
    first = datetime(day.year, day.month, day.day, tzinfo=UTC)
    last = first + timedelta(days=1, microseconds=-1)
    return {local_date(moment, zone).replace(day=1) for moment in (first, last)}


def _is_of(answer: Answer[asleep.SessionDetail], session_id: str) -> bool:
    try:
        answered: str = answer.result().session.id
    except UnreadableAnswer:
        return False
    return answered == session_id


def _still_analysing(answer: Answer[asleep.SessionDetail]) -> bool:
    try:
        state: str = answer.result().session.state
    except UnreadableAnswer:
        return False  # kept as received; the build puts it into quarantine with the reason
    return state != asleep.COMPLETE


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or instant.year in (MINYEAR, MAXYEAR):
        raise UnreadableAnswer("A listed session has a start time that is not ISO 8601 with an offset.")
    return instant


def _raw(user: RosterUser, kind: str, document_id: str, day: date, answer: Answer[T], content_hash: str) -> RawDocument:
    return RawDocument(
        org_id=user.org_id,
        source=user.source,
        document=kind,
        user_id=user.user_id,
        document_id=document_id,
        date=day,
        status=HTTP_OK,
        fetched_at=answer.fetched_at,
        content_hash=content_hash,
        body=answer.body,
    )


async def _all_or_first_error(calls: Iterable[Awaitable[None]]) -> None:
    """Let every call end, so that what succeeded is kept, then raise the gravest error."""
    errors = [outcome for outcome in await asyncio.gather(*calls, return_exceptions=True) if outcome is not None]
    for error in sorted(errors, key=lambda error: not stops_everything(error)):
        raise error
