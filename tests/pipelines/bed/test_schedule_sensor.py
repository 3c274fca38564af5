"""The bed schedule in Dagster: off by default, each entry told once at its time, however late or often it ticks."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from connectors.eight_sleep.sandbox import Fault
from connectors.errors import NightshiftError, VendorError, WrongUsage
from connectors.home import Home
from pipelines import bed_schedule
from pipelines.definitions import build_defs
from pipelines.settings import Settings
from tests.connectors.eight_sleep.rig import Rig

NIGHT = "timezone: Europe/Berlin\nentries: [{at: '22:00', left: -20, right: -20}, {at: '06:00', left: 10, right: 10}]\n"


def settings_of(home: Path, **values: Any) -> Settings:
    """Settings with an account of Eight Sleep."""
    account = {"eight_sleep_email": "a@example.com", "eight_sleep_password": "secret"}
    return Settings(_env_file=None, **{"nightshift_home": home, **account, **values})  # type: ignore[call-arg]


@pytest.fixture
def tick(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """A tick of the sensor as Dagster has it evaluated; what it says."""
    (rig.root / "bed-schedule.yaml").write_text(NIGHT)
    defs = build_defs(settings_of(rig.root), home=rig.connection().home)
    monkeypatch.setattr(bed_schedule, "eight_sleep_accounts", lambda *_: (rig.connection(),))

    sensor = defs.resolve_sensor_def("bed_schedule")
    with dg.DagsterInstance.ephemeral() as instance:

        def ticked() -> str:
            home = rig.connection().home
            with dg.build_sensor_context(instance=instance, resources={"home": home}) as context:
                evaluated = sensor.evaluate_tick(context)
            assert not evaluated.run_requests
            return evaluated.skip_message or ""

        yield ticked


def at(rig: Rig, text: str) -> None:
    """Let the clock show this UTC time."""
    rig.clock.now = datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_sensor_is_there_with_an_account_and_off(tmp_path: Path) -> None:
    """Who has no bed does not see it; nobody's bed is told anything before somebody switches it on."""
    home = Home(tmp_path / "home")
    home.prepare()
    with_beds = build_defs(settings_of(home.root), home=home).resolve_sensor_def("bed_schedule")
    assert with_beds.default_status is dg.DefaultSensorStatus.STOPPED
    without = Settings(_env_file=None, nightshift_home=home.root)  # type: ignore[call-arg]
    assert "bed_schedule" not in [sensor.name for sensor in build_defs(without, home=home).sensors or ()]


def test_an_account_that_cannot_be_read_does_not_keep_the_night_from_its_pull(tmp_path: Path) -> None:
    """The definitions load; the sensor alone says what is wrong."""
    home = Home(tmp_path / "home")
    home.prepare()
    (home.root / "bed-schedule.yaml").write_text(NIGHT)
    settings = settings_of(
        home.root, eight_sleep_email=None, eight_sleep_password=None, eight_sleep_accounts_file=tmp_path / "canary.csv"
    )
    assert build_defs(settings, home=home).resolve_job_def("nightly")
    with pytest.raises(WrongUsage, match="EIGHT_SLEEP_ACCOUNTS_FILE cannot be read"):
        bed_schedule.tell_beds(settings, home)


def test_each_entry_is_told_once_at_its_local_time(rig: Rig, tick: Callable[[], str]) -> None:
    """Through the night in which the clock goes forward: 22:00 and 06:00 of the clock on the wall, ticks doubled."""
    at(rig, "2026-03-28 12:00")
    tick()
    before, told = rig.calls["temperature"], []
    for minute in range(0, 18 * 60, 20):
        rig.clock.now = datetime(2026, 3, 28, 14, tzinfo=UTC) + timedelta(minutes=minute)
        if {tick(), tick()} != {"No entry has come since the beds were told."}:
            told.append(f"{rig.clock.now:%d %H:%M}")
    assert told == ["28 21:00", "29 04:00"]
    assert rig.calls["temperature"] - before == 2
    assert rig.world.beds()[0].sides["left"].until == datetime(2026, 3, 29, 20, tzinfo=UTC)


def test_missed_ticks_are_made_up_for_once(rig: Rig, tick: Callable[[], str]) -> None:
    """After an outage over two entries the later one is told, for what is left of it."""
    at(rig, "2026-03-01 12:00")
    tick()
    at(rig, "2026-03-02 05:30")
    assert tick() == "1 bed(s) told, 0 as they should be."
    side = rig.world.beds()[0].sides["left"]
    assert (side.target, side.until, rig.calls["temperature"]) == (10, datetime(2026, 3, 2, 21, tzinfo=UTC), 2)


def test_nothing_to_do_is_no_call(rig: Rig, tick: Callable[[], str]) -> None:
    """Without a schedule, without entries, between entries, and while somebody else tells the beds."""
    file = rig.root / "bed-schedule.yaml"
    file.unlink()
    assert tick() == "There is no bed schedule."
    file.write_text("timezone: UTC\n")
    assert tick() == "No entry has come since the beds were told."
    file.write_text(NIGHT)
    with rig.connection().home.lock("eight-sleep-schedule"):
        assert tick() == "The beds are being told."
    assert not rig.calls
    tick()
    before = rig.calls.total()
    assert tick() == "No entry has come since the beds were told."
    assert rig.calls.total() == before


def test_a_failed_entry_is_tried_again_but_not_at_every_tick(rig: Rig, tick: Callable[[], str]) -> None:
    """The tick fails with one sentence; two minutes later it is tried again, a new entry at once."""
    at(rig, "2026-03-01 21:00:10")
    rig.faults.set(Fault("failed", "temperature", None))
    with pytest.raises(VendorError, match="Eight Sleep still fails"):
        bed_schedule.tell_beds(settings_of(rig.root), rig.connection().home)
    assert tick() == "It has just been tried; it is tried again soon."
    rig.clock.forward(130)
    rig.faults.set()
    assert tick() == "1 bed(s) told, 0 as they should be."
    at(rig, "2026-03-02 05:00:05")
    assert tick() == "1 bed(s) told, 0 as they should be."


def test_a_wrong_file_is_one_sentence(rig: Rig, tick: Callable[[], str]) -> None:
    """With the line; no call is made."""
    (rig.root / "bed-schedule.yaml").write_text("timezone: UTC\nentries:\n  - {at: '22:00', left: 200}\n")
    with pytest.raises(WrongUsage, match="The bed schedule, line 3: a level is not from -100 to 100"):
        bed_schedule.tell_beds(settings_of(rig.root), rig.connection().home)
    assert not rig.calls


def test_a_vendor_that_does_not_answer_ends_the_tick_in_time(
    rig: Rig, tick: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Dagster ends it; what was not told is told later."""
    monkeypatch.setattr(bed_schedule, "LONGEST_S", 0.0)
    with pytest.raises(NightshiftError, match="did not answer in time"):
        bed_schedule.tell_beds(settings_of(rig.root), rig.connection().home)
    monkeypatch.undo()
    monkeypatch.setattr(bed_schedule, "eight_sleep_accounts", lambda *_: (rig.connection(),))
    rig.clock.forward(130)
    assert tick() == "1 bed(s) told, 0 as they should be."
