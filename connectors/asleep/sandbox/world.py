"""The sandbox's world: its people, their sessions, one clock, and what may change while it runs.

The clock stands still unless it is moved, so that the same world gives the same bytes for ever. Moving it finishes what
is in progress; it starts nothing: new nights come only from ``add_nights``. JSON and HTTP are in ``answers`` and
``app``.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Literal, NamedTuple

from connectors.asleep.sandbox.hypnogram import EPOCH_S, WAKE, hypnogram, snoring, unstable_breathing
from connectors.asleep.sandbox.people import Metadata, Person, inhabitant, metadata_of, newcomer
from connectors.asleep.sandbox.schedule import (
    Plan,
    history,
    just_closed,
    main_night,
    next_night,
    night_at,
    still_open,
)
from connectors.asleep.sandbox.seeding import SESSION_ID_CHARACTERS, stream, word
from connectors.asleep.sandbox.statistics import Stat, measure

State = Literal["OPEN", "CLOSED", "COMPLETE"]

FIRST_BATCH_CHUNKS = 40
"""Chunks of 30 s the vendor needs before it stages anything."""
BATCH_CHUNKS = 10
"""Chunks it then stages at a time."""

_CLOSED_FOR_S = 20
_CLOSED_PERSON = 1
_OPEN_PERSON = 2


class Recording(NamedTuple):
    """What the phone heard: one value per full 30 s chunk; ``breath`` is null without breathing analysis."""

    stages: Sequence[int]
    snoring: Sequence[int]
    breath: Sequence[int] | None


@dataclass(eq=False, repr=False)
class Session:
    """One session with its planned end; the recording and its figures are made on first use."""

    seed: int
    person: Person
    plan: Plan
    completes: datetime

    @cached_property
    def id(self) -> str:
        """Start in UTC and five characters, as the vendor makes them."""
        rng = stream(self.seed, self.person.index, self.plan.start.isoformat(), "session-id")
        return f"{self.plan.start:%Y%m%d%H%M%S}_{word(rng, SESSION_ID_CHARACTERS, 5)}"

    @property
    def start(self) -> datetime:
        """Start of tracking, UTC."""
        return self.plan.start

    @property
    def end(self) -> datetime:
        """End of tracking, UTC; in the future as long as the session is OPEN."""
        return self.plan.end

    @property
    def time_in_bed_s(self) -> int:
        """Whole recording in seconds."""
        return (self.end - self.start) // timedelta(seconds=1)

    @cached_property
    def recording(self) -> Recording:
        """All chunks up to the planned end."""
        chunks = self.time_in_bed_s // EPOCH_S
        stages = [WAKE] * chunks if self.plan.kind == "rest" else hypnogram(self._stream("stages"), chunks)
        rng = self._stream("snoring")
        snored = snoring(rng, stages, self.person.snoring_share * rng.uniform(0.4, 1.6))
        return Recording(array("b", stages), array("b", snored), self._breath(stages))

    @cached_property
    def stat(self) -> Stat:
        """The figures the vendor sends once the session is COMPLETE."""
        return measure(*self.recording, self.time_in_bed_s)

    def state(self, now: datetime) -> State:
        """OPEN until the planned end, then CLOSED while the analysis runs, then COMPLETE."""
        if now < self.end:
            return "OPEN"
        return "CLOSED" if now < self.completes else "COMPLETE"

    def chunks_received(self, now: datetime) -> int:
        """Full chunks the phone has sent by ``now``."""
        return (min(now, self.end) - self.start) // timedelta(seconds=EPOCH_S)

    def chunks_staged(self, now: datetime) -> int:
        """Chunks that have been staged by ``now``: whole batches after the first 20 minutes, all once COMPLETE."""
        received = self.chunks_received(now)
        if self.state(now) == "COMPLETE":
            return received
        return received // BATCH_CHUNKS * BATCH_CHUNKS if received >= FIRST_BATCH_CHUNKS else 0

    def _breath(self, stages: Sequence[int]) -> Sequence[int] | None:
        if not self.person.breathing:
            return None
        rng = self._stream("breath")
        return array("b", unstable_breathing(rng, stages, self.person.unstable_per_hour * rng.uniform(0.5, 1.5)))

    def _stream(self, what: str) -> Random:
        return stream(self.seed, self.person.index, self.plan.start.isoformat(), what)


@dataclass(eq=False, repr=False)
class User:
    """A person as the vendor knows them: metadata and sessions, by start. Sessions are planned on first use."""

    person: Person
    metadata: Metadata | None
    plan_sessions: Callable[[], list[Session]] = list
    deleted_nights: list[date] = field(default_factory=list)

    @property
    def user_id(self) -> str:
        """Id made by the server."""
        return self.person.user_id

    @cached_property
    def sessions(self) -> list[Session]:
        """All sessions that have begun, by start."""
        return self.plan_sessions()

    def session(self, session_id: str) -> Session | None:
        """The session of this user with this id."""
        return next((session for session in self.sessions if session.id == session_id), None)


class World:
    """Users with nights up to ``now``, all drawn from ``seed``: the same arguments give the same bytes.

    A night depends on (seed, user index, date) alone, so that asking for more users or nights changes nothing that was
    there. From three users on one session is OPEN and one is CLOSED at ``now``, whatever the hour.

    Args:
        users: People of the default population.
        nights: Nights before ``now`` for each of them; a few are skipped.
        seed: Name of the world.
        api_key: The only key that is let in.
        now: Where the world's clock stands, with an offset, cut to the second; the real time by default.
        analysis_s: Seconds a session stays CLOSED before it is COMPLETE, at least 1.

    Raises:
        ValueError: an argument is out of range, or ``now`` has no offset.
    """

    def __init__(
        self,
        users: int = 24,
        nights: int = 30,
        seed: int = 1,
        api_key: str = "sandbox-key",
        now: datetime | None = None,
        analysis_s: int = 60,
    ) -> None:
        _check_world(users, nights, now, analysis_s)
        self.seed = seed
        self.api_key = api_key
        self.nights = nights
        self.analysis_s = analysis_s
        self._now = self._opened = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
        self._next_index = users
        self._users = {user.user_id: user for user in map(self._settle, range(users))}

    @property
    def now(self) -> datetime:
        """The world's time, UTC."""
        return self._now

    def users(self) -> Iterator[User]:
        """All users, in order of arrival."""
        yield from self._users.values()

    def user(self, user_id: str) -> User | None:
        """The user with this id."""
        return self._users.get(user_id)

    def create_user(self, metadata: Metadata | None) -> User:
        """A new user without sessions."""
        user = User(newcomer(self.seed, self._next_index, self._now), metadata)
        self._next_index += 1
        self._users[user.user_id] = user
        return user

    def delete_user(self, user_id: str) -> None:
        """Forget a user and all sessions.

        Raises:
            KeyError: there is no such user.
        """
        del self._users[user_id]

    def delete_session(self, user: User, session: Session) -> None:
        """Forget one session of a user; its night is not given out again."""
        user.sessions.remove(session)
        user.deleted_nights.append(session.plan.night_of)

    def advance_to(self, moment: datetime) -> None:
        """Move the clock forward to ``moment`` (with an offset).

        Raises:
            ValueError: ``moment`` lies before the world's time.
        """
        if moment < self._now:
            raise ValueError("the clock only moves forward")
        self._now = moment.astimezone(UTC).replace(microsecond=0)

    def add_nights(self, count: int, users: Iterable[User] | None = None) -> list[Session]:
        """For each user ``count`` COMPLETE nights after their last one; the clock moves on if they end after now."""
        added = [
            self._add_night(user)
            for user in (list(self._users.values()) if users is None else users)
            for _ in range(count)
        ]
        self._now = max([self._now, *(session.completes for session in added)])
        return added

    def _settle(self, index: int) -> User:
        person = inhabitant(self.seed, index)
        return User(
            person, metadata_of(self.seed, index), lambda: [self._session(person, p) for p in self._past(person)]
        )

    def _past(self, person: Person) -> list[Plan]:
        """What a person of the default population has on record when the world opens."""
        plans = history(self.seed, person, self.nights, self._opened)
        night = night_at(person, self._opened)
        if person.index == _CLOSED_PERSON:
            end = self._opened - timedelta(seconds=min(_CLOSED_FOR_S, self.analysis_s // 3))
            return just_closed(plans, self._opened, end, night)
        if person.index == _OPEN_PERSON:
            return still_open(plans, next_night(self.seed, person, self._opened), self._opened, night)
        return plans

    def _session(self, person: Person, plan: Plan) -> Session:
        return Session(self.seed, person, plan, plan.end + timedelta(seconds=self.analysis_s))

    def _add_night(self, user: User) -> Session:
        night = self._next_night(user)
        session = self._session(user.person, main_night(self.seed, user.person, night))
        while any(other.start < session.end and session.start < other.end for other in user.sessions):
            night += timedelta(days=1)
            session = self._session(user.person, main_night(self.seed, user.person, night))
        user.sessions.append(session)
        user.sessions.sort(key=lambda session: session.start)
        return session

    def _next_night(self, user: User) -> date:
        """The night after the last main one; for somebody without any, the last one that is over and analysed."""
        mains = [session.plan.night_of for session in user.sessions if session.plan.kind == "main"]
        if mains or user.deleted_nights:
            return max(mains + user.deleted_nights) + timedelta(days=1)
        night = night_at(user.person, self._now)
        while self._session(user.person, main_night(self.seed, user.person, night)).completes > self._now:
            night -= timedelta(days=1)
        return night


def _check_world(users: int, nights: int, now: datetime | None, analysis_s: int) -> None:
    if users < 0:
        raise ValueError("users must not be negative")
    if nights < 1:
        raise ValueError("nights must be at least 1")
    if analysis_s < 1:
        raise ValueError("analysis_s must be at least 1")
    if now is not None and now.tzinfo is None:
        raise ValueError("now needs an offset")
