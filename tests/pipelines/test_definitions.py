"""What Dagster is told of Nightshift: compared word for word with ``definitions.json`` beside this file.

Renew it after a change that is wanted: ``RENEW_SNAPSHOT=1 python -m pytest -n 0 tests/pipelines/test_definitions.py``.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from assets.builds import ALL_USERS
from connectors.home import Home
from connectors.state.dirty import list_dirty, mark_dirty
from pipelines.definitions import build_defs
from pipelines.dirty_runs import runs_for
from pipelines.settings import Settings

SNAPSHOT = Path(__file__).with_name("definitions.json")
NOW = datetime(2026, 11, 22, 4, 0, 10, tzinfo=UTC)
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's environment does not count."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home at a fixed time."""
    home = Home(tmp_path / "home", clock=lambda: NOW)
    home.prepare()
    yield home
    home.state.close()


@pytest.fixture
def defs(home: Home) -> dg.Definitions:
    """The definitions over default settings and that home."""
    return build_defs(Settings(_env_file=None, nightshift_home=home.root), home=home)  # type: ignore[call-arg]


def described(defs: dg.Definitions) -> dict[str, Any]:
    """Everything that somebody outside may rely on, as plain data."""
    graph = defs.resolve_asset_graph()
    jobs = [job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")]
    return {
        "assets": {key.to_user_string(): _asset(graph, key) for key in sorted(graph.get_all_asset_keys())},
        "jobs": {job.name: _job(job) for job in sorted(jobs, key=lambda job: job.name)},
        "schedules": {schedule.name: _schedule(schedule) for schedule in _all(defs.schedules)},
        "sensors": {sensor.name: _sensor(sensor) for sensor in _all(defs.sensors)},
        "resources": sorted(defs.resources or {}),
    }


def _all(things: Any) -> list[Any]:
    return sorted(things or [], key=lambda thing: str(thing.name))


def _asset(graph: Any, key: dg.AssetKey) -> dict[str, Any]:
    node = graph.get(key)
    checks = sorted(graph.get_check_spec(check) for check in node.check_keys)
    return {
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "owners": sorted(node.owners),
        "reads": sorted(parent.to_user_string() for parent in node.parent_keys),
        "partitions": str(node.partitions_def) if node.partitions_def else None,
        "partitions a run": node.backfill_policy.max_partitions_per_run if node.backfill_policy else None,
        "checks": {check.name: "blocking" if check.blocking else "not blocking" for check in checks},
        "columns described": "dagster/column_schema" in node.metadata,
        "described": bool(node.description),
    }


def _job(job: dg.JobDefinition) -> dict[str, Any]:
    return {
        "assets": sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys),
        "partitions": str(job.partitions_def) if job.partitions_def else None,
        "executor": job.executor_def.name,
        "tags": dict(job.tags),
    }


def _schedule(schedule: Any) -> dict[str, Any]:
    return {
        "cron": schedule.cron_schedule,
        "timezone": schedule.execution_timezone,
        "default status": schedule.default_status.value,
        "job": schedule.job_name,
    }


def _sensor(sensor: Any) -> dict[str, Any]:
    return {
        "default status": sensor.default_status.value,
        "seconds between ticks": sensor.minimum_interval_seconds,
        "jobs": sorted(target.job_name for target in sensor.targets),
    }


def test_definitions_are_those_of_the_snapshot(defs: dg.Definitions) -> None:
    """Keys, groups, kinds, owners, dependencies, partitions, checks, jobs, schedule, sensor: none changes by chance."""
    found = json.dumps(described(defs), indent=2) + "\n"
    if os.environ.get("RENEW_SNAPSHOT"):
        SNAPSHOT.write_text(found, encoding="utf-8")
    assert found == SNAPSHOT.read_text(encoding="utf-8")


def test_every_job_and_resource_is_there(defs: dg.Definitions) -> None:
    """Dagster finds nothing that cannot be resolved."""
    dg.Definitions.validate_loadable(defs)


LOADS = """
import json, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    from pipelines.definitions import defs
    from dagster import BetaWarning, PreviewWarning
    loaded = defs()
    loaded.resolve_asset_graph()
others = [str(w.message) for w in caught if not issubclass(w.category, (BetaWarning, PreviewWarning))]
print(json.dumps({"warnings": others, "jobs": sorted(job.name for job in loaded.jobs)}))
"""


