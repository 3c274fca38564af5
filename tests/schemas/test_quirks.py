"""Each tolerant rule: what it reads, what it gives when it cannot know, and that it notes what it did."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.quirks import (
    IMPOSSIBLE_VALUE,
    LATENCY_FROM_START,
    LIST_OF_CYCLES,
    LONGEST_S,
    PART_OF_A_SECOND,
    QUIRKS,
    Drift,
    Notes,
    efficiency_fraction,
    latencies_from_onset,
    mean_cycle,
    possible,
    whole_number,
    whole_seconds,
)

PATH = "$.result.stat.somewhere"
PAGE = Path(__file__).parent.parent.parent / "docs" / "vendor-quirks.md"


def cycle(start: str, end: str, **more: Any) -> dict[str, Any]:
    """A cycle as one variant of the vendor lists it."""
    return {"start_time": f"2025-03-10T{start}+00:00", "end_time": f"2025-03-10T{end}+00:00", **more}


@pytest.mark.parametrize(
    ("sent", "read", "kinds"),
    [
        (None, None, set()),
        (0, 0, set()),
        (27643, 27643, set()),
        (3.0, 3, set()),
        (89.5, 90, {PART_OF_A_SECOND}),
        (90.5, 90, {PART_OF_A_SECOND}),
        (LONGEST_S, LONGEST_S, set()),
        (LONGEST_S + 1, None, {IMPOSSIBLE_VALUE}),
        (-30, None, {IMPOSSIBLE_VALUE}),
        (10**40, None, {IMPOSSIBLE_VALUE}),
        (1e300, None, {IMPOSSIBLE_VALUE}),
    ],
)
def test_a_duration_is_whole_seconds_or_null(sent: float | None, read: int | None, kinds: set[str]) -> None:
    """Null stays null, zero stays zero, and no figure is negative or longer than a month."""
    notes = Notes()
    assert whole_seconds(sent, PATH, notes) == read
    assert notes.drift == {Drift(kind, PATH) for kind in kinds}


@pytest.mark.parametrize(("sent", "read"), [(None, None), (4, 4), (4.0, 4), (4.5, None), (-1, None), (101, None)])
def test_a_count_is_whole_or_null(sent: float | None, read: int | None) -> None:
    """Half an awakening is no awakening that was counted."""
    notes = Notes()
    assert whole_number(sent, 100, PATH, notes) == read
    assert bool(notes.drift) == (sent is not None and read is None)


@given(st.floats(allow_nan=False) | st.integers())
def test_what_is_possible_is_unchanged(value: float) -> None:
    """Either the very number, or null with a note."""
    notes = Notes()
    read = possible(value, 100, PATH, notes)
    assert (read, notes.drift) in (
        (value, set()),
        (None, {Drift(IMPOSSIBLE_VALUE, PATH)}),
    )
    assert (read is not None) == (0 <= value <= 100)


@pytest.mark.parametrize(("sent", "fraction"), [(0.3, 0.3), (0.0, 0.0), (1.0, 1.0), (1.5, 1.5), (88.24, 0.8824)])
def test_an_efficiency_over_one_and_a_half_is_percent(sent: float, fraction: float) -> None:
    """No fraction can be that large."""
    assert efficiency_fraction(sent) == pytest.approx(fraction)


def test_a_mean_cycle_is_taken_as_it_is() -> None:
    """A number or null is the documented form and is no news."""
    notes = Notes()
    assert mean_cycle(4980, 4, PATH, notes) == (4980, 4)
    assert mean_cycle(None, 0, PATH, notes) == (None, 0)
    assert notes.drift == set()


@pytest.mark.parametrize("name", ["order", "index"])
def test_a_list_of_cycles_gives_count_and_mean(name: str) -> None:
    """Whichever way they are numbered: 90 and 100 minutes are two cycles of 95."""
    cycles = [cycle("00:00:00", "01:30:00", **{name: 1}), cycle("01:30:00", "03:10:00", **{name: 2})]
    notes = Notes()
    assert mean_cycle(cycles, None, PATH, notes) == (timedelta(minutes=95).total_seconds(), 2)
    assert mean_cycle(cycles, 3, PATH, notes)[1] == 3, "the vendor's own count comes first"
    assert notes.drift == {Drift(LIST_OF_CYCLES, PATH)}


@pytest.mark.parametrize(
    "odd",
    [{}, {"start_time": 1, "end_time": 2}, cycle("25:00:00", "26:00:00"), {"start_time": None, "end_time": None}],
)
def test_cycles_without_times_are_counted_but_have_no_mean(odd: dict[str, Any]) -> None:
    """A mean over some of them would be a guess."""
    assert mean_cycle([cycle("00:00:00", "01:30:00"), odd], None, PATH, Notes()) == (None, 2)
    assert mean_cycle([], None, PATH, Notes()) == (None, 0)


OWN = {"light_latency": 0, "deep_latency": 1200, "rem_latency": None}
"""Latencies from sleep onset, as a hypnogram says them."""


def test_latencies_from_the_start_are_counted_from_onset() -> None:
    """Every one that was sent is the hypnogram's own plus the onset latency."""
    notes = Notes()
    sent = {"light_latency": 900.0, "deep_latency": 2100.0, "rem_latency": None}
    assert latencies_from_onset(sent, OWN, 900, PATH, notes) == OWN
    assert notes.drift == {Drift(LATENCY_FROM_START, PATH)}


@pytest.mark.parametrize(
    ("latencies", "onset_s"),
    [
        ({"light_latency": 0.0, "deep_latency": 1200.0, "rem_latency": None}, 900),
        ({"light_latency": 900.0, "deep_latency": 1200.0, "rem_latency": None}, 900),
        ({"light_latency": 900.0, "deep_latency": 2100.0, "rem_latency": 5000.0}, 900),
        ({"light_latency": 900.0, "deep_latency": None, "rem_latency": None}, 900),
        ({"light_latency": None, "deep_latency": None, "rem_latency": None}, 900),
        ({"light_latency": 900.0, "deep_latency": 2100.0, "rem_latency": None}, None),
        ({"light_latency": 0.0, "deep_latency": 1200.0, "rem_latency": None}, 0),
    ],
)
def test_other_latencies_are_left_alone(latencies: dict[str, float | None], onset_s: float | None) -> None:
    """Nothing is moved without proof for all of them."""
    notes = Notes()
    assert latencies_from_onset(latencies, OWN, onset_s, PATH, notes) == latencies
    assert notes.drift == set()


@pytest.mark.parametrize("kind", QUIRKS)
def test_every_rule_stands_in_the_docs(kind: str) -> None:
    """Under its name, in the same words."""
    line = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if f"`{kind}`" in line)
    assert QUIRKS[kind] in line
