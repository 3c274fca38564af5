"""``session_history`` of a UTC date, built from raw documents in a real home: a row a version, and nothing twice."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.builds import Built
from assets.lake.session_history import build_session_history
from assets.lake.sleep_sessions import build_sleep_sessions
from connectors.home import Home
from connectors.lake.raw import RawDocument
from connectors.state.quarantine import list_quarantined
from schemas.asleep import ASLEEP
from schemas.documents import COMPLETED, RE_ANALYSED, SESSION
from schemas.tables import SESSION_HISTORY, SLEEP_SESSIONS
from tests.assets.homes import StandingClock, follow, new_home, sleeper
from tests.assets.lake.documents import DAY, FETCHED, SESSION_ID, USER_ID, changed_session, tombstone

PARTITION = "2025-03-10"
A, B = {"stat.sleep_index": 80}, {"stat.sleep_index": 90}
BAD_END = {"session.end_time": "whenever"}
UNFINISHED = {"session.state": "ANALYSING_AGAIN"}
OVER_MIDNIGHT = {"session.start_time": "2025-03-11T14:12:08Z", "session.end_time": "2025-03-11T21:52:51Z"}
ONLY_OF_VERSIONS = {"start_date", "reason", "seen_at", "analysed_at", "valid_from", "valid_to"}


def build(home: Home) -> Built:
    """Build the date."""
    return build_session_history(home, PARTITION)


def history(home: Home) -> list[dict[str, Any]]:
    """The rows of the date."""
    rows: list[dict[str, Any]] = home.lake.read(SESSION_HISTORY, f"date={PARTITION}").to_pylist()
    return rows


def counting(home: Home) -> list[dict[str, Any]]:
    """What the history says of the present, as rows of ``sleep_sessions``."""
    rows = [row for row in history(home) if row["valid_to"] is None and row["reason"] != "deleted"]
    return sorted(
        (
            {name: row["seen_at" if name == "fetched_at" else name] for name in SLEEP_SESSIONS.schema.names}
            for row in rows
        ),
        key=lambda row: tuple(row[name] for name in SLEEP_SESSIONS.sort_by),
    )


def at(hour: float) -> datetime:
    """The time of a document that was fetched so many hours after the first."""
    return FETCHED + timedelta(hours=hour)


def test_every_version_is_a_row_with_its_reason_and_the_time_in_which_it_counted(home: Home) -> None:
    """First sight, a new analysis, a deletion and a return: each ends the one before, the last one counts."""
    follow(home, sleeper(USER_ID))
    home.raw.append(
        [
            changed_session(A),
            replace(changed_session(B, after_h=1), reason=RE_ANALYSED),
            tombstone(after_h=2),
            replace(changed_session(B, after_h=3), reason=RE_ANALYSED),
        ]
    )
    built = build(home)
    assert (built.documents, built.rows, built.files, built.conserved) == (4, 4, 1, True)
    rows = history(home)
    assert [(row["revision"], row["reason"], row["sleep_index"]) for row in rows] == [
        (1, "first_seen", 80.0),
        (2, "re_analysed", 90.0),
        (3, "deleted", None),
        (4, "restored", 90.0),
    ]
    assert [(row["valid_from"], row["valid_to"]) for row in rows] == [
        (at(0), at(1)),
        (at(1), at(2)),
        (at(2), at(3)),
        (at(3), None),
    ]
    assert all(row["seen_at"] == row["valid_from"] and row["analysed_at"] is None for row in rows)
    assert {(row["org_id"], row["user_id"], row["session_id"], row["start_date"]) for row in rows} == {
        ("clinic", USER_ID, SESSION_ID, DAY)
    }


def test_a_deletion_has_nothing_but_its_keys_and_times(home: Home) -> None:
    """It says since when the session is gone, and of the night nothing at all."""
    home.raw.append([changed_session({}), tombstone()])
    build(home)
    [_, deleted] = history(home)
    assert {name: value for name, value in deleted.items() if value is not None} == {
        "org_id": "raw-org",
        "source": "asleep",
        "user_id": USER_ID,
        "session_id": SESSION_ID,
        "start_date": DAY,
        "revision": 2,
        "reason": "deleted",
        "seen_at": at(1),
        "valid_from": at(1),
        "content_hash": "tombstone:1",
    }


def test_a_version_has_all_that_the_session_had(home: Home) -> None:
    """Every column of ``sleep_sessions`` but the time of fetching, which has another name here."""
    home.raw.append([changed_session(A)])
    build(home)
    build_sleep_sessions(home, PARTITION)
    assert counting(home) == home.lake.read(SLEEP_SESSIONS, f"date={PARTITION}").to_pylist()
    [row] = history(home)
    assert set(row) == set(SLEEP_SESSIONS.schema.names) - {"fetched_at"} | ONLY_OF_VERSIONS


def test_the_same_content_fetched_again_is_no_version(home: Home) -> None:
    """In whatever form it came; the row keeps the time of the first fetch."""
    other_form = {"timezone": "UTC", "session.start_time": "2025-03-10T14:12:08Z"}
    home.raw.append([changed_session({}), changed_session(other_form, after_h=1)])
    assert build(home).documents == 1
    [row] = history(home)
    assert (row["revision"], row["seen_at"], row["valid_to"]) == (1, FETCHED, None)


def test_a_session_that_was_waited_for_says_so(home: Home) -> None:
    """The word that raw was kept with is the word of the history."""
    home.raw.append([replace(changed_session({}), reason=COMPLETED)])
    build(home)
    assert [row["reason"] for row in history(home)] == ["completed"]


@pytest.mark.parametrize(
    ("changes", "quarantined", "waiting"),
    [(BAD_END, 1, 0), (OVER_MIDNIGHT, 1, 0), (UNFINISHED, 0, 1)],
    ids=["unreadable", "moved to another date", "unfinished"],
)
def test_a_version_without_a_row_still_ends_the_one_before(
    home: Home, changes: dict[str, Any], quarantined: int, waiting: int
) -> None:
    """As in the present tables: from then on the session has no row; its revision is missing in the history."""
    home.raw.append([changed_session(A), changed_session(changes, after_h=1)])
    built = build(home)
    assert (built.documents, built.rows, built.quarantined, built.waiting) == (2, 1, quarantined, waiting)
    assert built.conserved
    assert [(row["revision"], row["valid_to"]) for row in history(home)] == [(1, at(1))]
    home.raw.append([changed_session(B, after_h=2)])
    build(home)
    assert [(row["revision"], row["valid_to"]) for row in history(home)] == [(1, at(1)), (3, None)]


def test_what_cannot_be_read_is_in_quarantine_once_and_only_while_it_counts(home: Home) -> None:
    """It is there with ``sleep_sessions``; the history adds nothing, also not what has long been replaced."""
    home.raw.append([changed_session(BAD_END)])
    listed = []
    for _ in range(2):
        build_sleep_sessions(home, PARTITION)
        assert build(home).quarantined == 1
        with home.state.read() as connection:
            listed.append([entry.asset for entry in list_quarantined(connection)])
        home.raw.append([changed_session({}, after_h=1)])
    assert listed == [["sleep_sessions"], []]


def test_label_and_fallback_zone_are_those_of_the_roster(home: Home) -> None:
    """In every version, also in those of before: a row means the same in both tables."""
    no_zone = {"session.created_timezone": None}
    home.raw.append([changed_session(no_zone | A), changed_session(no_zone | B, after_h=1), tombstone(after_h=2)])
    follow(home, sleeper(USER_ID, org_id="other", timezone="Europe/Berlin"))
    build(home)
    assert [(row["org_id"], row["timezone"]) for row in history(home)] == [
        ("other", "Europe/Berlin"),
        ("other", "Europe/Berlin"),
        ("other", None),
    ]


def test_a_date_without_versions_has_no_file(home: Home) -> None:
    """Neither a file nor a folder."""
    assert build(home) == Built(findings={"unique_keys": 0})
    assert list((home.root / "lake").iterdir()) == []


def several() -> list[RawDocument]:
    """Versions of sessions of two users, deleted, restored and unreadable ones among them."""
    return [
        changed_session(A, user_id="G-b", session_id="20250310141208_bbbbb"),
        changed_session(B, user_id="G-b", session_id="20250310141208_bbbbb", after_h=5),
        changed_session({}, user_id="G-a", session_id="20250310141208_aaaaa"),
        tombstone(user_id="G-a", session_id="20250310141208_aaaaa"),
        changed_session(BAD_END, user_id="G-a", session_id="20250310141208_bad00"),
        changed_session({}, user_id="G-a", session_id="20250310141208_aaaaa", after_h=7),
    ]


def test_building_again_changes_nothing(home: Home) -> None:
    """No file is replaced, not even by equal bytes."""
    home.raw.append(several())
    path = home.lake.path(SESSION_HISTORY, f"date={PARTITION}")
    assert build(home).files == 1
    before = (path.stat().st_ino, path.stat().st_mtime_ns)
    assert build(home).files == 0
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (2, 4, 0, 5, 3, 1)])
def test_a_rebuild_is_identical_to_the_byte(home: Home, tmp_path: Path, order: Iterable[int]) -> None:
    """In another home, on another day, with the documents in other files and another order."""
    home.raw.append(several())
    build(home)
    later = StandingClock(datetime(2027, 1, 1, tzinfo=UTC))
    with new_home(tmp_path / "rebuilt", later) as rebuilt:
        for number in order:
            rebuilt.raw.append([several()[number]])
        build(rebuilt)
        kept = [h.lake.path(SESSION_HISTORY, f"date={PARTITION}").read_bytes() for h in (home, rebuilt)]
    assert kept[0] == kept[1]


def test_rows_are_sorted_by_session_and_revision(home: Home) -> None:
    """Whatever the order of the documents."""
    home.raw.append(several())
    build(home)
    assert [(row["session_id"][-5:], row["revision"]) for row in history(home)] == [
        *(("aaaaa", number) for number in (1, 2, 3)),
        *(("bbbbb", number) for number in (1, 2)),
    ]


VERSIONS: dict[str, dict[str, Any]] = {"a": A, "b": B, "bad": BAD_END, "unfinished": UNFINISHED}


def fetched_as(word: str, session_id: str, after_h: int) -> RawDocument:
    """One of the versions, or a tombstone."""
    if word == "gone":
        return tombstone(session_id=session_id, after_h=after_h)
    return changed_session(VERSIONS[word], session_id=session_id, after_h=after_h)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.sampled_from([*VERSIONS, "gone"]), min_size=1, max_size=5), min_size=1, max_size=3))
def test_whatever_was_fetched_is_conserved_and_agrees_with_the_present(fetched: list[list[str]]) -> None:
    """Versions in = rows + unreadable + unfinished, revisions count them, and what counts now is ``sleep_sessions``."""
    with TemporaryDirectory() as folder, new_home(Path(folder), StandingClock()) as home:
        for number, words in enumerate(fetched):
            for after_h, word in enumerate(words):
                home.raw.append([fetched_as(word, f"20250310141208_{number:05d}", after_h)])
        built = build(home)
        build_sleep_sessions(home, PARTITION)
        runs = [[word for word, _ in itertools.groupby(words)] for words in fetched]
        every = [word for run in runs for word in run]
        assert built.conserved
        assert (built.documents, built.quarantined, built.waiting) == (
            len(every),
            every.count("bad"),
            every.count("unfinished"),
        )
        rows = history(home)
        assert [(row["session_id"][-1], row["revision"], row["reason"] == "deleted") for row in rows] == [
            (str(number), revision, word == "gone")
            for number, run in enumerate(runs)
            for revision, word in enumerate(run, 1)
            if word not in ("bad", "unfinished")
        ]
        assert counting(home) == home.lake.read(SLEEP_SESSIONS, f"date={PARTITION}").to_pylist()
        newest = [versions[-1] for versions in home.raw.versions(ASLEEP, SESSION, DAY)]
        assert newest == home.raw.current(ASLEEP, SESSION, DAY)
