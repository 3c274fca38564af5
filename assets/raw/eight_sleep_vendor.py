"""Eight Sleep as a vendor of nights: sleep sessions from the list of intervals, and the scored nights (trends).

The list has the sessions whole, so that a night costs no call of its own. A bed has two sleepers and an account may see
both: who is asked with which account is looked up once a pull. Talks to the vendor and decides; writes nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from hashlib import sha256
from typing import Any

import msgspec

from assets.raw.pulled import UserPull, keep_if_new, raw_document
from assets.raw.user_pull import pull_window_or_history, take_steps
from assets.raw.vendor import Listed, Listing, Look
from assets.sources import eight_sleep
from assets.sources.source import SleepSource
from connectors.answer import Answer
from connectors.eight_sleep.answer import EightSleepAnswer
from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.eight_sleep.sleep_data import ListedInterval
from connectors.errors import (
    AccountRefused,
    KeyRefused,
    UnreadableAnswer,
    UserNotFound,
    VendorError,
    WrongUsage,
    stops_everything,
)
from connectors.http import Calls
from connectors.lake.raw import HTTP_OK, NOT_FOUND
from connectors.state.ledger import DELETED, LedgerDocument, LedgerSession
from connectors.state.roster import RosterUser
from connectors.state.vendor import VendorAccount, key_fingerprint
from schemas import documents
from schemas.canonical import interval_hash, trend_hash
from schemas.documents import TREND
from schemas.eight_sleep import EIGHT_SLEEP, Interval, TrendDay, Trends, decoded
from schemas.nights import FIRST_DAY, local_date, utc_date

DAY = timedelta(days=1)

TREND_DAYS = 30
"""Days of trends asked for at once: as many as community clients have tried."""

TOMBSTONE = "tombstone:"


class EightSleepVendor:
    """Open accounts as what a pull asks (``assets.raw.vendor.Vendor``)."""

    def __init__(self, clients: Sequence[EightSleepClient]) -> None:
        self._clients = clients
        self._looking = asyncio.Lock()
        self._seen: dict[str, EightSleepClient] | None = None
        self._not_looked_at: VendorError | None = None

    @property
    def source(self) -> SleepSource:
        """The bed."""
        return eight_sleep.SOURCE

    @property
    def calls(self) -> Calls:
        """Requests made so far, by all accounts."""
        total = Calls()
        for client in self._clients:
            total.by_endpoint.update(client.calls.by_endpoint)
            total.retries += client.calls.retries
        return total

    async def list_sessions(self, user: RosterUser, first: date, last: date) -> Listing:
        """Every interval of these dates, whole. Pages are not kept: all that is on them is kept by itself."""
        client = await self._client_of(user)
        rows = await client.intervals_between(user.asked_as, first, last)
        return Listing([listed(row) for row in rows if row.ts is None or first <= _utc_date(row.ts) <= last])

    async def get_session(self, user: RosterUser, session_id: str) -> Answer[Interval]:
        """One interval."""
        client = await self._client_of(user)
        return await client.get_interval(user.asked_as, session_id)

    async def get_trend(self, user: RosterUser, day: date) -> Answer[Any] | None:
        """The scored night of one day as it is told now; None if none is told. Raises: UserNotFound."""
        client = await self._client_of(user)
        answer = await client.trends(user.asked_as, day, day, user.timezone)
        for raw in answer.result().days:
            try:
                night = decoded(raw, TrendDay)
            except (ValueError, RecursionError):
                continue
            if night.day == day.isoformat() and night.has_night:
                return replace_body(answer, bytes(raw))
        return None

    async def pull_user(self, look: Look, pull: UserPull, first: date, last: date) -> None:
        """Sessions, then the scored nights of the window."""
        sessions = partial(pull_window_or_history, look, pull, first, last)
        await take_steps(pull, [sessions, partial(self._pull_trends, look, pull, first, last)])

    async def _pull_trends(self, look: Look, pull: UserPull, first: date, last: date) -> None:
        """Keep every day whose content is new. A night belongs to the morning on which it ends.

        Asked for are the days of the window, and older ones whose sessions have changed.
        """
        user = pull.user
        owed = _owed_days(look)
        days = {day + beside * DAY for day in owed for beside in (-1, 0, 1)}  # whose the other sessions are
        days |= {session.partition + late for session in pull.sessions for late in (timedelta(0), DAY)}
        if window := user.active_within(first, last):
            days |= set(_dates(window[0] - DAY, window[1] + DAY))
        wanted = sorted(day for day in days if day <= local_date(look.now, user.timezone))
        if not wanted:
            return
        client, told = await self._client_of(user), _Told()
        for start, stop in _spans(wanted):
            answer = await client.trends(user.asked_as, start, stop, user.timezone)
            pull.heard = True
            _keep_days(look, pull, answer, (start, stop), told)
        _bury(look, pull, told)
        _are_settled(look, pull, owed & told.nights)
        if told.unreadable:
            raise UnreadableAnswer(
                "Eight Sleep's trends have a night that is not as documented; the others are kept. Its format has "
                "changed, look for a newer Nightshift."
            )

    async def _client_of(self, user: RosterUser) -> EightSleepClient:
        """The account that sees a user. Raises: UserNotFound, or why an account could not be looked at."""
        async with self._looking:
            if self._seen is None:
                self._seen = await self._who_is_seen()
        if found := self._seen.get(user.asked_as):
            return found
        if self._not_looked_at:
            raise self._not_looked_at
        raise UserNotFound(
            "No Eight Sleep account sees a rostered user: check vendor_user_id in the roster against "
            "`nightshift bed users`."
        )

    async def _who_is_seen(self) -> dict[str, EightSleepClient]:
        seen: dict[str, EightSleepClient] = {}
        for client in self._clients:
            try:
                seen = dict.fromkeys(await sleepers_of(client), client) | seen
            except KeyRefused as error:
                if len(self._clients) == 1:
                    raise
                self._not_looked_at = AccountRefused(str(error))
            except VendorError as error:
                if stops_everything(error):
                    raise
                self._not_looked_at = error
        return seen


@dataclass(frozen=True)
class EightSleepAccounts:
    """The accounts of the settings as a pull reaches them; they are all at one vendor, and so one account of it.

    ``find`` reads them when they are needed first: what is wrong with them concerns nobody else's pull.
    """

    find: Callable[[], tuple[EightSleepConnection, ...]]
    new_vendor: bool = False

    @cached_property
    def connections(self) -> tuple[EightSleepConnection, ...]:
        """The accounts. Raises: WrongUsage."""
        return self.find()

    def account(self) -> VendorAccount:
        """Which vendor it is; accounts come and go. Raises: WrongUsage when there is none."""
        if not self.connections:
            raise WrongUsage(
                "There is no Eight Sleep account: set EIGHT_SLEEP_EMAIL and EIGHT_SLEEP_PASSWORD, or "
                "EIGHT_SLEEP_ACCOUNTS_FILE, in the environment or .env."
            )
        address = self.connections[0].client_url
        return VendorAccount(EIGHT_SLEEP, address, key_fingerprint(EIGHT_SLEEP), replaces=self.new_vendor)

    @asynccontextmanager
    async def open(self, on_call: Callable[[str], None] | None = None) -> AsyncIterator[EightSleepVendor]:
        """All of them, opened. Raises: WrongUsage, DiskUnavailable."""
        async with AsyncExitStack() as opened:
            clients = [await opened.enter_async_context(one.open(on_call=on_call)) for one in self.connections]
            yield EightSleepVendor(clients)


def listed(row: ListedInterval) -> Listed:
    """An interval of a page; of one whose beginning cannot be read the pull says so, and keeps all others."""
    whole = EightSleepAnswer(row.body, HTTP_OK, row.fetched_at, "interval", partial(decoded, shape=Interval))
    interval = eight_sleep.SOURCE.head(whole)
    waiting = interval is not None and not interval.complete
    return Listed(row.id or "", row.ts or "", waiting, interval_hash(row.body), whole=whole)


async def sleepers_of(client: EightSleepClient) -> list[str]:
    """The user of an account, and who sleeps in the same beds."""
    me = (await client.get_me()).result()
    seen = [me.user_id]
    for device_id in me.devices:
        bed = (await client.get_bed(device_id)).result()
        away = bed.away_sides.values() if isinstance(bed.away_sides, dict) else ()
        seen += [user_id for user_id in (bed.left_user_id, bed.right_user_id, *away) if isinstance(user_id, str)]
    return seen


@dataclass
class _Told:
    """What the answers of a pull say of days: which were asked for (each with its answer), which have a night."""

    asked: dict[date, Answer[Trends]] = field(default_factory=dict)
    nights: set[date] = field(default_factory=set)
    session_ids: set[str] = field(default_factory=set)
    unreadable: int = 0


def _keep_days(look: Look, pull: UserPull, answer: Answer[Trends], asked: tuple[date, date], told: _Told) -> None:
    """Keep the nights of an answer, and note what it tells."""
    told.asked |= dict.fromkeys(_dates(*asked), answer)
    for raw in answer.result().days:
        try:
            night = decoded(raw, TrendDay)
            day = date.fromisoformat(night.day)
        except (ValueError, RecursionError):
            told.unreadable += 1
            continue
        if not (night.has_night and asked[0] <= day <= asked[1] and day >= FIRST_DAY):
            continue
        told.nights.add(day)
        told.session_ids |= set(night.session_ids)
        if pull.user.is_within(day - DAY):
            _keep_day(look, pull, day, replace_body(answer, bytes(raw)))


def _keep_day(look: Look, pull: UserPull, day: date, night: Answer[Any]) -> None:
    before, content_hash = look.known.documents.get((TREND, day.isoformat())), trend_hash(night.body)
    if before is None or before.content_hash != content_hash:
        keep_if_new(pull, look.known, TREND, day.isoformat(), night, content_hash, day)
        pull.scored_days.add(day)


def _known_days(look: Look) -> dict[date, LedgerDocument]:
    """The days of which a night is kept that is not known to be gone, with what was noted of it."""
    known = ((day, noted) for (kind, day), noted in look.known.documents.items() if kind == TREND)
    return {date.fromisoformat(day): noted for day, noted in known if not noted.content_hash.startswith(TOMBSTONE)}


def _owed_days(look: Look) -> set[date]:
    """The days of which a session may have been deleted since their night was kept."""
    by_day = _sessions_by_day(look)
    return {
        day
        for day, noted in _known_days(look).items()
        for seen in by_day[day - DAY] + by_day[day]
        if seen.verdict == DELETED and seen.changed_at > noted.fetched_at
    }


def _bury(look: Look, pull: UserPull, told: _Told) -> None:
    """Note that a scored night is no more, where its sessions are known to be deleted: a fault is no deletion.

    A session that is named by another day is none of its.
    """
    by_day = _sessions_by_day(look)
    for day in sorted(_known_days(look).keys() & told.asked.keys() - told.nights):
        near = by_day[day - DAY] + by_day[day]
        if _are_deleted([seen for seen in near if seen.session_id not in told.session_ids]):
            user, answer = pull.user, told.asked[day]
            content_hash = TOMBSTONE + sha256(answer.body).hexdigest()
            gone = raw_document(user, TREND, day.isoformat(), day, replace_body(answer, b""), content_hash)
            pull.raw.append(replace(gone, status=NOT_FOUND, reason=documents.DELETED))
            noted = LedgerDocument(user.source, TREND, user.user_id, day.isoformat(), content_hash, answer.fetched_at)
            pull.documents.append(noted)
            pull.scored_days.add(day)


def _are_settled(look: Look, pull: UserPull, days: set[date]) -> None:
    """Note that nights near a deleted session are as they were: they need not be asked for again."""
    kept = {document.document_id for document in pull.documents}
    for day, noted in _known_days(look).items():
        if day in days and noted.document_id not in kept:
            pull.documents.append(replace(noted, fetched_at=look.now))


def _sessions_by_day(look: Look) -> defaultdict[date, list[LedgerSession]]:
    by_day: defaultdict[date, list[LedgerSession]] = defaultdict(list)
    for seen in look.known.sessions.values():
        by_day[seen.partition].append(seen)
    return by_day


def _are_deleted(sessions: Sequence[LedgerSession]) -> bool:
    return bool(sessions) and all(seen.verdict == DELETED for seen in sessions)


def _dates(first: date, last: date) -> Iterator[date]:
    return (first + number * DAY for number in range((last - first).days + 1))


def _spans(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Days in order as few spans of at most ``TREND_DAYS`` days, each from the first to the last that is wanted."""
    while days:
        span = [day for day in days if day < days[0] + TREND_DAYS * DAY]
        yield span[0], span[-1]
        days = days[len(span) :]


def replace_body(answer: Answer[Any], body: bytes) -> Answer[Any]:
    """A part of an answer, received with it."""
    return EightSleepAnswer(body, answer.status, answer.fetched_at, "trends", msgspec.json.decode)


def _utc_date(ts: str) -> date:
    return utc_date(datetime.fromisoformat(ts).astimezone(UTC))
