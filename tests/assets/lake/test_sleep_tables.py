"""The tables of a UTC date, built from raw documents in a real home: rows, files, conservation, deletion, roster."""

import itertools
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.builds import Built
from assets.lake.sleep_hypnograms import build_sleep_hypnograms
from assets.lake.sleep_sessions import build_sleep_sessions
from assets.lake.sleep_stage_intervals import build_sleep_stage_intervals
from assets.results import doubled_keys
from connectors.home import Home
from connectors.lake.raw import RawDocument
from connectors.state.quarantine import Quarantined, list_quarantined
from schemas.identities import IDENTITIES
from schemas.tables import SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS, Table
from tests.assets.homes import StandingClock, follow, new_home, sleeper
from tests.assets.lake.documents import (
    DAY,
    FETCHED,
    SESSION_ID,
    USER_ID,
    changed_session,
    session_document,
    tombstone,
)
from tests.schemas.samples import SESSION, result_of

PARTITION = "2025-03-10"
BUILDS = {
    SLEEP_SESSIONS.name: build_sleep_sessions,
    SLEEP_HYPNOGRAMS.name: build_sleep_hypnograms,
    SLEEP_STAGE_INTERVALS.name: build_sleep_stage_intervals,
}
TABLES = (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS)
BAD_END = {"session.end_time": "whenever"}
each_table = pytest.mark.parametrize("table", TABLES, ids=[table.name for table in TABLES])


def build(home: Home) -> dict[str, Built]:
    """Build the three tables of the date."""
    return {name: build_table(home, PARTITION) for name, build_table in BUILDS.items()}


def rows(home: Home, table: Table = SLEEP_SESSIONS) -> list[dict[str, Any]]:
    """What the lake holds of the date."""
    kept: list[dict[str, Any]] = home.lake.read(table, f"date={PARTITION}").to_pylist()
    return kept


def file_of(home: Home, table: Table) -> Path:
    """The one file of the date."""
    return home.lake.path(table, f"date={PARTITION}")


def quarantined(home: Home) -> list[Quarantined]:
    """Everything in quarantine."""
    with home.state.read() as connection:
        return list_quarantined(connection)


def figures(built: Built) -> tuple[int, int, int, int, int, int]:
    """Documents, rows, quarantined, waiting, deleted, files."""
    return (built.documents, built.rows, built.quarantined, built.waiting, built.deleted, built.files)


def test_a_session_becomes_a_row_of_each_table(home: Home) -> None:
    """The session with roster's label, its hypnogram, and the runs of its stages."""
    follow(home, sleeper(USER_ID))
    home.raw.append([session_document()])
    built = build(home)
    assert {name: figures(result) for name, result in built.items()} == dict.fromkeys(BUILDS, (1, 1, 0, 0, 0, 1))
    session, hypnogram = rows(home)[0], rows(home, SLEEP_HYPNOGRAMS)[0]
    assert (session["org_id"], session["session_id"], session["total_sleep_time_s"]) == ("clinic", SESSION_ID, 24240)
    assert hypnogram == {
        "source": "asleep",
        "user_id": USER_ID,
        "session_id": SESSION_ID,
        "start_time": datetime(2025, 3, 10, 14, 12, 8, tzinfo=UTC),
        "epoch_s": 30,
        "sleep_stages": result_of(SESSION)["session"]["sleep_stages"],
        "breath_stages": result_of(SESSION)["session"]["breath_stages"],
        "snoring_stages": result_of(SESSION)["session"]["snoring_stages"],
    }


def test_the_intervals_are_the_stages_by_name(home: Home) -> None:
    """The first 12 minutes awake, then light sleep; each begins where the one before ended, epochs as in the stages."""
    home.raw.append([session_document()])
    build(home)
    intervals = rows(home, SLEEP_STAGE_INTERVALS)
    assert intervals[:2] == [
        {
            "source": "asleep",
            "user_id": USER_ID,
            "session_id": SESSION_ID,
            "stage": "wake",
            "start_time": datetime(2025, 3, 10, 14, 12, 8, tzinfo=UTC),
            "end_time": datetime(2025, 3, 10, 14, 24, 8, tzinfo=UTC),
            "first_epoch": 0,
            "epochs": 24,
        },
        {
            "source": "asleep",
            "user_id": USER_ID,
            "session_id": SESSION_ID,
            "stage": "light",
            "start_time": datetime(2025, 3, 10, 14, 24, 8, tzinfo=UTC),
            "end_time": datetime(2025, 3, 10, 14, 34, 8, tzinfo=UTC),
            "first_epoch": 24,
            "epochs": 20,
        },
    ]
    assert all(one["end_time"] == next_one["start_time"] for one, next_one in itertools.pairwise(intervals))
    assert sum(interval["epochs"] for interval in intervals) == 921


