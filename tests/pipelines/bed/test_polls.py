"""Polling beds in Dagster: a job and a schedule of homes that have one, off until switched on."""

from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from pipelines.definitions import build_defs
from pipelines.settings import Settings
from schemas.bed_presence import LONGEST_GAP
from schemas.bed_tables import BED_TABLES


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's environment does not count."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def definitions(folder: Path, *, with_bed: bool) -> dg.Definitions:
    """The definitions of a home with or without a bed."""
    account = {"eight_sleep_email": SecretStr("a@example.com"), "eight_sleep_password": SecretStr("secret")}
    given = account if with_bed else {}
    return build_defs(Settings(_env_file=None, nightshift_home=folder / "home", **given))  # type: ignore[call-arg, arg-type]


def test_a_home_with_a_bed_polls_it_once_that_is_switched_on(tmp_path: Path) -> None:
    """Often enough that a poll may fail without a stay ending."""
    defs = definitions(tmp_path, with_bed=True)
    dg.Definitions.validate_loadable(defs)
    schedule = defs.resolve_schedule_def("bed_status")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == f"*/{LONGEST_GAP.total_seconds() / 60 / 2:g} * * * *"
    job = defs.resolve_job_def(schedule.job_name)
    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == {"raw/bed_status"}


def test_what_beds_tell_is_built_by_one_job(tmp_path: Path) -> None:
    """Every table in lake and warehouse, and the Observations."""
    job = definitions(tmp_path, with_bed=True).resolve_job_def("beds")
    tables = {f"{layer}/{table.name}" for layer in ("lake", "warehouse") for table in BED_TABLES}
    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == {*tables, "fhir/bed_observations"}


def test_a_home_without_a_bed_has_nothing_to_poll(tmp_path: Path) -> None:
    """Neither the schedule nor the job."""
    defs = definitions(tmp_path, with_bed=False)
    assert "bed_status" not in {schedule.name for schedule in defs.schedules or ()}
    assert "poll_beds" not in {job.name for job in defs.jobs or ()}
