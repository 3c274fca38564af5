"""``nightshift users``: who is removed is asked for no more, keeps the past as it was, and can be followed again."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from assets.builds import mark_days_dirty, mark_missing_layers_dirty
from connectors.asleep.sandbox import World, running
from connectors.errors import WrongUsage
from connectors.home import Home
from connectors.state.roster import RosterUser, list_users
from pipelines import resources
from pipelines.command.main import app
from schemas.tables import NIGHT_LEDGER, SLEEP_SESSIONS, USERS
from tests.assets.draining import drain
from tests.assets.homes import NOW, StandingClock, new_home
from tests.assets.raw.pulls import KEY, Puller, follow_everybody


@dataclass
class Clinic:
    """A home with two users, everything pulled and built."""

    home: Home
    clock: StandingClock
    puller: Puller
    monkeypatch: pytest.MonkeyPatch

    @property
    def leaving(self) -> RosterUser:
        """The first user."""
        with self.home.state.read() as connection:
            return list_users(connection)[0]

    def users(self, *words: str) -> Result:
        """Run ``nightshift users`` in this process."""
        self.monkeypatch.setattr(resources, "open_home", lambda _: self.home)
        return CliRunner().invoke(app, ["users", *words], env={"NIGHTSHIFT_HOME": str(self.home.root)})

    def ids_in(self, table: str) -> list[str]:
        """Whose rows are in the newest files of a lake table."""
        tables = {"users": USERS, "sleep_sessions": SLEEP_SESSIONS, "night_ledger": NIGHT_LEDGER}
        folders = sorted(path.parent.name for path in (self.home.root / "lake" / table).rglob("*.parquet"))
        partitions = [name if "=" in name else "" for name in folders]
        return [row["user_id"] for p in partitions for row in self.home.lake.read(tables[table], p).to_pylist()]

    def files(self, layer: str) -> dict[str, bytes]:
        """Every object of a layer or table."""
        paths = (path for path in (self.home.root / layer).rglob("*") if path.is_file())
        return {str(path.relative_to(self.home.root)): path.read_bytes() for path in paths}

    def build_again(self) -> None:
        """Every date once more from raw, and the nights around it."""
        days = [path.name.removeprefix("date=") for path in (self.home.root / "lake/sleep_sessions").iterdir()]
        with self.home.state.write() as connection:
            mark_days_dirty(connection, days)
        drain(self.home)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A vendor, and a home with all that it has; tests must change neither."""
    root, world = tmp_path_factory.mktemp("filled") / "home", World(users=2, nights=3, now=NOW, api_key=KEY)
    with running(world) as base_url:
        with new_home(root, StandingClock()) as home:
            follow_everybody(home, world)
            Puller(home, base_url).pull(NOW.date() - timedelta(days=7))
            mark_missing_layers_dirty(home, warehouse_exists=False)
            drain(home)
        yield base_url, root


@pytest.fixture
def clinic(filled: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clinic]:
    """A copy of the filled home."""
    base_url, root = filled
    clock = StandingClock()
    with new_home(shutil.copytree(root, tmp_path / "home"), clock) as home:
        yield Clinic(home, clock, Puller(home, base_url), monkeypatch)


def test_nothing_is_asked_for_once_a_user_is_removed(clinic: Clinic) -> None:
    """Neither of the look-back nor of what is pending: a pull costs the calls of the others."""
    done = clinic.users("remove", clinic.leaving.user_id)
    assert (done.exit_code, done.stdout.split(":")[0]) == (0, "removed")
    assert "What was pulled stays, with its organisation and zone" in done.stdout
    clinic.clock.advance(days=40)  # past every document's age and everybody's day of the sweep
    report = clinic.puller.pull(NOW.date() - timedelta(days=7))
    assert (report.users, clinic.puller.calls["list"], clinic.puller.calls["user"]) == (1, 1, 1)
    assert clinic.puller.pull_users().users == 1


def test_the_past_of_a_removed_user_stays_as_it_was(clinic: Clinic) -> None:
    """Organisation and zone of every row, also when it is built again; nights after the removal are not expected."""
    leaving, before = clinic.leaving, clinic.files("lake/sleep_sessions") | clinic.files("fhir")
    nights = clinic.ids_in("night_ledger").count(leaving.user_id)
    clinic.users("remove", leaving.user_id)
    drain(clinic.home)
    clinic.build_again()
    assert clinic.files("lake/sleep_sessions") | clinic.files("fhir") == before
    assert leaving.user_id in clinic.ids_in("users")
    clinic.clock.advance(days=5)
    clinic.puller.pull(last=clinic.clock().date())
    drain(clinic.home)
    assert clinic.ids_in("night_ledger").count(leaving.user_id) == nights


def test_the_list_shows_who_is_followed(clinic: Clinic) -> None:
    """The others with --all, and how many they are; with nobody left there is no table."""
    leaving = clinic.leaving.user_id
    clinic.users("remove", leaving)
    shown = clinic.users("list")
    assert leaving not in shown.stdout
    assert len(shown.stdout.splitlines()) > 2
    assert "1 user(s) whose following has ended" in shown.stderr
    everybody = clinic.users("list", "--all")
    (line,) = [line for line in everybody.stdout.splitlines() if leaving in line]
    assert "removed" in line
    assert everybody.stderr == ""


def test_whose_last_night_is_over_is_not_listed_either(clinic: Clinic) -> None:
    """However the following ended; a last night still to come has not ended it."""
    leaving = clinic.leaving.user_id
    clinic.users("add", leaving, "--active-to", "2026-11-03")
    assert leaving in clinic.users("list").stdout
    clinic.users("add", leaving, "--active-to", "2026-11-01")
    assert leaving not in clinic.users("list").stdout


def test_a_removed_user_is_not_removed_again(clinic: Clinic) -> None:
    """Wrong usage, as for somebody who was never there."""
    for user_id in (clinic.leaving.user_id, "nobody"):
        clinic.users("remove", user_id)
        again = clinic.users("remove", user_id)
        assert isinstance(again.exception, WrongUsage)
        assert "not on the roster" in str(again.exception)


def test_adding_a_removed_user_resumes(clinic: Clinic) -> None:
    """With the organisation and zone of before unless told otherwise; the next pull asks again."""
    before = clinic.leaving
    clinic.users("remove", before.user_id)
    resumed = clinic.users("add", before.user_id)
    assert (resumed.exit_code, resumed.stdout.split(",")[0]) == (0, "followed again")
    assert clinic.leaving == before
    assert clinic.puller.pull(NOW.date() - timedelta(days=7)).users == 2
    assert clinic.users("add", before.user_id).stdout == "unchanged.\n"


def test_who_was_never_pulled_is_taken_off_without_a_trace(clinic: Clinic) -> None:
    """A mistyped id is not kept."""
    clinic.users("add", "G-mistyped")
    done = clinic.users("remove", "G-mistyped")
    assert done.stdout == "removed from the roster; nothing was ever pulled.\n"
    assert "G-mistyped" not in clinic.users("list", "--all").stdout
