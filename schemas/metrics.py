"""The one table of sleep metrics: name with unit, meaning, where Asleep sends it, how FHIR writes it.

Arrow columns, FHIR components and the documentation are all made from ``METRICS``; adding a metric is one entry.
Values in the lake are seconds, counts and fractions; FHIR's units are reached through ``fhir.scale``.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
PHR_SLEEP_EPISODE = "http://hl7.org/fhir/uv/phr/CodeSystem/sleep-episode-codes"
"""Codes of the HL7 Personal Health Records guide (ballot); always a second coding, never the leading one."""

DEFAULT_BASE = "https://example.org/fhir"
"""Every local URI hangs under a base; choose it once, for a URI is compared as an exact string."""

ValueKind = Literal["integer", "decimal", "text"]


@dataclass(frozen=True, slots=True)
class Coding:
    """One FHIR coding. ``system`` None means the project's own code system ``{base}/CodeSystem/sleep-metric``."""

    code: str
    display: str
    system: str | None = None


@dataclass(frozen=True, slots=True)
class FhirQuantity:
    """How a metric is written in FHIR: codings (first one leads), UCUM unit, factor from the lake's unit."""

    codings: tuple[Coding, ...]
    unit: str | None
    scale: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Metric:
    """A column of ``sleep_sessions``.

    ``asleep_field`` is the field of ``stat`` (GET /data/v3/sessions/{id}); None means recomputed by us.
    ``averaged`` says that GET average-stats carries it too, so that ``average_stats`` has the column.
    ``needs`` names what must be in the contract for the vendor to send it at all. ``ieee`` is the field of IEEE 1752.1
    (`schema.field`), ``google`` the one of Google Health's sleep summary, which Google computes from the stages itself.
    """

    name: str
    kind: ValueKind
    unit: str
    description: str
    asleep_field: str | None
    fhir: FhirQuantity
    averaged: bool = True
    needs: Literal["stages", "breathing", "snoring"] | None = None
    ieee: str | None = None
    google: str | None = None


def _loinc(code: str, display: str) -> Coding:
    return Coding(code, display, LOINC)


def _minutes(*codings: Coding) -> FhirQuantity:
    return FhirQuantity(codings, "min", Fraction(1, 60))


def _percent(*codings: Coding) -> FhirQuantity:
    return FhirQuantity(codings, "%", Fraction(100))


def _plain(unit: str | None, *codings: Coding) -> FhirQuantity:
    return FhirQuantity(codings, unit)


