"""A session that a new analysis moves over UTC midnight: under the new date and no other, with its history unbroken."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from itertools import product
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from connectors.lake.raw import MOVED, RawDocument, read_file
from schemas.documents import SESSION
from tests.assets.engine.disk import unawaited_disk
from tests.assets.engine.rig import empty_home
from tests.assets.raw.moves import AFTER, BACK, BEFORE, EARLIER, FIRST, Moving, moving_in, synced_home, wrong
from tests.assets.raw.repairs import raw_files

STARTS = {"back": BACK, "after": AFTER, "earlier": EARLIER}

LAST_WRITES = ("raw.appended:1", "raw.appended:2", "raw.appended:3", "pull.raw_durable", "pull.before_commit")
"""A pull of one moved session writes the note under two dates, then the document; then comes the state."""


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with nothing in it."""
    return empty_home(tmp_path_factory.mktemp("empty") / "home")


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which the session is under 1 November."""
    with unawaited_disk():
        return synced_home(tmp_path_factory.mktemp("synced"), BEFORE)


@pytest.fixture
def moving(tmp_path: Path, synced: Path) -> Iterator[Moving]:
    """A session that was pulled and built under 1 November."""
    with unawaited_disk(), moving_in(tmp_path, synced) as moving:
        moving.has_synced(BEFORE)
        yield moving


def in_raw(moving: Moving) -> list[RawDocument]:
    """Every session document of raw, notes too, by date and time."""
    found = [
        document
        for path in raw_files(moving.rig.home, SESSION)
        for document in read_file(path, date.fromisoformat(path.parent.name.removeprefix("date=")))
    ]
    return sorted(found, key=lambda document: (document.date, document.fetched_at, document.status != MOVED))


def test_a_moved_session_is_under_its_new_date_alone(moving: Moving) -> None:
    """One row in every table, the night revised and complete, the ledger at the new date; again changes nothing."""
    assert wrong(moving) == []
    assert not moving.night()["revised"]
    moving.move(AFTER)
    moving.sync()
    assert wrong(moving) == []
    night = moving.night()
    assert (night["verdict"], night["revised"], night["path"]) == ("complete", True, "poll")
    assert (moving.known().partition, moving.known().revision) == (AFTER.date(), 2)
    assert moving.told() == [(1, "first_seen", BEFORE), (2, "re_analysed", AFTER)]
    assert {row["start_date"] for row in moving.versions()} == {AFTER.date()}
    log, _, files = moving.rig.run(FIRST, moving.rig.today)
    assert (dict(log.calls), files) == ({"list": 1}, 0)


def test_raw_says_under_both_dates_that_the_session_has_moved(moving: Moving) -> None:
    """The note names the dates and nothing else; the answer lies under the new date as it was received."""
    moving.move(AFTER)
    moving.sync()
    first, note, same_note, second = in_raw(moving)
    assert [d.date for d in (first, note)] == [BEFORE.date()] * 2
    assert [d.date for d in (same_note, second)] == [AFTER.date()] * 2
    assert note == replace(same_note, date=BEFORE.date())
    assert (note.status, note.reason, note.body) == (MOVED, "moved", b'{"was":"2026-11-01","now":"2026-11-02"}')
    assert (second.reason, second.known_revision) == ("re_analysed", 2)


def test_a_move_asks_for_the_averages_of_both_months(moving: Moving) -> None:
    """The session leaves one and comes into the other; both are made again."""
    moving.move(EARLIER)
    moving.rig.move_on(AFTER - BEFORE)
    log, report = moving.rig.pull(date(2026, 10, 20), moving.rig.today)
    assert {month for _, month in log.months} == {"2026-10", "2026-11"}
    assert report.dirty_days == {BEFORE.date(), EARLIER.date()}


@pytest.mark.parametrize(
    ("way", "compacts"),
    [
        pytest.param("after earlier", True, id="on"),
        pytest.param("after back after earlier back", True, id="there and back", marks=pytest.mark.soak),
    ],
)
def test_it_may_move_twice_and_back_and_forth(moving: Moving, way: str, compacts: bool) -> None:
    """Every version is there once, wherever it lay; made again from raw, compacted or not, everything is the same."""
    for name in way.split():
        moving.move(STARTS[name])
        moving.sync()
        if compacts:
            moving.compact()
        assert wrong(moving) == []
    assert [start for _, _, start in moving.told()] == [BEFORE, *(STARTS[name] for name in way.split())]
    moving.sync()
    assert moving.rig.rebuild() == 0


def test_a_moved_session_can_be_deleted_and_come_back_under_another_date(moving: Moving) -> None:
    """Gone from every table while it is gone; the deletion and the return are versions like others."""
    moving.move(AFTER)
    moving.sync()
    moving.delete()
    moving.sync()
    assert wrong(moving) == []
    moving.restore()
    moving.move(EARLIER)
    moving.sync()
    assert wrong(moving) == []
    assert [reason for _, reason, _ in moving.told()] == ["first_seen", "re_analysed", "deleted", "restored"]


THEN: dict[str, Callable[[Moving], None]] = {
    "nothing": lambda moving: None,
    "moves on": lambda moving: moving.move(EARLIER),
    "comes back": lambda moving: moving.move(BACK),
    "changes": lambda moving: moving.analyse(),
    "is deleted": lambda moving: moving.delete(),
}


EVERY_KILL = list(product(LAST_WRITES, THEN))
"""Where a pull dies, and what becomes of the session before the next one."""

SOME_KILLS = [(LAST_WRITES[1], "moves on"), (LAST_WRITES[-1], "is deleted")]


@pytest.mark.parametrize(("failpoint", "then"), SOME_KILLS)
def test_a_killed_move_is_healed_by_the_next_sync(moving: Moving, failpoint: str, then: str) -> None:
    """Also when both dates are built in between, which see the session under one of them."""
    kill_and_heal(moving, failpoint, then)


@pytest.mark.soak
@pytest.mark.parametrize(("failpoint", "then"), [kill for kill in EVERY_KILL if kill not in SOME_KILLS])
def test_any_killed_move_is_healed_whatever_happens_before(moving: Moving, failpoint: str, then: str) -> None:
    """The same for every place and every turn."""
    kill_and_heal(moving, failpoint, then)


def kill_and_heal(moving: Moving, failpoint: str, then: str) -> None:
    """Kill a sync of a moved session, build everything, let something happen, and sync."""
    moving.move(AFTER)
    assert moving.killed_sync(failpoint)
    moving.rig.rebuild()
    assert len(moving.rows_of_sessions()) == 1
    THEN[then](moving)
    moving.sync()
    assert wrong(moving) == []


@pytest.mark.parametrize("failpoint", ["raw.appended:2", "pull.raw_durable"])
def test_a_killed_move_that_the_vendor_takes_back_leaves_one_row(moving: Moving, failpoint: str) -> None:
    """The list says nothing new, so that nothing is asked; whichever version raw has, it is under one date."""
    plan, analyses = moving.session.plan, moving.session.analyses
    moving.move(AFTER)
    assert moving.killed_sync(failpoint)
    moving.session.plan, moving.session.analyses = plan, analyses
    moving.sync()
    for built in (AFTER.date(), BEFORE.date()):
        moving.build(built)
        assert len(moving.rows_of_sessions()) == 1


def test_a_first_pull_that_was_killed_does_not_double_what_moves_before_the_next(tmp_path: Path, empty: Path) -> None:
    """Raw has it, the ledger knows of no document; built from raw again, it is under one date all the same."""
    with unawaited_disk(), moving_in(tmp_path, empty) as moving:
        assert moving.killed_sync("pull.raw_durable")
        moving.move(AFTER)
        moving.sync()
        assert moving.rig.rebuild() == 0
        assert wrong(moving) == []


OPERATIONS = [*(f"to {name}" for name in STARTS), "analyse", "delete", "restore", "compact", "sync", "kill"]


def play(moving: Moving, operations: list[tuple[str, str]]) -> None:
    """Let these things happen; every sync is judged, also the one at the end."""
    for operation, failpoint in [*operations, ("sync", "")]:
        if operation.startswith("to "):
            moving.move(STARTS[operation.removeprefix("to ")])
        elif operation == "kill":
            moving.killed_sync(failpoint)
        else:
            getattr(moving, operation)()
        if operation == "sync":
            assert wrong(moving) == []


any_operations = st.lists(st.tuples(st.sampled_from(OPERATIONS), st.sampled_from(LAST_WRITES)), max_size=9)


def play_in_any_order(tmp_path: Path, empty: Path, examples: int, *, in_the_suite: bool) -> None:
    """Let Hypothesis choose what happens to so many sessions; in the suite always the same, and no shorter one."""
    count = iter(range(1_000_000))

    phases = set(Phase) - {Phase.shrink} if in_the_suite else set(Phase)

    @settings(max_examples=examples, deadline=None, derandomize=in_the_suite, phases=phases)
    @given(any_operations)
    def run(operations: list[tuple[str, str]]) -> None:
        folder = tmp_path / f"world {next(count)}"
        folder.mkdir()
        with moving_in(folder, empty) as moving:
            moving.move(BEFORE)
            moving.sync()
            play(moving, operations)

    with unawaited_disk():
        run()


def test_moves_among_all_else_that_happens(tmp_path: Path, empty: Path) -> None:
    """A few lives of a session, always the same ones."""
    play_in_any_order(tmp_path, empty, 2, in_the_suite=True)


@pytest.mark.soak
def test_moves_in_hundreds_of_lives(tmp_path: Path, empty: Path) -> None:
    """Others every time."""
    play_in_any_order(tmp_path, empty, 300, in_the_suite=False)
