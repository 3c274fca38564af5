"""Nights with the vendor's scores (GET /v1/users/{userId}/trends): the variants of 2022, v2 and v3 as one shape."""

from typing import Any

import msgspec

from schemas.eight_sleep.reading import Number, Silent


class ScorePart(Silent, frozen=True):
    """One part of a score: this night, the usual one, and what it counts; clock times are text (``HH:MM:SS``)."""

    current: Number | str | None = None
    average: Number | str | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    score: Number | None = None
    weight: Number | None = None
    weighted: Number | None = None
    lower_range: Number | None = None
    upper_range: Number | None = None


class FitnessScore(Silent, frozen=True):
    """``sleepFitnessScore``: parts in seconds, the last one clock times."""

    total: Number | None = None
    sleep_duration_seconds: ScorePart = ScorePart()
    latency_asleep_seconds: ScorePart = ScorePart()
    latency_out_seconds: ScorePart = ScorePart()
    wakeup_consistency: ScorePart = ScorePart()


class QualityScore(Silent, frozen=True):
    """``sleepQualityScore``: seconds, beats and breaths per minute, ms, °C; ``waso`` is a fraction."""

    total: Number | None = None
    weight: Number | None = None
    weighted: Number | None = None
    sleep_duration_seconds: ScorePart = ScorePart()
    heart_rate: ScorePart = ScorePart()
    hrv: ScorePart = ScorePart()
    respiratory_rate: ScorePart = ScorePart()
    deep: ScorePart = ScorePart()
    rem: ScorePart = ScorePart()
    waso: ScorePart = ScorePart()
    temp_bed_c: ScorePart = ScorePart()
    temp_room_c: ScorePart = ScorePart()
    sleep_debt: Any = None


class RoutineScore(Silent, frozen=True):
    """``sleepRoutineScore``: three clock times and two latencies in seconds."""

    total: Number | None = None
    weight: Number | None = None
    weighted: Number | None = None
    wakeup_consistency: ScorePart = ScorePart()
    sleep_start_consistency: ScorePart = ScorePart()
    bedtime_consistency: ScorePart = ScorePart()
    latency_asleep_seconds: ScorePart = ScorePart()
    latency_out_seconds: ScorePart = ScorePart()


class PlacedScore(msgspec.Struct, frozen=True):
    """A score, and the field in which it stood."""

    value: Number
    place: str


class TrendDay(Silent, frozen=True):
    """One night of GET /v1/users/{userId}/trends, in any of its variants.

    Durations and latencies in seconds, those of sleep of the main session alone. ``deep_percent`` and ``rem_percent``
    are fractions, ``snore_percent`` and ``heavy_snore_percent`` whole percents.
    """

    day: str
    score: Number | None = None
    sleep_fitness_score: FitnessScore = FitnessScore()
    sleep_quality_score: QualityScore = QualityScore()
    sleep_routine_score: RoutineScore = RoutineScore()
    presence_start: str | None = None
    presence_end: str | None = None
    sleep_start: str | None = None
    sleep_end: str | None = None
    presence_duration: Number | None = None
    sleep_duration: Number | None = None
    light_duration: Number | None = None
    deep_duration: Number | None = None
    rem_duration: Number | None = None
    deep_percent: Number | None = None
    rem_percent: Number | None = None
    snore_duration: Number | None = None
    heavy_snore_duration: Number | None = None
    snore_percent: Number | None = None
    heavy_snore_percent: Number | None = None
    tnt: Number | None = None
    latency_asleep_seconds: Number | None = None
    latency_out_seconds: Number | None = None
    main_session_id: str | None = None
    session_ids: tuple[str, ...] = ()
    incomplete: bool = False
    processing: bool = False
    tags: Any = ()
    sessions: tuple[Any, ...] = ()
    health: Any = None
    hot_flash: Any = None
    performance_windows: Any = None
    avg_sleep_fitness_score: Number | None = None
    avg_sleep_quality_score: Number | None = None
    avg_sleep_routine_score: Number | None = None

    @property
    def is_final(self) -> bool:
        """Whether the night is analysed: neither of the two words for the contrary is said."""
        return not (self.incomplete or self.processing)

    @property
    def has_night(self) -> bool:
        """Whether there is a night at all: some answers hold empty days."""
        return bool(self.presence_start or self.sessions or self.processing)

    @property
    def fitness_score(self) -> PlacedScore | None:
        """The sleep fitness score from the first of its three places that holds one."""
        inner = self.health.get("sleepFitnessScore") if isinstance(self.health, dict) else None
        places = {
            "score": self.score,
            "sleepFitnessScore.total": self.sleep_fitness_score.total,
            "health.sleepFitnessScore": inner.get("total") if isinstance(inner, dict) else inner,
        }
        for place, value in places.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                return PlacedScore(value, place)
        return None

    @property
    def asleep_latency_s(self) -> Number | None:
        """Seconds from bed entry to sleep, from whichever place the variant has for it."""
        scores = (self.sleep_fitness_score, self.sleep_routine_score)
        return _first_number(self.latency_asleep_seconds, *(one.latency_asleep_seconds.current for one in scores))

    @property
    def out_latency_s(self) -> Number | None:
        """Seconds from waking to leaving the bed, likewise."""
        scores = (self.sleep_fitness_score, self.sleep_routine_score)
        return _first_number(self.latency_out_seconds, *(one.latency_out_seconds.current for one in scores))

    @property
    def all_sleep_s(self) -> Number | None:
        """Seconds of sleep of all sessions of the day, from whichever score has it."""
        scores = (self.sleep_fitness_score, self.sleep_quality_score)
        return _first_number(*(score.sleep_duration_seconds.current for score in scores))

    @property
    def snore_fraction(self) -> float | None:
        """``snore_percent`` on the scale of the other percents, 0 to 1."""
        return None if self.snore_percent is None else self.snore_percent / 100

    @property
    def heavy_snore_fraction(self) -> float | None:
        """``heavy_snore_percent`` on the same scale."""
        return None if self.heavy_snore_percent is None else self.heavy_snore_percent / 100


class Trends(Silent, frozen=True):
    """GET /v1/users/{userId}/trends: each day as received; the averages, of 2022, are no plain means of the days."""

    days: list[msgspec.Raw] = msgspec.field(default_factory=list)
    avg_score: Number | str | None = None
    avg_presence_duration: Number | str | None = None
    avg_sleep_duration: Number | str | None = None
    avg_deep_percent: Number | str | None = None
    avg_tnt: Number | str | None = None


def _first_number(*candidates: Number | str | None) -> Number | None:
    return next((one for one in candidates if isinstance(one, int | float)), None)
