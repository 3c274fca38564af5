"""The verdict on one user's night: why there is data or why there is none, decided from the facts alone.

The order in which the verdicts are tried is that of ``VERDICTS``; the first one that fits is given. What each means is
said there and nowhere else. Which nights are expected, and where facts come from, is not decided here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from schemas.night_hours import is_main_sleep

COMPLETE = "complete"
PENDING = "pending"
QUARANTINED = "quarantined"
USER_GONE = "user_gone"
PROVIDER_ERROR = "provider_error"
INACTIVE = "inactive"
NOT_CHECKED = "not_checked"
NEVER_SLEPT = "never_slept"
NAP_ONLY = "nap_only"
TOO_SHORT = "too_short"
DELETED = "deleted"
NO_RECORDING = "no_recording"

VERDICTS: dict[str, str] = {
    COMPLETE: "a main sleep was recorded and analysed; its figures may still be missing",
    PENDING: "a session is being recorded, analysed or built; every sync looks again",
    QUARANTINED: "a session's document cannot be used: nightshift quarantine list",
    USER_GONE: "the vendor knows the user no more or will delete them, and was not asked about this night before",
    PROVIDER_ERROR: "the vendor failed for the user and was not asked about this night before",
    INACTIVE: "the roster's dates do not include the night any more, and the vendor was not asked about it before",
    NOT_CHECKED: "the vendor was not asked, or not since the night was over",
    NEVER_SLEPT: "a night was recorded, but no sleep found in it; or nothing but rests without sleep",
    NAP_ONLY: "sleep was recorded, but only naps: under 3 hours and mostly outside of 21:00 to 09:00",
    TOO_SHORT: "only recordings that are too short for the vendor to analyse",
    DELETED: "what was recorded has been deleted at the vendor; former versions are in session_history",
    NO_RECORDING: "the vendor was asked once the night was over, and had nothing",
}
"""Every verdict with its meaning, in the order of precedence.

What is not known comes before what was found of lesser worth: after an afternoon's nap the night may still hold a
sleep that nobody has asked for.
"""

OPEN_VERDICTS = frozenset({NOT_CHECKED, PROVIDER_ERROR, QUARANTINED})
"""Verdicts of nights of which it is not known, or not usable, what they were: they count against completeness."""

POLL, WEBHOOK = "poll", "webhook"


class Standing(StrEnum):
    """What became of a session: in ``sleep_sessions``, still to come, refused by a rule, or deleted at the vendor."""

    BUILT = "built"
    WAITING = "waiting"
    REFUSED = "refused"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class NightSession:
    """A session of a night. Times and ``slept`` (None: the vendor sent no figures) are those of a built one.

    ``path`` is how its first version came, poll or webhook; None as long as none has come.
    """

    session_id: str
    standing: Standing
    first_seen_at: datetime
    revision: int = 0
    start: datetime | None = None
    end: datetime | None = None
    zone: str = "UTC"
    slept: bool | None = None
    too_short: bool = False
    path: str | None = None

    def __repr__(self) -> str:
        return f"NightSession(standing={self.standing})"

    @property
    def in_bed(self) -> timedelta:
        """From start to end; zero where they are not known."""
        return self.end - self.start if self.start and self.end else timedelta(0)

    @property
    def at_night(self) -> bool:
        """Whether it is a night's recording by its hours, and not a nap's or a rest's."""
        return bool(self.start and self.end and is_main_sleep(self.start, self.end, self.zone))


@dataclass(frozen=True, slots=True)
class NightFacts:
    """What is known of one user and night that is over.

    ``checked_at``: when the vendor had answered about the whole night after its end, None if it has not.
    ``asked``: every date of it was asked for at some time. ``followed``: the roster's dates include it.
    ``known``: the vendor knows the user; ``marked``: it will delete them, so that nothing is asked any more.
    ``failure``: kind of the error that left the night unasked, if one did; ``stopped``: the pull ended before it came
    to the user.
    """

    ended_at: datetime
    sessions: Sequence[NightSession] = ()
    checked_at: datetime | None = None
    asked: bool = False
    followed: bool = True
    known: bool = True
    marked: bool = False
    failure: str | None = None
    stopped: bool = False

    def __repr__(self) -> str:
        return "NightFacts(…)"


