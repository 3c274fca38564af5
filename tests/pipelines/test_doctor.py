"""The doctor on home, state and time: each thing that can be wrong is told in words, and all else still looked at."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from assets.builds import mark_users_dirty
from connectors.asleep.sandbox import World
from connectors.state.database import NEWEST_REVISION
from connectors.state.ledger import put_unpulled
from connectors.state.quarantine import Quarantined, replace_quarantined
from connectors.state.roster import RosterUser, mark_to_be_deleted, put_users, remove_user
from connectors.state.vendor import remember_complete_pull
from pipelines.command.doctor import state as state_room
from pipelines.command.doctor.folder import ENOUGH_DISK_BYTES, room_needed
from schemas.asleep import ASLEEP
from tests.pipelines.doctored import EVERYTHING, KEY, Patient, healthy
from tests.system.faults import FaultySandbox, faulty_sandbox

TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[FaultySandbox]:
    """A world whose clock is this machine's."""
    with faulty_sandbox(World(users=2, nights=1, api_key=KEY)) as sandbox:
        yield sandbox


@pytest.fixture
def patient(sandbox: FaultySandbox, tmp_path: Path) -> Iterator[Patient]:
    """A home that is well."""
    with healthy(tmp_path / "home", sandbox) as patient:
        yield patient


def test_a_healthy_home_is_well(patient: Patient) -> None:
    """Everything is looked at, everything is fine, and the words say what is there."""
    found = patient.examine()
    assert set(found) == EVERYTHING
    assert all(finding.fine for finding in found.values())
    assert str(patient.root) in found["settings"].words
    assert patient.sandbox.base_url in found["settings"].words
    assert "2 user(s), 2 of them followed today" in found["roster"].words


def test_looking_changes_nothing(patient: Patient) -> None:
    """No file comes or changes but the vendor's shared budget; a home that is not there is not made."""
    patient.examine()
    before = {path: path.stat().st_mtime_ns for path in patient.root.rglob("*") if path.is_file()}
    patient.examine()
    after = {path: path.stat().st_mtime_ns for path in patient.root.rglob("*") if path.is_file()}
    assert {path.name for path in after if after[path] != before.get(path)} <= {"asleep.budget"}
    elsewhere = patient.root.parent / "not there"
    patient.home = replace(patient.home, root=elsewhere)
    found = patient.complaints()
    assert "not there yet" in found["home"].words
    assert "It is empty" in found["roster"].words
    assert not elsewhere.exists()


def test_a_home_that_is_a_file(patient: Patient) -> None:
    """Said of the home; the vendor is still asked."""
    file = patient.root.parent / "file"
    file.touch()
    patient.home = replace(patient.home, root=file)
    found = patient.examine()
    assert "not a folder" in found["home"].words
    assert found["vendor"].fine


def test_others_who_can_enter_the_home(patient: Patient) -> None:
    """Everybody is never right; the group may come in, but not to the keys of the pseudonyms."""
    patient.root.chmod(0o755)
    assert "mode 0755" in patient.complaints()["privacy"].words
    patient.root.chmod(0o750)
    (patient.root / "state.db").chmod(0o600)
    assert not patient.complaints()
    key = patient.root / "pseudonym.key"
    key.touch(mode=0o640)
    key.chmod(0o640)
    assert "pseudonym.key" in patient.complaints()["privacy"].words
    patient.root.chmod(0o700)
    assert not patient.complaints()


def test_a_disk_on_which_the_warehouse_has_no_second_place(patient: Patient) -> None:
    """A load writes a copy first, so a warehouse as large as the disk does not fit."""
    with (patient.root / "warehouse.duckdb").open("wb") as warehouse:
        warehouse.truncate(shutil.disk_usage(patient.root).total)
    assert "Make room" in patient.complaints()["disk"].do


def test_the_room_needed_is_thirty_nights_more(tmp_path: Path) -> None:
    """The newest nights count, in every layer; a small home needs a round figure."""
    assert room_needed(tmp_path) == ENOUGH_DISK_BYTES
    for back in range(60):
        for layer in ("raw/asleep/session", "lake/sleep_sessions"):
            folder = tmp_path / layer / f"date={TODAY - timedelta(days=back)}"
            folder.mkdir(parents=True)
            with (folder / "part.parquet").open("wb") as file:
                file.truncate(10**8 if back < 30 else 10**11)
    assert room_needed(tmp_path) == 30 * 2 * 10**8


