"""The sensor of the inbox: asks for one run when something came, not while it is taken in, and again if that failed."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from connectors.asleep.sandbox import World
from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox
from connectors.home import Home
from pipelines.definitions import build_defs
from pipelines.settings import Settings
from tests.assets.homes import StandingClock, new_home
from tests.assets.raw.pulls import dirty, follow_everybody
from tests.assets.raw.webhooks import body_of, complete_sessions, receive, take

NOW = datetime(2026, 11, 20, 12, 5, tzinfo=UTC)
WORLD = World(users=1, nights=2, now=NOW)
BODIES = [body_of(user, session, NOW) for user, session in complete_sessions(WORLD)]


@pytest.fixture
def clock() -> StandingClock:
    """The clock of the home."""
    return StandingClock(NOW)


@pytest.fixture
def home(tmp_path: Path, clock: StandingClock) -> Iterator[Home]:
    """A home that follows the one user."""
    with new_home(tmp_path / "home", clock) as home:
        follow_everybody(home, WORLD)
        yield home


def defs_of(home: Home, keys: str | None = None) -> dg.Definitions:
    """The definitions, with or without keys for webhooks."""
    settings = Settings(_env_file=None, nightshift_home=home.root, asleep_webhook_keys=keys)  # type: ignore[call-arg, arg-type]
    return build_defs(settings, home=home)


def ticked(home: Home, cursor: str | None = None) -> tuple[list[str | None], str | None]:
    """The keys of the runs that a tick asks for, and the cursor after it."""
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources={"home": home}, cursor=cursor) as context,
    ):
        tick = defs_of(home).resolve_sensor_def("webhook_inbox").evaluate_tick(context)
    return [run.run_key for run in tick.run_requests or []], tick.cursor


@pytest.mark.parametrize(("keys", "status"), [(None, "STOPPED"), ("a-key", "RUNNING")])
def test_the_sensor_is_on_where_webhooks_are(home: Home, keys: str | None, status: str) -> None:
    """Without a key nothing is received."""
    assert defs_of(home, keys).resolve_sensor_def("webhook_inbox").default_status.value == status


def test_the_sensor_asks_once_for_what_came(home: Home, clock: StandingClock) -> None:
    """Nothing without an inbox or an event; one key for the same events within an hour, another for more or later."""
    assert ticked(home) == ([], None)
    receive(home, BODIES[:1])
    first, cursor = ticked(home)
    assert (first, cursor) == (["inbox:1:2026-11-20T12"], "1")
    assert ticked(home, cursor)[0] == first
    receive(home, BODIES[1:2])
    assert ticked(home, cursor) == (["inbox:2:2026-11-20T12"], "2")
    clock.advance(hours=1)
    assert ticked(home, cursor)[0] == ["inbox:2:2026-11-20T13"]
    take(home)
    assert ticked(home, "2")[0] == []


def test_the_job_takes_the_inbox_in_and_tells_counts_only(home: Home) -> None:
    """What it changed is left to be built; a second run finds nothing."""
    receive(home, BODIES)
    with dg.DagsterInstance.ephemeral() as instance:
        runs = [defs_of(home).resolve_job_def("inbox").execute_in_process(instance=instance) for _ in range(2)]
    told = [run.asset_materializations_for_node("raw__webhook_events")[0].metadata for run in runs]
    assert [each["events"].value for each in told] == [len(BODIES), 0]
    assert [each["sessions_new"].value for each in told] == [len(BODIES), 0]
    assert all(isinstance(value.value, int) for each in told for value in each.values())
    assert dirty(home, "sleep_sessions") == sorted(
        {session.start.date().isoformat() for _, session in complete_sessions(WORLD)}
    )
    with closing(Inbox(home.root / FILE_NAME)) as inbox:
        assert inbox.newest() is None
