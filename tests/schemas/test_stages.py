"""Stage codes: what Asleep's codes become, and that intervals are the hypnogram in another form."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.stages import (
    EPOCH_S,
    FOUR_STAGE,
    NO_STAGES,
    STAGE_NAMES,
    TWO_STAGE,
    StageInterval,
    from_asleep_codes,
    stage_intervals,
)

HYPNOGRAMS = st.lists(st.sampled_from(sorted(STAGE_NAMES)), max_size=200)


def test_the_codes_of_the_lake_are_those_of_the_contract() -> None:
    """-1 unknown, 0 wake, 1 light, 2 deep, 3 rem, 4 asleep, 5 out_of_bed; epochs of 30 s."""
    assert EPOCH_S == 30
    assert STAGE_NAMES == {
        -1: "unknown",
        0: "wake",
        1: "light",
        2: "deep",
        3: "rem",
        4: "asleep",
        5: "out_of_bed",
    }


@pytest.mark.parametrize(
    ("plan", "theirs", "ours"),
    [
        (FOUR_STAGE, [-1, 0, 1, 2, 3], [-1, 0, 1, 2, 3]),
        (TWO_STAGE, [-1, 0, 1], [-1, 0, 4]),
        (TWO_STAGE, [2, 3], [-1, -1]),
        (FOUR_STAGE, [4, 5, 7, -2, 10**9], [-1, -1, -1, -1, -1]),
        (TWO_STAGE, [4, 5, 7], [-1, -1, -1]),
        (NO_STAGES, [], []),
    ],
)
def test_codes_become_ours(plan: str, theirs: list[int], ours: list[int]) -> None:
    """Four stages keep their numbers, sleep of a 2-stage plan is ``asleep``, and what is not known is unknown."""
    assert from_asleep_codes(theirs, plan) == ours


@settings(deadline=None)
@given(st.lists(st.integers()), st.sampled_from((FOUR_STAGE, TWO_STAGE)))
def test_translation_keeps_the_length_and_gives_only_known_codes(codes: list[int], plan: str) -> None:
    """One code in, one code of the lake out."""
    translated = from_asleep_codes(codes, plan)
    assert len(translated) == len(codes)
    assert set(translated) <= set(STAGE_NAMES)


def test_intervals_of_a_night() -> None:
    """Each unbroken run is one interval with the index of its first epoch."""
    assert list(stage_intervals([0, 0, 1, 1, 1, 2, 1, -1])) == [
        StageInterval(0, 0, 2),
        StageInterval(1, 2, 3),
        StageInterval(2, 5, 1),
        StageInterval(1, 6, 1),
        StageInterval(-1, 7, 1),
    ]


@settings(deadline=None)
@given(HYPNOGRAMS)
def test_intervals_partition_the_hypnogram(stages: list[int]) -> None:
    """Written out again they are the hypnogram, without gap or overlap, and no run is cut in two."""
    intervals = list(stage_intervals(stages))
    assert [stage for stage, _, epochs in intervals for _ in range(epochs)] == stages
    starts = [first for _, first, _ in intervals]
    assert starts == [sum(run.epochs for run in intervals[:index]) for index in range(len(intervals))]
    assert all(epochs > 0 for _, _, epochs in intervals)
    assert all(before.stage != after.stage for before, after in pairwise(intervals))
