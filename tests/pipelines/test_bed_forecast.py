"""The forecast of a backfill where people sleep in beds: near to what it then costs, said in minutes at their limit."""

from datetime import timedelta
from pathlib import Path

import pytest

from connectors.state.roster import RosterUser, put_users
from pipelines.command.bed_forecast import PER_MINUTE, BedForecast, bed_forecast
from pipelines.command.forecast import forecast
from schemas.eight_sleep import EIGHT_SLEEP
from tests.pipelines.household import household


def test_the_forecast_is_near_to_what_the_pull_costs(tmp_path: Path) -> None:
    """Accounts, pages from today back, scores thirty days at a time; afterwards it says what is there."""
    with household(tmp_path / "home", nights=45) as people:
        last = people.clock().date()
        first = last - timedelta(days=44)
        before = forecast(people.home, people.settings, first, last, with_lists=False)
        assert before.beds is not None
        _, calls = people.pull_beds(first, last)
        told = before.beds.calls
        assert {name: told[name] for name in ("me", "bed", "trends")} == {
            name: calls[name] for name in ("me", "bed", "trends")
        }
        assert abs(told["intervals"] - calls["intervals"]) <= 2
        assert before.summary()["beds"]["calls"] == told
        assert before.seconds == before.asleep_seconds + before.beds.seconds
        assert f"2 users, about {told['login'] + 2} calls for accounts" in "\n".join(before.lines())
        after = bed_forecast(people.home, people.settings, first, last)
        assert after is not None
        assert after.sessions < before.beds.sessions / 4


def test_every_range_reads_back_from_today(tmp_path: Path) -> None:
    """A backfill of the distant past reads all pages up to now, of a year over forty; nobody in it costs nothing."""
    with household(tmp_path / "home", nights=1) as people:
        last = people.clock().date()
        year = bed_forecast(people.home, people.settings, last - timedelta(days=365), last - timedelta(days=360))
        assert year is not None
        assert year.calls["intervals"] == pytest.approx(2 * 365 * 1.1 / 10, abs=4)
        assert "min at 30 a minute and account" in year.line()
        gone = [
            RosterUser(EIGHT_SLEEP, user.user_id, "clinic", active_to=last - timedelta(days=500))
            for user in people.sleepers
        ]
        with people.home.state.write() as connection:
            put_users(connection, gone)
        assert bed_forecast(people.home, people.settings, last - timedelta(days=30), last) is None
        assert "beds" not in forecast(people.home, people.settings, last, last, with_lists=False).summary()


@pytest.mark.parametrize(("accounts", "seconds"), [(0, 60), (1, 60), (2, 30)])
def test_accounts_share_the_calls(accounts: int, seconds: float) -> None:
    """Each has a limit of its own; without an account it is said for one."""
    assert BedForecast(1, accounts, 1, {"intervals": PER_MINUTE}).seconds == seconds