def test_a_session_without_stages_has_a_row_but_no_hypnogram(home: Home) -> None:
    """Nothing is made up for it, and the tables that have no rows have no file."""
    home.raw.append([changed_session({f"session.{name}_stages": None for name in ("sleep", "breath", "snoring")})])
    build(home)
    assert [len(rows(home, table)) for table in TABLES] == [1, 0, 0]
    assert [file_of(home, table).exists() for table in TABLES] == [True, False, False]


def test_a_date_without_documents_has_no_files(home: Home) -> None:
    """Neither a file nor a folder."""
    assert {name: figures(built) for name, built in build(home).items()} == dict.fromkeys(BUILDS, (0,) * 6)
    assert list((home.root / "lake").iterdir()) == []


def test_every_document_comes_out_somewhere(home: Home) -> None:
    """Rows, quarantine, waiting for the vendor, deleted: together they are the documents."""
    home.raw.append(
        [
            changed_session({}, session_id="20250310141208_good1"),
            changed_session({}, session_id="20250310141208_good2"),
            changed_session(BAD_END, session_id="20250310141208_bad01"),
            changed_session({"session.state": "CLOSED"}, session_id="20250310141208_wait1"),
            changed_session({}, session_id="20250310141208_gone1"),
            tombstone(session_id="20250310141208_gone1"),
        ]
    )
    built = build(home)
    assert {name: figures(result) for name, result in built.items()} == dict.fromkeys(BUILDS, (5, 2, 1, 1, 1, 1))
    assert all(result.conserved for result in built.values())
    assert [row["session_id"][-5:] for row in rows(home)] == ["good1", "good2"]


FATES = {
    "row": lambda name: [changed_session({}, session_id=name)],
    "second row": lambda name: [changed_session({}, session_id=name), changed_session({}, session_id=name, after_h=2)],
    "quarantined": lambda name: [changed_session(BAD_END, session_id=name)],
    "waiting": lambda name: [changed_session({"session.state": "OPEN"}, session_id=name)],
    "deleted": lambda name: [changed_session({}, session_id=name), tombstone(session_id=name)],
    "never there": lambda name: [tombstone(session_id=name)],
}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(sorted(FATES)), max_size=6))
def test_any_mixture_is_conserved(fates: list[str]) -> None:
    """Whatever the documents of a date are, the counts add up and agree with what is in the lake."""
    with TemporaryDirectory() as folder, new_home(Path(folder), StandingClock()) as home:
        for number, fate in enumerate(fates):
            home.raw.append(FATES[fate](f"20250310141208_{number:05d}"))
        built = build_sleep_sessions(home, PARTITION)
        assert built.conserved
        assert figures(built)[:5] == (
            len(fates),
            fates.count("row") + fates.count("second row"),
            fates.count("quarantined"),
            fates.count("waiting"),
            fates.count("deleted") + fates.count("never there"),
        )
        assert len(rows(home)) == built.rows
        assert len(quarantined(home)) == built.quarantined


def test_what_is_refused_is_in_quarantine_with_its_reason(home: Home, clock: StandingClock) -> None:
    """Reason, path and sentence, and when it was first seen; a second build does not make it new."""
    home.raw.append([changed_session(BAD_END)])
    first_seen = clock.now
    build(home)
    clock.advance(hours=1)
    build(home)
    [entry] = quarantined(home)
    assert (entry.asset, entry.partition, entry.user_id, entry.document_id) == (
        "sleep_sessions",
        PARTITION,
        USER_ID,
        SESSION_ID,
    )
    assert (entry.reason, entry.path) == ("bad_time", "$.result.session.end_time")
    assert entry.explanation == "Not an ISO 8601 time."
    assert entry.first_seen_at == first_seen


def test_a_good_document_takes_the_bad_one_out_of_quarantine(home: Home) -> None:
    """The newest version counts: in quarantine, then a row, then in quarantine again."""
    for after_h, changes, expected in ((0, BAD_END, (0, 1)), (1, {}, (1, 0)), (2, BAD_END, (0, 1))):
        home.raw.append([changed_session(changes, after_h=after_h)])
        build(home)
        assert (len(rows(home)), len(quarantined(home))) == expected


