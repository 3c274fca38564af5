"""A damaged lake file is told in one sentence wherever it is read, and the command that the sentence names heals it."""

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.builds import mark_missing_layers_dirty
from assets.night_facts import mark_stale_nights
from connectors.asleep.sandbox import World, running
from connectors.home import Home
from connectors.lake.tables import LakeDamaged
from connectors.state.dirty import mark_dirty
from pipelines import resources
from pipelines.command.main import app
from schemas.nights import utc_date
from schemas.tables import (
    AVERAGE_STATS,
    NIGHT_LEDGER,
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    USERS,
    Table,
)
from tests.assets.draining import drain
from tests.assets.homes import NOW, StandingClock, new_home
from tests.assets.raw.pulls import KEY, Puller, follow_everybody

READERS = {
    "fhir_sleep_observations": (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SESSION_HISTORY),
    "warehouse_sleep": (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SESSION_HISTORY),
    "night_ledger": (SLEEP_SESSIONS, SESSION_HISTORY),
    "warehouse_night_ledger": (NIGHT_LEDGER,),
    "fhir_average_stats": (AVERAGE_STATS,),
    "warehouse_average_stats": (AVERAGE_STATS,),
    "fhir_people": (USERS,),
    "warehouse_users": (USERS,),
}
"""Every build that reads the lake, with tables it cannot do without."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with everything built; tests must not change it."""
    root = tmp_path_factory.mktemp("filled") / "home"
    world = World(users=2, nights=3, now=NOW, api_key=KEY)
    with running(world) as base_url, new_home(root, StandingClock()) as home:
        follow_everybody(home, world)
        Puller(home, base_url).pull(NOW.date() - timedelta(days=7))
        mark_missing_layers_dirty(home, warehouse_exists=False)
        drain(home)
    return root


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Iterator[Home]:
    """A copy of the filled home."""
    with new_home(shutil.copytree(filled, tmp_path / "home"), StandingClock()) as home:
        yield home


def files_of(home: Home) -> dict[str, bytes]:
    """Every object of lake and fhir."""
    paths = [path for layer in ("lake", "fhir") for path in (home.root / layer).rglob("*") if path.is_file()]
    return {str(path.relative_to(home.root)): path.read_bytes() for path in paths}


def damage(home: Home, table: Table) -> str:
    """Cut off the end of the table's newest file; the partition."""
    path = max((home.root / "lake" / table.name).rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    return path.parent.name if "=" in path.parent.name else ""


def sentence_of(home: Home, table: Table, partition: str) -> str:
    """What is told about a file."""
    with pytest.raises(LakeDamaged) as damaged:
        home.lake.read(table, partition)
    assert damaged.value.exit_code == 1
    return str(damaged.value)


@pytest.mark.parametrize(("asset", "table"), [(asset, table) for asset, tables in READERS.items() for table in tables])
def test_a_build_says_which_file_it_cannot_read(home: Home, asset: str, table: Table) -> None:
    """By table and date, with the command that makes it again; what was built from it stays dirty."""
    partition = damage(home, table)
    with home.state.write() as connection:
        mark_dirty(connection, [asset], [partition.partition("=")[2] or "all"])
    before = files_of(home)
    with pytest.raises(LakeDamaged) as damaged:
        drain(home)
    assert str(damaged.value) == sentence_of(home, table, partition)
    assert files_of(home) == before


@pytest.mark.parametrize(
    ("words", "table"),
    [(["nights"], NIGHT_LEDGER), (["history", "--from", "2026-10-25", "--to", "2026-11-03"], SESSION_HISTORY)],
    ids=["nights", "history"],
)
def test_a_command_says_which_file_it_cannot_read(
    home: Home, words: list[str], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same sentence, and nothing of anybody."""
    partition = damage(home, table)
    monkeypatch.setattr(resources, "open_home", partial(resources.open_home, clock=home.clock))
    ended = CliRunner().invoke(app, words, env={"NIGHTSHIFT_HOME": str(home.root)})
    assert isinstance(ended.exception, LakeDamaged), ended.exception
    assert str(ended.exception) == sentence_of(home, table, partition)
    assert ended.stdout == ""


def test_the_command_that_is_named_makes_it_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A date of every daily table, its month and the users: one rebuild of that date, and every byte is as it was."""
    wanted = files_of(home)
    partitions = {table.name: damage(home, table) for table in (SLEEP_SESSIONS, AVERAGE_STATS, NIGHT_LEDGER, USERS)}
    sentence = sentence_of(home, SLEEP_SESSIONS, partitions["sleep_sessions"])
    words = re.findall(r"`nightshift (rebuild [^`]+)`", sentence)[0].split()
    home.state.close()
    monkeypatch.setattr(resources, "open_home", partial(resources.open_home, clock=home.clock))
    monkeypatch.setenv("DAGSTER_HOME", "")  # the command sets it: what it was comes back afterwards
    ended = CliRunner().invoke(app, words, env={"NIGHTSHIFT_HOME": str(home.root)})
    assert ended.exit_code == 0, ended.exception
    assert [name for name, content in files_of(home).items() if wanted[name] != content] == []
    assert files_of(home).keys() == wanted.keys()


def test_a_pull_is_not_lost_over_it(home: Home) -> None:
    """The nights that cannot be looked at are left to their build, which says which file it is."""
    damage(home, SLEEP_SESSIONS)
    mark_stale_nights(home, utc_date(NOW) - timedelta(days=5), utc_date(NOW))
    with pytest.raises(LakeDamaged):
        drain(home)
