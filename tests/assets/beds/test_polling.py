"""Polling real beds of the simulator: within the vendor's limits, every bed once, failures apart."""

import asyncio

import dagster as dg
import pytest

from assets.lake.bed_presence import build_bed_presence
from assets.lake.bed_status import build_bed_status
from assets.raw.bed_status import bed_status, poll_beds, record_status
from assets.raw.eight_sleep_vendor import EightSleepAccounts
from connectors.eight_sleep.sandbox import Fault
from connectors.errors import NightshiftError
from schemas.bed_tables import BED_PRESENCE, BED_STATUS
from schemas.documents import BED_STATUS as POLL
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.nights import utc_date
from tests.connectors.eight_sleep.conftest import empty_home, stage
from tests.connectors.eight_sleep.conftest import rig as rig
from tests.connectors.eight_sleep.rig import Rig

__all__ = ["empty_home", "rig", "stage"]


def test_a_day_of_polls_shows_when_people_lay_in_bed(rig: Rig) -> None:
    """As the simulator knows it, to ten minutes; nobody's request is refused."""
    account = rig.connection()
    home, bed = account.home, rig.world.beds()[0]
    truth = []
    rig.clock.forward(9 * 3600)
    for _ in range(36):
        polls, failures = asyncio.run(poll_beds([account]))
        assert failures == []
        assert record_status(home, polls) == len(polls)
        truth.append(bed.sides["left"].sleeper.is_in_bed(rig.world.now))
        rig.clock.forward(10 * 60 - 5)
    assert {True, False} == set(truth)
    days = [day.isoformat() for day in home.raw.dates(EIGHT_SLEEP, POLL)]
    for day in days:
        build_bed_status(home, day)
        build_bed_presence(home, day)
    rows = home.lake.read_all(BED_STATUS).to_pylist()
    left = sorted((row["time"], row["presence"]) for row in rows if (row["bed_id"], row["side"]) == (bed.id, "left"))
    assert [presence for _, presence in left] == truth
    stays = [row for row in home.lake.read_all(BED_PRESENCE).to_pylist() if row["side"] == "left"]
    assert sum(row["polls"] for row in stays if row["bed_id"] == bed.id) == sum(truth)
    assert {utc_date(time).isoformat() for time, _ in left} == set(days)


def test_a_bed_that_cannot_be_reached_leaves_a_gap_and_no_row(rig: Rig) -> None:
    """The asset fails only when no bed at all could be asked."""
    account = rig.connection()
    rig.faults.set(Fault("offline", "status", times=100))
    polls, failures = asyncio.run(poll_beds([account]))
    assert (polls, len(failures)) == ([], len(rig.world.beds_of(rig.sleeper.user_id)))
    with pytest.raises(NightshiftError):
        dg.materialize(
            [bed_status], resources={"home": account.home, "eight_sleep": EightSleepAccounts(lambda: (account,))}
        )
    rig.faults.set()
    done = dg.materialize(
        [bed_status], resources={"home": account.home, "eight_sleep": EightSleepAccounts(lambda: (account,))}
    )
    (made,) = done.asset_materializations_for_node("raw__bed_status")
    assert made.metadata["beds_polled"].value == len(rig.world.beds_of(rig.sleeper.user_id))
    assert made.metadata["beds_or_accounts_failed"].value == 0
