"""Identities that the vendor's own figures of one session must satisfy, each with a number and a name.

Numbers and tolerances are those of the Asleep API notes on GET /data/v3/sessions/{id}. They check the vendor, not us: a
violation is reported and never costs the row. Identities over fields that are null do not apply.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from schemas.asleep import NO_BREATHING_STABILITY, Epochs, SessionDetail, Stat
from schemas.quirks import efficiency_fraction
from schemas.stages import ASLEEP_STAGE_CODES, DEEP, EPOCH_S, FOUR_STAGE, LIGHT, REM, UNKNOWN, WAKE, packed_asleep_codes

Kind = Literal["exact", "tolerance"]

KNOWN_STAGES = ASLEEP_STAGE_CODES - {UNKNOWN}

SUMS_OVER_STAGES = (5, 6, 16)
"""Identities that unknown epochs may break (this is identity 24)."""

ValueT = TypeVar("ValueT")


class NotApplicable(Exception):
    """A field the identity needs is null."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity: its number, its name, whether it is exact, and the predicate (True = holds)."""

    number: int
    name: str
    kind: Kind
    holds: Callable[["Figures"], bool]

    @property
    def says(self) -> str:
        """The identity in one sentence."""
        return SENTENCES[self.number]


@dataclass(frozen=True, slots=True)
class Figures:
    """A complete session with a stat, and access to its figures that tells null from zero."""

    detail: SessionDetail
    stat: Stat

    def seconds(self, *names: str) -> list[float]:
        """The named durations or counts of the stat. Raises: NotApplicable if one is null."""
        return [_given(getattr(self.stat, name)) for name in names]

    def share(self, name: str) -> float:
        """A ratio of the stat. Raises: NotApplicable if it is null."""
        return float(_given(getattr(self.stat, name)))

    def times(self, *names: str) -> list[datetime]:
        """Named instants of session or stat. Raises: NotApplicable if one is null or not a time with an offset."""
        return [self._time(name) for name in names]

    def _time(self, name: str) -> datetime:
        text = _given(getattr(self.stat if name in ("sleep_time", "wake_time") else self.detail.session, name))
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise NotApplicable from None
        if time.tzinfo is None:
            raise NotApplicable
        return time

    def epochs_in_sleep_period(self) -> Epochs:
        """The stages from sleep onset to final wake. Raises: NotApplicable without stages or durations."""
        stages = _given(self.detail.session.sleep_stages)
        latency_s, period_s = self.seconds("sleep_latency", "time_in_sleep_period")
        first = int(latency_s // EPOCH_S)
        return stages[first : first + int(period_s // EPOCH_S)]

    def is_four_stage(self) -> bool:
        """Whether the plan tells the stages apart."""
        return self.stat.time_in_light is not None


def violations(detail: SessionDetail) -> list[str]:
    """The names of the identities that a complete session violates, in their order.

    With unknown epochs or codes the sums over stages need not come out (identity 24), so those do not count.
    """
    if detail.stat is None:
        return []
    figures = Figures(detail, detail.stat)
    known = KNOWN_STAGES.issuperset(detail.session.sleep_stages or ())
    excused = () if known else SUMS_OVER_STAGES
    return [i.name for i in IDENTITIES if i.number not in excused and not _holds(i, figures)]


def _holds(identity: Identity, figures: Figures) -> bool:
    try:
        return identity.holds(figures)
    except NotApplicable:
        return True
    except (OverflowError, ValueError):
        return False  # figures beyond any calendar add up to nothing


def _given(value: ValueT | None) -> ValueT:
    if value is None:
        raise NotApplicable
    return value


def _close(left: float, right: float, tolerance: float) -> bool:
    return abs(left - right) <= tolerance + 1e-9


def _time_in_bed(f: Figures) -> bool:
    start, end = f.times("start_time", "end_time")
    return end - start == timedelta(seconds=f.seconds("time_in_bed")[0])


def _onset(f: Figures) -> bool:
    start, onset = f.times("start_time", "sleep_time")
    return start + timedelta(seconds=f.seconds("sleep_latency")[0]) == onset


def _final_wake(f: Figures) -> bool:
    end, wake = f.times("end_time", "wake_time")
    return end - timedelta(seconds=f.seconds("wakeup_latency")[0]) == wake


def _parts_of_bed(f: Figures) -> bool:
    latency, period, arising, bed = f.seconds("sleep_latency", "time_in_sleep_period", "wakeup_latency", "time_in_bed")
    return 0 <= bed - (latency + period + arising) < 60


def _parts_of_period(f: Figures) -> bool:
    asleep, awake, period = f.seconds("time_in_sleep", "time_in_wake", "time_in_sleep_period")
    return asleep + awake == period


def _parts_of_sleep(f: Figures) -> bool:
    light, deep, rem, asleep = f.seconds("time_in_light", "time_in_deep", "time_in_rem", "time_in_sleep")
    return light + deep + rem == asleep


def _ratio(name: str, part: str, whole: str, tolerance: float) -> Callable[[Figures], bool]:
    def holds(f: Figures) -> bool:
        part_s, whole_s = f.seconds(part, whole)
        return whole_s == 0 or _close(f.share(name), part_s / whole_s, tolerance)

    return holds


def _efficiency(f: Figures) -> bool:
    asleep_s, bed_s = f.seconds("time_in_sleep", "time_in_bed")
    return bed_s == 0 or _close(efficiency_fraction(f.share("sleep_efficiency")), asleep_s / bed_s, 0.005)


def _stage_ratios(f: Figures) -> bool:
    return all(
        _ratio(f"{stage}_ratio", f"time_in_{stage}", "time_in_sleep_period", 0.02)(f)
        for stage in ("light", "deep", "rem")
    )


def _ratio_sums(f: Figures) -> bool:
    if f.seconds("time_in_sleep_period") == [0]:
        return True
    asleep = f.share("sleep_ratio")
    if not _close(asleep + f.share("wake_ratio"), 1, 0.01):
        return False
    return not f.is_four_stage() or _close(sum(f.share(f"{s}_ratio") for s in ("light", "deep", "rem")), asleep, 0.01)


def _split_of_period(with_it: str, without: str) -> Callable[[Figures], bool]:
    def holds(f: Figures) -> bool:
        first, second, period = f.seconds(with_it, without, "time_in_sleep_period")
        return first + second == period

    return holds


def _split_ratios(with_it: str, without: str) -> Callable[[Figures], bool]:
    def holds(f: Figures) -> bool:
        return f.seconds("time_in_sleep_period") == [0] or _close(f.share(with_it) + f.share(without), 1, 0.01)

    return holds


def _breathing_split(f: Figures) -> bool:
    splits = _split_of_period("time_in_stable_breath", "time_in_unstable_breath")
    return splits(f) and _split_ratios("stable_breath_ratio", "unstable_breath_ratio")(f)


_BREATH_FIELDS = (
    "time_in_stable_breath",
    "time_in_unstable_breath",
    "stable_breath_ratio",
    "unstable_breath_ratio",
    "breathing_index",
    "breathing_pattern",
    "unstable_breath_count",
)


_IN_WHOLE_EPOCHS = tuple(
    name
    for name in Stat.__struct_fields__
    if name.startswith("time_in_") or name.endswith("_latency") or name == "longest_waso"
    if name != "time_in_bed"
)


def _whole_epochs(f: Figures) -> bool:
    # The latency of a night without sleep is the whole time in bed, partial last epoch included.
    left_out = "sleep_latency" if f.stat.time_in_sleep == 0 else None
    durations = (getattr(f.stat, name) for name in _IN_WHOLE_EPOCHS if name != left_out)
    return all(value % EPOCH_S == 0 for value in durations if value is not None)


def _stage_totals(f: Figures) -> bool:
    epochs = packed_asleep_codes(f.epochs_in_sleep_period(), FOUR_STAGE).tobytes()
    totals = {WAKE: "time_in_wake", LIGHT: "time_in_light", DEEP: "time_in_deep", REM: "time_in_rem"}
    return all(EPOCH_S * epochs.count(code) == f.seconds(name)[0] for code, name in totals.items())


def _awakenings(f: Figures) -> bool:
    longest, awake, count = f.seconds("longest_waso", "time_in_wake", "waso_count")
    return longest <= awake and (count >= 1) == (awake > 0)


def _first_stage_at_onset(f: Figures) -> bool:
    latencies = [
        value for value in (f.stat.light_latency, f.stat.deep_latency, f.stat.rem_latency) if value is not None
    ]
    return not latencies or min(latencies) == 0


def _cycle_times(f: Figures) -> bool:
    count = f.seconds("sleep_cycle_count")[0]
    return len(_given(f.stat.sleep_cycle_time)) == (count + 1 if count else 0)


def _cycle_mean(f: Figures) -> bool:
    cycle = f.stat.sleep_cycle
    return (cycle is None or cycle == []) == (f.seconds("sleep_cycle_count") == [0])


def _order(f: Figures) -> bool:
    start, onset, wake, end = f.times("start_time", "sleep_time", "wake_time", "end_time")
    return start <= onset <= wake <= end


def _breathing_contract(f: Figures) -> bool:
    all_null = f.detail.session.breath_stages is None and all(getattr(f.stat, name) is None for name in _BREATH_FIELDS)
    return (NO_BREATHING_STABILITY in (f.detail.peculiarities or ())) == all_null


def _equal_lengths(f: Figures) -> bool:
    session = f.detail.session
    arrays = (session.sleep_stages, session.snoring_stages, session.breath_stages)
    return len({len(array) for array in arrays if array is not None}) <= 1


SENTENCES: dict[int, str] = {
    1: "end_time - start_time = time_in_bed.",
    2: "start_time + sleep_latency = sleep_time.",
    3: "end_time - wakeup_latency = wake_time.",
    4: "latency + period + wake-up latency = time_in_bed, up to a lost or partial last chunk (under 60 s).",
    5: "time_in_sleep + time_in_wake = time_in_sleep_period.",
    6: "light + deep + REM = time_in_sleep.",
    7: "sleep_efficiency = time_in_sleep / time_in_bed (within 0.005).",
    8: "sleep_ratio = time_in_sleep / period (within 0.01).",
    9: "wake_ratio = time_in_wake / period (within 0.01).",
    10: "each stage's ratio = its time / period (within 0.02).",
    11: "sleep and wake ratios make 1, stage ratios make the sleep ratio (within 0.01).",
    12: "time in snoring + in no snoring = period.",
    13: "snoring ratios make 1 (within 0.01).",
    14: "stable + unstable breath = period, and their ratios make 1.",
    15: "every duration but time_in_bed is a multiple of 30 s.",
    16: "30 s times the epochs of a stage inside the period = its time.",
    17: "longest_waso <= time_in_wake, and there are awakenings exactly when there is wake.",
    18: "the stage that begins at sleep onset has latency 0.",
    19: "sleep_cycle_time has one more time than there are cycles, none without a cycle.",
    20: "sleep_cycle is null exactly when there is no cycle.",
    21: "start <= sleep onset <= final wake <= end.",
    22: "NO_BREATHING_STABILITY is told exactly when every breath field is null.",
    23: "all stage arrays have one length.",
}
"""What each identity says, by its number."""

IDENTITIES: tuple[Identity, ...] = (
    Identity(1, "time_in_bed_is_end_minus_start", "exact", _time_in_bed),
    Identity(2, "sleep_onset_is_start_plus_latency", "exact", _onset),
    Identity(3, "final_wake_is_end_minus_wakeup_latency", "exact", _final_wake),
    Identity(
        4,
        "latency_period_and_wakeup_make_time_in_bed",
        "tolerance",
        _parts_of_bed,
    ),
    Identity(
        5,
        "sleep_and_wake_make_the_sleep_period",
        "exact",
        _parts_of_period,
    ),
    Identity(6, "light_deep_and_rem_make_sleep", "exact", _parts_of_sleep),
    Identity(
        7,
        "sleep_efficiency",
        "tolerance",
        _efficiency,
    ),
    Identity(
        8,
        "sleep_ratio",
        "tolerance",
        _ratio("sleep_ratio", "time_in_sleep", "time_in_sleep_period", 0.01),
    ),
    Identity(
        9,
        "wake_ratio",
        "tolerance",
        _ratio("wake_ratio", "time_in_wake", "time_in_sleep_period", 0.01),
    ),
    Identity(10, "stage_ratios", "tolerance", _stage_ratios),
    Identity(
        11,
        "ratios_add_up",
        "tolerance",
        _ratio_sums,
    ),
    Identity(
        12,
        "snoring_splits_the_period",
        "exact",
        _split_of_period("time_in_snoring", "time_in_no_snoring"),
    ),
    Identity(
        13,
        "snoring_ratios_add_up",
        "tolerance",
        _split_ratios("snoring_ratio", "no_snoring_ratio"),
    ),
    Identity(
        14,
        "breathing_splits_the_period",
        "exact",
        _breathing_split,
    ),
    Identity(
        15,
        "durations_are_whole_epochs",
        "exact",
        _whole_epochs,
    ),
    Identity(
        16,
        "stage_totals_match_the_stages",
        "exact",
        _stage_totals,
    ),
    Identity(
        17,
        "awakenings_match_wake",
        "exact",
        _awakenings,
    ),
    Identity(
        18,
        "a_stage_begins_at_onset",
        "exact",
        _first_stage_at_onset,
    ),
    Identity(
        19,
        "cycle_times_match_the_count",
        "exact",
        _cycle_times,
    ),
    Identity(20, "cycle_mean_matches_the_count", "exact", _cycle_mean),
    Identity(21, "times_in_order", "exact", _order),
    Identity(
        22,
        "breathing_matches_the_contract",
        "exact",
        _breathing_contract,
    ),
    Identity(23, "stage_arrays_have_one_length", "exact", _equal_lengths),
)
"""Identities 1 to 23, in their order."""
