"""The Dagster instance of a home: its configuration file, opening it, and telling runs that died with their process.

Compute logs are off: what steps print could hold anything, and the event log says what matters.
"""

import os
import socket
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
from sqlalchemy.exc import StatementError

from connectors.errors import NightshiftError
from connectors.home import Home
from connectors.lake.publish import is_running, publish
from connectors.state.database import is_disk_full


class RunRecordsUnavailable(NightshiftError):
    """What Dagster keeps of runs cannot be read or written."""


PID_TAG = "nightshift/pid"
HOST_TAG = "nightshift/host"

DAGSTER_YAML = b"""\
# Written by nightshift; change settings of ours in .env instead.
telemetry:
  enabled: false
run_storage:
  module: pipelines.dagster_storage
  class: RunRecords
  config:
    base_dir: {env: DAGSTER_HOME}
event_log_storage:
  module: pipelines.dagster_storage
  class: EventRecords
  config:
    base_dir: {env: DAGSTER_HOME}
compute_logs:
  module: dagster.core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
concurrency:
  runs:
    max_concurrent_runs: 2
run_retries:
  enabled: true
  max_retries: 0
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: -1
"""


def prepare_dagster_home(home: Home) -> None:
    """Write ``dagster.yaml`` and point DAGSTER_HOME of this process, and of those it starts, at the home."""
    publish(home.dagster / "dagster.yaml", DAGSTER_YAML)
    os.environ["DAGSTER_HOME"] = str(home.dagster)


@contextmanager
def dagster_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """The instance of this home, with runs of killed commands marked as failed.

    Raises: RunRecordsUnavailable.
    """
    prepare_dagster_home(home)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        with _plain_errors(), ExitStack() as stack:
            with home.lock("dagster"):
                instance = stack.enter_context(dg.DagsterInstance.get())
                _make_storages(instance)
                fail_dead_runs(instance)
            yield instance


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except (StatementError, sqlite3.Error) as error:
        # Only its kind is told, and no cause is carried along: it holds what was to be written.
        cause = error.orig if isinstance(error, StatementError) else error
        if is_disk_full(cause):
            raise RunRecordsUnavailable(
                "Dagster's records cannot be written because the disk is full: make room on the disk of "
                "NIGHTSHIFT_HOME, then run again."
            ) from None
        raise RunRecordsUnavailable(
            f"Dagster's records cannot be used ({type(cause).__name__}): check that NIGHTSHIFT_HOME can be written "
            "and has free space, then run again."
        ) from None


@contextmanager
def existing_records(folder: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's records in a folder, to be looked at as they are; DAGSTER_HOME of this process is the folder then."""
    os.environ["DAGSTER_HOME"] = str(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield instance


def _make_storages(instance: dg.DagsterInstance) -> None:
    # Each makes its tables on first use, and two processes that do so at once fail.
    instance.get_runs_count()
    instance.all_asset_keys()
    instance.all_instigator_state()


def own_process_tags() -> dict[str, str]:
    """Tags that tell which process executes a run."""
    return {PID_TAG: str(os.getpid()), HOST_TAG: socket.gethostname()}


def fail_unfinished_runs(instance: dg.DagsterInstance) -> None:
    """Mark the runs of a daemon that is gone; they would count as running for ever and keep others waiting."""
    unfinished = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        ]
    )
    for run in instance.get_runs(unfinished):
        if PID_TAG not in run.tags or run.parent_run_id is not None:
            instance.report_run_failed(run, "The UI that executed this run is gone: it was killed or restarted.")


def fail_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark runs that a command of this machine began and did not live to end; the number of them."""
    unfinished = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.NOT_STARTED,  # what a command begins it has entered a moment before
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
        ],
        tags={HOST_TAG: socket.gethostname()},
    )
    # A run that the daemon executes again carries the tags of the first one, whose process is gone.
    own = [run for run in instance.get_runs(unfinished) if run.parent_run_id is None]
    dead = [run for run in own if not is_running(int(run.tags.get(PID_TAG, 0)))]
    for run in dead:
        instance.report_run_failed(run, "The process of this run is gone: it was killed, or the machine restarted.")
    return len(dead)
