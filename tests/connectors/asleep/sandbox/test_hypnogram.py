"""The invented recordings are ones a sleep scientist would accept, for any seed and length."""

from collections.abc import Sequence
from itertools import groupby, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.sandbox.hypnogram import (
    DEEP,
    LIGHT,
    REM,
    UNKNOWN,
    WAKE,
    asleep_to_the_end,
    hypnogram,
    in_two_stages,
    mostly_unknown,
    snoring,
    unstable_breathing,
    with_a_gap_before_sleep,
    with_a_long_gap,
    with_code,
    with_short_gaps,
)
from connectors.asleep.sandbox.seeding import stream

MINUTE = 2
seeds = st.integers(min_value=0, max_value=2**40)
night_lengths = st.integers(min_value=570, max_value=1260)
full_night_lengths = st.integers(min_value=840, max_value=1260)
nap_lengths = st.integers(min_value=60, max_value=220)
any_length = st.integers(min_value=0, max_value=1500)

plausible = settings(deadline=None, max_examples=250)


def sleep_period(stages: list[int]) -> list[int]:
    """From the first to the last epoch of sleep."""
    asleep = [epoch for epoch, stage in enumerate(stages) if stage != WAKE]
    return stages[asleep[0] : asleep[-1] + 1] if asleep else []


def blocks(values: Sequence[int], value: int) -> list[int]:
    """Lengths of the unbroken stretches of a value."""
    return [len(list(group)) for found, group in groupby(values) if found == value]


@given(seeds, any_length)
@plausible
def test_a_recording_has_the_length_asked_for(seed: int, epochs: int) -> None:
    """Any length gives one known stage per epoch."""
    stages = hypnogram(stream(seed), epochs)
    assert len(stages) == epochs
    assert set(stages) <= {WAKE, LIGHT, DEEP, REM}


@given(seeds)
@plausible
def test_a_seed_names_a_night(seed: int) -> None:
    """The same stream gives the same recording."""
    assert hypnogram(stream(seed), 900) == hypnogram(stream(seed), 900)


@given(seeds, night_lengths)
@plausible
def test_a_night_begins_and_ends_awake(seed: int, epochs: int) -> None:
    """Falling asleep takes 5-35 minutes, and at most 25 minutes are spent awake at the end."""
    stages = hypnogram(stream(seed), epochs)
    first = next(epoch for epoch, stage in enumerate(stages) if stage != WAKE)
    last = max(epoch for epoch, stage in enumerate(stages) if stage != WAKE)
    assert 5 * MINUTE <= first <= 35 * MINUTE
    assert epochs - 1 - last <= 25 * MINUTE


@given(seeds, night_lengths)
@plausible
def test_sleep_starts_light_then_deep_then_rem(seed: int, epochs: int) -> None:
    """Light sleep comes first, deep sleep within 35 minutes, REM after 50 to 120 minutes."""
    period = sleep_period(hypnogram(stream(seed), epochs))
    assert period[0] == LIGHT
    assert 3 * MINUTE <= period.index(DEEP) <= 35 * MINUTE
    assert 50 * MINUTE <= period.index(REM) <= 120 * MINUTE


@given(seeds, full_night_lengths)
@plausible
def test_shares_of_a_full_night_are_an_adults(seed: int, epochs: int) -> None:
    """Of sleep 45-65 % is light, 10-25 % deep, 15-28 % REM; less than 15 % of the sleep period is spent awake."""
    period = sleep_period(hypnogram(stream(seed), epochs))
    asleep = len(period) - period.count(WAKE)
    assert 0.45 <= period.count(LIGHT) / asleep <= 0.65
    assert 0.10 <= period.count(DEEP) / asleep <= 0.25
    assert 0.15 <= period.count(REM) / asleep <= 0.28
    assert 0 < period.count(WAKE) / len(period) < 0.15


@given(seeds, full_night_lengths)
@plausible
def test_deep_sleep_is_early_and_rem_is_late(seed: int, epochs: int) -> None:
    """More than half of deep sleep is in the first third, and the last third has more REM than the first."""
    period = sleep_period(hypnogram(stream(seed), epochs))
    third = len(period) // 3
    assert period[:third].count(DEEP) > 0.5 * period.count(DEEP)
    assert period[-third:].count(REM) > 1.5 * period[:third].count(REM)


@given(seeds, night_lengths)
@plausible
def test_awakenings_are_short(seed: int, epochs: int) -> None:
    """An awakening lasts between half a minute and six minutes."""
    assert all(1 <= length <= 6 * MINUTE for length in blocks(sleep_period(hypnogram(stream(seed), epochs)), WAKE))


