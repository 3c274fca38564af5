"""A user of the vendor's and their sessions: what each records, when it is closed and analysed, what is known by when.

Moments are handed in; who moves the clock and adds sessions is ``world``, what is said about them is ``answers``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from random import Random

from connectors.asleep.sandbox.hypnogram import EPOCH_S
from connectors.asleep.sandbox.oddity import NOTHING_ODD, Oddity
from connectors.asleep.sandbox.people import Metadata, Person
from connectors.asleep.sandbox.recording import Recording, analyses_breathing, chunks_in_all, recorded
from connectors.asleep.sandbox.schedule import Plan
from connectors.asleep.sandbox.seeding import SESSION_ID_CHARACTERS, stream, word
from connectors.asleep.sandbox.statistics import Stat, measure

FIRST_BATCH_CHUNKS = 40
"""Chunks of 30 s the vendor needs before it stages anything."""
BATCH_CHUNKS = 10
"""Chunks it then stages at a time."""


@dataclass(eq=False, repr=False)
class Session:
    """One session with its planned end; the recording and its figures are made on first use."""

    seed: int
    person: Person
    plan: Plan
    analysis: timedelta
    """Time between the moment it is closed and the end of its analysis."""
    oddity: Oddity = NOTHING_ODD
    case: str = ""
    """Name of the case it shows, ``late`` for one that was uploaded late, empty for an ordinary session."""
    part: int = 1
    """Its number among the sessions of its case."""
    analyses: int = 1

    @cached_property
    def id(self) -> str:
        """Start in UTC and five characters, as the vendor makes them."""
        return f"{self.plan.start:%Y%m%d%H%M%S}_{word(self._stream('session-id'), SESSION_ID_CHARACTERS, 5)}"

    @property
    def start(self) -> datetime:
        """Start of tracking, UTC."""
        return self.plan.start

    @property
    def end(self) -> datetime:
        """End of tracking, UTC; in the future as long as the phone records."""
        return self.plan.end

    @property
    def unexpected_end(self) -> datetime | None:
        """When the client came back to close a session it could not end, UTC."""
        return None if self.oddity.closed_late is None else self.end + self.oddity.closed_late

    @property
    def closed(self) -> datetime:
        """When the vendor learned of the end, UTC."""
        return self.unexpected_end or self.end

    @property
    def completes(self) -> datetime:
        """When the analysis is done, UTC."""
        return self.closed + self.analysis

    @property
    def timezone(self) -> str:
        """IANA zone of the phone."""
        return self.oddity.timezone or self.person.timezone

    @property
    def breathing(self) -> bool:
        """Whether breathing is analysed."""
        return analyses_breathing(self.person, self.oddity)

    @property
    def time_in_bed_s(self) -> int:
        """Whole recording in seconds."""
        return (self.end - self.start) // timedelta(seconds=1)

    @cached_property
    def recording(self) -> Recording:
        """All chunks up to the planned end."""
        again = f"-{self.analyses}" if self.analyses > 1 else ""
        return recorded(self.person, self.plan, self.oddity, lambda what: self._stream(what + again))

    @cached_property
    def stat(self) -> Stat:
        """The figures of the whole recording, sent once the session is COMPLETE and nothing stands against it."""
        return measure(
            *self.recording,
            self.time_in_bed_s,
            two_stage=self.oddity.two_stage,
            onset_at_unknown=self.oddity.onset_at_unknown,
            breathing_pattern=self.oddity.breathing_pattern,
        )

    def state(self, now: datetime) -> str:
        """OPEN until it is closed, then CLOSED while the analysis runs, then COMPLETE or what the oddity calls it."""
        if now < self.closed:
            return "OPEN"
        return "CLOSED" if now < self.completes else self.oddity.state or "COMPLETE"

    def chunks_received(self, now: datetime) -> int:
        """Full chunks the phone has sent by ``now``."""
        sent = (min(now, self.end) - self.start) // timedelta(seconds=EPOCH_S)
        return min(sent, chunks_in_all(self.plan, self.oddity))

    def chunks_staged(self, now: datetime) -> int:
        """Chunks that have been staged by ``now``: whole batches after the first 20 minutes, all once COMPLETE."""
        received = self.chunks_received(now)
        if self.state(now) == "COMPLETE":
            return received
        return received // BATCH_CHUNKS * BATCH_CHUNKS if received >= FIRST_BATCH_CHUNKS else 0

    def analyse_again(self) -> bool:
        """Draw stages and figures anew; id, start and end stay. Whether anything that is sent has changed."""
        before = self.recording.stages
        self.analyses += 1
        del self.recording
        self.__dict__.pop("stat", None)
        return self.oddity.arrays not in ("empty", "null") and self.recording.stages != before

    def overlaps(self, other: "Session") -> bool:
        """Whether there is a moment at which both record."""
        return other.start < self.end and self.start < other.end

    def _stream(self, what: str) -> Random:
        name = (self.seed, self.person.index, self.plan.start.isoformat(), what)
        return stream(*name, self.case, self.part) if self.case else stream(*name)


@dataclass(eq=False, repr=False)
class User:
    """A person as the vendor knows them: metadata and sessions, by start. Sessions are planned on first use."""

    person: Person
    metadata: Metadata | None
    plan_sessions: Callable[[], list[Session]] = list
    deleted_nights: list[date] = field(default_factory=list)
    to_be_deleted: bool = False

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
