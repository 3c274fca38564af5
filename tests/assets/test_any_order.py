"""The engine against a vendor that does anything at any time: whatever came before, a run that ends well is right.

Hypothesis chooses what happens, in which order: nights, late uploads, new analyses, deletions, time, syncs, backfills,
kills, compactions, rebuilds. What must be there afterwards is worked out in ``engine.memory``.
"""

import shutil
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.schedule import Plan
from connectors.asleep.sandbox.sessions import Session, User
from schemas.tables import AVERAGE_STATS, NIGHT_LEDGER, SESSION_HISTORY, SLEEP_SESSIONS
from tests.assets.engine.disk import unawaited_disk
from tests.assets.engine.findings import everything_wrong
from tests.assets.engine.memory import Memory
from tests.assets.engine.pictures import marks_of
from tests.assets.engine.rig import Rig, empty_home
from tests.assets.homes import NOW

LOOK_BACK = timedelta(days=6)
"""Short, so that much lies beyond it."""

SHORTEST = timedelta(minutes=30)
"""A session that short is not shortened any more."""

KILLED_AT = (
    *("pull.announced", "pull.raw_durable", "pull.before_commit", "pull.committed", "raw.appended", "publish.written"),
    *("publish.renamed", "lake.replaced", "fhir.replaced", "build.built", "warehouse.loaded", "warehouse.renamed"),
)

any_number = st.integers(0, 99)
"""Chooses one of whatever there is."""