@given(seeds, full_night_lengths)
@plausible
def test_cycles_last_70_to_120_minutes(seed: int, epochs: int) -> None:
    """From the end of one REM episode to the end of the next it is a cycle; the morning may cut the last one short."""
    period = sleep_period(hypnogram(stream(seed), epochs))
    rem = [epoch for epoch, stage in enumerate(period) if stage == REM]
    ends = [epoch + 1 for epoch, later in pairwise([*rem, len(period) + 100]) if later - epoch > 20]
    *whole, last = [later - earlier for earlier, later in pairwise([0, *ends])]
    assert len(whole) >= 2
    assert all(70 * MINUTE <= length <= 120 * MINUTE for length in whole)
    assert 50 * MINUTE <= last <= 120 * MINUTE


@given(seeds)
@plausible
def test_no_two_nights_are_alike(seed: int) -> None:
    """Different streams give different nights."""
    assert hypnogram(stream(seed), 900) != hypnogram(stream(seed + 1), 900)


@given(seeds, nap_lengths)
@plausible
def test_a_nap_is_mostly_light(seed: int, epochs: int) -> None:
    """A nap has sleep, three quarters of it light, and REM only after an hour."""
    period = sleep_period(hypnogram(stream(seed), epochs))
    assert period.count(LIGHT) >= 0.75 * (len(period) - period.count(WAKE)) > 0
    assert REM not in period[: 60 * MINUTE]


def test_rem_in_naps_is_seldom() -> None:
    """Fewer than one long nap in three has REM, and some have."""
    with_rem = sum(REM in hypnogram(stream(seed), 210) for seed in range(400))
    assert 0 < with_rem < 133


@given(seeds, st.floats(min_value=0, max_value=0.4))
@plausible
def test_snoring_is_inside_sleep(seed: int, share: float) -> None:
    """Nobody snores awake; the share is about the one asked for, and none means none."""
    stages = hypnogram(stream(seed), 900)
    snored = snoring(stream(seed), stages, share)
    asleep = len(stages) - stages.count(WAKE)
    assert not any(mark and stage == WAKE for mark, stage in zip(snored, stages, strict=True))
    assert share * asleep <= sum(snored) <= share * asleep + 60
    assert (sum(snored) == 0) == (share == 0)


@given(seeds, st.floats(min_value=0.1, max_value=8))
@plausible
def test_unstable_breathing_comes_in_short_blocks_of_sleep(seed: int, per_hour: float) -> None:
    """Events lie inside sleep, last about a minute, and come about as often as asked for."""
    stages = hypnogram(stream(seed), 900)
    unstable = unstable_breathing(stream(seed), stages, per_hour)
    hours = (len(stages) - stages.count(WAKE)) / 120
    assert not any(mark and stage == WAKE for mark, stage in zip(unstable, stages, strict=True))
    # A block may be cut in two by a short awakening, so the epochs bound the number of blocks.
    assert 0 < len(blocks(unstable, 1)) <= sum(unstable) <= 2.5 * per_hour * hours + 4


@given(seeds)
@plausible
def test_nothing_is_heard_where_nothing_is_known(seed: int) -> None:
    """Unknown epochs have neither snoring nor unstable breathing, and are not sleep to fill with it."""
    stages = mostly_unknown(stream(seed), hypnogram(stream(seed), 900))
    asleep = sum(stage > WAKE for stage in stages)
    for marks in (snoring(stream(seed), stages, 0.3), unstable_breathing(stream(seed), stages, 4)):
        assert not any(mark for mark, stage in zip(marks, stages, strict=True) if stage == UNKNOWN)
        assert sum(marks) <= 0.6 * asleep + 60
    assert stages.count(UNKNOWN) >= 540


@given(seeds, night_lengths)
@plausible
def test_changes_of_a_night_are_where_they_should_be(seed: int, epochs: int) -> None:
    """Gaps and codes of any night have their size and leave the rest of it alone."""
    night = hypnogram(stream(seed), epochs)
    sizes = {with_short_gaps: (UNKNOWN, 10), with_a_gap_before_sleep: (UNKNOWN, 4), with_code(7): (7, 4)}
    for change, (code, size) in sizes.items():
        heard = change(stream(seed), night)
        assert heard.count(code) == size
        assert all(now in (was, code) for was, now in zip(night, heard, strict=True))
    long = with_a_long_gap(stream(seed), night)
    assert 60 * MINUTE <= long.count(UNKNOWN) <= 90 * MINUTE
    assert blocks(long, UNKNOWN) == [long.count(UNKNOWN)]
    asleep = asleep_to_the_end(stream(seed), night)
    assert asleep[-1] != WAKE
    assert sleep_period(asleep)[: len(sleep_period(night))] == sleep_period(night)
    assert in_two_stages(stream(seed), night) == [int(stage > WAKE) for stage in night]


def test_all_wake_has_nothing_to_snore_in() -> None:
    """A recording without sleep has neither snoring nor unstable breathing."""
    assert snoring(stream(1), [WAKE] * 60, 0.3) == unstable_breathing(stream(1), [WAKE] * 60, 4) == [0] * 60