@pytest.mark.parametrize("content", [b"this is no database" * 500, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_state_that_is_no_database(patient: Patient, content: bytes) -> None:
    """The state is damaged; what stands in it cannot be told, all else is."""
    patient.home.state.close()
    (patient.root / "state.db").write_bytes(content)
    found = patient.complaints()
    assert set(found) == {"state"}
    assert "It is damaged" in found["state"].words
    assert "Restore your copy" in found["state"].do
    assert patient.examine()["roster"].fine is None


def test_a_state_with_a_damaged_page(patient: Patient) -> None:
    """Found by SQLite's own check, although the file can be opened and most of it read."""
    patient.home.state.close()
    file = patient.root / "state.db"
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 4] = b"\x5a" * 4096
    file.write_bytes(content)
    assert "damaged" in patient.complaints()["state"].words


def test_a_state_that_is_another_database(patient: Patient) -> None:
    """A sound SQLite file without our tables."""
    patient.home.state.close()
    (patient.root / "state.db").unlink()
    with closing(sqlite3.connect(patient.root / "state.db")) as connection:
        connection.execute("CREATE TABLE alien (id)")
    assert "not a state database" in patient.complaints()["state"].words


def test_a_state_of_a_newer_version(patient: Patient) -> None:
    """It is not touched, and the version to use is named."""
    patient.home.state.close()
    with closing(sqlite3.connect(patient.root / "state.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    assert "made by a newer Nightshift" in patient.complaints()["state"].words


def test_a_state_of_an_older_version(patient: Patient) -> None:
    """It is said that it is migrated when it is opened; afterwards it is at the newest revision."""
    patient.home.state.close()
    (patient.root / "state.db").unlink()
    config = Config()
    config.set_main_option("script_location", "connectors.state:migrations")
    engine = sa.create_engine(f"sqlite:///{patient.root / 'state.db'}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    found = patient.examine()["state"]
    assert (found.fine, f"at revision 0001; it is migrated to {NEWEST_REVISION}" in found.words) == (True, True)
    assert f"at the newest revision {NEWEST_REVISION}" in patient.examine()["state"].words


def test_a_state_that_is_gone_from_a_home_with_data(patient: Patient) -> None:
    """Without documents it is a new home; with documents something was lost."""
    patient.home.state.close()
    (patient.root / "state.db").unlink()
    assert patient.examine()["state"].fine is None
    (patient.root / "raw" / "asleep").mkdir()
    assert "state.db is gone" in patient.complaints()["state"].words
    assert not (patient.root / "state.db").exists()


def test_another_process_that_does_not_stop_writing(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading goes on meanwhile, so everything else is told."""
    monkeypatch.setattr(state_room, "PATIENCE_S", 0.05)
    with closing(sqlite3.connect(patient.root / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        found = patient.complaints()
        other.execute("ROLLBACK")
    assert set(found) == {"state writers"}
    assert "Another process" in found["state writers"].words


def test_a_state_elsewhere(patient: Patient) -> None:
    """A database of NIGHTSHIFT_STATE_URL is told to be there, or why it cannot be used."""
    patient.home = replace(patient.home, state_url=f"sqlite:///{patient.root / 'state.db'}")
    assert "NIGHTSHIFT_STATE_URL can be read" in patient.examine()["state"].words
    patient.home = replace(patient.home, state_url="nonsense://host/db")
    found = patient.complaints()
    assert "NIGHTSHIFT_STATE_URL cannot be used" in found["state"].words


def test_a_roster_that_is_empty_or_has_users_who_are_gone(patient: Patient) -> None:
    """Gone users who are still followed are named in number; ended ones are no trouble."""
    with patient.home.state.write() as connection:
        put_users(connection, [RosterUser(ASLEEP, "nobody", active_to=TODAY - timedelta(days=1))])
        connection.exec_driver_sql("UPDATE roster SET gone = TRUE WHERE user_id = 'nobody'")
    assert not patient.complaints()
    with patient.home.state.write() as connection:
        connection.exec_driver_sql("UPDATE roster SET active_to = NULL WHERE user_id = 'nobody'")
    assert "1 followed user(s) are unknown" in patient.complaints()["users at the vendor"].words
    with patient.home.state.write() as connection:
        for user_id in ("nobody", *patient.user_ids):
            remove_user(connection, ASLEEP, user_id)
    assert "nobody is followed" in patient.complaints()["roster"].words


def test_users_whom_the_vendor_will_delete_are_told_in_number(patient: Patient) -> None:
    """It is no trouble, but a reason why their nights stay empty; nobody is named."""
    assert "deletion" not in patient.examine()
    with patient.home.state.write() as connection:
        mark_to_be_deleted(connection, ASLEEP, marked=patient.user_ids[:1], unmarked=[])
    assert not patient.complaints()
    words = patient.examine()["deletion"].words
    assert words == "1 user(s) are marked for deletion at the vendor: nothing more is pulled about them."


def test_zones_that_nobody_chose_or_that_nobody_knows(patient: Patient) -> None:
    """UTC is said to be what no zone means; a zone this machine does not know is a complaint."""
    with patient.home.state.write() as connection:
        connection.exec_driver_sql("UPDATE roster SET timezone = 'UTC'")
    assert "2 in the zone UTC" in patient.examine()["roster"].words
    with patient.home.state.write() as connection:
        connection.exec_driver_sql("UPDATE roster SET timezone = 'Mars/Olympus'")
    assert "zone of 2 user(s)" in patient.complaints()["time zones"].words


def test_users_not_pulled_quarantine_and_what_waits(patient: Patient) -> None:
    """How many, why, for which dates, since when; and that nobody builds what waits."""
    tried = datetime(2026, 11, 22, 4, 10, tzinfo=UTC)
    days = (TODAY - timedelta(days=35), TODAY)
    kinds = dict(zip(patient.user_ids, ["server_failed", "not_asked"], strict=True))
    with patient.home.state.write() as connection:
        put_unpulled(connection, ASLEEP, kinds, tried, days)
        mark_users_dirty(connection)
    nobody = Quarantined(
        "sleep_sessions", "2026-11-20", ASLEEP, "session", patient.user_ids[0], "s", "0", "not_json", "$", "No.", tried
    )
    replace_quarantined(patient.home.state, "sleep_sessions", "2026-11-20", [nobody])
    found = patient.complaints()
    assert set(found) == {"users not pulled", "quarantine", "dirty partitions"}
    words = found["users not pulled"].words
    assert words.startswith("2 user(s) (1 not asked yet, 1 server failed), last tried 2026-11-22 04:10 UTC")
    assert f"start dates {days[0]} to {days[1]}" in words
    assert found["quarantine"].words.startswith("1 document(s)")
    assert "1 partition(s) wait to be built, and no daemon" in found["dirty partitions"].words


@pytest.mark.parametrize(
    ("pulled", "overdue"),
    [
        (datetime(2026, 11, 22, 4, 1, tzinfo=UTC), False),
        (datetime(2026, 11, 21, 4, 1, tzinfo=UTC), True),
        (datetime(2026, 11, 22, 3, 59, tzinfo=UTC), True),
    ],
)
def test_a_pull_that_was_due(patient: Patient, pulled: datetime, overdue: bool) -> None:
    """Due at 04:00, and two hours later at the latest: who was not pulled since is overdue."""
    remember_complete_pull(patient.home.state, ASLEEP, pulled)
    patient.clock_off = datetime(2026, 11, 22, 6, 30, tzinfo=UTC) - datetime.now(UTC)
    found = patient.examine()
    assert found["schedule"].fine is not overdue
    assert found["daemon"].fine is not overdue
    if overdue:
        assert "the one due at 2026-11-22 04:00 UTC (0 4 * * *) has not happened" in found["schedule"].words
    patient.clock_off -= timedelta(hours=1)
    assert patient.examine()["schedule"].fine is (pulled > datetime(2026, 11, 21, 4, 0, tzinfo=UTC))


def test_schedules_that_cannot_be_kept(patient: Patient) -> None:
    """A line that never comes due, and a home in which nobody was ever pulled."""
    patient.with_settings(nightshift_schedule="0 0 30 2 *")
    assert "never comes due" in patient.complaints()["schedule"].words
    patient.with_settings(nightshift_schedule="0 4 * * *")
    with patient.home.state.write() as connection:
        connection.exec_driver_sql("UPDATE vendors SET last_complete_pull_at = NULL")
    assert patient.complaints()["schedule"].do == "nightshift sync"