class AnyOrder(RuleBasedStateMachine):
    """Rules are what people, the vendor, time and bad luck do; every sync is judged."""

    empty: Path
    """A prepared home, of which every world has a copy."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(dir=self.empty.parent))
        self.world = World(users=2, nights=2, seed=11, now=NOW)
        self.rig = Rig(self.world, self.folder, self.empty)
        self.memory = Memory(self.world)
        self.deleted_users = 0
        self.was_right = True

    def teardown(self) -> None:
        """Whatever happened, a last sync puts everything right."""
        try:
            if self.was_right:
                self.sync()
        finally:
            self.rig.close()
            shutil.rmtree(self.folder)

    @rule(number=any_number)
    def add(self, number: int) -> None:
        """Somebody sleeps another night."""
        self.world.add_nights(1, [self._user(number)])
        self.rig.keep_up()

    @rule(number=any_number, case=st.sampled_from(["open", "closed"]))
    def begin(self, number: int, case: str) -> None:
        """Somebody goes to bed, or has just got up: their session waits to be complete."""
        self.world.add_case(self._user(number), case)
        self.rig.keep_up()

    @rule(hours=st.one_of(st.integers(1, 30), st.integers(31, 290)))
    def complete(self, hours: int) -> None:
        """Time passes, hours or days, and what was in progress ends."""
        self.rig.move_on(timedelta(hours=hours))

    @precondition(lambda self: self._slept())
    @rule(number=any_number, cut=st.integers(1, 9), in_silence=st.booleans())
    def re_analyse(self, number: int, cut: int, in_silence: bool) -> None:
        """A session gets other figures, and mostly an earlier end, so that its row of the list shows it."""
        user, session = self._one(self._slept(), number)
        if in_silence or session.end - session.start < SHORTEST:
            session.analyse_again()
            self.memory.has_changed_in_silence(user, session)
        else:
            session.plan = shortened(session, cut)
            session.analyse_again()
            self.memory.has_changed(user, session)

    @precondition(lambda self: self._slept())
    @rule(number=any_number, hours=st.integers(-14, 6))
    def move_start(self, number: int, hours: int) -> None:
        """A new analysis finds that a session began earlier or later, mostly on another UTC date."""
        user, session = self._one(self._slept(), number)
        try:
            self.world.move_start(user, session, session.start + timedelta(hours=hours, seconds=1))
        except ValueError:
            note("another session is in the way")
        else:
            self.memory.has_changed(user, session)

    @precondition(lambda self: self._sessions())
    @rule(number=any_number)
    def delete(self, number: int) -> None:
        """Somebody deletes a session in the app, whatever state it is in."""
        user, session = self._one(self._sessions(), number)
        self.world.delete_session(user, session)

    @precondition(lambda self: self.deleted_users == 0)
    @rule(number=any_number, really=st.integers(0, 3))
    def delete_user(self, number: int, really: int) -> None:
        """Once, and seldom, somebody deletes their account."""
        if really == 0:
            self.world.delete_user(self._user(number).user_id)
            self.deleted_users += 1

    @rule(number=any_number)
    def mark_or_unmark(self, number: int) -> None:
        """The vendor announces that it will delete a user, or takes that back."""
        user = self._user(number)
        user.to_be_deleted = not user.to_be_deleted

    @rule(number=any_number, days=st.integers(1, 45))
    def upload_late(self, number: int, days: int) -> None:
        """A phone that was offline for long sends what it recorded."""
        try:
            self.world.add_late_session(self._user(number), days)
        except ValueError:
            note("that day is taken")

    @rule(number=any_number)
    def next_night(self, number: int) -> None:
        """Somebody sleeps, a day passes, and the nightly run comes."""
        self.add(number)
        self.rig.move_on(timedelta(days=1))
        self._run_and_judge(*self._look_back())

    @rule()
    def sync(self) -> None:
        """The nightly run: right in every layer, and doing it again costs and changes nothing."""
        first, last = self._look_back()
        self._run_and_judge(first, last)
        before = marks_of(self.rig.root)
        again, _, files = self.rig.run(first, last)
        marks = Counter(user.to_be_deleted for user in self.rig.roster())
        asked = {"list": marks[False], "user": marks[True]}
        assert (again.calls, files) == (Counter(asked), 0), "the same again"
        assert marks_of(self.rig.root) == before, "files touched although nothing is new"

    @rule(ago=st.integers(1, 60), days=st.integers(1, 20))
    def backfill(self, ago: int, days: int) -> None:
        """Somebody asks for a range of past dates."""
        first = self.rig.today - timedelta(days=ago)
        self._run_and_judge(first, min(first + timedelta(days=days), self.rig.today))

    @rule(failpoint=st.sampled_from(KILLED_AT), passage=st.integers(1, 4), ago=st.integers(0, 30))
    def crash(self, failpoint: str, passage: int, ago: int) -> None:
        """A run is killed somewhere in the middle; or it comes through and nobody looks."""
        first, last = self._look_back()
        first -= timedelta(days=ago if ago > 15 else 0)
        self._begin(first)
        self.memory.was_killed()
        note("killed" if self.rig.run_and_kill(first, last, f"{failpoint}:{passage}") else "came through")

    @rule()
    def compact(self) -> None:
        """Raw files are merged; what is there stays."""
        self.rig.compact()

    @precondition(lambda self: self.memory.begun and not any(self.memory.perhaps.values()))
    @rule()
    def rebuild(self) -> None:
        """Everything is made again from raw: the same, so no file is touched; only nights that are over since."""
        self.rig.drain()
        before = marks_of(self.rig.root)
        self.rig.rebuild()
        after = marks_of(self.rig.root)
        touched = {name for name in before | after if after.get(name) != before.get(name)}
        assert not {name for name in touched if "night_ledger" not in name} - {"warehouse.duckdb"}

    def _look_back(self) -> tuple[date, date]:
        return self.rig.today - LOOK_BACK, self.rig.today

    def _begin(self, first: date) -> None:
        # Two answers of one session are never of the same moment.
        self.rig.move_on(timedelta(seconds=61))
        self.memory.begins([user.user_id for user in self.rig.roster() if not user.to_be_deleted], first)

    def _run_and_judge(self, first: date, last: date) -> None:
        self._begin(first)
        self.was_right = False
        log, report, _ = self.rig.run(first, last)
        assert report.failed.keys() <= ({"user_not_found"} if self.deleted_users else set())
        wrong = everything_wrong(self.rig, self.memory, log, first, last)
        assert not wrong, wrong
        self.was_right = True

    def _user(self, number: int) -> User:
        users = list(self.world.users())
        return users[number % len(users)]

    def _sessions(self) -> list[tuple[User, Session]]:
        return [(user, session) for user in self.world.users() for session in user.sessions]

    def _slept(self) -> list[tuple[User, Session]]:
        now = self.world.now
        return [(u, s) for u, s in self._sessions() if s.state(now) == "COMPLETE" and s.plan.kind != "rest"]

    @staticmethod
    def _one(choices: list[tuple[User, Session]], number: int) -> tuple[User, Session]:
        return choices[number % len(choices)]


def shortened(session: Session, chunks: int) -> Plan:
    """The plan of a session without so many chunks of 30 s at its end."""
    return replace(session.plan, end=session.plan.end - timedelta(seconds=30 * chunks))


def run_in_any_order(tmp_path: Path, examples: int, steps: int, *, in_the_suite: bool) -> None:
    """Let Hypothesis drive so many worlds; in the suite always the same ones, and without looking for the shortest."""

    class InAnyOrder(AnyOrder):
        empty = empty_home(tmp_path / "empty")

    wanted = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        report_multiple_bugs=False,
        phases=set(Phase) - {Phase.shrink} if in_the_suite else set(Phase),
        derandomize=in_the_suite,
        suppress_health_check=list(HealthCheck),
    )
    with unawaited_disk():
        run_state_machine_as_test(InAnyOrder, settings=wanted)


def test_a_run_that_ends_well_is_right_whatever_came_before(tmp_path: Path) -> None:
    """A few worlds, always the same ones."""
    run_in_any_order(tmp_path, 2, 20, in_the_suite=True)


@pytest.mark.soak
def test_a_run_that_ends_well_is_right_in_hundreds_of_worlds(tmp_path: Path) -> None:
    """Other worlds every time, with longer lives."""
    run_in_any_order(tmp_path, 150, 50, in_the_suite=False)


@pytest.mark.parametrize("failpoint", ["pull.announced", "pull.raw_durable"])
def test_what_a_killed_run_was_first_told_of_and_the_vendor_then_deleted_is_not_there(
    failpoint: str, tmp_path: Path
) -> None:
    """Whether raw has it or not, and although no list ever shows it again."""
    with unawaited_disk():
        rig = Rig(World(users=1, nights=3, seed=11, now=NOW), tmp_path, empty_home(tmp_path / "empty"))
        first, last = rig.today - LOOK_BACK, rig.today
        assert rig.run_and_kill(first, last, failpoint)
        (user,) = rig.world.users()
        gone = user.sessions[0]
        rig.world.delete_session(user, gone)
        rig.move_on(timedelta(hours=1))
        rig.run(first, last)
        rig.rebuild()
        held = {row["session_id"] for row in rig.pictures.rows(SLEEP_SESSIONS)}
        told = [row["reason"] for row in rig.pictures.rows(SESSION_HISTORY) if row["session_id"] == gone.id]
        rig.close()
    assert held == {session.id for session in user.sessions}
    assert told == (["first_seen", "deleted"] if failpoint == "pull.raw_durable" else [])


def test_nights_of_a_pause_longer_than_the_look_back_have_a_row_too(tmp_path: Path) -> None:
    """Although no run is ever over them: not checked, or empty if the whole history was looked through."""
    with unawaited_disk():
        rig = Rig(World(users=1, nights=3, seed=11, now=NOW), tmp_path, empty_home(tmp_path / "empty"))
        rig.run(rig.today - LOOK_BACK, rig.today)
        last = rig.today
        rig.move_on(timedelta(days=20))
        rig.run(rig.today - LOOK_BACK, rig.today)
        rows = {row["night_of"]: row["verdict"] for row in rig.pictures.rows(NIGHT_LEDGER)}
        rig.close()
    assert len(rows) == (max(rows) - min(rows)).days + 1
    missed = {night for night in rows if last < night < rig.today - LOOK_BACK - timedelta(days=1)}
    assert len(missed) > 10
    assert {rows[night] for night in missed} <= {"not_checked", "no_recording"}


def test_statistics_that_a_killed_run_kept_give_way_to_those_of_before(tmp_path: Path) -> None:
    """A late night came, the run that kept it was killed, it is deleted: the averages of its month are the old ones."""
    with unawaited_disk():
        rig = Rig(World(users=1, nights=3, seed=11, now=NOW), tmp_path, empty_home(tmp_path / "empty"))
        rig.run(rig.today - LOOK_BACK, rig.today)
        before = rig.pictures.rows(AVERAGE_STATS)
        (user,) = rig.world.users()
        night = rig.world.add_late_session(user, 5)
        assert night.start.month == 10
        rig.move_on(timedelta(hours=1))
        assert rig.run_and_kill(rig.today - LOOK_BACK, rig.today, "pull.raw_durable")
        rig.world.delete_session(user, night)
        rig.move_on(timedelta(hours=1))
        rig.run(rig.today - LOOK_BACK, rig.today)
        after = rig.pictures.rows(AVERAGE_STATS)
        rig.close()
    assert [row["slept_session_ids"] for row in after] == [row["slept_session_ids"] for row in before]


def test_nights_that_a_killed_backfill_would_have_asked_for_have_a_row(tmp_path: Path) -> None:
    """Whoever looks sees that nobody was asked about them, although no later run is over them."""
    with unawaited_disk():
        rig = Rig(World(users=1, nights=3, seed=11, now=NOW), tmp_path, empty_home(tmp_path / "empty"))
        first = rig.today - timedelta(days=30)
        assert rig.run_and_kill(first, rig.today - timedelta(days=20), "pull.raw_durable")
        rig.move_on(timedelta(hours=1))
        rig.run(rig.today - LOOK_BACK, rig.today)
        nights = {row["night_of"]: row["verdict"] for row in rig.pictures.rows(NIGHT_LEDGER)}
        rig.close()
    assert min(nights) <= first + timedelta(days=1)
    assert len(nights) == (max(nights) - min(nights)).days + 1
    assert nights[first + timedelta(days=15)] == "not_checked"
