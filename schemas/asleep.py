"""Payloads of the Asleep REST API (https://docs-en.asleep.ai), as typed structs for decoding at the edge.

Fields are those of the V3 session, the session list, average stats and the user. Unknown fields are ignored here and
stay in the raw document; states, peculiarities and patterns are plain text, because new values appear without notice.
Numbers are decoded as they come; whether they can be true is decided in ``quirks``.
"""

from typing import Any, Generic, TypeVar

import msgspec

ASLEEP = "asleep"
"""The name of this source in every table, path and pseudonym."""

COMPLETE = "COMPLETE"
"""Session state: ended and fully analysed; the only state that reaches the lake."""

STATES = frozenset({"OPEN", "CLOSED", COMPLETE})
"""The documented states of a session: being recorded, ended and in analysis, analysed."""

NO_BREATHING_STABILITY = "NO_BREATHING_STABILITY"
"""Peculiarity: the contract has no breathing analysis, every breath field is null."""

PECULIARITIES = frozenset(
    {
        "IN_PROGRESS",
        "NEVER_SLEPT",
        "TOO_SHORT_FOR_ANALYSIS",
        "TOO_LONG_FOR_ANALYSIS",
        "TOO_MANY_DEFECTS_IN_SLEEP_STAGES",
        NO_BREATHING_STABILITY,
        "NO_REALTIME_POLLING",
    }
)
"""The documented peculiarities; others are carried as they come."""

BREATHING_PATTERNS = frozenset({"STABLE_BREATH"})
"""The breathing patterns that were seen; others are carried as they come."""

ResultT = TypeVar("ResultT")

Epochs = list[int | float | None]
"""One code per 30 s. Documented are whole numbers; whatever else is a code we do not know."""


class Envelope(msgspec.Struct, Generic[ResultT], frozen=True):
    """Every successful answer: ``{"detail": ..., "result": ...}``; ``detail`` is never looked at."""

    result: ResultT


class CreatedUser(msgspec.Struct, frozen=True):
    """Result of POST /ai/v1/users: the id the server made."""

    user_id: str


class UserMetadata(msgspec.Struct, frozen=True):
    """Metadata of a user: height in cm, weight in kg, gender as text."""

    birth_year: int | float | None = None
    birth_month: int | float | None = None
    birth_day: int | float | None = None
    gender: str | None = None
    height: float | None = None
    weight: float | None = None


class UpdatedUser(msgspec.Struct, frozen=True):
    """Result of PUT /ai/v1/users/{user_id}."""

    user_id: str
    metadata: UserMetadata | None = None


class User(msgspec.Struct, frozen=True):
    """Result of GET /ai/v1/users/{user_id}; ``last_session_info`` is not read (two shapes are documented)."""

    user_id: str
    to_be_deleted: bool = False
    metadata: UserMetadata | None = None


class SessionRow(msgspec.Struct, frozen=True):
    """A row of GET /data/v1/sessions; times are ISO 8601 with offset, ``time_in_bed`` in seconds."""

    session_id: str
    state: str
    session_start_time: str
    session_end_time: str | None = None
    created_timezone: str | None = None
    unexpected_end_time: str | None = None
    last_received_seq_num: int | None = None
    time_in_bed: int | None = None


class SessionList(msgspec.Struct, frozen=True):
    """Result of GET /data/v1/sessions; there is no total count."""

    sleep_session_list: list[SessionRow]
    timezone: str | None = None


class Session(msgspec.Struct, frozen=True):
    """``session`` of GET /data/v3/sessions/{session_id}; stages are one value per 30 s.

    ``timezone`` stands for ``created_timezone`` in one documented variant.
    """

    id: str
    state: str
    start_time: str
    end_time: str | None = None
    unexpected_end_time: str | None = None
    created_timezone: str | None = None
    timezone: str | None = None
    sleep_stages: Epochs | None = None
    breath_stages: Epochs | None = None
    snoring_stages: Epochs | None = None


