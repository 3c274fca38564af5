"""Offsets and hours of the night: for every zone's every change those that the dates of the lake are made with."""

from datetime import date
from itertools import pairwise

import pytest

from assets.marts.clocks import night_clocks, zone_offsets
from schemas.night_hours import is_main_sleep
from tests.schemas.zone_changes import FIRST, LAST, changes_of, moment, offset_at, zones


def test_every_change_of_every_zone_is_there() -> None:
    """From second to second without a gap, with the offsets before and after."""
    names = zones()[::7]
    rows = zone_offsets([(zone, FIRST * 1_000_000, LAST * 1_000_000) for zone in names]).to_pylist()
    for zone in names:
        own = [row for row in rows if row["timezone"] == zone]
        changes = [change for change in changes_of(zone) if change.at < LAST]
        # The weeks around may hold a change more.
        starts = [row["from_us"] // 1_000_000 for row in own if FIRST < row["from_us"] // 1_000_000 < LAST]
        assert starts == [change.at for change in changes]
        assert all(a["until_us"] == b["from_us"] for a, b in pairwise(own))
        assert own[0]["from_us"] <= FIRST * 1_000_000 < LAST * 1_000_000 <= own[-1]["until_us"]
        for change in changes:
            (row,) = (row for row in own if row["from_us"] <= change.at * 1_000_000 < row["until_us"])
            assert row["utc_offset_s"] == offset_at(zone, change.at)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Nuuk", "Pacific/Kiritimati", "Africa/Casablanca"])
def test_the_hours_of_a_night_are_those_of_its_main_sleep(zone: str) -> None:
    """A recording of a minute is a night's sleep from 21:00 on, and no more from 09:00 on."""
    changed = [date.fromordinal(moment(change.at).date().toordinal() - 1) for change in changes_of(zone)]
    minute = moment(60) - moment(0)
    for row in night_clocks([(zone, night) for night in [date(2026, 7, 1), *changed]]).to_pylist():
        evening, morning = row["evening_at"], row["morning_at"]
        assert is_main_sleep(evening, evening + minute, zone)
        assert not is_main_sleep(evening - minute, evening, zone)
        assert is_main_sleep(morning - minute, morning, zone)
        assert not is_main_sleep(morning, morning + minute, zone)