def test_definitions_load_quietly_without_a_key(tmp_path: Path) -> None:
    """With nothing set at all, in any folder: no warning but Dagster's own about beta features, nothing printed."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("ASLEEP_", "NIGHTSHIFT_", "DAGSTER_"))
    }
    loaded = subprocess.run(
        [sys.executable, "-c", LOADS], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(loaded.stdout) == {
        "warnings": [],
        "jobs": ["average_stats", "backfill", "beds", "inbox", "live", "marts", "nightly", "nights", "sleep", "users"],
    }
    assert loaded.stderr == ""


def test_a_part_may_be_replaced(home: Home) -> None:
    """What is given takes the place of what the settings would make."""
    settings = Settings(_env_file=None, nightshift_home=home.root)  # type: ignore[call-arg]
    given = build_defs(settings, home=home, warehouse="another").resources or {}
    assert given["home"] is home
    assert given["warehouse"] == "another"


def ticked(defs: dg.Definitions, home: Home, at: datetime) -> dg.RunRequest:
    """The run that the schedule asks for."""
    context = dg.build_schedule_context(scheduled_execution_time=at, resources={"home": home})
    with context:
        (request,) = defs.resolve_schedule_def("nightly").evaluate_tick(context).run_requests or []
    return request


def test_a_tick_of_the_schedule_asks_for_the_look_back_up_to_today(defs: dg.Definitions, home: Home) -> None:
    """One run over all 36 days, with a key of its own for each tick."""
    first = ticked(defs, home, NOW.replace(second=0))
    second = ticked(defs, home, NOW.replace(day=23, second=0))
    assert {name: first.tags[name] for name in RANGE} == dict(zip(RANGE, ("2026-10-18", "2026-11-22"), strict=True))
    assert first.run_key == "2026-11-22T04:00:00+00:00"
    assert second.run_key == "2026-11-23T04:00:00+00:00"


def test_the_schedule_is_the_one_of_the_settings(home: Home) -> None:
    """Cron line and look-back come from there."""
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None, nightshift_home=home.root, nightshift_schedule="30 3 * * 1", nightshift_lookback_days=2
    )
    defs = build_defs(settings, home=home)
    assert defs.resolve_schedule_def("nightly").cron_schedule == "30 3 * * 1"
    assert ticked(defs, home, NOW).tags[RANGE[0]] == "2026-11-20"


def sensed(defs: dg.Definitions, home: Home, instance: dg.DagsterInstance) -> list[tuple[str, str | None, str | None]]:
    """The job and range of each run that the sensor asks for; none when it skips."""
    return [(str(run.job_name), *(run.tags.get(name) for name in RANGE)) for run in requests(defs, home, instance)]  # type: ignore[misc]


def requests(defs: dg.Definitions, home: Home, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """What a tick of the sensor asks for; when it asks for nothing it says why."""
    with dg.build_sensor_context(instance=instance, resources={"home": home}) as context:
        tick = defs.resolve_sensor_def("dirty_partitions").evaluate_tick(context)
    found = list(tick.run_requests or [])
    assert bool(found) != bool(tick.skip_message)
    return found


def mark(home: Home, asset: str, *partitions: str) -> None:
    """Mark partitions of an asset dirty."""
    with home.state.write() as connection:
        mark_dirty(connection, [asset], partitions)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster that knows of no run."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_the_sensor_asks_for_what_is_dirty(defs: dg.Definitions, home: Home, instance: dg.DagsterInstance) -> None:
    """One run a range, by the job that builds it; nothing when all is clean."""
    assert sensed(defs, home, instance) == []
    mark(home, "sleep_sessions", "2026-11-19", "2026-11-21", "2026-11-22")
    mark(home, "warehouse_average_stats", "2026-11")
    mark(home, "users", ALL_USERS)
    assert sensed(defs, home, instance) == [
        ("sleep", "2026-11-19", "2026-11-19"),
        ("sleep", "2026-11-21", "2026-11-22"),
        ("average_stats", "2026-11", "2026-11"),
        ("users", None, None),
    ]


def test_the_sensor_builds_apart_what_does_not_wait_for_the_same(
    defs: dg.Definitions, home: Home, instance: dg.DagsterInstance
) -> None:
    """The date whose raw is damaged fails again in a run of its own; the dates beside it get what is missing."""
    mark(home, "sleep_sessions", "2026-11-20")
    mark(home, "fhir_sleep_observations", "2026-11-20", "2026-11-21", "2026-11-22")
    assert sensed(defs, home, instance) == [
        ("sleep", "2026-11-20", "2026-11-20"),
        ("sleep", "2026-11-21", "2026-11-22"),
    ]


def note_run(instance: dg.DagsterInstance, job: str, *events: str, run_key: str | None = None) -> None:
    """Have Dagster know of a run of a job that has come as far as these events, and of what was asked for it."""
    place = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("nightshift"), "__repository__")
    tags = {"dagster/run_key": run_key} if run_key else {}
    run = dg.DagsterRun(job_name=job, remote_job_origin=RemoteJobOrigin(place, job), tags=tags)
    instance.add_run(run)
    for event in events:
        instance.report_dagster_event(dg.DagsterEvent(f"PIPELINE_{event}", job), run.run_id)


@pytest.mark.parametrize("events", [[], ["ENQUEUED"], ["STARTING"], ["STARTING", "START"]])
def test_the_sensor_waits_while_a_build_is_unfinished(
    defs: dg.Definitions, home: Home, instance: dg.DagsterInstance, events: list[str]
) -> None:
    """Queued, about to start or running: the same job is not asked for again; other jobs are."""
    note_run(instance, "sleep", *events)
    mark(home, "sleep_sessions", "2026-11-22")
    assert sensed(defs, home, instance) == []
    mark(home, "users", ALL_USERS)
    assert sensed(defs, home, instance) == [("users", None, None)]


@pytest.mark.parametrize("event", ["SUCCESS", "FAILURE", "CANCELED"])
def test_the_sensor_does_not_wait_for_what_is_over(
    defs: dg.Definitions, home: Home, instance: dg.DagsterInstance, event: str
) -> None:
    """A build that ended, well or not, and an unfinished pull hold up nothing."""
    note_run(instance, "sleep", "STARTING", "START", event)
    note_run(instance, "nightly", "STARTING", "START")
    mark(home, "sleep_sessions", "2026-11-22")
    assert sensed(defs, home, instance) == [("sleep", "2026-11-22", "2026-11-22")]


def test_the_same_dirt_is_asked_for_once_an_hour(
    defs: dg.Definitions, home: Home, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """The key of a run is the same within the hour, another with a new change, and another in the next hour."""
    mark(home, "sleep_sessions", "2026-11-22")
    keys = [requests(defs, home, instance)[0].run_key for _ in range(2)]
    mark(home, "sleep_sessions", "2026-11-22")
    keys.append(requests(defs, home, instance)[0].run_key)
    later = Home(home.root, clock=lambda: NOW.replace(hour=5))
    keys.append(requests(defs, later, instance)[0].run_key)
    later.state.close()
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_the_marts_are_asked_for_when_everything_else_has_had_its_turn(
    defs: dg.Definitions, home: Home, instance: dg.DagsterInstance
) -> None:
    """They are computed once from what a night changed; a build that fails does not keep them for ever."""
    mark(home, "marts", ALL_USERS)
    mark(home, "sleep_sessions", "2026-11-22")
    mark(home, "users", ALL_USERS)
    sleep, users = requests(defs, home, instance)
    assert [sleep.job_name, users.job_name] == ["sleep", "users"]
    note_run(instance, "sleep", "STARTING", "START", "FAILURE", run_key=sleep.run_key)
    assert sensed(defs, home, instance) == [("users", None, None)]
    note_run(instance, "users", "STARTING", "START", run_key=users.run_key)
    assert sensed(defs, home, instance) == []
    running = instance.get_runs(dg.RunsFilter(job_name="users"))[0]
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_SUCCESS", "users"), running.run_id)
    assert sensed(defs, home, instance) == [("marts", None, None)]


def test_running_sessions_hold_up_neither_marts_nor_exports(
    defs: dg.Definitions, home: Home, instance: dg.DagsterInstance
) -> None:
    """While people sleep they are always dirty, or being loaded."""
    mark(home, "marts", ALL_USERS)
    mark(home, "warehouse_live_sessions", ALL_USERS)
    assert sensed(defs, home, instance) == [("marts", None, None), ("live", None, None)]
    with home.state.read() as connection:
        assert runs_for(list_dirty(connection)) == []
    note_run(instance, "live", "STARTING", "START")
    assert sensed(defs, home, instance) == [("marts", None, None)]
