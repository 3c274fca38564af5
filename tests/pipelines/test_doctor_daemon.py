"""The doctor on Dagster's daemon, from Dagster's own records: is it alive, does it pull, does it build."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    SensorInstigatorData,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat

from assets.builds import mark_users_dirty
from connectors.asleep.sandbox import World
from pipelines.command.doctor.schedule import BUILDS, NIGHTLY, SCHEDULES, SIGN_OF_LIFE_S
from pipelines.instance import dagster_instance
from pipelines.jobs import PULL_JOBS
from pipelines.schedules import nightly_schedule
from pipelines.sensors import dirty_partitions
from schemas.asleep import ASLEEP
from tests.pipelines.doctored import KEY, Patient, healthy
from tests.system.faults import FaultySandbox, faulty_sandbox

ELSEWHERE = "/where/no/records/are"
"""What the doctor is not misled by: DAGSTER_HOME of somebody's environment."""

RUNNING, STOPPED, AS_DECLARED = InstigatorStatus.RUNNING, InstigatorStatus.STOPPED, InstigatorStatus.DECLARED_IN_CODE


@pytest.fixture(scope="module")
def sandbox() -> Iterator[FaultySandbox]:
    """A world whose clock is this machine's."""
    with faulty_sandbox(World(users=2, nights=1, api_key=KEY)) as sandbox:
        yield sandbox


@pytest.fixture
def patient(sandbox: FaultySandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patient]:
    """A home that is well, with a partition that waits to be built."""
    monkeypatch.setenv("DAGSTER_HOME", ELSEWHERE)
    with healthy(tmp_path / "home", sandbox) as patient:
        with patient.home.state.write() as connection:
            mark_users_dirty(connection)
        yield patient


def leave_records(
    patient: Patient,
    *,
    beat_s_ago: float = 0,
    schedule: InstigatorStatus | None = RUNNING,
    sensor: InstigatorStatus | None = None,
) -> None:
    """Have Dagster write what a daemon, and a person at the switches, would have left."""
    with dagster_instance(patient.home) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - beat_s_ago, "SCHEDULER", "some-daemon"))
        for name, kind, status, data in (
            (NIGHTLY, InstigatorType.SCHEDULE, schedule, ScheduleInstigatorData("0 4 * * *", 0.0)),
            (BUILDS, InstigatorType.SENSOR, sensor, SensorInstigatorData()),
        ):
            if status is not None:
                location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="pipelines.definitions"))
                origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
                instance.add_instigator_state(InstigatorState(origin, kind, status, data))
    os.environ["DAGSTER_HOME"] = ELSEWHERE


def test_the_names_are_those_of_the_definitions() -> None:
    """What the doctor looks for is what Dagster knows them by."""
    assert nightly_schedule(ASLEEP, "0 4 * * *", 35, 7).name == NIGHTLY
    assert {source: jobs.nightly.name for source, jobs in PULL_JOBS.items()} == SCHEDULES
    assert dirty_partitions.name == BUILDS
    assert nightly_schedule(ASLEEP, "0 4 * * *", 35, 7).default_status is dg.DefaultScheduleStatus.STOPPED
    assert dirty_partitions.default_status is dg.DefaultSensorStatus.RUNNING


@pytest.mark.parametrize("sensor", [None, AS_DECLARED, RUNNING])
def test_a_daemon_that_pulls_and_builds(patient: Patient, sensor: InstigatorStatus | None) -> None:
    """All is well, also with something dirty: the sensor, on unless it was switched off, builds it."""
    leave_records(patient, sensor=sensor)
    found = patient.examine()
    assert all(finding.fine for finding in found.values())
    assert "is alive; the schedule nightly is switched on" in found["daemon"].words
    assert "the sensor does it" in found["dirty partitions"].words


@pytest.mark.parametrize("schedule", [None, AS_DECLARED, STOPPED])
def test_a_schedule_that_is_off(patient: Patient, schedule: InstigatorStatus | None) -> None:
    """No trouble while something else pulls in time; the cause once a pull is overdue."""
    leave_records(patient, schedule=schedule)
    assert not patient.complaints()
    assert "nightly is switched off" in patient.examine()["daemon"].words
    with patient.home.state.write() as connection:
        connection.exec_driver_sql("UPDATE vendors SET last_complete_pull_at = '2026-01-01 04:01:00'")
    found = patient.complaints()
    assert set(found) == {"schedule", "daemon"}
    assert "Switch nightly on" in found["daemon"].do


def test_a_sensor_that_is_off(patient: Patient) -> None:
    """The schedule pulls, and nothing builds what it brings: a complaint, and a second one of what waits."""
    leave_records(patient, sensor=STOPPED)
    found = patient.complaints()
    assert set(found) == {"sensor", "dirty partitions"}
    assert "Switch dirty_partitions on" in found["sensor"].do


def test_a_daemon_that_is_gone(patient: Patient) -> None:
    """Its last beat is old, so nobody builds what waits, although the switches are on."""
    leave_records(patient, beat_s_ago=SIGN_OF_LIFE_S + 60)
    found = patient.complaints()
    assert set(found) == {"dirty partitions"}
    assert "No Dagster daemon is alive" in patient.examine()["daemon"].words


def test_records_that_cannot_be_read(patient: Patient) -> None:
    """Dagster's files are none of ours: one complaint, and everything else is told."""
    leave_records(patient)
    for file in (patient.home.dagster / "history").glob("runs.db*"):
        file.write_bytes(b"no database" * 1000)
    found = patient.complaints()
    assert "Dagster's own records cannot be read" in found["daemon"].words
    assert set(found) == {"daemon", "dirty partitions"}


LOADED = """
import sys
from pipelines.command import main
sys.argv = ["nightshift", "doctor"]
try:
    main.main()
except SystemExit:
    pass
print("dagster" in sys.modules)
"""


def test_dagster_is_loaded_only_for_a_sign_of_life(patient: Patient) -> None:
    """Files that nobody has touched for minutes belong to no daemon, so its slow start is saved."""
    leave_records(patient)
    patient.home.state.close()

    def is_loaded() -> bool:
        env = {**os.environ, "NIGHTSHIFT_HOME": str(patient.root), "ASLEEP_BASE_URL": patient.sandbox.base_url}
        ended = subprocess.run([sys.executable, "-c", LOADED], env=env, capture_output=True, text=True, check=True)
        return ended.stdout.splitlines()[-1] == "True"

    assert is_loaded()
    old = time.time() - 2 * SIGN_OF_LIFE_S
    for file in patient.home.dagster.rglob("*"):
        os.utime(file, (old, old))
    assert not is_loaded()
