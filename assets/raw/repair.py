"""Repair: what damaged raw files held is fetched again, and only then are the files set aside.

What a damaged file held is not read from it: the ledger knows every document, and what the readable files do not have
in the version of the ledger is missing. As long as a document is missing the damaged file stays in its place, so that
no table is built without it: a repair that stops or is killed is run again and asks only for what is still missing.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from typing import Any, TypeVar

import sqlalchemy as sa

from assets.builds import (
    mark_bed_days_dirty,
    mark_bed_polls_dirty,
    mark_days_dirty,
    mark_months_dirty,
    mark_users_dirty,
)
from assets.raw.asleep_vendor import AsleepVendor
from assets.raw.eight_sleep_vendor import TOMBSTONE, EightSleepVendor
from assets.raw.pulled import last_day, time_after
from assets.raw.remembered import SessionKey, by_id, key_of, missing_of, session_document
from assets.raw.sessions_of_user import start_date
from assets.raw.vendor import Vendor
from connectors.answer import Answer
from connectors.asleep.client import AsleepClient
from connectors.errors import SessionNotFound, UserNotFound, VendorError, stops_everything
from connectors.failpoints import failpoint
from connectors.home import Home
from connectors.lake.damage import DamagedFile, keep_evidence, set_aside
from connectors.lake.raw import HTTP_OK, NOT_FOUND, RawDocument, moved
from connectors.state.ledger import (
    DELETED,
    OWED,
    PENDING,
    LedgerDocument,
    LedgerSession,
    documents_of,
    documents_of_kind,
    forget_documents,
    put_documents,
    put_sessions,
    sessions_of,
)
from connectors.state.nights import sessions_starting
from connectors.state.roster import DEFAULT_ORG, DEFAULT_ZONE, RosterUser, list_users
from connectors.state.vendor import VendorAccount, check_vendor
from schemas import documents
from schemas.canonical import average_stats_hash, trend_hash, user_hash
from schemas.documents import AVERAGE_STATS, SESSION, SESSION_LIST, TREND, USER
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.nights import local_date, utc_date

CHUNK = 100
"""Documents asked for before they are made durable."""

T = TypeVar("T")


@dataclass(slots=True)
class RepairReport:
    """What a repair came to; nobody is named.

    ``restored`` documents are as they were, ``newer`` ones have changed at the vendor since, ``waiting`` ones are being
    analysed there again. The vendor has the ``lost`` ones no longer; ``deleted`` are those of them that a human gave
    up. ``versions_lost`` counts documents of which earlier versions are lost. ``failed`` counts by kind of error.
    ``left`` files are still in their places; of the ``unknown`` ones among them the state does not know what they held.
    ``polls`` counts files of what beds said when they were asked, which is lost or given up, too: then is over.
    """

    restored: int = 0
    newer: int = 0
    waiting: int = 0
    lost: int = 0
    deleted: int = 0
    versions_lost: int = 0
    polls: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    set_aside: list[DamagedFile] = field(default_factory=list)
    left: list[DamagedFile] = field(default_factory=list)
    unknown: list[DamagedFile] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """Documents that were not there again at the end."""
        return self.waiting + self.lost + self.failed.total()

    def add(self, other: "RepairReport") -> None:
        """Count in what the repair of another source came to."""
        for name in ("restored", "newer", "waiting", "lost", "deleted", "versions_lost", "polls"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.failed += other.failed
        self.set_aside += other.set_aside
        self.left += other.left
        self.unknown += other.unknown


@dataclass(slots=True)
class _Found:
    """What an answer came to: documents for raw, what becomes of the ledger (as it was, as it is), dates to build."""

    raw: list[RawDocument] = field(default_factory=list)
    session: tuple[LedgerSession, LedgerSession] | None = None
    document: tuple[LedgerDocument, LedgerDocument | None] | None = None
    owed: list[LedgerDocument] = field(default_factory=list)
    days: set[date] = field(default_factory=set)


Marker = Callable[[sa.Connection], None]


async def repair(
    home: Home,
    vendor: Vendor,
    account: VendorAccount,
    damaged: Iterable[DamagedFile],
    *,
    accept_deletions: bool = False,
) -> RepairReport:
    """Fetch again what these files of the vendor's source held and set them aside; what they belong to is dirty then.

    What the vendor has no longer is given up only with ``accept_deletions``.

    Raises: OtherVendor; what ``stops_everything`` (what was fetched before is kept); StateUnavailable, DiskUnavailable.
    """
    check_vendor(home.state, account)
    repairing = _Repair(home, vendor, accept_deletions)
    for place, files in groupby(sorted(damaged, key=_place), key=_place):
        await repairing.repair(*place, list(files))
    return repairing.report


def _place(file: DamagedFile) -> tuple[str, str, date]:
    """What is repaired together: a date; of user documents all, because only the newest of a user counts."""
    return file.source, file.document, date.min if file.document == USER else file.date


class _Repair:
    def __init__(self, home: Home, vendor: Vendor, accept_deletions: bool) -> None:
        self._home = home
        self._vendor = vendor
        self._source = vendor.source.name
        self._accept_deletions = accept_deletions
        self.report = RepairReport()
        with home.state.read() as connection:
            self._roster = {user.user_id: user for user in list_users(connection, self._source)}

    async def repair(self, source: str, document: str, day: date, files: list[DamagedFile]) -> None:
        places = [keep_evidence(file) for file in files]  # before anything is written beside them
        before = self.report.missing
        known = source == self._source and await self._fetch_again(document, day, len(files))
        if not known:
            self.report.unknown += files
        if known and self.report.missing == before:
            for file, place in zip(files, places, strict=True):
                set_aside(file, place)
            self.report.set_aside += files
        else:
            self.report.left += files

    async def _fetch_again(self, document: str, day: date, files: int) -> bool:
        """Fetch what is missing of a kind and date; False if it is not known what there was."""
        match document, self._vendor:
            case documents.SESSION, _:
                return await self._sessions(day)
            case documents.TREND, EightSleepVendor() as vendor:
                return await self._trends(vendor, day)
            case documents.BED_STATUS, EightSleepVendor():
                return self._polls(day, files)
            case documents.AVERAGE_STATS, AsleepVendor(client=client):
                return await self._months(client, day)
            case documents.USER, AsleepVendor(client=client):
                return await self._users(client)
        return document == SESSION_LIST  # kept as evidence only: no table is made of it

    async def _sessions(self, day: date) -> bool:
        def mark(connection: sa.Connection) -> None:
            self._mark_days(connection, {day})

        with self._home.state.read() as connection:
            there = sessions_starting(connection, self._source, day, day)
        known = [seen for seen in there if seen.content_hash is not None]
        raw = self._home.raw
        notes = raw.notes_of_moves(self._source, SESSION, day)
        moves = self._moves(day, notes, {(seen.user_id, seen.session_id) for seen in known})
        self._commit([moves], mark)
        # What has moved here, and is damaged, is still under the date before as far as it can be read.
        readable = by_id(
            raw.readable_of_all_dates(self._source, SESSION) if notes else raw.readable(self._source, SESSION, day)
        )
        missing: list[LedgerSession] = []
        numbered: list[RawDocument] = []
        for seen in known:
            current = readable.get((seen.user_id, seen.session_id))
            held = current and (current.document.date, current.document.content_hash)
            is_missing = held != (day, seen.content_hash)
            if is_missing:
                missing.append(seen)
            elif current and current.revision < seen.revision:
                # The same document once more, so that its number does not fall back.
                numbered.append(replace(current.document, known_revision=seen.revision))
            self.report.versions_lost += (current.revision if current else 0) + is_missing < seen.revision
        self._commit([_Found(raw=numbered)], mark)
        await self._ask(missing, self._session, mark)
        return bool(known or moves.days)

    def _moves(self, day: date, notes: set[RawDocument], staying: set[SessionKey]) -> _Found:
        """The notes of sessions that have moved from or to this date, as far as they are missing here.

        Without them a session would be under two dates. The other date of a move has each note too; where both are lost
        the ledger knows where a session is. Versions that lay here cannot be fetched again.
        """
        raw, found = self._home.raw, _Found()
        readable = by_id(raw.readable(self._source, SESSION, day))
        moving = {(note.user_id, note.document_id) for note in notes}
        found.raw += {replace(note, date=day) for note in notes} - notes
        for key, seen in self._known((moving | readable.keys()) - staying).items():
            found.days.add(seen.partition)
            if key in moving:
                lying = raw.readable_versions(self._source, SESSION, seen.partition)
                versions = next((each for each in lying if key_of(each[-1]) == key), None)
                self.report.versions_lost += versions is not None and len(versions) < versions[-1].revision
            else:
                found.raw += moved(replace(readable[key].document, date=seen.partition), was=day)
        return found

    def _known(self, keys: set[SessionKey]) -> dict[SessionKey, LedgerSession]:
        """What the ledger knows of these sessions, if it knows of a document of theirs."""
        user_ids = sorted({user_id for user_id, _ in keys})
        with self._home.state.read() as connection:
            parts = [user_ids[start : start + CHUNK] for start in range(0, len(user_ids), CHUNK)]
            found = [sessions_of(connection, self._source, part) for part in parts]
        sessions = [session for part in found for theirs in part.values() for session in theirs]
        known = {(seen.user_id, seen.session_id): seen for seen in sessions if seen.content_hash is not None}
        return {key: known[key] for key in keys & known.keys()}

    def _user(self, user_id: str) -> RosterUser:
        return self._roster.get(user_id) or RosterUser(self._source, user_id)

    async def _session(self, seen: LedgerSession) -> _Found:
        try:
            answer = await self._vendor.get_session(self._user(seen.user_id), seen.session_id)
        except (SessionNotFound, UserNotFound) as error:
            return self._absent_session(seen, error.body if isinstance(error, SessionNotFound) else b"")
        head = self._vendor.source.head(answer)
        content_hash = self._vendor.source.session_hash(answer.body)
        document = session_document(seen, answer.body)
        document = replace(document, fetched_at=time_after(seen, answer.fetched_at), content_hash=content_hash)
        if content_hash == seen.content_hash:
            self.report.restored += 1
            return _Found(raw=[document])
        if head and not head.complete:  # what cannot be read is kept: the build says what is wrong with it
            self.report.waiting += 1
            return _Found()
        self.report.newer += 1
        place = start_date(head, seen.session_id, self._home.clock()) or seen.partition
        revised = replace(document, date=place, known_revision=seen.revision + 1, known_since=None)
        revised = replace(revised, reason=documents.RE_ANALYSED)
        notes = moved(revised, was=seen.partition) if place != seen.partition else []
        # The next pull asks once more, and does all that belongs to a change.
        waiting = replace(seen, partition=place, verdict=PENDING)
        return _Found(raw=[*notes, revised], session=(seen, waiting), days={place})

    def _absent_session(self, seen: LedgerSession, body: bytes) -> _Found:
        now = time_after(seen, self._home.clock())
        tombstone = replace(session_document(seen, body), status=NOT_FOUND, fetched_at=now, reason=documents.DELETED)
        if seen.verdict == DELETED:
            self.report.restored += 1
            return _Found(raw=[tombstone])
        if not self._accept_deletions:
            self.report.lost += 1
            return _Found()
        self.report.deleted += 1
        content_hash = f"tombstone:{sha256(body).hexdigest()}"
        deleted = replace(seen, verdict=DELETED, content_hash=content_hash, revision=seen.revision + 1, changed_at=now)
        tombstone = replace(tombstone, content_hash=content_hash, known_revision=deleted.revision, known_since=None)
        if self._source == EIGHT_SLEEP:  # there are no statistics of months to ask for again
            return _Found(raw=[tombstone], session=(seen, deleted))
        # In the zone of the user the session may be of the month before or after.
        days = [seen.partition + timedelta(days=offset) for offset in (-1, 0, 1)]
        owed = [
            LedgerDocument(self._source, AVERAGE_STATS, seen.user_id, month, OWED, now)
            for month in sorted({f"{day:%Y-%m}" for day in days})
        ]
        return _Found(raw=[tombstone], session=(seen, deleted), owed=owed)

    async def _months(self, client: AsleepClient, month: date) -> bool:
        def mark(connection: sa.Connection) -> None:
            mark_months_dirty(connection, [f"{month:%Y-%m}"])

        async def ask(seen: LedgerDocument) -> _Found:
            user = self._roster.get(seen.user_id)
            zone = user.timezone if user else DEFAULT_ZONE
            # The same question as then has the same answer, as long as nothing has changed.
            asked_at = self._home.clock() if seen.content_hash == OWED else seen.fetched_at
            end = max(month, min(last_day(month), local_date(asked_at, zone)))
            period = user.period_within(month, end) if user else (month, end)
            if period is None:
                return self._absent_document(seen)
            answer = client.average_stats(seen.user_id, *period, zone=zone)
            return await self._document(seen, answer, average_stats_hash, month)

        with self._home.state.read() as connection:
            known = documents_of_kind(connection, self._source, AVERAGE_STATS, f"{month:%Y-%m}")
        readable = self._home.raw.readable(self._source, AVERAGE_STATS, month)
        await self._ask(missing_of(known, readable), ask, mark)
        return bool(known)

    async def _trends(self, vendor: EightSleepVendor, day: date) -> bool:
        def mark(connection: sa.Connection) -> None:
            mark_bed_days_dirty(connection, [day.isoformat()])

        async def ask(seen: LedgerDocument) -> _Found:
            if seen.content_hash.startswith(TOMBSTONE):  # it said that there is no more, and holds nothing else
                self.report.restored += 1
                return _Found(raw=[replace(self._of(seen, day, seen.fetched_at, b""), status=NOT_FOUND)])
            try:
                answer = await vendor.get_trend(self._user(seen.user_id), day)
            except UserNotFound:
                answer = None
            return self._absent_document(seen) if answer is None else self._answered(seen, answer, trend_hash, day)

        with self._home.state.read() as connection:
            known = documents_of_kind(connection, self._source, TREND, day.isoformat())
        await self._ask(missing_of(known, self._home.raw.readable(self._source, TREND, day)), ask, mark)
        return bool(known)

    def _polls(self, day: date, files: int) -> bool:
        """What a bed said once cannot be asked again: the files stay until a human gives them up."""
        self.report.polls += files
        if not self._accept_deletions:
            self.report.lost += files
            return True
        self.report.deleted += files
        self._commit([], lambda connection: mark_bed_polls_dirty(connection, [day.isoformat()]))
        return True

    async def _users(self, client: AsleepClient) -> bool:
        async def ask(seen: LedgerDocument) -> _Found:
            return await self._document(seen, client.get_user(seen.user_id), user_hash, None)

        with self._home.state.read() as connection:
            known = documents_of_kind(connection, self._source, USER)
        readable = self._home.raw.readable_of_all_dates(self._source, USER)
        await self._ask(missing_of(known, readable), ask, mark_users_dirty)
        return bool(known)

    async def _document(
        self, seen: LedgerDocument, ask: Awaitable[Answer[Any]], hash_of: Callable[[bytes], str], day: date | None
    ) -> _Found:
        """Fetch a document other than a session; ``day`` None: it belongs to the date on which it comes."""
        try:
            answer = await ask
        except UserNotFound:
            return self._absent_document(seen)
        return self._answered(seen, answer, hash_of, day or utc_date(answer.fetched_at))

    def _answered(
        self, seen: LedgerDocument, answer: Answer[Any], hash_of: Callable[[bytes], str], day: date
    ) -> _Found:
        document = self._of(seen, day, answer.fetched_at, answer.body)
        document = replace(document, content_hash=hash_of(answer.body))
        if document.content_hash == seen.content_hash:
            self.report.restored += 1
            return _Found(raw=[document])
        self.report.newer += 1
        fetched = replace(seen, content_hash=document.content_hash, fetched_at=answer.fetched_at)
        return _Found(raw=[document], document=(seen, fetched))

    def _of(self, seen: LedgerDocument, day: date, fetched_at: datetime, body: bytes) -> RawDocument:
        """The document that the ledger remembers, with these bytes."""
        user = self._roster.get(seen.user_id)
        return RawDocument(
            org_id=user.org_id if user else DEFAULT_ORG,
            source=seen.source,
            document=seen.document,
            user_id=seen.user_id,
            document_id=seen.document_id,
            date=day,
            status=HTTP_OK,
            fetched_at=fetched_at,
            content_hash=seen.content_hash,
            body=body,
        )

    def _absent_document(self, seen: LedgerDocument) -> _Found:
        """A document that the vendor has no longer, or about nights that the roster does not let us ask for."""
        if not self._accept_deletions:
            self.report.lost += 1
            return _Found()
        self.report.deleted += 1
        return _Found(document=(seen, None))

    async def _ask(self, missing: Sequence[T], ask: Callable[[T], Awaitable[_Found]], mark: Marker) -> None:
        """Ask for what is missing; what some calls brought is durable before the next are made."""
        self._commit([], mark)
        for start in range(0, len(missing), CHUNK):
            calls = [ask(seen) for seen in missing[start : start + CHUNK]]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            self._commit([found for found in outcomes if isinstance(found, _Found)], mark)
            for error in outcomes:
                if isinstance(error, VendorError) and not stops_everything(error):
                    self.report.failed[error.kind] += 1
                elif isinstance(error, BaseException):
                    raise error

    def _commit(self, found: Sequence[_Found], mark: Marker) -> None:
        self._home.raw.append(document for part in found for document in part.raw)
        failpoint("repair.raw_durable")
        with self._home.state.write() as connection:
            # What a pull has learned in the meantime is newer than what was known here.
            sessions = [part.session for part in found if part.session]
            known = sessions_of(connection, self._source, [seen.user_id for seen, _ in sessions])
            put_sessions(connection, [now for seen, now in sessions if seen in known[seen.user_id]])
            changes = [part.document for part in found if part.document]
            noted = documents_of(connection, self._source, [seen.user_id for seen, _ in changes])
            same = [(seen, now) for seen, now in changes if seen in noted[seen.user_id].values()]
            put_documents(connection, [now for _, now in same if now])
            forget_documents(connection, [seen for seen, now in same if now is None])
            put_documents(connection, [owed for part in found for owed in part.owed])
            self._mark_days(connection, {day for part in found for day in part.days})
            mark(connection)
        failpoint("repair.committed")

    def _mark_days(self, connection: sa.Connection, days: Iterable[date]) -> None:
        """Have what is made of the sessions of these dates built again."""
        texts = [day.isoformat() for day in days]
        mark_days_dirty(connection, texts)
        if self._source == EIGHT_SLEEP:
            mark_bed_days_dirty(connection, texts)
