"""Old runs lose their logs, and nothing that says what was built."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.raw.documents import Unwatched
from connectors.home import Home, utc_now
from pipelines import run_history
from pipelines.instance import dagster_instance
from pipelines.resources import asleep_connection
from pipelines.run_history import forget_old_runs
from pipelines.runs import open_runner
from pipelines.settings import Settings

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
NIGHT, WHOLE = dg.AssetKey("night"), dg.AssetKey("whole")
CHECK = dg.AssetCheckKey(NIGHT, "sound")


@dg.asset(partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("sound", asset="night")])
def night() -> Iterator[dg.MaterializeResult[None]]:
    """A partition, with a check."""
    yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset
def whole() -> None:
    """Not partitioned."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home that Dagster has not seen yet."""
    monkeypatch.setenv("DAGSTER_HOME", "")  # it is set when the instance is opened: what it was comes back afterwards
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@contextmanager
def records(home: Home) -> Iterator[dg.DagsterInstance]:
    """Dagster's records, with no file of theirs open before."""
    with dagster_instance(home) as instance:
        yield instance


def build(home: Home, *days: str) -> list[str]:
    """A run for each of these days, and one for what has none; their ids."""
    with records(home) as instance:
        runs = [dg.materialize([night], partition_key=day, instance=instance) for day in days]
        runs.append(dg.materialize([whole], instance=instance))
    assert all(run.success for run in runs)
    return [run.run_id for run in runs]


def began(home: Home, run_id: str) -> datetime:
    """When a run was made."""
    with records(home) as instance:
        record = instance.get_run_record_by_id(run_id)
        assert record is not None
        return record.create_timestamp.astimezone(UTC)


def logs(home: Home) -> set[str]:
    """The runs that have a log."""
    return {path.stem for path in (home.dagster / "history" / "runs").glob("*-*.db")}


def known(home: Home) -> tuple[object, ...]:
    """What Dagster says was built, run and checked."""
    with records(home) as instance:
        evaluated = instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])[CHECK]
        latest = instance.get_latest_materialization_event(WHOLE)
        assert latest is not None
        return (
            instance.get_materialized_partitions(NIGHT),
            latest.run_id,
            [(run.run_id, run.status) for run in instance.get_runs()],
            (evaluated.run_id, evaluated.status),
        )


def entries(home: Home) -> int:
    """Lines in the index over all runs."""
    with records(home) as instance:
        return len(
            instance.event_log_storage.get_event_records(
                dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION)
            )
        )


def forget(home: Home, now: datetime, days: int = 90) -> int:
    """The number of runs forgotten at a time."""
    with records(home) as instance:
        return forget_old_runs(instance, now, days)


def test_an_old_run_loses_its_log_and_stays_known(home: Home) -> None:
    """Its row, the partitions and the last check are as before; a run that is not so old is not touched."""
    old = build(home, "2026-01-01", "2026-01-02", "2026-01-01")
    new = build(home, "2026-01-01")
    before = known(home)
    assert logs(home) == {*old, *new}
    assert entries(home) == 6
    assert forget(home, began(home, new[0]) + timedelta(days=90)) == len(old)
    assert logs(home) == set(new)
    assert known(home) == before
    assert entries(home) == 3, "the last of each partition, and of what has none"
    assert build(home, "2026-01-03")


def test_each_run_is_looked_at_once_and_not_too_many_at_a_time(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next time goes on where the last one ended."""
    monkeypatch.setattr(run_history, "MOST_AT_ONCE", 2)
    old = build(home, "2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")
    later = utc_now() + timedelta(days=91)
    assert [forget(home, later) for _ in range(4)] == [2, 2, 1, 0]
    assert (len(old), logs(home)) == (5, set())


def test_zero_days_forget_nothing(home: Home) -> None:
    """Nor does anything that is not old enough go."""
    runs = build(home, "2026-01-01")
    assert forget(home, utc_now() + timedelta(days=5_000), days=0) == 0
    assert forget(home, utc_now() + timedelta(days=89)) == 0
    assert logs(home) == set(runs)


def test_a_run_that_is_not_over_is_not_forgotten(home: Home) -> None:
    """However old it is."""
    with records(home) as instance:
        job = dg.Definitions([whole]).resolve_implicit_global_asset_job_def()
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert forget(home, utc_now() + timedelta(days=91)) == 0


def test_every_sync_forgets(home: Home) -> None:
    """And whatever else opens a runner, as often as the setting says."""
    runs = build(home, "2026-01-01")
    later = Home(home.root, clock=lambda: utc_now() + timedelta(days=8))
    for days, left in ((9, set(runs)), (7, set())):
        settings = Settings(nightshift_home=home.root, nightshift_run_history_days=days, asleep_api_key=None)
        with open_runner(later, settings, Unwatched(), asleep_connection(settings, later)):
            pass
        assert logs(home) == left
    later.state.close()
