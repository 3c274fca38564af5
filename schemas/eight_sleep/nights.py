"""Sleep sessions as the community clients read them (GET /v1/users/{userId}/intervals).

Only what makes a session one is required; whatever else may be missing.
"""

from typing import Any

import msgspec

from schemas.eight_sleep.reading import NO_VALUE, Number, Point, SideName, Silent, side_named


class IntervalStage(Silent, frozen=True):
    """One stretch of a night: ``awake``, ``light``, ``deep``, ``rem``, ``out``, or a name we do not know; seconds."""

    stage: str
    duration: Number


class Snoring(Silent, frozen=True):
    """One stretch of snoring: ``none``, ``light``, ``medium``, ``heavy``; seconds."""

    intensity: str
    duration: Number


class StageSummary(Silent, frozen=True):
    """Seconds in each stage as the vendor counts them; the three percents are fractions (0 to 1)."""

    total_duration: Number | None = None
    sleep_duration: Number | None = None
    out_duration: Number | None = None
    awake_duration: Number | None = None
    light_duration: Number | None = None
    deep_duration: Number | None = None
    rem_duration: Number | None = None
    awake_before_sleep_duration: Number | None = None
    awake_between_sleep_duration: Number | None = None
    awake_after_sleep_duration: Number | None = None
    out_between_sleep_duration: Number | None = None
    waso_duration: Number | None = None
    deep_percent_of_sleep: Number | None = None
    rem_percent_of_sleep: Number | None = None
    light_percent_of_sleep: Number | None = None


class Timeseries(Silent, frozen=True):
    """What was measured: beats and breaths per minute, ms (hrv, rmssd), °C, tosses and turns; any may be empty.

    ``heating`` has no documented unit and ``short_awakes`` no documented form.
    """

    heart_rate: tuple[Point, ...] = ()
    hrv: tuple[Point, ...] = ()
    rmssd: tuple[Point, ...] = ()
    respiratory_rate: tuple[Point, ...] = ()
    nemean_respiratory_rate: tuple[Point, ...] = ()
    nemean_respiratory_rate_nightly: tuple[Point, ...] = ()
    temp_bed_c: tuple[Point, ...] = ()
    temp_room_c: tuple[Point, ...] = ()
    tnt: tuple[Point, ...] = ()
    heating: Any = ()
    short_awakes: Any = ()


class IntervalDevice(Silent, frozen=True):
    """Where a night was spent; ``side`` may be ``solo``."""

    id: str | None = None
    side: str | None = None
    specialization: str | None = None


class Interval(Silent, frozen=True):
    """One sleep session of GET /v1/users/{userId}/intervals: ``stages`` follow each other from ``ts`` (bed entry)."""

    id: str
    ts: str
    stages: tuple[IntervalStage, ...]
    device_time_at_update: str | None = None
    score: Number | None = None
    incomplete: bool = False
    timezone: str | None = None
    device: IntervalDevice = IntervalDevice()
    sleep_start: str | None = None
    sleep_end: str | None = None
    presence_end: str | None = None
    duration: Number | None = None
    snoring: tuple[Snoring, ...] = ()
    stage_summary: StageSummary | None = None
    sleep_algorithm_version: str | None = None
    presence_algorithm_version: str | None = None
    hrv_algorithm_version: str | None = None
    timeseries: Timeseries = Timeseries()

    @property
    def is_final(self) -> bool:
        """Whether the session is over and analysed; until then its last stage is a placeholder."""
        return not self.incomplete

    @property
    def side(self) -> SideName | None:
        """The side slept on; who sleeps alone has both, and stands on the left."""
        return side_named(self.device.side)


class IntervalsPage(Silent, frozen=True):
    """GET /v1/users/{userId}/intervals: each interval as received, newest first, and where to go on."""

    next: str | None = None
    intervals: list[msgspec.Raw] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        """A cursor that says None is none."""
        if self.next == NO_VALUE:
            msgspec.structs.force_setattr(self, "next", None)
