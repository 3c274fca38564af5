"""A vendor that does anything at any time: a run that ends well is right, whichever source it is.

What only Asleep has (marked users, silent analyses, statistics, sweeps) is in ``assets.test_any_order``.
"""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from assets.raw.deletions import TooManyDeletions
from tests.assets.engine.disk import unawaited_disk
from tests.assets.engine.pictures import marks_of
from tests.assets.sources.conftest import long_for_one_source
from tests.assets.sources.judging import everything_wrong
from tests.assets.sources.rigs import RIGS
from tests.assets.sources.test_crashes import FAILPOINTS

any_number = st.integers(0, 99)
FEW = 3
"""So many deletions in a run are never too many, in these worlds."""


class AnyOrder(RuleBasedStateMachine):
    """Rules are what people, the vendor and bad luck do; every run is judged."""

    name: str
    empty: Path
    loads: bool

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(dir=self.empty.parent))
        self.rig = RIGS[self.name](self.folder, self.empty, nights=2)
        self.rig.loads = self.loads
        self.deleted = 0
        self.was_right = True

    def teardown(self) -> None:
        """Whatever happened, a last run puts everything right."""
        try:
            if self.was_right:
                self.run()
        finally:
            self.rig.close()
            shutil.rmtree(self.folder)

    @rule(number=any_number)
    def new_night(self, number: int) -> None:
        """Somebody sleeps another night."""
        self.rig.new_night(number)

    @rule(number=any_number, completes=st.booleans())
    def in_progress(self, number: int, completes: bool) -> None:
        """Somebody is in bed while a run comes, and then maybe long out of it."""
        self.rig.in_progress(number)
        self.run()
        if completes:
            self.rig.move_on(timedelta(hours=12))

    @rule(number=any_number)
    def analyse_again(self, number: int) -> None:
        """A session changes."""
        self._maybe(lambda: self.rig.analyse_again(number))

    @rule(number=any_number)
    def move_start(self, number: int) -> None:
        """A session moves over midnight."""
        self._maybe(lambda: self.rig.move_start(number))

    @rule(number=any_number)
    def delete(self, number: int) -> None:
        """A session is deleted; not more of them between two runs than people delete."""
        if self.deleted < FEW:
            self._maybe(lambda: self.rig.delete(number))
            self.deleted += 1

    @rule(number=any_number, days=st.integers(1, 12))
    def late(self, number: int, days: int) -> None:
        """A session comes late."""
        self._maybe(lambda: self.rig.late(number, days))

    @rule()
    def run(self) -> None:
        """Right in every layer, and doing it again changes nothing."""
        self._time_passes()
        self.was_right = False
        assert self.rig.run().report.complete
        assert everything_wrong(self.rig) == []
        self.rig.run()
        before = marks_of(self.rig.root)
        again = self.rig.run()
        assert (again.files, marks_of(self.rig.root)) == (0, before), "the same again"
        self.deleted, self.was_right = 0, True

    @rule()
    def forget(self) -> None:
        """The vendor forgets everybody's sessions for a while: nothing that is here goes away."""
        self._time_passes()
        with self.rig.forgetful():
            try:
                self.rig.run()
            except TooManyDeletions:
                note("the brake was pulled")
            else:
                note("there was too little to forget")
        self.run()

    @rule(failpoint=st.sampled_from(FAILPOINTS), passage=st.integers(1, 6))
    def crash(self, failpoint: str, passage: int) -> None:
        """A run is killed somewhere; or it comes through and nobody looks."""
        self._time_passes()
        note("killed" if self.rig.run_and_kill(f"{failpoint}:{passage}") else "came through")

    def _time_passes(self) -> None:
        self.rig.move_on(timedelta(seconds=61))  # two answers of one session are never of the same moment

    def _maybe(self, change: Callable[[], None]) -> None:
        try:
            change()
        except ValueError:
            note("there is nothing to change, or something in the way")


def run_in_any_order(name: str, empty: Path, examples: int, steps: int, *, in_the_suite: bool) -> None:
    """Let Hypothesis drive so many worlds; in the suite always the same ones, and without looking for the shortest."""

    class InAnyOrder(AnyOrder):
        pass

    InAnyOrder.name, InAnyOrder.empty, InAnyOrder.loads = name, empty, not in_the_suite
    wanted = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        report_multiple_bugs=False,
        phases=set(Phase) - {Phase.shrink} if in_the_suite else set(Phase),
        derandomize=in_the_suite,
        suppress_health_check=list(HealthCheck),
    )
    with unawaited_disk(), patch("assets.raw.deletions.FEW", FEW):
        run_state_machine_as_test(InAnyOrder, settings=wanted)


@long_for_one_source
def test_a_run_that_ends_well_is_right_whatever_came_before(source: str, empty: Path) -> None:
    """A few worlds, always the same ones."""
    run_in_any_order(source, empty, 2, 4, in_the_suite=True)


@pytest.mark.soak
def test_a_run_that_ends_well_is_right_in_many_worlds(source: str, empty: Path) -> None:
    """Other worlds every time, with longer lives."""
    run_in_any_order(source, empty, 100, 30, in_the_suite=False)
