"""What a home must hold after a run: worked out from the simulator's truth and from what the vendor was asked.

Knows nothing of fingerprints, ledgers or queues: a session is held in the version the vendor has now if its date was
listed, and as it was before if not. A run that was killed may have kept what it was sent, or not.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import session_detail
from connectors.asleep.sandbox.sessions import Session, User
from schemas.canonical import session_hash
from schemas.nights import local_date
from tests.assets.engine.vendor_log import DELETED, SessionKey, VendorLog

SWEPT_WITHIN = timedelta(days=31)
"""Once in 30 days, and the night's run may be late."""

_UTC = ZoneInfo("UTC")


def version_of(session: Session, now: datetime) -> str | None:
    """The version the vendor would send now; None while the session is not COMPLETE."""
    if session.state(now) != "COMPLETE":
        return None
    return session_hash(orjson.dumps({"detail": "OK", "result": session_detail(session, now, _UTC)}))


def told(world: World) -> dict[SessionKey, dict[str, Any]]:
    """What the vendor has of every COMPLETE session: its version, start, end and figures."""
    found: dict[SessionKey, dict[str, Any]] = {}
    for user in world.users():
        for session in user.sessions:
            if version := version_of(session, world.now):
                detail = session_detail(session, world.now, _UTC)
                times = {name: detail["session"][name] for name in ("start_time", "end_time")}
                found[user.user_id, session.id] = {"version": version, "stat": detail["stat"], **times}
    return found


@dataclass
class Memory:
    """What was seen of every session, and what must be there now."""

    world: World
    current: dict[SessionKey, str] = field(default_factory=dict)
    days: dict[SessionKey, date] = field(default_factory=dict)
    history: dict[SessionKey, list[str]] = field(default_factory=lambda: defaultdict(list))
    perhaps: dict[SessionKey, set[str]] = field(default_factory=lambda: defaultdict(set))
    unrevealed: set[SessionKey] = field(default_factory=set)
    begun: dict[str, date] = field(default_factory=dict)
    listed_from: dict[str, date] = field(default_factory=dict)
    swept: dict[str, datetime] = field(default_factory=dict)

    def truth(self) -> dict[SessionKey, Session]:
        """Every session that the vendor has, OPEN and CLOSED ones too."""
        return {(user.user_id, session.id): session for user in self.world.users() for session in user.sessions}

    def has_changed_in_silence(self, user: User, session: Session) -> None:
        """A session has other figures, but its row of the list is the same."""
        self.unrevealed.add((user.user_id, session.id))

    def has_changed(self, user: User, session: Session) -> None:
        """A session has changed, and its row of the list with it."""
        self.unrevealed.discard((user.user_id, session.id))

    def begins(self, user_ids: list[str], first: date) -> None:
        """A run is about to ask for these users from this date on."""
        for user_id in user_ids:
            self.begun[user_id] = min(first, self.begun.get(user_id, first))
            self.swept.setdefault(user_id, self.world.now)

    def was_killed(self) -> None:
        """A run died: whatever it could have been told may be in raw."""
        truth = self.truth()
        for key, session in truth.items():
            if version := version_of(session, self.world.now):
                self.perhaps[key].add(version)
                self.days[key] = session.start.astimezone(UTC).date()
        for key in {*self.current, *self.perhaps} - truth.keys():
            self.perhaps[key].add(DELETED)

    def has_ended(self, log: VendorLog) -> dict[SessionKey, set[str]]:
        """A run ended well: note what it was sent. Gives, by session, the versions of which one must be held now.

        ``DELETED`` among them: it may, or if it is the only one must, be absent.
        """
        truth = self.truth()
        for user_id in log.listed:  # also of somebody whose mark was taken back
            first = min(first for listed, first, _ in log.lists if listed == user_id)
            self.begins([user_id], first)
            self.listed_from[user_id] = min(first, self.listed_from.get(user_id, first))
        for key, version in log.sent:
            self._was_sent(key, version, truth.get(key))
        return {key: self._allowed(key, truth.get(key), log) for key in {*truth, *self.current, *self.perhaps}}

    def holds(self, held: dict[SessionKey, str], log: VendorLog) -> None:
        """What is held was found to be right: remember it."""
        self.current = dict(held)
        for key in [key for key in self.perhaps if self._was_listed(key, log)]:
            del self.perhaps[key]

    def may_be_history(self, key: SessionKey, versions: list[str]) -> bool:
        """Whether these versions, oldest first, are what was seen: all that was sent to runs that ended, in order."""
        left = list(versions)
        for seen in self.history[key]:
            while left and left[0] != seen:
                if left.pop(0) not in self.perhaps[key]:
                    return False
            if not left:
                return False
            left.pop(0)
        if set(left) - self.perhaps[key]:
            return False
        self.history[key] = list(versions)
        return True

    def unswept(self, log: VendorLog) -> list[str]:
        """The users whose history was not listed for too long; notes whose was now."""
        late = []
        for user_id in self.begun:
            window = log.window(user_id)
            if window is None:
                continue
            if window[0] <= self.listed_from[user_id]:
                self.swept[user_id] = self.world.now
            elif self.world.now - self.swept[user_id] > SWEPT_WITHIN:
                late.append(user_id)
        return late

    def _was_sent(self, key: SessionKey, version: str, session: Session | None) -> None:
        if session is not None:
            self.days[key] = session.start.astimezone(UTC).date()
            if version != version_of(session, self.world.now):
                return  # still in analysis
        if version == DELETED and not self.history[key]:
            self.perhaps[key].add(DELETED)  # only if a run that was killed kept more of it than its row
            return
        self.unrevealed.discard(key)
        if self.history[key][-1:] != [version]:
            self.history[key].append(version)

    def _allowed(self, key: SessionKey, session: Session | None, log: VendorLog) -> set[str]:
        before = {self.current.get(key, DELETED), *self.perhaps.get(key, ())}
        if session is None:
            return {DELETED} if self._was_listed(key, log) else before
        version = version_of(session, self.world.now)
        if key not in dict(log.sent) and not self._is_within(session.start.astimezone(UTC).date(), key[0], log):
            return before
        if version is None:
            return {self.current.get(key, DELETED)}
        hidden = key in self.unrevealed and not self._is_revealed(session, key, log)
        return {version, *(before - {DELETED} if hidden else ())}

    @staticmethod
    def _is_revealed(session: Session, key: SessionKey, log: VendorLog) -> bool:
        """Whether statistics were sent that show the session's figures: those of its month, in the user's zone."""
        month = local_date(session.start, session.person.timezone)
        return (key[0], f"{month:%Y-%m}") in log.months

    def _was_listed(self, key: SessionKey, log: VendorLog) -> bool:
        return key in self.days and self._is_within(self.days[key], key[0], log)

    @staticmethod
    def _is_within(day: date, user_id: str, log: VendorLog) -> bool:
        window = log.window(user_id)
        return window is not None and window[0] <= day <= window[1]