@dataclass(frozen=True, slots=True)
class NightVerdict:
    """The verdict, one sentence of reason (None for complete), and what the night's data is.

    ``session_ids`` are those the vendor has, by start; ``late_days`` are whole days from the night's end to when its
    data was first seen, None without data.
    """

    verdict: str
    reason: str | None
    session_ids: list[str]
    main_session_id: str | None
    first_seen_at: datetime | None
    late_days: int | None
    revised: bool
    path: str | None

    def __repr__(self) -> str:
        return f"NightVerdict(verdict={self.verdict})"


def judge(facts: NightFacts) -> NightVerdict:
    """The verdict on a night; the first that fits, in the order of ``VERDICTS``."""
    verdict, main = _verdict(facts)
    current = sorted((s for s in facts.sessions if s.standing is not Standing.DELETED), key=_by_start)
    telling = main or min(current, key=_by_first_sight, default=None)
    seen = telling.first_seen_at if telling else None
    return NightVerdict(
        verdict=verdict,
        reason=_reason(verdict, facts),
        session_ids=[session.session_id for session in current],
        main_session_id=main.session_id if main else None,
        first_seen_at=seen,
        late_days=max(0, (seen - facts.ended_at).days) if seen else None,
        revised=any(session.revision > 1 for session in facts.sessions),
        path=telling.path if telling else None,
    )


def _verdict(facts: NightFacts) -> tuple[str, NightSession | None]:
    standings = {session.standing for session in facts.sessions}
    built = [session for session in facts.sessions if session.standing is Standing.BUILT]
    analysed = [session for session in built if not session.too_short]
    mains = [session for session in analysed if session.slept is not False and session.at_night]
    if mains:
        return COMPLETE, max(mains, key=_by_length)
    if Standing.WAITING in standings:
        return (PENDING if facts.followed and not facts.marked else _why_unchecked(facts)), None
    if Standing.REFUSED in standings:
        return QUARANTINED, None
    if facts.checked_at is None:
        return _why_unchecked(facts), None
    if any(session.slept is False and session.at_night for session in analysed):
        return NEVER_SLEPT, None
    if any(session.slept is not False for session in analysed):
        return NAP_ONLY, None
    if analysed:
        return NEVER_SLEPT, None
    if built:
        return TOO_SHORT, None
    return (DELETED if standings else NO_RECORDING), None


def _why_unchecked(facts: NightFacts) -> str:
    if facts.marked or not facts.known:
        return USER_GONE
    if facts.failure is not None:
        return PROVIDER_ERROR
    return NOT_CHECKED if facts.followed else INACTIVE


def _reason(verdict: str, facts: NightFacts) -> str | None:
    if verdict == COMPLETE:
        return None
    if verdict == PROVIDER_ERROR:
        return f"the vendor failed for this user ({facts.failure}), asked again with nightshift sync --unfinished"
    if verdict == NO_RECORDING and facts.checked_at:
        return f"the vendor had nothing when asked at {facts.checked_at:%Y-%m-%d %H:%M} UTC"
    if verdict == NOT_CHECKED:
        if facts.stopped:
            return "the pull ended before it came to this user, asked again with nightshift sync --unfinished"
        if facts.asked:
            return "the vendor was not asked since the night was over: nightshift sync"
        return "the vendor was never asked for these dates: nightshift backfill"
    return VERDICTS[verdict]


def _by_start(session: NightSession) -> tuple[bool, datetime, str]:
    return session.start is None, session.start or session.first_seen_at, session.session_id


def _by_first_sight(session: NightSession) -> tuple[datetime, str]:
    return session.first_seen_at, session.session_id


def _by_length(session: NightSession) -> tuple[timedelta, datetime, str]:
    # Of two of one length the one that was seen last; only its id must not be left to chance.
    return session.in_bed, session.first_seen_at, session.session_id
