"""The forecast of a backfill: with the lists it is what the backfill then costs; without them no call is made."""

import json
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.asleep.sandbox import World, running
from connectors.home import Home
from connectors.state.roster import RosterUser, list_users
from pipelines.command import forecast as forecasting
from pipelines.command.forecast import Forecast, Sizes, forecast
from pipelines.dirty_runs import day_ranges
from pipelines.settings import load_settings
from schemas.asleep import ASLEEP
from tests.assets.homes import NOW, StandingClock, follow, new_home
from tests.assets.raw.pulls import KEY, Puller, control, follow_everybody, truth

LAST = NOW.date()


@pytest.fixture
def clock() -> StandingClock:
    """The clock of the home."""
    return StandingClock()


@pytest.fixture
def home(tmp_path: Path, clock: StandingClock) -> Iterator[Home]:
    """An empty home."""
    with new_home(tmp_path / "home", clock) as home:
        yield home


@pytest.fixture
def base_url() -> Iterator[str]:
    """Three people with a hundred nights, so that a backfill of them takes two ranges."""
    with running(World(users=3, nights=100, now=NOW)) as base_url:
        yield base_url


@pytest.fixture
def ask(home: Home, base_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Forecast]:
    """Forecasts of this home, of the last ``days`` days."""
    monkeypatch.chdir(home.root)  # no .env of anybody's
    settings = load_settings(asleep_base_url=base_url, asleep_api_key=SecretStr(KEY), asleep_requests_per_second=1000)

    def ask(days: int = 120, *, with_lists: bool = True) -> Forecast:
        return forecast(home, settings, LAST - timedelta(days=days - 1), LAST, with_lists=with_lists)

    return ask


def backfilled(home: Home, base_url: str, days: int = 120, ranges: int | None = None) -> dict[str, int]:
    """Pull the ranges of a backfill, or only the first few; gives all calls by endpoint."""
    calls = {"list": 0, "detail": 0, "stats": 0, "user": 0}
    for start, end in list(day_ranges(LAST - timedelta(days=days - 1), LAST))[:ranges]:
        puller = Puller(home, base_url)
        puller.pull(start, end)
        for endpoint, count in puller.calls.items():
            calls[endpoint] += count
    return calls


def test_with_the_lists_the_forecast_is_what_the_backfill_costs(
    home: Home, base_url: str, ask: Callable[..., Forecast]
) -> None:
    """Call by call: two ranges, months in both of them; afterwards only the lists and what is in analysis are left."""
    follow_everybody(home, World(users=3, nights=100, now=NOW))
    expected = ask()
    assert expected.exact
    assert backfilled(home, base_url) == expected.calls
    assert expected.calls["detail"] > 200
    again = ask()
    totals = truth(base_url)["totals"]
    in_analysis = totals["OPEN"] + totals["CLOSED"]  # asked for again by the range that does not list them
    assert again.calls == {"list": expected.calls["list"], "detail": in_analysis, "stats": 0, "user": 0}
    assert again.there == expected.calls["detail"]
    assert backfilled(home, base_url) == again.calls


def test_a_backfill_that_was_stopped_costs_only_what_is_missing(
    home: Home, base_url: str, ask: Callable[..., Forecast]
) -> None:
    """After one of two ranges the forecast is that of the other, and no detail is asked for twice."""
    follow_everybody(home, World(users=3, nights=100, now=NOW))
    everything = ask().calls
    done = backfilled(home, base_url, ranges=1)
    left = ask()
    assert left.there == done["detail"]
    assert left.calls["detail"] == everything["detail"] - done["detail"]
    assert backfilled(home, base_url) == left.calls


def test_what_changed_waits_or_has_gone_is_counted(
    home: Home, base_url: str, clock: StandingClock, ask: Callable[..., Forecast]
) -> None:
    """A late session, a deleted one, one still in analysis outside of the range, a user who is followed for a part."""
    users = follow_everybody(home, World(users=3, nights=100, now=NOW))
    backfilled(home, base_url)
    control(base_url, "late", {"user": users[0].user_id, "days_ago": 30})
    deleted = next(s for s in truth(base_url)["users"][1]["sessions"] if s["state"] == "COMPLETE")
    control(base_url, "delete", {"user": users[1].user_id, "session": deleted["id"]})
    last = users[2]
    with_end = RosterUser(ASLEEP, last.user_id, last.org_id, last.timezone, active_to=LAST - timedelta(days=60))
    follow(home, with_end)
    clock.advance(days=8)  # the documents of the users are old by now
    expected = ask()
    assert expected.calls["detail"] >= 2
    assert expected.calls["user"] == 3
    assert backfilled(home, base_url) == expected.calls


