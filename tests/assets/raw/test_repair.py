"""A damaged raw file is made good: what it held is fetched again and nothing else, and nothing is given up silently."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from assets.raw.user_pull import SWEEP
from connectors.asleep.sandbox import World, running
from connectors.errors import KeyRefused
from connectors.home import Home
from connectors.lake.damage import find_damaged
from connectors.state.ledger import COMPLETE, DELETED, OWED, PENDING, LedgerSession, documents_of
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS
from tests.assets.homes import NOW, StandingClock
from tests.assets.raw.pulls import Puller, control, dirty, follow_everybody, truth
from tests.assets.raw.repairs import (
    Repairer,
    built_tables,
    damage,
    history_rows,
    ledger,
    look_changed,
    raw_files,
    session_rows,
    without_history,
)


@pytest.fixture
def base_url() -> Iterator[str]:
    """Three people with five nights."""
    world = World(users=3, nights=5, now=NOW)
    with running(world) as base_url:
        yield base_url


@pytest.fixture
def repairer(home: Home, base_url: str, clock: StandingClock) -> Repairer:
    """A home with a past: first pulled, then a session revised and another deleted; ten days have gone since."""
    follow_everybody(home, World(users=3, nights=5, now=NOW))
    puller = Puller(home, base_url)
    puller.pull()
    first, second, *_ = sorted(seen.session_id for seen in ledger(home).values() if seen.verdict == COMPLETE)
    owner = ledger(home)[second].user_id
    control(base_url, "reanalyse", {"user": ledger(home)[first].user_id, "session": first})
    control(base_url, "delete", {"user": owner, "session": second})
    look_changed(home, first)
    clock.advance(days=1)
    puller.pull()
    assert (ledger(home)[first].revision, ledger(home)[second].verdict) == (2, DELETED)
    clock.advance(days=10)
    return Repairer(home, base_url)


def test_a_sound_home_needs_no_call(repairer: Repairer) -> None:
    """Nothing is damaged, nothing is asked."""
    report = repairer.repair()
    assert (report.set_aside, report.left, repairer.calls) == ([], [], {})


@pytest.mark.parametrize("seed", range(8))
def test_after_a_flipped_bit_the_tables_are_what_they_were(seed: int, repairer: Repairer, home: Home) -> None:
    """Any bit of any file, days later: every table has the same bytes, revisions and times of first fetch included.

    The file is kept beside the others as it is. Of the history only versions are missing that were said to be lost.
    """
    before, history = built_tables(home), history_rows(home)
    paths = raw_files(home)
    path = paths[seed * len(paths) // 8]
    evidence = damage(path, seed)
    report = repairer.repair()
    assert (len(report.set_aside), report.left, report.lost, report.newer) == (1, [], 0, 0)
    assert path.with_name(f"{path.name}.damaged").read_bytes() == evidence
    assert without_history(built_tables(home)) == without_history(before)
    after = history_rows(home)
    assert [row for row in history if row in after or row["valid_to"] is not None] == history
    lost = {(row["session_id"]) for row in history if row not in after}
    assert len(lost) <= report.versions_lost
    if not report.versions_lost:
        assert built_tables(home) == before
    assert find_damaged(home.raw, date.min, date.max) == []


def test_only_what_is_missing_is_asked_for(repairer: Repairer, home: Home) -> None:
    """One detail for each session of the damaged file; a second repair asks nothing."""
    path = raw_files(home, "session")[-1]
    held = len(home.raw.current(ASLEEP, "session", _date_of(path.parent.name)))
    damage(path, 1)
    report = repairer.repair()
    assert (repairer.calls, report.restored) == ({"detail": held}, held)
    repairer.repair()
    assert repairer.calls == {}


def test_what_was_repaired_is_built_again(repairer: Repairer, home: Home) -> None:
    """Date, month and users are dirty, so that the next build reads what was fetched."""
    for kind in ("session", "average_stats", "user"):
        damage(raw_files(home, kind)[0], 2)
    day = raw_files(home, "session")[0].parent.name.removeprefix("date=")
    month = raw_files(home, "average_stats")[0].parent.name.removeprefix("date=")[:7]
    repairer.repair()
    assert day in dirty(home, "sleep_sessions")
    assert month in dirty(home, "average_stats")
    assert dirty(home, "users") == ["all"]


def test_what_the_vendor_has_no_longer_is_lost_until_a_human_gives_it_up(repairer: Repairer, home: Home) -> None:
    """Its file stays, so that no table is built without it; given up it is a deletion, with its month asked again."""
    before = built_tables(home)
    path, seen = _damage_the_file_of_a_complete_session(home)
    control(repairer.base_url, "delete", {"user": seen.user_id, "session": seen.session_id})
    report = repairer.repair()
    assert (report.lost, report.deleted, len(report.left), report.set_aside) == (1, 0, 1, [])
    assert path.exists()
    assert ledger(home)[seen.session_id] == seen
    assert {p: (home.root / "lake" / p).read_bytes() for p in before} == before

    given_up = repairer.repair(accept_deletions=True)
    assert (given_up.lost, given_up.deleted, len(given_up.set_aside)) == (0, 1, 1)
    assert repairer.calls == {"detail": 1}
    built_tables(home)
    assert seen.session_id not in {row["session_id"] for row in session_rows(home)}
    assert [row["reason"] for row in history_rows(home) if row["session_id"] == seen.session_id] == ["deleted"]
    now = ledger(home)[seen.session_id]
    assert (now.verdict, now.revision) == (DELETED, seen.revision + 1)
    with home.state.read() as connection:
        documents = documents_of(connection, ASLEEP, [seen.user_id])[seen.user_id]
    assert documents[AVERAGE_STATS, f"{seen.partition:%Y-%m}"].content_hash == OWED


def test_what_has_changed_since_is_a_newer_revision(repairer: Repairer, home: Home) -> None:
    """The version of the ledger is lost and said to be; the next pull does what belongs to a change, once."""
    _, seen = _damage_the_file_of_a_complete_session(home)
    control(repairer.base_url, "reanalyse", {"user": seen.user_id, "session": seen.session_id})
    report = repairer.repair()
    assert (report.newer, report.lost, len(report.set_aside)) == (1, 0, 1)
    assert ledger(home)[seen.session_id].verdict == PENDING
    built_tables(home)
    (row,) = [row for row in session_rows(home) if row["session_id"] == seen.session_id]
    assert row["revision"] == seen.revision + 1
    puller = Puller(home, repairer.base_url)
    puller.pull()
    assert puller.calls["detail"] == 1
    assert ledger(home)[seen.session_id].revision == seen.revision + 1
    built_tables(home)
    assert [r["revision"] for r in session_rows(home) if r["session_id"] == seen.session_id] == [seen.revision + 1]


def test_a_repair_that_is_stopped_goes_on_where_it_was(repairer: Repairer, home: Home) -> None:
    """A refused key stops it and leaves the file; afterwards it is repaired."""
    damage(raw_files(home, "session")[-1], 3)
    with pytest.raises(KeyRefused):
        repairer.repair(key="wrong")
    assert len(find_damaged(home.raw, date.min, date.max)) == 1
    assert len(repairer.repair().set_aside) == 1


def test_without_a_ledger_nobody_can_tell_what_was_lost(repairer: Repairer, home: Home) -> None:
    """A file of a date of which the state knows nothing stays, and is told as such."""
    path = raw_files(home, "session")[0]
    damage(path, 4)
    home.state.close()
    for file in home.root.glob("state.db*"):
        file.unlink()
    report = repairer.repair()
    assert (len(report.left), len(report.unknown), report.set_aside, repairer.calls) == (1, 1, [], {})
    assert path.exists()


def test_a_user_whom_the_vendor_does_not_know_loses_nothing_in_silence(repairer: Repairer, home: Home) -> None:
    """Sessions, months and the user's document are lost until given up; the others' come back."""
    everybody = truth(repairer.base_url)["users"]
    control(repairer.base_url, "delete", {"user": everybody[0]["user_id"], "session": None})
    for kind in ("average_stats", "user"):
        for path in raw_files(home, kind):
            damage(path, 5)
    report = repairer.repair()
    assert report.lost > 1
    assert report.restored > 1
    assert report.set_aside == []
    given_up = repairer.repair(accept_deletions=True)
    assert (given_up.deleted, given_up.left) == (report.lost, [])
    assert {row["user_id"] for row in session_rows(home)} == {
        row["user_id"] for row in history_rows(home) if row["reason"] != "deleted"
    }
    with home.state.read() as connection:
        known = documents_of(connection, ASLEEP, [everybody[0]["user_id"]])[everybody[0]["user_id"]]
    assert {kind for kind, _ in known} <= {SWEEP}


def test_a_report_names_nobody(repairer: Repairer, home: Home) -> None:
    """Neither its repr nor a damaged file's holds an id."""
    path, seen = _damage_the_file_of_a_complete_session(home)
    shown = repr(repairer.repair())
    assert path.name in shown
    assert not any(mark in shown for mark in (seen.user_id, seen.session_id))


def _date_of(folder: str) -> date:
    return date.fromisoformat(folder.removeprefix("date="))


def _damage_the_file_of_a_complete_session(home: Home) -> tuple[Path, LedgerSession]:
    """Damage the last file of sessions; gives it and a session it held that is complete and was never revised."""
    path = raw_files(home, "session")[-1]
    held = home.raw.current(ASLEEP, "session", _date_of(path.parent.name))
    known = [ledger(home)[current.document.document_id] for current in held]
    damage(path, 6)
    return path, next(seen for seen in known if seen.verdict == COMPLETE and seen.revision == 1)
