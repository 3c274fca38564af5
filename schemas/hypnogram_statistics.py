"""Sleep statistics counted from a hypnogram, by the definitions of the vendor's session statistics.

Pure functions of 30-second epochs in the lake's codes (``schemas.stages``). Unknown epochs belong to no sum and are
never sleep onset or final wake; spans that pass over them (latencies, the sleep period) keep their length. Out of bed
counts as wake.
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.stages import ASLEEP, DEEP, EPOCH_S, LIGHT, OUT_OF_BED, REM, UNKNOWN, WAKE

CLUSTER_GAP_EPOCHS = 20
"""REM epochs with at most so many other epochs between them (10 minutes) belong to one cluster."""

CLUSTER_REM_EPOCHS = 20
"""A cluster ends a sleep cycle when it holds at least so many REM epochs (10 minutes)."""

_NOT_A_CODE = b"?"


def _letters_of(letters: Mapping[int, bytes]) -> bytes:
    # A table for ``bytes.translate``: codes from 0 up, then the negative ones.
    return b"".join(letters.get(code, _NOT_A_CODE) for code in (*range(128), *range(-128, 0)))


_STAGE_LETTERS = _letters_of(
    {UNKNOWN: b"u", WAKE: b"w", OUT_OF_BED: b"w", LIGHT: b"l", DEEP: b"d", REM: b"r", ASLEEP: b"a"}
)
_NOT_ASLEEP = b"uw"
_MARK_LETTERS = _letters_of({UNKNOWN: b"u", 0: b"n", 1: b"y"})

_AWAKENING = re.compile(b"w+")
_REM_CLUSTER = re.compile(b"r(?:[^r]{0,%d}r)*" % CLUSTER_GAP_EPOCHS)


@dataclass(frozen=True, slots=True)
class HypnogramStatistics:
    """What can be counted in one recording; seconds unless said otherwise, names as in ``schemas.metrics.METRICS``.

    Stage figures and sleep cycles are None in a 2-stage hypnogram, a stage latency also when the stage never came, the
    mean cycle also without a cycle, snoring and breath figures without their array.
    """

    sleep_onset_latency_s: int
    sleep_period_s: int
    total_sleep_time_s: int
    wake_after_sleep_onset_s: int
    wakeup_latency_s: int
    light_sleep_s: int | None
    deep_sleep_s: int | None
    rem_sleep_s: int | None
    latency_to_light_s: int | None
    latency_to_deep_s: int | None
    latency_to_rem_s: int | None
    awakenings: int
    longest_awakening_s: int
    sleep_cycles: int | None
    sleep_cycle_mean_s: int | None
    snoring_s: int | None
    snoring_episodes: int | None
    stable_breath_s: int | None
    unstable_breath_s: int | None
    unstable_breath_episodes: int | None
    unknown_epochs: int
    """Epochs of the whole recording whose stage is not known."""
    onset_epoch: int | None
    """Index of the first epoch of sleep; None if there was none."""
    final_wake_epoch: int | None
    """Index after the last epoch of sleep; None if there was none."""


def hypnogram_statistics(
    stages: Sequence[int],
    *,
    two_stage: bool = False,
    snoring: Sequence[int] | None = None,
    breath: Sequence[int] | None = None,
) -> HypnogramStatistics:
    """Count one recording: ``stages`` in lake codes, ``snoring`` and ``breath`` as 1, 0 or -1 (unknown) by epoch.

    A recording without sleep has the whole recording as its sleep onset latency and 0 everywhere else. Marks are
    counted inside the sleep period; an array that ends before it is counted as far as it goes.

    Raises: ValueError for a code that the lake does not have.
    """
    recording = _letters(stages, _STAGE_LETTERS)
    from_onset = recording.lstrip(_NOT_ASLEEP)
    period = from_onset.rstrip(_NOT_ASLEEP)
    onset = len(recording) - len(from_onset)
    final_wake = onset + len(period)
    awakenings = [len(block) for block in _AWAKENING.findall(period)]
    cycle_ends = _cycle_ends(period)
    snored = _letters(snoring[onset:final_wake], _MARK_LETTERS) if snoring is not None else None
    breathed = _letters(breath[onset:final_wake], _MARK_LETTERS) if breath is not None else None
    return HypnogramStatistics(
        sleep_onset_latency_s=EPOCH_S * onset,
        sleep_period_s=EPOCH_S * len(period),
        total_sleep_time_s=EPOCH_S * (len(period) - period.count(b"w") - period.count(b"u")),
        wake_after_sleep_onset_s=EPOCH_S * period.count(b"w"),
        wakeup_latency_s=EPOCH_S * (len(recording) - final_wake),
        light_sleep_s=None if two_stage else EPOCH_S * period.count(b"l"),
        deep_sleep_s=None if two_stage else EPOCH_S * period.count(b"d"),
        rem_sleep_s=None if two_stage else EPOCH_S * period.count(b"r"),
        latency_to_light_s=None if two_stage else _latency_s(period, b"l"),
        latency_to_deep_s=None if two_stage else _latency_s(period, b"d"),
        latency_to_rem_s=None if two_stage else _latency_s(period, b"r"),
        awakenings=len(awakenings),
        longest_awakening_s=EPOCH_S * max(awakenings, default=0),
        sleep_cycles=None if two_stage else len(cycle_ends),
        sleep_cycle_mean_s=None if two_stage else _mean_cycle_s(cycle_ends),
        snoring_s=_marked_s(snored, b"y"),
        snoring_episodes=_episodes(snored),
        stable_breath_s=_marked_s(breathed, b"n"),
        unstable_breath_s=_marked_s(breathed, b"y"),
        unstable_breath_episodes=_episodes(breathed),
        unknown_epochs=recording.count(b"u"),
        onset_epoch=onset if period else None,
        final_wake_epoch=final_wake if period else None,
    )


def _letters(codes: Sequence[int], letters: bytes) -> bytes:
    # One letter an epoch: text is stripped, counted and searched far faster than a list.
    try:
        text = array("b", codes).tobytes().translate(letters)
    except OverflowError:
        text = _NOT_A_CODE
    if _NOT_A_CODE in text:
        raise ValueError("An epoch has a code that the lake does not have; translate the source's codes first.")
    return text


def _latency_s(period: bytes, stage: bytes) -> int | None:
    first = period.find(stage)
    return EPOCH_S * first if first >= 0 else None


def _cycle_ends(period: bytes) -> list[int]:
    """The last epoch of each REM cluster that is long enough, counted from sleep onset."""
    clusters = _REM_CLUSTER.finditer(period)
    return [cluster.end() - 1 for cluster in clusters if cluster[0].count(b"r") >= CLUSTER_REM_EPOCHS]


def _mean_cycle_s(cycle_ends: Sequence[int]) -> int | None:
    # A cycle ends where its last REM epoch begins, as in the vendor's sleep_cycle_time; whole seconds, half up.
    return (2 * EPOCH_S * cycle_ends[-1] + len(cycle_ends)) // (2 * len(cycle_ends)) if cycle_ends else None


def _marked_s(marks: bytes | None, mark: bytes) -> int | None:
    return EPOCH_S * marks.count(mark) if marks is not None else None


def _episodes(marks: bytes | None) -> int | None:
    # An episode begins where a mark follows none, or nothing that is known.
    return (b"n" + marks).count(b"ny") + marks.count(b"uy") if marks is not None else None
