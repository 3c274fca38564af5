"""Nights counted: what is accounted for, and bars in which nothing open is hidden."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.night_counts import ACCOUNTED, BAR, FULL, OPEN, bars, completeness, percent
from schemas.night_verdicts import OPEN_VERDICTS, VERDICTS

counts = st.dictionaries(st.sampled_from(sorted(VERDICTS)), st.integers(1, 3_000), min_size=1)


@pytest.mark.parametrize(
    ("verdicts", "share"),
    [
        ({"complete": 19, "not_checked": 1}, 0.95),
        ({"no_recording": 2, "pending": 1, "user_gone": 1}, 1.0),
        ({"provider_error": 1, "quarantined": 1, "not_checked": 1, "complete": 1}, 0.25),
        ({}, None),
    ],
)
def test_what_is_not_known_counts_against_completeness(verdicts: dict[str, int], share: float | None) -> None:
    """Not checked, failed and in quarantine; whatever has an explanation is accounted for."""
    assert completeness(verdicts) == share


@pytest.mark.parametrize(("share", "shown"), [(1.0, "100 %"), (0.9999, "99 %"), (0.29, "29 %"), (0.0, "0 %")])
def test_only_the_whole_is_a_hundred_percent(share: float, shown: str) -> None:
    """Rounded down."""
    assert percent(share) == shown


@given(counts)
def test_a_bar_shows_every_open_night(verdicts: dict[str, int]) -> None:
    """Always of one length; something open is at least one mark, and a bar without such a mark has nothing open."""
    _, line = bars({"2026-11-03": verdicts})
    bar = line.split()[1]
    assert len(bar) == BAR
    assert set(bar) <= {FULL, ACCOUNTED, OPEN}
    assert (OPEN in bar) == any(verdict in OPEN_VERDICTS for verdict in verdicts)
    assert (bar == FULL * BAR) == (set(verdicts) == {"complete"})


def test_bars_are_in_order_and_nights_without_anybody_have_none() -> None:
    """A line of explanation, then the nights."""
    nights = {"2026-11-04": {"complete": 1}, "2026-11-03": {"nap_only": 1, "complete": 1}, "2026-11-05": {}}
    _, first, second = bars(nights)
    assert first == f"2026-11-03 {FULL * 10}{ACCOUNTED * 10} 100 %  of 2"
    assert second == f"2026-11-04 {FULL * 20} 100 %  of 1"
