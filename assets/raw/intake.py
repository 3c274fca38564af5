"""Taking the inbox of webhooks in: events become raw documents, ledger rows and dirty partitions, or a reason why not.

A batch of events is taken in three durable steps: documents to raw, then the ledger and the dirty partitions, then the
events are settled in the inbox. Killed between any two it is simply taken in again: what was kept is known by its
content hash. No call is made. What an event decides is in ``_Batch``:

- A SESSION_COMPLETE is kept as a pull would keep the answer to GET session. Content that is known changes nothing.
- Content other than the known one is not believed: events come in any order and bear no time, so that nobody knows
  which of the two is the newer. The session waits, and the next pull asks. So it does where an event does not tell all
  that the vendor has of a session, or calls it not complete: nothing is kept then but that the session waits.
- A night in which the user is not followed, be it by the roster's dates, because the user was removed or because the
  vendor has marked the user for deletion: nothing is kept, and the body is forgotten.
- A session that was deleted here stays deleted, until a pull finds it in the vendor's list again.
- A user who is not on the roster: by the policy stored with the event a dead letter, which is taken in when it is
  retried once the user is there; or the user is enrolled, in the zone of the session's phone.
- Times that no night can have (a start in the future, or before all data): a dead letter.
- An INFERENCE_COMPLETE is written into the inbox's own table of running sessions, if its session is not complete, its
  user is followed then, and its numbers say which epochs it tells. It never becomes a document.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import msgspec

from assets.builds import mark_live_dirty, mark_roster_dirty
from assets.raw.committing import commit
from assets.raw.event_marks import event_mark
from assets.raw.months_of_user import owe_months_not_asked_for
from assets.raw.pulled import SessionCounts, UserPull
from assets.raw.sessions_of_user import first_sight, instant, keep_session, start_date
from assets.sources import asleep
from connectors.asleep.answer import AsleepAnswer
from connectors.asleep.webhooks.inbox import Inbox, InboxEvent, Settled, Status
from connectors.asleep.webhooks.live_sessions import LiveBatch, SessionKey
from connectors.errors import UnreadableAnswer
from connectors.failpoints import failpoint
from connectors.home import Home
from connectors.lake.raw import HTTP_OK
from connectors.state.ledger import COMPLETE, DELETED, PENDING, LedgerSession, sessions_of
from connectors.state.roster import DEFAULT_ORG, DEFAULT_ZONE, RosterUser, list_users, put_users
from schemas.asleep import ASLEEP, SessionDetail
from schemas.asleep import COMPLETE as ANALYSED
from schemas.asleep_webhook import (
    InferenceComplete,
    OtherEvent,
    SessionComplete,
    UnreadableEvent,
    WebhookEvent,
    webhook_event,
)
from schemas.canonical import session_hash
from schemas.documents import WEBHOOK
from schemas.nights import FIRST_DAY, is_iana_zone, utc_date
from schemas.session_ids import start_in

BATCH = 500
"""Events that are taken in at once."""

KEEP_DAYS = 30
"""Days for which settled events stay in the inbox unless told."""

SILENT = timedelta(minutes=30)
"""Of a running session there is a batch every five minutes; after such a pause it is looked up whether it is over."""

LONGEST_SILENT = timedelta(days=2)
"""A running session of which nothing came for so long is removed, whatever became of it."""

ENROL = "enrol"
"""The policy, stored with an event, by which a user who is not on the roster is put there."""

KEPT, KNOWN, DIFFERS, NOT_WHOLE = "kept", "known", "differs", "not_whole"
LIVE, LATE, NOT_PLACED = "live", "late", "not_placed"
NOT_FOLLOWED, UNKNOWN_USER, IS_DELETED = "not_followed", "unknown_user", "deleted"
NOT_DOCUMENTED, IMPOSSIBLE_TIMES = "not_documented", "impossible_times"

_USERS_AT_ONCE = 50


@dataclass(slots=True)
class Intake:
    """What taking the inbox in came to; nobody is named. ``reasons`` counts events by what was decided of them.

    ``forgotten`` are events that were deleted because they were settled long ago.
    """

    events: int = 0
    dead_letters: int = 0
    sessions: SessionCounts = field(default_factory=SessionCounts)
    reasons: Counter[str] = field(default_factory=Counter)
    enrolled: int = 0
    forgotten: int = 0

    def summary(self) -> dict[str, int]:
        """As it stands in the summary of a sync."""
        return {"events": self.events, "sessions": self.sessions.new, "dead_letters": self.dead_letters}


@dataclass(frozen=True)
class _Told(AsleepAnswer[SessionDetail]):
    """An event's body in the place of an answer."""

    detail: SessionDetail | None = field(default=None, repr=False)

    def _decoded(self) -> SessionDetail:
        if self.detail is None:
            return super()._decoded()
        return self.detail