def test_quarantine_of_one_date_leaves_that_of_another_alone(home: Home) -> None:
    """Each date answers for its own documents."""
    home.raw.append([changed_session(BAD_END), session_document(b"{}", session_id="other", day=date(2025, 3, 11))])
    build_sleep_sessions(home, PARTITION)
    build_sleep_sessions(home, "2025-03-11")
    home.raw.append([changed_session({}, after_h=1)])
    build_sleep_sessions(home, PARTITION)
    assert [entry.partition for entry in quarantined(home)] == ["2025-03-11"]


def test_a_tombstone_takes_the_row_and_the_last_one_the_file(home: Home) -> None:
    """First the row of the deleted session goes, then, when nothing is left, the file and its folder."""
    one, other = SESSION_ID, "20250310141208_other"
    home.raw.append([changed_session({}, session_id=name) for name in (one, other)])
    build(home)
    home.raw.append([tombstone(session_id=one)])
    build(home)
    assert [{row["session_id"] for row in rows(home, table)} for table in TABLES] == [{other}] * 3
    home.raw.append([tombstone(session_id=other)])
    built = build(home)
    assert {name: figures(result) for name, result in built.items()} == dict.fromkeys(BUILDS, (2, 0, 0, 0, 2, 1))
    assert not any(file_of(home, table).parent.exists() for table in TABLES)


def test_a_session_that_comes_back_has_its_row_again(home: Home) -> None:
    """After a tombstone a new document counts, and the deletion was a revision of its own."""
    home.raw.append([changed_session({}), tombstone(after_h=1), changed_session({}, after_h=2)])
    build(home)
    assert [row["revision"] for row in rows(home)] == [3]


A, B = {"stat.sleep_index": 80}, {"stat.sleep_index": 90}


@pytest.mark.parametrize(
    ("versions", "revision", "index", "fetched_h"),
    [
        ([A], 1, 80.0, 0),
        ([A, A], 1, 80.0, 0),
        ([A, B], 2, 90.0, 1),
        ([A, B, A], 3, 80.0, 2),
        ([A, A, B, B, B], 2, 90.0, 2),
        ([A, B, B, A, A], 3, 80.0, 3),
    ],
)
def test_a_revision_is_a_change_of_content(
    home: Home, versions: list[dict[str, Any]], revision: int, index: float, fetched_h: int
) -> None:
    """The same content fetched again is no revision; the time is that of the first fetch of the present one."""
    for after_h, changes in enumerate(versions):
        home.raw.append([changed_session(changes, after_h=after_h)])
    build(home)
    [row] = rows(home)
    assert (row["revision"], row["sleep_index"]) == (revision, index)
    assert row["fetched_at"] == datetime(2025, 3, 11, 4 + fetched_h, 0, 0, 250_000, tzinfo=UTC)


def test_a_session_in_another_form_is_the_same_revision(home: Home) -> None:
    """A poll in another zone has other bytes and the same content."""
    other_form = {"timezone": "UTC", "session.start_time": "2025-03-10T14:12:08Z"}
    home.raw.append([changed_session({}), changed_session(other_form, after_h=1)])
    build(home)
    [row] = rows(home)
    assert (row["revision"], row["fetched_at"]) == (1, FETCHED)


def several() -> list[RawDocument]:
    """Sessions of two users, one of them revised, and something to refuse."""
    return [
        changed_session({}, user_id="G-b", session_id="20250310141208_bbbbb"),
        changed_session({}, user_id="G-a", session_id="20250310141208_aaaaa"),
        changed_session({"session.start_time": "2025-03-10T20:12:08+09:00"}, session_id="20250310111208_early"),
        changed_session(BAD_END, user_id="G-a", session_id="20250310141208_bad00"),
        changed_session(B, user_id="G-b", session_id="20250310141208_bbbbb", after_h=5),
    ]


def bytes_of(home: Home) -> list[bytes]:
    """The three files."""
    return [file_of(home, table).read_bytes() for table in TABLES]