def test_without_the_lists_no_call_is_made(home: Home, base_url: str, ask: Callable[..., Forecast]) -> None:
    """The estimate is near the truth, says that it is one, and needs neither a key nor a vendor."""
    follow_everybody(home, World(users=3, nights=100, now=NOW))
    settings = load_settings(asleep_base_url="http://127.0.0.1:9", asleep_requests_per_second=10)
    found = forecast(home, settings, LAST - timedelta(days=99), LAST, with_lists=False)
    exact = ask(100).calls
    assert not found.exact
    assert found.calls["user"] == exact["user"]
    assert all(abs(found.calls[name] - exact[name]) <= 0.2 * exact[name] for name in ("list", "detail", "stats"))
    assert found.seconds == sum(found.calls.values()) / 10
    assert "about" in found.lines()[1]


@pytest.mark.parametrize(
    ("days", "periods"),
    [(62, 1), (63, 3), (400, 15), (3 * 366 + 1, 4)],
    ids=["two months", "more than two months", "a year", "three years"],
)
def test_a_long_range_is_told_by_month_or_year(
    days: int, periods: int, home: Home, base_url: str, ask: Callable[..., Forecast]
) -> None:
    """The parts of the whole add up to it."""
    follow_everybody(home, World(users=3, nights=100, now=NOW))
    found = ask(days, with_lists=False)
    assert len(found.parts) == periods
    assert sum(part.details for part in found.parts.values()) == found.calls["detail"]
    assert len(found.lines()) == 4 + (periods if periods > 1 else 0)


def test_room_on_the_disk(
    home: Home, base_url: str, ask: Callable[..., Forecast], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is needed is compared with what is free, and a disk that is too small is told."""
    follow_everybody(home, World(users=3, nights=100, now=NOW))
    roomy = ask(with_lists=False)
    assert roomy.sizes.needed > roomy.sizes.raw + roomy.sizes.built > 0
    assert not any("too small" in line for line in roomy.lines())
    for free, enough in ((roomy.sizes.needed, True), (roomy.sizes.needed - 1, False)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        found = ask(with_lists=False)
        assert found.enough_room is enough
        assert any("too small" in line for line in found.lines()) is not enough
        assert found.summary()["enough_room"] is enough


def test_sizes_are_those_of_this_home_once_it_has_some(home: Home, base_url: str, ask: Callable[..., Forecast]) -> None:
    """Raw a session is what raw takes a session here."""
    follow_everybody(home, World(users=3, nights=100, now=NOW))
    backfilled(home, base_url, ranges=1)
    found = ask()
    size = sum(path.stat().st_size for path in (home.root / "raw").rglob("*.parquet"))
    assert found.there > forecasting.ENOUGH_SESSIONS
    assert found.sizes.raw == found.calls["detail"] * size // found.there


def test_the_summary_is_one_json_object(home: Home, base_url: str, ask: Callable[..., Forecast]) -> None:
    """With everything the words say, and nobody's id."""
    users = follow_everybody(home, World(users=3, nights=100, now=NOW))
    summary: dict[str, Any] = json.loads(json.dumps(ask().summary()))
    assert summary["exact"] is True
    assert (summary["from"], summary["to"]) == (str(LAST - timedelta(days=119)), str(LAST))
    assert list(summary["calls"]) == ["list", "detail", "stats", "user"]
    assert sum(part["detail"] for part in summary["periods"]) == summary["calls"]["detail"]
    assert not any(user.user_id in json.dumps(summary) for user in users)


def test_an_empty_roster_costs_nothing(home: Home, base_url: str, ask: Callable[..., Forecast]) -> None:
    """Nobody is followed, so nothing is asked."""
    with home.state.read() as connection:
        assert list_users(connection) == []
    found = ask()
    assert (found.users, set(found.calls.values()), found.sizes) == (0, {0}, Sizes(0, 0, 0, 0))
    assert found.first < date.max