def take_in(home: Home, inbox: Inbox, keep_days: int = KEEP_DAYS) -> Intake:
    """Take in every new event, in the order of their ids, and delete what was settled ``keep_days`` ago (0: nothing).

    Whoever else is at it is waited for.

    Raises: InboxUnavailable, DiskUnavailable, StateUnavailable; what was taken in before is kept.
    """
    intake, cursor = Intake(), 0
    with home.lock("inbox"):
        while events := inbox.events_after(cursor, BATCH):
            _take_batch(home, inbox, events, intake)
            cursor = events[-1].id
        _end_silent_sessions(home, inbox)
        if keep_days:
            intake.forgotten = inbox.forget_done(home.clock() - timedelta(days=keep_days))
    return intake


def _take_batch(home: Home, inbox: Inbox, events: Sequence[InboxEvent], intake: Intake) -> None:
    now = home.clock()
    read = [(event, _read(event)) for event in events]
    keys = {_key(told) for _, told in read if isinstance(told, SessionComplete | InferenceComplete)}
    with home.state.read() as connection:
        roster = {user.user_id: user for user in list_users(connection, ASLEEP)}
    batch = _Batch(now, roster, _known(home, keys))
    settled = [batch.decide(event, told) for event, told in read]
    if batch.enrolled:
        with home.state.write() as connection:
            put_users(connection, batch.enrolled.values())
            before = {user.key: user for user in roster.values()}
            mark_roster_dirty(connection, before, batch.enrolled.values())
    pulls = list(batch.pulls.values())
    for pull in pulls:
        owe_months_not_asked_for(pull, now)
    commit(home, None, pulls)
    failpoint("inbox.in_ledger")
    ended = [key for key in keys if _is_over(batch.known.get(key))]
    live = [each for each in batch.live if each.key not in ended]
    if live or inbox.running(ended):
        _have_live_sessions_loaded(home)
    inbox.settle(settled, now, live, ended)
    intake.events += len(events)
    intake.dead_letters += sum(each.status is Status.DEAD_LETTER for each in settled)
    intake.reasons.update(each.reason for each in settled)
    intake.enrolled += len(batch.enrolled)
    intake.sessions.add(batch.counts)


def _read(event: InboxEvent) -> WebhookEvent | UnreadableEvent:
    try:
        return webhook_event(event.delivery.body)
    except UnreadableEvent as unreadable:
        return unreadable


def _key(told: SessionComplete | InferenceComplete) -> SessionKey:
    return SessionKey(ASLEEP, told.user_id, told.session_id)


def _known(home: Home, keys: set[SessionKey]) -> dict[SessionKey, LedgerSession]:
    """What the ledger knows of these sessions."""
    user_ids = sorted({key.user_id for key in keys})
    known: dict[SessionKey, LedgerSession] = {}
    with home.state.read() as connection:
        for start in range(0, len(user_ids), _USERS_AT_ONCE):
            theirs = sessions_of(connection, ASLEEP, user_ids[start : start + _USERS_AT_ONCE])
            found = ((SessionKey(ASLEEP, s.user_id, s.session_id), s) for each in theirs.values() for s in each)
            known |= {key: session for key, session in found if key in keys}
    return known


def _end_silent_sessions(home: Home, inbox: Inbox) -> None:
    """Remove running sessions that have become complete without an event, or of which nothing was heard for days."""
    now = home.clock()
    silent = set(inbox.silent_sessions(now - SILENT))
    if not silent:
        return
    over = {key for key, session in _known(home, silent).items() if _is_over(session)}
    over |= set(inbox.silent_sessions(now - LONGEST_SILENT))
    if over:
        _have_live_sessions_loaded(home)
        inbox.settle([], now, ended=over)


def _have_live_sessions_loaded(home: Home) -> None:
    # Noted before they change, so that a kill loses nothing; whoever loads them waits for the inbox.
    with home.state.write() as connection:
        mark_live_dirty(connection)


def _is_over(seen: LedgerSession | None) -> bool:
    return seen is not None and (seen.verdict in (COMPLETE, DELETED) or seen.content_hash is not None)


