"""Whatever operation fails, a run ends with one clear sentence or goes on, and the next run heals everything.

Files, state, warehouse and calls: the n-th operation fails once, or from then on for the rest of the run.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.engine import Disturbance, Ended, Engine
from tests.system.operations import Kind, Trip
from tests.system.undisturbed import Undisturbed, quick_folder, torn, undisturbed
from tests.system.worlds import sandbox

SENTENCE = re.compile(r"[A-Z][^\n]+: [^\n]+\.")
"""What is wrong, and after a colon what to do."""

WHILE_RAW_IS_WRITTEN = (Kind.FSYNC, Kind.RENAME, Kind.FOLDER)
"""Kinds that the first sixth of a run has for that."""

STRIDE = 8
"""The operations are shared out over so many tests, which run side by side."""


def try_one(home: Undisturbed, engine: Engine, root: Path, disturbance: Disturbance) -> Ended:
    """Fail one operation of a run, look at how the run ends, and see that the next one heals the home."""
    ended = engine.run(home.new_home(root), home.base_url, disturbance)
    told = f"{disturbance}: {ended}"
    if ended.status == 1:
        assert SENTENCE.fullmatch(ended.sentence), told
        assert not re.search(f"canary|{root}|Traceback", ended.sentence), told
    elif ended.status == 3:
        assert ended.tripped == Kind.RECEIVE, told  # users who could not be pulled, one by one
    else:
        # Tried again, or done in another way.
        assert ended.status == 0, told
        assert home.unlike(root) == [], told
    assert torn(root) == [], told
    again = engine.run(root, home.base_url)
    assert again.status == 0, f"{again.sentence} after {told}"
    # A pull that was stopped keeps what it has, in files of their own.
    assert home.unlike(root, raw_files=False) == [], told
    return ended


@pytest.mark.parametrize("kind", Kind)
def test_an_operation_of_each_kind_that_fails_is_told_and_made_up_for(
    kind: Kind, engine: Engine, small_home: Undisturbed
) -> None:
    """While raw is written, or in the middle of a run; calls fail for good, since one alone is tried again."""
    nth = 1 + small_home.operations[kind] // (6 if kind in WHILE_RAW_IS_WRITTEN else 2)
    with quick_folder() as folder:
        disturbance = Disturbance(Trip.FAIL, nth, kind, lasting=kind in (Kind.SEND, Kind.RECEIVE))
        ended = try_one(small_home, engine, folder / "home", disturbance)
    assert ended.tripped == kind
    assert ended.status == 1


@pytest.fixture(scope="module")
def couple(engine: Engine) -> Iterator[Undisturbed]:
    """Two users of two nights each."""
    with sandbox(users=2, nights=2) as base_url, quick_folder() as folder:
        yield undisturbed(engine, base_url, folder)


@pytest.mark.soak
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("first", range(1, STRIDE + 1))
def test_every_operation_may_fail(first: int, lasting: bool, engine: Engine, couple: Undisturbed) -> None:
    """Every ``STRIDE``-th one from ``first`` on, until a run has fewer: all together every operation of a run."""
    nth = first
    with quick_folder() as folder:
        while try_one(couple, engine, folder / "home", Disturbance(Trip.FAIL, nth, lasting=lasting)).tripped:
            nth += STRIDE
    assert nth > 500