def test_building_again_changes_nothing(home: Home) -> None:
    """No file is replaced, not even by equal bytes."""
    home.raw.append(several())
    assert [built.files for built in build(home).values()] == [1, 1, 1]
    before = [(file_of(home, table).stat().st_ino, file_of(home, table).stat().st_mtime_ns) for table in TABLES]
    assert [built.files for built in build(home).values()] == [0, 0, 0]
    assert [(file_of(home, t).stat().st_ino, file_of(home, t).stat().st_mtime_ns) for t in TABLES] == before


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 4, 0, 3, 1)])
def test_a_rebuild_is_identical_to_the_byte(home: Home, tmp_path: Path, order: Iterable[int]) -> None:
    """In another home, on another day, with the documents in other files and another order."""
    home.raw.append(several())
    build(home)
    later = StandingClock(datetime(2027, 1, 1, tzinfo=UTC))
    with new_home(tmp_path / "rebuilt", later) as rebuilt:
        for number in order:
            rebuilt.raw.append([several()[number]])
        build(rebuilt)
        assert bytes_of(rebuilt) == bytes_of(home)


def test_rows_are_sorted_by_start_and_then_by_key(home: Home) -> None:
    """As the schema says, whatever the order of the documents."""
    home.raw.append(several())
    build(home)
    assert [row["session_id"][-5:] for row in rows(home)] == ["early", "aaaaa", "bbbbb"]


def test_the_roster_decides_label_and_fallback_zone(home: Home) -> None:
    """A new organisation is in every row; a new zone only where the phone's cannot be used."""
    home.raw.append(
        [changed_session({}), changed_session({"session.created_timezone": None}, session_id="20250310141208_nozon")]
    )
    seen = []
    for user in (sleeper(USER_ID, "first", "Asia/Seoul"), sleeper(USER_ID, "second", "America/New_York")):
        follow(home, user)
        build(home)
        seen.append([(row["org_id"], row["timezone"], row["night_of"].isoformat()) for row in rows(home)])
    assert seen == [
        [("first", "Asia/Seoul", "2025-03-10"), ("first", "Asia/Seoul", "2025-03-10")],
        [("second", "Asia/Seoul", "2025-03-10"), ("second", "America/New_York", "2025-03-09")],
    ]


def test_who_is_not_on_the_roster_keeps_the_label_of_the_document(home: Home) -> None:
    """Data already pulled stays, in UTC where the phone's zone cannot be used."""
    home.raw.append([changed_session({"session.created_timezone": "nowhere"})])
    build(home)
    assert [(row["org_id"], row["timezone"]) for row in rows(home)] == [("raw-org", "UTC")]


def test_violated_identities_are_counted_and_cost_no_row(home: Home) -> None:
    """Two sessions with a wrong efficiency, one of them with a wrong latency too."""
    wrong = {"stat.sleep_efficiency": 0.1}
    home.raw.append(
        [
            changed_session(wrong, session_id="20250310141208_one11"),
            changed_session({**wrong, "stat.light_latency": 30}, session_id="20250310141208_two22"),
            changed_session({}, session_id="20250310141208_right"),
        ]
    )
    built = build_sleep_sessions(home, PARTITION)
    names = {identity.name for identity in IDENTITIES}
    assert {name: count for name, count in built.findings.items() if name in names} == {
        "sleep_efficiency": 2,
        "a_stage_begins_at_onset": 1,
    }
    assert built.rows == 3


def test_a_document_of_another_session_is_refused(home: Home) -> None:
    """Asked for one session and answered with another: the answer would double that one's night."""
    home.raw.append([changed_session({}), session_document(session_id="20250310141208_other")])
    assert figures(build_sleep_sessions(home, PARTITION))[:3] == (2, 1, 1)
    assert [entry.reason for entry in quarantined(home)] == ["other_session"]


@each_table
def test_a_key_that_stands_twice_is_counted(home: Home, table: Table) -> None:
    """The check counts what would be doubled."""
    home.raw.append([changed_session({})])
    assert BUILDS[table.name](home, PARTITION).findings["unique_keys"] == 0
    twice = rows(home, table) * 2
    assert doubled_keys(table, twice)["unique_keys"] == len(twice) // 2 > 0


def test_a_session_that_moved_to_another_date_is_refused_where_it_was(home: Home) -> None:
    """It is not counted under a date it does not belong to."""
    home.raw.append([session_document(day=date(2025, 3, 9)), session_document(day=DAY)])
    assert figures(build_sleep_sessions(home, "2025-03-09"))[:3] == (1, 0, 1)
    assert figures(build_sleep_sessions(home, PARTITION))[:3] == (1, 1, 0)
    assert [entry.reason for entry in quarantined(home)] == ["start_moved"]
