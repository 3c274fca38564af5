"""Raw documents that move to another date: one history, read under the date of its newest version and no other."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.lake.compaction import compact
from connectors.lake.raw import NOT_FOUND, RawDamaged, RawDocument, RawStore, moved
from tests.connectors.lake.documents import DAY, FETCHED_AT, document
from tests.connectors.lake.test_damage import damage

DAYS = [DAY + timedelta(days=number) for number in range(3)]
NEXT = DAYS[1]
AFTER_ALL = date(2099, 1, 1)


def version(number: int, day: date, **changes: object) -> RawDocument:
    """The document's version of that number, an hour after the one before."""
    later = FETCHED_AT + timedelta(hours=number)
    return document(**{"date": day, "content_hash": f"hash {number}", "fetched_at": later, **changes})


def move(number: int, was: date, now: date) -> list[RawDocument]:
    """That version under another date, and the note that belongs to it."""
    arrived = version(number, now, known_revision=number)
    return [*moved(arrived, was), arrived]


def read(store: RawStore, day: date) -> list[tuple[date, int]]:
    """The versions read under a date, as the date they lie under and their revision."""
    return [
        (found.document.date, found.revision)
        for versions in store.versions("asleep", "session", day)
        for found in versions
    ]


def test_a_moved_document_is_read_under_its_new_date_with_all_its_versions(tmp_path: Path) -> None:
    """Under the old one it is not read any more; the note is no version."""
    store = RawStore(tmp_path)
    store.append([version(1, DAY), document(document_id="another")])
    store.append(move(2, DAY, NEXT))
    assert read(store, NEXT) == [(DAY, 1), (NEXT, 2)]
    assert [found.document.document_id for found in store.current("asleep", "session", DAY)] == ["another"]
    assert store.dates_beside("asleep", "session", DAY) == {NEXT}
    newest = [found.document for found in store.current_of_all_dates("asleep", "session")]
    assert sorted(found.date for found in newest) == [DAY, NEXT]


@pytest.mark.parametrize("written", range(4))
def test_between_any_two_writes_a_document_is_under_one_date(tmp_path: Path, written: int) -> None:
    """The note under either date without the document changes nothing; with it the document has moved."""
    store = RawStore(tmp_path)
    store.append([version(1, DAY)])
    for part in move(2, DAY, NEXT)[:written]:
        store.append([part])
    assert [bool(read(store, day)) for day in (DAY, NEXT)] == [written < 3, written == 3]


def test_notes_are_durable_before_the_documents_that_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where two documents change places, so that each date has a note and a newcomer."""
    passed: list[list[tuple[date, str]]] = []
    store = RawStore(tmp_path)

    def look(_: str) -> None:
        day_files = [(folder.date, path) for folder in store.folders() for path in folder.files()]
        passed.append([(day, path.name) for day, path in day_files])

    monkeypatch.setattr("connectors.lake.raw.failpoint", look)
    other = [replace(part, document_id="another") for part in move(2, NEXT, DAY)]
    assert store.append([*other, *move(2, DAY, NEXT)]) == 4
    notes = passed[1]
    assert {day for day, _ in notes} == {DAY, NEXT}
    assert set(notes) <= set(passed[-1])
    store = RawStore(tmp_path / "notes alone")
    store.append(part for part in (*other, *move(2, DAY, NEXT)) if part.reason == "moved")
    assert {(folder.date, path.name) for folder in store.folders() for path in folder.files()} == set(notes)


def test_a_tombstone_ends_a_document_wherever_it_lies(tmp_path: Path) -> None:
    """A deletion under a date that the document has left, as after a killed pull, counts when it is the newest."""
    store = RawStore(tmp_path)
    store.append([version(1, DAY), *move(2, DAY, NEXT), version(3, DAY, status=NOT_FOUND)])
    assert read(store, NEXT) == []
    (gone,) = store.current("asleep", "session", DAY)
    assert (gone.deleted, gone.revision) == (True, 3)


def test_the_same_content_under_another_date_is_another_version(tmp_path: Path) -> None:
    """What could not be used where it was may be right where it is now."""
    store = RawStore(tmp_path)
    arrived = version(2, NEXT, content_hash="hash 1")
    store.append([version(1, DAY), *moved(arrived, DAY), arrived])
    assert read(store, NEXT) == [(DAY, 1), (NEXT, 2)]


def test_a_revision_does_not_fall_back_when_the_old_date_is_lost(tmp_path: Path) -> None:
    """The document that moved knows its own."""
    store = RawStore(tmp_path)
    store.append(move(2, DAY, NEXT))
    assert read(store, NEXT) == [(NEXT, 2)]


def test_damage_under_the_other_date_is_not_read_over(tmp_path: Path) -> None:
    """Where a document lies cannot be told then, under neither date; a repair reads what there is."""
    store = RawStore(tmp_path)
    store.append([version(1, DAY)])
    (first,) = tmp_path.rglob("*.parquet")
    store.append(move(2, DAY, NEXT))
    damage(first)
    for day in (DAY, NEXT):
        with pytest.raises(RawDamaged):
            store.current("asleep", "session", day)
    assert [found.revision for found in store.readable("asleep", "session", NEXT)] == [2]


def test_the_notes_of_a_date_are_found_under_the_other_one_too(tmp_path: Path) -> None:
    """So that a repair can put back what one of them has lost."""
    store = RawStore(tmp_path)
    store.append(move(2, DAY, NEXT))
    note = moved(version(2, NEXT), DAY)[1]
    assert store.notes_of_moves("asleep", "session", DAY) == {note, replace(note, date=DAY)}
    assert store.notes_of_moves("asleep", "session", DAYS[2]) == set()


def lives(days: Sequence[date]) -> list[RawDocument]:
    """The documents of one that lay under these dates, one after the other."""
    found = [version(1, days[0])]
    for number, (was, now) in enumerate(pairwise(days), 2):
        found += move(number, was, now) if was != now else [version(number, now)]
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(DAYS), min_size=1, max_size=6), st.data())
def test_any_journey_is_one_history_under_the_last_date(days: list[date], data: st.DataObject) -> None:
    """In whatever order and files it was written, compacted or not: every version once, in order, in one place."""
    documents = data.draw(st.permutations(lives(days)))
    with tempfile.TemporaryDirectory() as folder:
        store = RawStore(Path(folder))
        for each in documents:
            store.append([each])
        if data.draw(st.booleans()):
            compact(store, AFTER_ALL)
        found = {day: read(store, day) for day in DAYS}
    assert found.pop(days[-1]) == [(day, number) for number, day in enumerate(days, 1)]
    assert not any(found.values())
