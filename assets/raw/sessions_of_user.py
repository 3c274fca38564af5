"""Pulling one user's sessions: the list, the details of what is new or changed, and whatever was left waiting."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from hashlib import sha256

import msgspec

from assets.raw.deletions import Brake, Vanished
from assets.raw.pulled import Known, UserPull, all_or_first_error, raw_document
from connectors.asleep.answer import Answer
from connectors.asleep.client import AsleepClient
from connectors.errors import SessionNotFound, UnreadableAnswer, VendorError
from connectors.lake.raw import RawDocument
from connectors.state.ledger import COMPLETE, PENDING, LedgerSession
from connectors.state.roster import RosterUser
from schemas import asleep, documents
from schemas.canonical import row_hash, session_hash
from schemas.documents import SESSION, SESSION_LIST
from schemas.nights import FIRST_DAY, local_date, utc_date


@dataclass(frozen=True, slots=True)
class Look:
    """What a pull of one user's sessions works with: whom to ask, what is known, the brake on deletions, the time."""

    client: AsleepClient
    known: Known
    brake: Brake
    now: datetime


async def pull_sessions(look: Look, pull: UserPull, first: date, last: date) -> None:
    """List the sessions that start on ``first``..``last`` (inclusive UTC dates) and fetch what is new or changed.

    What waits, or is known and not listed any more, is asked for by itself. Raises: VendorError.
    """
    known = look.known.sessions
    window = pull.user.active_within(first, last)
    listed: dict[str, asleep.SessionRow] = {}
    pages: list[Answer[asleep.SessionList]] = []
    if window is not None:
        user_id, (first, last) = pull.user.user_id, window
        rows = look.client.iterate_sessions(user_id, date_gte=first, date_lte=last, on_page=pages.append)
        listed = {row.session_id: row async for row in rows}
        pull.heard = True
        pull.listed = window
    pull.raw.extend(_telling_pages(pull.user, pages, look.known))
    unlisted = [session for session in known.values() if session.session_id not in listed]
    waiting = [session for session in unlisted if session.verdict == PENDING]
    missing = [s for s in unlisted if window and s.verdict == COMPLETE and first <= s.partition <= last]
    await all_or_first_error(
        [
            *(_look_at_row(look, pull, row, known.get(row.session_id)) for row in listed.values()),
            *(_look_for_unlisted(look, pull, session) for session in (*waiting, *missing)),
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
            yield raw_document(user, SESSION_LIST, f"page {number}", day, page, sha256(page.body).hexdigest())


async def _look_at_row(look: Look, pull: UserPull, row: asleep.SessionRow, before: LedgerSession | None) -> None:
    now = look.now
    mark = fingerprint(row)
    if before is not None and before.fingerprint == mark and before.verdict == COMPLETE:
        pull.counts.unchanged += 1
        return
    try:
        seen = before or _first_sight(pull.user, row, now)
    except UnreadableAnswer:
        pull.listed = None  # a row that cannot be entered leaves its night unknown
        raise
    if row.state in asleep.STATES - {asleep.COMPLETE}:
        pull.counts.pending += 1
        if before is None or before.fingerprint != mark:
            pull.sessions.append(replace(seen, fingerprint=mark, verdict=PENDING, changed_at=now))
        return
    seen = replace(seen, fingerprint=mark)
    try:
        await _fetch_session(look, pull, seen)
    except VendorError:
        pull.sessions.append(replace(seen, verdict=PENDING, changed_at=now))  # not forgotten beyond the look-back
        raise


async def _look_for_unlisted(look: Look, pull: UserPull, before: LedgerSession) -> None:
    """Fetch a session that the list does not have; only a 404 on its detail says that it is gone."""
    if look.brake.pulled:
        return
    try:
        await _fetch_session(look, pull, before)
    except SessionNotFound as error:
        look.brake.vanished.append(Vanished(pull.user, before, error.body))
        pull.touched_months |= _months_around(before.partition, pull.user.timezone)


async def _fetch_session(look: Look, pull: UserPull, seen: LedgerSession) -> None:
    answer = await look.client.get_session(pull.user.user_id, seen.session_id)
    pull.heard = True
    if _still_analysing(answer):
        pull.counts.pending += 1
        pull.sessions.append(replace(seen, verdict=PENDING))
    else:
        _keep_session(pull, seen, answer, look.now)


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
        document = raw_document(pull.user, SESSION, seen.session_id, seen.partition, answer, content_hash)
        document = replace(document, reason=_reason(seen, now))
        pull.raw.append(document)
        pull.dirty_days.add(seen.partition)
        _touch_months(pull, seen, answer)
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


def _touch_months(pull: UserPull, seen: LedgerSession, answer: Answer[asleep.SessionDetail]) -> None:
    months = _months_of(answer, seen, pull.user)
    pull.touched_months |= months
    if len(months) == 1 and _has_figures(answer):
        pull.averaged.setdefault(min(months), set()).add(seen.session_id)


def _has_figures(answer: Answer[asleep.SessionDetail]) -> bool:
    try:
        return answer.result().stat is not None
    except UnreadableAnswer:
        return False


def fingerprint(row: asleep.SessionRow) -> str:
    """A mark of a list row that changes with any of its fields."""
    return row_hash(msgspec.to_builtins(row))


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