class Stat(msgspec.Struct, frozen=True):
    """``stat`` of GET /data/v3/sessions/{session_id}: seconds, counts, fractions; times are ISO 8601 with offset.

    ``sleep_cycle`` is the mean length in seconds, in one documented variant the cycles themselves.
    """

    sleep_time: str | None = None
    wake_time: str | None = None
    sleep_index: float | None = None
    sleep_latency: float | None = None
    wakeup_latency: float | None = None
    light_latency: float | None = None
    deep_latency: float | None = None
    rem_latency: float | None = None
    time_in_bed: float | None = None
    time_in_sleep_period: float | None = None
    time_in_sleep: float | None = None
    time_in_wake: float | None = None
    time_in_light: float | None = None
    time_in_deep: float | None = None
    time_in_rem: float | None = None
    time_in_stable_breath: float | None = None
    time_in_unstable_breath: float | None = None
    time_in_snoring: float | None = None
    time_in_no_snoring: float | None = None
    sleep_efficiency: float | None = None
    sleep_ratio: float | None = None
    wake_ratio: float | None = None
    light_ratio: float | None = None
    deep_ratio: float | None = None
    rem_ratio: float | None = None
    stable_breath_ratio: float | None = None
    unstable_breath_ratio: float | None = None
    snoring_ratio: float | None = None
    no_snoring_ratio: float | None = None
    breathing_index: float | None = None
    breathing_pattern: str | None = None
    waso_count: float | None = None
    longest_waso: float | None = None
    sleep_cycle_count: float | None = None
    sleep_cycle: float | list[dict[str, Any]] | None = None
    sleep_cycle_time: list[str] | None = None
    unstable_breath_count: float | None = None
    snoring_count: float | None = None


class SessionDetail(msgspec.Struct, frozen=True):
    """Result of GET /data/v3/sessions/{session_id}; ``missing_data_ratio`` is a fraction."""

    session: Session
    timezone: str | None = None
    peculiarities: list[str] | None = None
    missing_data_ratio: float | None = None
    stat: Stat | None = None


class Period(msgspec.Struct, frozen=True):
    """``period`` of average stats: dates ``YYYY-MM-DD``."""

    start_date: str
    end_date: str
    timezone: str | None = None


class AverageStat(msgspec.Struct, frozen=True):
    """``average_stats``: clock times ``hh:mm:ss``; seconds, counts and fractions as averages."""

    start_time: str | None = None
    end_time: str | None = None
    sleep_time: str | None = None
    wake_time: str | None = None
    sleep_latency: float | None = None
    wakeup_latency: float | None = None
    time_in_bed: float | None = None
    time_in_sleep_period: float | None = None
    time_in_sleep: float | None = None
    time_in_wake: float | None = None
    time_in_light: float | None = None
    time_in_deep: float | None = None
    time_in_rem: float | None = None
    time_in_stable_breath: float | None = None
    time_in_unstable_breath: float | None = None
    time_in_snoring: float | None = None
    time_in_no_snoring: float | None = None
    sleep_efficiency: float | None = None
    waso_count: float | None = None
    longest_waso: float | None = None
    sleep_cycle_count: float | None = None
    sleep_cycle: float | list[dict[str, Any]] | None = None
    unstable_breath_count: float | None = None
    snoring_count: float | None = None


class ListedSession(msgspec.Struct, frozen=True):
    """A session named by average stats; the id is ``id`` or ``session_id``."""

    id: str | None = None
    session_id: str | None = None


class AverageStats(msgspec.Struct, frozen=True):
    """Result of GET /data/v1/users/{user_id}/average-stats; ``average_stats`` is null without a slept session."""

    period: Period
    peculiarities: list[str] | None = None
    average_stats: AverageStat | None = None
    never_slept_sessions: list[ListedSession] | None = None
    slept_sessions: list[ListedSession] | None = None
