"""Dagster's records in a home: the files are Dagster's own, whoever writes and reads them, whatever ends a writer."""

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import pytest

from connectors.home import Home
from pipelines.dagster_storage import MOST_OPEN_RUNS, EventRecords, RunRecords
from pipelines.instance import dagster_instance

DAYS = dg.StaticPartitionsDefinition(["one", "two"])


@dg.asset(partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("sound", asset="table")])
def table() -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster knows it only without a parameter
    """An asset with a check."""
    return dg.MaterializeResult(metadata={"rows": 3}, check_results=[dg.AssetCheckResult(passed=True)])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home; DAGSTER_HOME is put back."""
    monkeypatch.setenv("DAGSTER_HOME", "set by what is tested")
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@contextmanager
def stock_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """The home's Dagster with the storages that Dagster comes with."""
    (home.dagster / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        yield instance


def materialize(instance: dg.DagsterInstance, partition: str = "one") -> str:
    """Run the asset; the id of the run."""
    return dg.materialize([table], instance=instance, partition_key=partition).run_id


def told(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """What a person sees of a run: its events, its materialisation, its check, its end."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    events = [str(entry.dagster_event_type) for entry in instance.all_logs(run_id)]
    (latest,) = instance.get_latest_materialization_events([dg.AssetKey("table")]).values()
    (check,) = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("table"), "sound"), limit=1
    )
    assert latest is not None
    return [*events, latest.run_id, check.run_id, str(check.status), str(run.status)]


def test_a_home_opens_with_these_storages(home: Home) -> None:
    """For runs and for events."""
    with dagster_instance(home) as instance:
        assert isinstance(instance.event_log_storage, EventRecords)
        assert isinstance(instance.run_storage, RunRecords)


@pytest.mark.parametrize("ours_first", [True, False])
def test_dagster_and_we_read_each_others_records(ours_first: bool, home: Home) -> None:
    """Runs of a home of before are there, and so are ours for whoever opens the home with plain Dagster."""
    write, read = (dagster_instance, stock_instance) if ours_first else (stock_instance, dagster_instance)
    with write(home) as instance:
        run_id = materialize(instance)
        expected = told(instance, run_id)
    with read(home) as instance:
        assert told(instance, run_id) == expected
        assert expected.count("DagsterEventType.ASSET_MATERIALIZATION") == 1
        other = materialize(instance, "two")
    with write(home) as instance:
        assert told(instance, other) == [other if word == run_id else word for word in expected]
        assert instance.get_materialized_partitions(dg.AssetKey("table")) == {"one", "two"}


def test_a_file_of_a_run_is_as_dagster_makes_it(home: Home) -> None:
    """The same tables, indexes and revision."""

    def made(path: Path) -> tuple[set[str], list[tuple[str]]]:
        with closing(sqlite3.connect(path)) as file:
            schema = {sql for (sql,) in file.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
            return schema, file.execute("SELECT * FROM alembic_version").fetchall()

    with stock_instance(home) as instance:
        theirs = materialize(instance)
    with dagster_instance(home) as instance:
        ours = materialize(instance, "two")
    folder = home.dagster / "history" / "runs"
    assert made(folder / f"{ours}.db") == made(folder / f"{theirs}.db")


def test_who_watches_a_run_hears_every_event(home: Home) -> None:
    """As the UI does while a run goes on elsewhere."""
    heard: list[str] = []
    ended = threading.Event()

    def hear(entry: dg.EventLogEntry, _: str) -> None:
        heard.append(str(entry.dagster_event_type))
        if entry.dagster_event_type is dg.DagsterEventType.RUN_SUCCESS:
            ended.set()

    with dagster_instance(home) as instance, dagster_instance(home) as watching:
        run = instance.create_run_for_job(dg.Definitions([table]).resolve_implicit_global_asset_job_def())
        watching.event_log_storage.watch(run.run_id, None, hear)
        for event in ("STARTING", "START", "SUCCESS"):
            instance.report_dagster_event(dg.DagsterEvent(f"PIPELINE_{event}", run.job_name), run.run_id)
        assert ended.wait(60)
        assert heard == [str(entry.dagster_event_type) for entry in instance.all_logs(run.run_id)]
        watching.event_log_storage.end_watch(run.run_id, hear)


def test_a_writer_that_is_killed_has_lost_nothing(home: Home) -> None:
    """What was told before is there, although no file was closed."""
    with dagster_instance(home):
        pass
    child = os.fork()
    if child == 0:
        with dagster_instance(home) as instance:
            materialize(instance)
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with dagster_instance(home) as instance:
        (run,) = instance.get_runs()
        assert "DagsterRunStatus.SUCCESS" in told(instance, run.run_id)


def report(home: Home, run_id: str) -> None:
    """Tell a run an event, as a process of its own."""
    with dagster_instance(home) as instance:
        instance.report_engine_event("here", run_id=run_id, job_name="any")


def test_a_run_begun_by_several_processes_has_the_events_of_all(home: Home) -> None:
    """Whoever is first makes the file."""
    with dagster_instance(home):
        pass
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=report, args=(home, "a-run")) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    with dagster_instance(home) as instance:
        assert len(instance.all_logs("a-run")) == 4


def test_more_runs_than_files_are_kept_open(home: Home) -> None:
    """The files of the runs looked at last are open; those of before are there as well; wiped, none is."""

    def open_files() -> int:
        return sum(path.resolve().suffix == ".db" for path in Path("/proc/self/fd").iterdir())

    with dagster_instance(home) as instance:
        before = open_files()
        runs = [f"run-{number}" for number in range(MOST_OPEN_RUNS + 3)]
        for run_id in runs:
            instance.report_engine_event("here", run_id=run_id, job_name="any")
        assert open_files() - before < MOST_OPEN_RUNS
        assert [len(instance.all_logs(run_id)) for run_id in runs] == [1] * len(runs)
        instance.wipe()
        assert instance.all_logs(runs[-1]) == []