METRICS: tuple[Metric, ...] = (
    Metric(
        "time_in_bed_s",
        "integer",
        "s",
        "Time in bed: end of tracking minus start of tracking.",
        "time_in_bed",
        _minutes(_loinc("103213-5", "Duration in bed"), Coding("time-in-bed", "Time in bed")),
        ieee="time-in-bed.time_in_bed",
    ),
    Metric(
        "sleep_period_s",
        "integer",
        "s",
        "Sleep period: sleep onset to final wake.",
        "time_in_sleep_period",
        _minutes(Coding("sleep-period", "Sleep period, sleep onset to final wake")),
        google="minutesInSleepPeriod",
    ),
    Metric(
        "total_sleep_time_s",
        "integer",
        "s",
        "Total sleep time: light, deep and REM sleep together.",
        "time_in_sleep",
        _minutes(_loinc("93832-4", "Sleep duration")),
        ieee="total-sleep-time.total_sleep_time",
        google="minutesAsleep",
    ),
    Metric(
        "wake_after_sleep_onset_s",
        "integer",
        "s",
        "Wake after sleep onset (WASO): wake inside the sleep period only.",
        "time_in_wake",
        _minutes(_loinc("103215-0", "Wake time after sleep onset"), Coding("waso", "Wake after sleep onset")),
        ieee="sleep-episode.wake_after_sleep_onset",
    ),
    Metric(
        "sleep_onset_latency_s",
        "integer",
        "s",
        "Sleep onset latency: start of tracking to sleep onset.",
        "sleep_latency",
        _minutes(_loinc("103212-7", "Duration of falling asleep")),
        ieee="sleep-episode.latency_to_sleep_onset",
        google="minutesToFallAsleep",
    ),
    Metric(
        "wakeup_latency_s",
        "integer",
        "s",
        "Final wake to end of tracking.",
        "wakeup_latency",
        _minutes(Coding("latency-to-arising", "Latency to arising, final wake to end of tracking")),
        ieee="sleep-episode.latency_to_arising",
        google="minutesAfterWakeUp",
    ),
    Metric(
        "light_sleep_s",
        "integer",
        "s",
        "Light sleep (N1 and N2).",
        "time_in_light",
        _minutes(_loinc("93830-8", "Light sleep duration")),
        needs="stages",
        ieee="sleep-episode.light_sleep_duration",
        google="stagesSummary[LIGHT].minutes",
    ),
    Metric(
        "deep_sleep_s",
        "integer",
        "s",
        "Deep sleep (N3).",
        "time_in_deep",
        _minutes(_loinc("93831-6", "Deep sleep duration")),
        needs="stages",
        ieee="sleep-episode.deep_sleep_duration",
        google="stagesSummary[DEEP].minutes",
    ),
    Metric(
        "rem_sleep_s",
        "integer",
        "s",
        "REM sleep.",
        "time_in_rem",
        _minutes(_loinc("93829-0", "REM sleep duration")),
        needs="stages",
        ieee="sleep-episode.rem_sleep_duration",
        google="stagesSummary[REM].minutes",
    ),
    Metric(
        "latency_to_light_s",
        "integer",
        "s",
        "Sleep onset to the first light epoch; null when the stage never came.",
        "light_latency",
        _minutes(Coding("latency-light", "Latency from sleep onset to light sleep")),
        averaged=False,
        needs="stages",
    ),
    Metric(
        "latency_to_deep_s",
        "integer",
        "s",
        "Sleep onset to the first deep epoch; null when the stage never came.",
        "deep_latency",
        _minutes(Coding("latency-deep", "Latency from sleep onset to deep sleep")),
        averaged=False,
        needs="stages",
    ),
    Metric(
        "latency_to_rem_s",
        "integer",
        "s",
        "Sleep onset to the first REM epoch; null when the stage never came.",
        "rem_latency",
        _minutes(Coding("latency-rem", "Latency from sleep onset to REM sleep")),
        averaged=False,
        needs="stages",
    ),
    Metric(
        "snoring_s",
        "integer",
        "s",
        "Snoring inside the sleep period.",
        "time_in_snoring",
        _minutes(_loinc("103220-0", "Duration of snoring")),
        needs="snoring",
    ),
    Metric(
        "sleep_efficiency",
        "decimal",
        "fraction",
        "Sleep efficiency: total sleep time over time in bed, recomputed from seconds.",
        None,
        _percent(
            Coding("sleep-efficiency", "Sleep efficiency, total sleep time over time in bed"),
            Coding("sleepEfficiencyPercentage", "Sleep efficiency percentage", PHR_SLEEP_EPISODE),
        ),
    ),
    Metric(
        "sleep_maintenance_efficiency",
        "decimal",
        "fraction",
        "Sleep maintenance efficiency: total sleep time over the sleep period, recomputed from seconds.",
        None,
        _percent(
            Coding("sleep-maintenance-efficiency", "Sleep maintenance efficiency, total sleep time over sleep period")
        ),
        ieee="sleep-episode.sleep_efficiency_percentage",
    ),
    Metric(
        "awakenings",
        "integer",
        "count",
        "Blocks of wake inside the sleep period.",
        "waso_count",
        _plain("{#}", _loinc("93827-4", "Nighttime awakening")),
        ieee="sleep-episode.number_of_awakenings",
    ),
    Metric(
        "longest_awakening_s",
        "integer",
        "s",
        "Longest block of wake inside the sleep period.",
        "longest_waso",
        _minutes(Coding("longest-waso", "Longest awakening after sleep onset")),
    ),
    Metric(
        "sleep_cycles",
        "integer",
        "count",
        "Sleep cycles completed, counted by REM clusters.",
        "sleep_cycle_count",
        _plain("{count}", Coding("sleep-cycle-count", "Number of sleep cycles")),
    ),
    Metric(
        "sleep_cycle_mean_s",
        "decimal",
        "s",
        "Mean length of a sleep cycle; null when none was completed.",
        "sleep_cycle",
        _minutes(Coding("sleep-cycle-length", "Mean length of a sleep cycle")),
    ),
    Metric(
        "snoring_episodes",
        "integer",
        "count",
        "Blocks of snoring inside the sleep period.",
        "snoring_count",
        _plain("{#}", _loinc("103221-8", "Number of snoring episodes")),
        needs="snoring",
    ),
    Metric(
        "stable_breath_s",
        "integer",
        "s",
        "Stable breathing inside the sleep period.",
        "time_in_stable_breath",
        _minutes(Coding("stable-breath", "Stable breathing during the sleep period")),
        needs="breathing",
    ),
    Metric(
        "unstable_breath_s",
        "integer",
        "s",
        "Unstable breathing inside the sleep period.",
        "time_in_unstable_breath",
        _minutes(Coding("unstable-breath", "Unstable breathing during the sleep period")),
        needs="breathing",
    ),
    Metric(
        "unstable_breath_episodes",
        "integer",
        "count",
        "Blocks of unstable breathing inside the sleep period.",
        "unstable_breath_count",
        _plain("{count}", Coding("unstable-breath-count", "Number of unstable breathing episodes")),
        needs="breathing",
    ),
    Metric(
        "breathing_index",
        "decimal",
        "events/h",
        "The vendor's breathing index; its formula is not published, and it is not an apnoea-hypopnoea index.",
        "breathing_index",
        _plain("{events}/h", Coding("breathing-index", "Breathing index (vendor)")),
        averaged=False,
        needs="breathing",
    ),
    Metric(
        "breathing_pattern",
        "text",
        "",
        "The vendor's breathing pattern, for example STABLE_BREATH; unknown values are carried.",
        "breathing_pattern",
        _plain(None, Coding("breathing-pattern", "Breathing pattern (vendor)")),
        averaged=False,
        needs="breathing",
    ),
    Metric(
        "sleep_index",
        "decimal",
        "score",
        "The vendor's overall sleep score; its formula is not published.",
        "sleep_index",
        _plain("{score}", Coding("sleep-index", "Sleep index (vendor score)")),
        averaged=False,
    ),
)
"""Every metric, in the order of the columns."""

AVERAGED_METRICS: tuple[Metric, ...] = tuple(metric for metric in METRICS if metric.averaged)
"""The metrics that GET average-stats carries, in the order of the columns."""
