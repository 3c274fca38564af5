"""Runs killed at random points and started again end with what a run has that nobody killed: the same bytes.

A trial is a run that died. A home is run, killed, run again, killed again and so on, until a run reaches its end; then
it is compared and the next home begins. What dies is the process, with SIGKILL before one of its operations (half of a
write may have arrived), or by the clock wherever it is then, be it inside SQLite or DuckDB. The seed tells the points.
"""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.system.engine import NONE, Disturbance, Engine, running_engine
from tests.system.operations import Kind, Trip
from tests.system.undisturbed import Undisturbed, quick_folder, torn, undisturbed
from tests.system.worlds import sandbox

MOST_KILLS = 12
"""After so many a home is left in peace, so that every one is compared."""

BY_THE_CLOCK = 0.25
"""Share of the kills by the clock in the soak."""


@dataclass
class Kills:
    """Kills of homes like ``home`` drawn from ``seed``; ``dead`` counts them, ``again`` those of runs after a kill."""

    home: Undisturbed
    engine: Engine
    folder: Path
    seed: int
    by_the_clock: float = 0.0
    dead: int = 0
    again: int = 0
    drawn: list[Disturbance] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311

    def one_home(self) -> None:
        """Kill the runs of a new home until one survives, and see that nothing is lost, doubled or left."""
        root = self.home.new_home(self.folder / "home")
        self.drawn = []
        while (ended := self.engine.run(root, self.home.base_url, self._draw())).killed:
            self.dead += 1
            self.again += len(self.drawn) > 1
            assert torn(root) == [], f"seed {self.seed}, {self.dead} deaths before: {self.drawn}"
        story = f"seed {self.seed}, {self.dead} deaths before, the last home's: {self.drawn}"
        assert ended.status == 0, f"{ended.sentence}; {story}"
        assert self.home.unlike(root) == [], story

    def _draw(self) -> Disturbance:
        if len(self.drawn) == MOST_KILLS:
            return NONE
        if self._random.random() < self.by_the_clock:
            drawn = Disturbance(kill_s=self._random.uniform(0.001, self.home.seconds))
        else:
            # Every kind as often as any other: the few renames and commits matter more than thousands of calls.
            kind = self._random.choice(sorted(self.home.operations))
            drawn = Disturbance(Trip.KILL, self._random.randint(1, self.home.operations[kind]), Kind(kind))
        self.drawn.append(drawn)
        return drawn


def test_runs_killed_at_random_points_end_with_the_same_bytes(engine: Engine, small_home: Undisturbed) -> None:
    """Some runs of a small home die, some of them while they make up for another that died."""
    with quick_folder() as folder:
        kills = Kills(small_home, engine, folder, seed=6)
        while kills.dead < 8 or kills.again < 2:
            kills.one_home()


@pytest.fixture(scope="module")
def crowd(engine: Engine) -> Iterator[Undisturbed]:
    """200 users of three nights each."""
    with sandbox(users=200, nights=3) as base_url, quick_folder() as folder:
        yield undisturbed(engine, base_url, folder)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(40))
def test_many_runs_killed_at_random_points_end_with_the_same_bytes(
    seed: int, engine: Engine, crowd: Undisturbed
) -> None:
    """25 runs of 200 users die, 3 of them at least while they make up for another that died; 40 seeds are 1,000."""
    with quick_folder() as folder:
        kills = Kills(crowd, engine, folder, seed, BY_THE_CLOCK)
        while kills.dead < 25 or kills.again < 3:
            kills.one_home()


@pytest.fixture(scope="module")
def dagster_engine() -> Iterator[Engine]:
    """A warm process that has Dagster loaded."""
    with running_engine(dagster=True) as engine:
        yield engine


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8))
def test_killed_syncs_end_with_the_same_bytes_and_are_told_as_failed(
    seed: int, dagster_engine: Engine, small_home: Undisturbed
) -> None:
    """With Dagster: six deaths at any operation, its own records included; then every run has failed or succeeded."""
    points = random.Random(seed)  # noqa: S311
    with quick_folder() as folder:
        counting = dagster_engine.sync(small_home.new_home(folder / "counting"), small_home.base_url)
        assert counting.status == 0, counting.sentence
        dead = 0
        while dead < 6:
            root, drawn = small_home.new_home(folder / "home"), []
            while True:
                kind = points.choice(sorted(counting.operations))
                drawn.append(Disturbance(Trip.KILL, points.randint(1, counting.operations[kind]), Kind(kind)))
                ended = dagster_engine.sync(root, small_home.base_url, drawn[-1])
                if not ended.killed:
                    break
                dead += 1
            assert ended.status == 0, f"{ended.sentence}; seed {seed}: {drawn}"
            assert small_home.unlike(root) == [], f"seed {seed}: {drawn}"
            assert _statuses(root) <= {"SUCCESS", "FAILURE"}, f"seed {seed}: {drawn}"


def _statuses(root: Path) -> set[str]:
    with closing(sqlite3.connect(root / "dagster" / "history" / "runs.db")) as connection:
        return {status for (status,) in connection.execute("SELECT DISTINCT status FROM runs")}
