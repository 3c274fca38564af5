"""Whatever goes wrong at a vendor, runs repeated until one comes through make the home of a good day."""

from contextlib import suppress

import pytest

from connectors.errors import VendorError
from tests.assets.sources.conftest import MakeRig, long_for_one_source
from tests.assets.sources.judging import everything_wrong, unlike
from tests.assets.sources.source_rig import Ran, SourceRig

MOST_RUNS = 150


def run_until_complete(rig: SourceRig) -> None:
    """Run until a run gets everybody."""
    for _ in range(MOST_RUNS):
        ran: Ran | None = None
        with suppress(VendorError):
            ran = rig.run()
        if ran is not None and ran.report.complete:
            return
    raise AssertionError("no run came through")


def weather(make_rig: MakeRig, seed: int, share: float, nights: int = 3) -> int:
    """Fill and change a home in a storm, and one in none, and compare; the number of faults that were met."""
    fair, stormy = make_rig("fair", nights=nights), make_rig("stormy", nights=nights)
    stormy.set_storm(seed, share)
    for changes in (False, True):
        for rig in (fair, stormy):
            if changes:
                rig.analyse_again(seed)
                rig.delete(seed + 1)
                rig.new_night(seed)
        run_until_complete(stormy)
        fair.run()
        for rig in (fair, stormy):
            run_until_complete(rig)  # what is made of the sessions learns of a deletion once they are deleted
            assert everything_wrong(rig) == [], f"seed {seed}, {changes}"
    assert stormy.limits_broken() == []
    met = stormy.faults_met()
    assert unlike(stormy, fair.root, raw_files=False) == [], f"seed {seed}"
    return met


@long_for_one_source
def test_a_storm_ends_as_a_good_day(make_rig: MakeRig) -> None:
    """Every kind of fault at random requests, and no limit of the vendor is broken by asking again."""
    assert weather(make_rig, seed=3, share=0.3, nights=2) > 5


@pytest.mark.soak
@pytest.mark.parametrize("share", [0.05, 0.15, 0.3])
@pytest.mark.parametrize("seed", range(10))
def test_any_storm_ends_as_a_good_day(seed: int, share: float, make_rig: MakeRig) -> None:
    """Drizzle and worse."""
    weather(make_rig, seed, share)
