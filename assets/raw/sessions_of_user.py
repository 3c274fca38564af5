"""Pulling one user's sessions: the list, the details of what is new or changed, and whatever was left waiting."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from assets.night_facts import night_of_session
from assets.raw.deletions import Vanished
from assets.raw.event_marks import figures_of_event
from assets.raw.pulled import Known, UserPull, all_or_first_error, raw_document, time_after
from assets.raw.vendor import Listed, Listing, Look
from assets.sources.known import SOURCES
from assets.sources.source import Head
from connectors.answer import Answer
from connectors.errors import SessionNotFound, UnreadableAnswer, VendorError
from connectors.lake.raw import RawDocument, moved
from connectors.state.ledger import COMPLETE, PENDING, LedgerSession
from connectors.state.roster import RosterUser
from schemas import documents
from schemas.documents import SESSION, SESSION_LIST
from schemas.nights import FIRST_DAY, local_date, utc_date
from schemas.session_ids import start_in

DAY = timedelta(days=1)


async def pull_sessions(look: Look, pull: UserPull, first: date, last: date) -> None:
    """List the sessions that start on ``first``..``last`` (inclusive UTC dates) and fetch what is new or changed.

    What waits, or is known and not listed any more, is asked for by itself. Nothing is kept of a session of a night in
    which the user is not followed: the list, which goes by UTC dates, can show one at its ends.

    Raises: VendorError.
    """
    known = look.known.sessions
    window = pull.user.active_within(first, last)
    listing = Listing()
    if window is not None:
        first, last = window
        listing = await look.vendor.list_sessions(pull.user, first, last)
        pull.heard = True
        pull.listed = window
    pull.raw.extend(_telling_pages(pull.user, listing, look.known))
    ids = {row.session_id for row in listing.sessions}
    followed = [row for row in listing.sessions if is_followed_row(pull.user, row)]
    unlisted = [session for session in known.values() if session.session_id not in ids]
    waiting = [session for session in unlisted if session.verdict == PENDING]
    missing = [s for s in unlisted if window and s.verdict == COMPLETE and first <= s.partition <= last]
    await all_or_first_error(
        [
            *(_look_at_row(look, pull, row, known.get(row.session_id)) for row in followed),
            *(_look_for_unlisted(look, pull, s) for s in (*waiting, *missing) if is_asked_for(pull.user, s)),
        ]
    )


def _telling_pages(user: RosterUser, listing: Listing, known: Known) -> Iterator[RawDocument]:
    """The list pages that say something new: those with a row whose fingerprint is not the known one.

    They are kept as received, so that one which shows a night in which the user is not followed is not kept.
    """
    for number, (page, rows) in enumerate(listing.pages):
        if not all(is_followed_row(user, row) for row in rows):
            continue
        before = (known.sessions.get(row.session_id) for row in rows)
        if any(seen is None or seen.fingerprint != row.fingerprint for row, seen in zip(rows, before, strict=True)):
            day = utc_date(page.fetched_at)
            yield raw_document(user, SESSION_LIST, f"page {number}", day, page, sha256(page.body).hexdigest())


async def _look_at_row(look: Look, pull: UserPull, row: Listed, before: LedgerSession | None) -> None:
    now = look.now
    if before is not None and before.fingerprint == row.fingerprint and before.verdict == COMPLETE:
        pull.counts.unchanged += 1
        return
    if before is not None and before.verdict == COMPLETE and _is_row_of_event(look, pull, before, row):
        return
    try:
        seen = before or _first_sight(pull.user, row, now)
    except UnreadableAnswer:
        pull.listed = None  # a row that cannot be entered leaves its night unknown
        raise
    if row.waiting:
        pull.counts.pending += 1
        if before is None or before.fingerprint != row.fingerprint:
            pull.sessions.append(_waiting(replace(seen, fingerprint=row.fingerprint), now))
        return
    await _fetch_or_wait(look, pull, replace(seen, fingerprint=row.fingerprint), row.whole)


def _is_row_of_event(look: Look, pull: UserPull, before: LedgerSession, row: Listed) -> bool:
    """Whether a row, the first that is seen of a session that came by webhook, tells nothing new; then it is known."""
    had_figures = figures_of_event(before.fingerprint, row.row) if row.row else None
    if had_figures is None:
        return False
    pull.counts.unchanged += 1
    pull.remembered[row.session_id] = replace(before, fingerprint=row.fingerprint)
    days = days_near(instant(row.start_time), pull.user.timezone, look.now)
    pull.touched_months |= months_of(days)
    if had_figures:
        pull.averaged[row.session_id] = days
    return True


async def fetch_revealed(look: Look, pull: UserPull, seen: LedgerSession) -> None:
    """Fetch a complete session although its list row is the known one. Raises: VendorError."""
    if pull.listed and pull.listed[0] <= seen.partition <= pull.listed[1]:
        pull.counts.unchanged -= 1  # as which its row was counted
    await _fetch_or_wait(look, pull, seen)


async def _fetch_or_wait(look: Look, pull: UserPull, seen: LedgerSession, whole: Answer[Any] | None = None) -> None:
    try:
        await _fetch_session(look, pull, seen, whole)
    except VendorError:
        pull.sessions.append(_waiting(seen, look.now))  # not forgotten beyond the look-back
        raise


async def _look_for_unlisted(look: Look, pull: UserPull, before: LedgerSession) -> None:
    """Fetch a session that the list does not have; only a 404 on its detail says that it is gone."""
    if look.brake.pulled:
        return
    try:
        if is_followed(pull.user, before):
            await _fetch_session(look, pull, before)
        else:
            await look.vendor.get_session(pull.user, before.session_id)
            pull.sessions.append(replace(before, verdict=COMPLETE))  # it is still there, and that is all we may know
    except SessionNotFound as error:
        look.brake.vanished.append(Vanished(pull.user, before, error.body))
        pull.touched_months |= months_of(days_around(before.partition, pull.user.timezone))


async def _fetch_session(look: Look, pull: UserPull, seen: LedgerSession, whole: Answer[Any] | None = None) -> None:
    answer = whole or await look.vendor.get_session(pull.user, seen.session_id)
    pull.heard = True
    if _still_analysing(look.vendor.source.head(answer)):
        pull.counts.pending += 1
        pull.sessions.append(replace(seen, verdict=PENDING))
    else:
        keep_session(pull, seen, answer, look.now)


def _waiting(seen: LedgerSession, now: datetime) -> LedgerSession:
    # Its time must not fall behind that of a version it has, should the clock have been set back.
    return replace(seen, verdict=PENDING, changed_at=max(now, seen.changed_at))


def keep_session(
    pull: UserPull, seen: LedgerSession, answer: Answer[Any], now: datetime, came_by: str | None = None
) -> None:
    """Keep a session's document, if it is new, under the UTC date on which it says that the session starts.

    ``came_by`` is the reason of a first version that no pull has asked for.

    A session that was kept under another date moves from there. What the build will refuse stays where the session was,
    and the session waits: it is asked for again until the vendor answers as documented.
    """
    source = SOURCES[seen.source]
    head = source.head(answer)
    starts_on = start_date(head, seen.session_id, now)
    place = starts_on or seen.partition
    content_hash = source.session_hash(answer.body)
    moves = seen.content_hash is not None and place != seen.partition
    changed = moves or content_hash != seen.content_hash
    if not changed:
        pull.counts.unchanged += 1
    elif seen.content_hash is None:
        pull.counts.new += 1
    else:
        pull.counts.changed += 1
    kept = replace(
        seen,
        partition=place,
        verdict=COMPLETE if starts_on else PENDING,
        content_hash=content_hash,
        revision=seen.revision + changed,
        changed_at=time_after(seen, answer.fetched_at) if changed else seen.changed_at,
    )
    pull.sessions.append(kept)
    if not changed:
        return
    document = raw_document(pull.user, SESSION, seen.session_id, place, answer, content_hash)
    document = replace(
        document,
        fetched_at=kept.changed_at,
        reason=_reason(seen, now, came_by),
        known_revision=kept.revision if moves else None,
    )
    former = {seen.partition} if seen.content_hash is not None else {seen.partition, _date_in_id(seen, now) or place}
    pull.raw += [note for was in former - {place} for note in moved(document, was)]
    pull.raw.append(document)
    pull.dirty_days |= {place, *former}
    _touch_months(pull, kept, head, now)
    if moves:
        pull.touched_months |= months_of(days_around(seen.partition, pull.user.timezone))


def _date_in_id(seen: LedgerSession, now: datetime) -> date | None:
    """A date under which a session may lie although the ledger knows no document of it: a pull was killed."""
    start = start_in(seen.session_id)
    return utc_date(start) if start and FIRST_DAY <= utc_date(start) <= utc_date(now) else None


def _reason(seen: LedgerSession, now: datetime, came_by: str | None) -> str:
    if seen.content_hash is not None:
        return documents.RE_ANALYSED
    if came_by is not None:
        return came_by
    return documents.FIRST_SEEN if seen.first_seen_at == now else documents.COMPLETED


def _touch_months(pull: UserPull, seen: LedgerSession, head: Head | None, now: datetime) -> None:
    days = _days_of(head, seen, pull.user, now)
    pull.touched_months |= months_of(days)
    if head and head.has_figures:
        pull.averaged[seen.session_id] = days


def is_followed(user: RosterUser, session: LedgerSession) -> bool:
    """Whether a known session belongs to a night in which the user is followed (the roster can have been changed)."""
    return user.is_within(night_of_session(session, user.timezone))


def is_asked_for(user: RosterUser, session: LedgerSession) -> bool:
    """Whether a known session that is not listed may be asked for by itself.

    Outside of the followed nights only what is here already and waits: it was deleted from here, and has to leave.
    """
    return is_followed(user, session) or (session.verdict == PENDING and session.content_hash is not None)


def is_followed_row(user: RosterUser, row: Listed) -> bool:
    """As ``is_followed``, of a row of the list."""
    try:
        return user.follows(instant(row.start_time))
    except UnreadableAnswer:
        return True  # entering it in the ledger says what is wrong with it


def _first_sight(user: RosterUser, row: Listed, now: datetime) -> LedgerSession:
    return first_sight(user, row.session_id, _partition(row, now), now)


def first_sight(user: RosterUser, session_id: str, partition: date, now: datetime) -> LedgerSession:
    """A session of which nothing was known before ``now``; it waits for its document."""
    return LedgerSession(
        source=user.source,
        user_id=user.user_id,
        session_id=session_id,
        org_id=user.org_id,
        partition=partition,
        fingerprint="",
        verdict=PENDING,
        content_hash=None,
        revision=0,
        first_seen_at=now,
        changed_at=now,
    )


def _partition(row: Listed, now: datetime) -> date:
    partition = utc_date(instant(row.start_time))
    if not FIRST_DAY <= partition <= utc_date(now):
        raise UnreadableAnswer(f"A listed session starts before {FIRST_DAY} or in the future; check the clock.")
    return partition


def _days_of(head: Head | None, seen: LedgerSession, user: RosterUser, now: datetime) -> frozenset[date]:
    """The local dates under which the vendor may count a session in its statistics; none of them is yet to come."""
    try:
        start = instant(head.start_time) if head else None
    except UnreadableAnswer:
        start = None
    if start is None or utc_date(start) != seen.partition:
        return days_around(seen.partition, user.timezone)
    return days_near(start, user.timezone, now)


def days_near(start: datetime, zone: str, now: datetime) -> frozenset[date]:
    """The local dates within a day of a session's start, but none after ``now``.

    Under which date the vendor counts a session (that of its start, its end or its night) is not documented.
    """
    return _local_dates(start - DAY, start, max(start, min(start + DAY, now)), zone=zone)


def days_around(day: date, zone: str) -> frozenset[date]:
    """As ``days_near``, of a session of which only the UTC date of its start is known."""
    first = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return _local_dates(first - DAY, first, first + DAY, first + 2 * DAY - timedelta(microseconds=1), zone=zone)


def _local_dates(*moments: datetime, zone: str) -> frozenset[date]:
    return frozenset(local_date(moment, zone) for moment in moments)


def months_of(days: Iterable[date]) -> set[date]:
    """The months of these dates, as their first days."""
    return {day.replace(day=1) for day in days}


def start_date(head: Head | None, session_id: str, now: datetime) -> date | None:
    """The UTC date on which a session starts by its own document; None for a document that the build refuses."""
    if head is None or head.session_id != session_id:
        return None
    try:
        start, end = instant(head.start_time), instant(head.end_time or "")
    except UnreadableAnswer:
        return None
    day = utc_date(start)
    return day if start <= end and FIRST_DAY <= day <= utc_date(now) else None


def _still_analysing(head: Head | None) -> bool:
    # What cannot be read is kept as received; the build puts it into quarantine with the reason.
    return head is not None and not head.complete


def instant(text: str) -> datetime:
    """The moment of a text. Raises: UnreadableAnswer if it is no time with an offset, or has no date in every zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.year in (MINYEAR, MAXYEAR):
        raise UnreadableAnswer("A listed session has a start time that is not ISO 8601 with an offset.")
    return moment