@dataclass(slots=True)
class _Batch:
    """The events of a batch, decided one after the other; nothing is written here."""

    now: datetime
    roster: dict[str, RosterUser]
    known: dict[SessionKey, LedgerSession]
    pulls: dict[str, UserPull] = field(default_factory=dict)
    enrolled: dict[str, RosterUser] = field(default_factory=dict)
    live: list[LiveBatch] = field(default_factory=list)
    counts: SessionCounts = field(default_factory=SessionCounts)

    def decide(self, event: InboxEvent, told: WebhookEvent | UnreadableEvent) -> Settled:
        """What becomes of an event."""
        if isinstance(told, UnreadableEvent):
            return Settled(event.id, Status.DEAD_LETTER, told.reason)
        if isinstance(told, OtherEvent):
            return _done(event, NOT_DOCUMENTED)
        return self._session(event, told) if isinstance(told, SessionComplete) else self._inference(event, told)

    def _session(self, event: InboxEvent, told: SessionComplete) -> Settled:
        detail = msgspec.convert(told.result, SessionDetail)
        try:
            start = instant(detail.session.start_time)
        except UnreadableAnswer:
            return Settled(event.id, Status.DEAD_LETTER, IMPOSSIBLE_TIMES)
        if not FIRST_DAY <= utc_date(start) <= utc_date(self.now):
            return Settled(event.id, Status.DEAD_LETTER, IMPOSSIBLE_TIMES)
        user = self._user(told, event, detail)
        if user is None:
            return Settled(event.id, Status.DEAD_LETTER, UNKNOWN_USER)
        if not user.follows(start):
            return _forgotten(event, NOT_FOLLOWED)
        answer = _Told(event.delivery.body, HTTP_OK, event.received_at, SessionDetail, detail)
        return _done(event, self._keep(user, told, answer, utc_date(start)))

    def _keep(self, user: RosterUser, told: SessionComplete, answer: _Told, day: date) -> str:
        """Keep a session, or have it asked for; which of them it was."""
        key, session = _key(told), answer.result().session
        seen = self.known.get(key)
        if seen is not None and seen.verdict == DELETED:
            return IS_DELETED
        starts_on = start_date(asleep.SOURCE.head(answer), told.session_id, self.now)
        is_whole = told.is_whole and session.state == ANALYSED and starts_on
        if seen is not None and seen.content_hash is not None:
            if not is_whole:
                return NOT_WHOLE
            if seen.content_hash == session_hash(answer.body):
                self.counts.unchanged += 1
                return KNOWN
            self._wait(user, key, seen)
            return DIFFERS
        seen = seen or first_sight(user, told.session_id, day, answer.fetched_at)
        if not is_whole:
            self._wait(user, key, seen)
            return NOT_WHOLE
        marked = replace(seen, fingerprint=event_mark(session, has_figures=answer.result().stat is not None))
        pull = self._pull(user)
        self._forget_waiting(pull, key)
        keep_session(pull, marked, answer, self.now, WEBHOOK)
        self.counts.new += 1
        self.known[key] = pull.sessions[-1]
        return KEPT

    def _wait(self, user: RosterUser, key: SessionKey, seen: LedgerSession) -> None:
        """Have the next pull ask for a session."""
        pull = self._pull(user)
        self._forget_waiting(pull, key)
        self.known[key] = replace(seen, verdict=PENDING)
        pull.sessions.append(self.known[key])
        self.counts.pending += 1

    @staticmethod
    def _forget_waiting(pull: UserPull, key: SessionKey) -> None:
        pull.sessions = [session for session in pull.sessions if session.session_id != key.session_id]

    def _pull(self, user: RosterUser) -> UserPull:
        return self.pulls.setdefault(user.user_id, UserPull(user))

    def _user(self, told: SessionComplete, event: InboxEvent, detail: SessionDetail) -> RosterUser | None:
        user = self.roster.get(told.user_id) or self.enrolled.get(told.user_id)
        if user is None and event.delivery.unknown_users == ENROL:
            zones = (detail.session.created_timezone, detail.session.timezone)
            zone = next((zone for zone in zones if zone and is_iana_zone(zone)), DEFAULT_ZONE)
            user = self.enrolled[told.user_id] = RosterUser(ASLEEP, told.user_id, DEFAULT_ORG, zone)
        return user

    def _inference(self, event: InboxEvent, told: InferenceComplete) -> Settled:
        key = _key(told)
        if told.first_epoch is None:
            return _done(event, NOT_PLACED)
        user = self.roster.get(told.user_id)
        if user is None and event.delivery.unknown_users == ENROL:
            user = RosterUser(ASLEEP, told.user_id)  # who sleeps for the first time is enrolled when that is over
        if user is None:
            return _forgotten(event, UNKNOWN_USER)
        if not user.follows(start_in(told.session_id) or event.received_at):
            return _forgotten(event, NOT_FOLLOWED)
        if _is_over(self.known.get(key)):
            return _done(event, LATE)
        stages = (told.sleep_stages, told.breath_stages, told.snoring_stages)
        self.live.append(LiveBatch(key, event.received_at, int(told.inference_seq_num), told.first_epoch, *stages))
        return _done(event, LIVE)


def _done(event: InboxEvent, reason: str) -> Settled:
    return Settled(event.id, Status.DONE, reason)


def _forgotten(event: InboxEvent, reason: str) -> Settled:
    return Settled(event.id, Status.DONE, reason, forgotten=True)
