"""Raw: what was received comes back to the byte, however it was appended; damage is noticed, never built from."""

import tempfile
import traceback
from datetime import UTC, date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.lake.publish import TEMPORARY
from connectors.lake.raw import NOT_FOUND, CurrentDocument, RawDamaged, RawDocument, RawStore
from tests.connectors.lake.documents import DAY, FETCHED_AT, SESSION_ID, USER_ID, any_document, document

LATER = FETCHED_AT + timedelta(hours=1)
MUCH_LATER = FETCHED_AT + timedelta(days=3)


def the_one(current: list[CurrentDocument]) -> CurrentDocument:
    """The only document."""
    assert len(current) == 1
    return current[0]


@settings(max_examples=40, deadline=None)
@given(body=st.binary(max_size=2000), moment=st.datetimes(timezones=st.just(UTC)))
def test_a_document_comes_back_as_it_was_received(body: bytes, moment: object) -> None:
    """Every field and every byte, whether or not it is text."""
    with tempfile.TemporaryDirectory() as folder:
        received = document(body=body, fetched_at=moment)
        RawStore(Path(folder)).append([received])
        current = the_one(RawStore(Path(folder)).current("asleep", "session", DAY))
    assert current.document == received
    assert (current.revision, current.fetched_at, current.deleted) == (1, moment, False)


def test_a_folder_says_source_kind_and_date_and_no_name_says_who(tmp_path: Path) -> None:
    """Files lie where the contract says, and neither folder nor file is named after a person or a session."""
    RawStore(tmp_path).append([document(), document(document_id="another")])
    paths = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.parent for path in paths] == [Path("asleep/session/date=2025-03-10")]
    assert paths[0].suffix == ".parquet"
    assert not any(mark in str(path) for path in paths for mark in (USER_ID, SESSION_ID, "canary"))


def test_the_same_documents_twice_are_one_file(tmp_path: Path) -> None:
    """A pull that was killed and repeated writes nothing new, in whatever order its documents come."""
    store = RawStore(tmp_path)
    documents = [document(), document(document_id="another"), document(user_id="another")]
    assert store.append(documents) == 1
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert store.append(reversed(documents)) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_nothing_to_append_writes_nothing(tmp_path: Path) -> None:
    """An empty pull leaves no file and no folder, and reading what was never written gives nothing."""
    store = RawStore(tmp_path / "raw")
    assert store.append([]) == 0
    assert not (tmp_path / "raw").exists()
    assert store.current("asleep", "session", DAY) == []
    assert store.dates("asleep", "session") == []


def test_a_document_with_other_content_is_a_new_revision(tmp_path: Path) -> None:
    """The newest content counts, with its own bytes and time; the old bytes stay on disk."""
    store = RawStore(tmp_path)
    store.append([document(body=b"old")])
    store.append([document(body=b"new", content_hash="hash of version 2", fetched_at=LATER)])
    current = the_one(store.current("asleep", "session", DAY))
    assert (current.document.body, current.revision, current.fetched_at) == (b"new", 2, LATER)
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


def test_the_same_content_fetched_again_is_the_same_revision(tmp_path: Path) -> None:
    """What counts stays what was received first: a later fetch of the same content changes nothing downstream."""
    store = RawStore(tmp_path)
    store.append([document(body=b"in zone UTC")])
    store.append([document(body=b"in another zone", fetched_at=LATER)])
    current = the_one(store.current("asleep", "session", DAY))
    assert (current.document.body, current.revision, current.fetched_at) == (b"in zone UTC", 1, FETCHED_AT)


def test_a_tombstone_deletes_and_a_return_revives(tmp_path: Path) -> None:
    """After a 404 a document is deleted; when the vendor has it again it is there again, as a newer revision."""
    store = RawStore(tmp_path)
    store.append([document()])
    store.append([document(status=NOT_FOUND, content_hash="tombstone", body=b"gone", fetched_at=LATER)])
    gone = the_one(store.current("asleep", "session", DAY))
    assert (gone.deleted, gone.revision) == (True, 2)
    store.append([document(fetched_at=MUCH_LATER)])
    back = the_one(store.current("asleep", "session", DAY))
    assert (back.deleted, back.revision, back.fetched_at) == (False, 3, MUCH_LATER)


def test_documents_of_other_dates_kinds_and_sources_stay_apart(tmp_path: Path) -> None:
    """Reading a date gives that date, kind and source only; reading all dates gives the newest of each document."""
    store = RawStore(tmp_path)
    next_day = DAY + timedelta(days=1)
    store.append(
        [
            document(body=b"first"),
            document(body=b"second", date=next_day, content_hash="hash of version 2", fetched_at=LATER),
            document(body=b"statistics", document="average_stats"),
            document(body=b"elsewhere", source="other"),
        ]
    )
    assert the_one(store.current("asleep", "session", DAY)).document.body == b"first"
    assert the_one(store.current("asleep", "session", next_day)).document.body == b"second"
    newest = the_one(store.current_of_all_dates("asleep", "session"))
    assert (newest.document.body, newest.document.date, newest.revision) == (b"second", next_day, 2)
    assert store.dates("asleep", "session") == [DAY, next_day]
    assert store.dates("asleep", "user") == []


def test_current_documents_come_in_the_order_of_user_and_document(tmp_path: Path) -> None:
    """The order does not depend on when or in which file they came."""
    store = RawStore(tmp_path)
    ids = [("b", "2"), ("a", "9"), ("b", "1"), ("a", "10")]
    for user_id, document_id in ids:
        store.append([document(user_id=user_id, document_id=document_id)])
    found = [
        (current.document.user_id, current.document.document_id) for current in store.current("asleep", "session", DAY)
    ]
    assert found == sorted(ids)


def expected(documents: list[RawDocument]) -> list[tuple[RawDocument, int]]:
    """What counts of a history and its revision, told without the store: the start of the last run of one content."""
    found = []
    for who in sorted({(d.user_id, d.document_id) for d in documents}):
        history = [d for d in documents if (d.user_id, d.document_id) == who]
        history.sort(key=lambda d: (d.fetched_at, d.content_hash, d.status, d.body))
        runs = [[history[0]]]
        for version in history[1:]:
            if version.content_hash == runs[-1][-1].content_hash:
                runs[-1].append(version)
            else:
                runs.append([version])
        found.append((runs[-1][0], len(runs)))
    return found


@settings(max_examples=80, deadline=None)
@given(st.lists(any_document(), min_size=1, max_size=12), st.data())
def test_what_counts_does_not_depend_on_how_documents_were_appended(
    documents: list[RawDocument], data: st.DataObject
) -> None:
    """In any order, in any number of appends, even twice: the same current documents with the same revisions."""
    shuffled = data.draw(st.permutations(documents))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(documents)), max_size=4)))
    with tempfile.TemporaryDirectory() as folder:
        store = RawStore(Path(folder))
        for start, end in zip([0, *cuts], [*cuts, len(documents)], strict=True):
            store.append(shuffled[start:end])
        store.append(documents[: data.draw(st.integers(0, len(documents)))])
        found = store.current("asleep", "session", DAY)
    assert [(current.document, current.revision) for current in found] == expected(documents)
    assert all(current.fetched_at == current.document.fetched_at for current in found)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damaged_byte_is_noticed(data: st.DataObject) -> None:
    """Wherever a file is damaged or cut, reading stops and names the file, the kind and the date, and nobody."""
    with tempfile.TemporaryDirectory() as folder:
        store = RawStore(Path(folder))
        store.append([document(), document(document_id="another", body=bytes(range(256)))])
        (path,) = Path(folder).rglob("*.parquet")
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[place] ^= data.draw(st.integers(1, 255))
        else:
            del content[place:]
        path.write_bytes(content)
        with pytest.raises(RawDamaged) as damaged:
            store.current("asleep", "session", DAY)
    assert str(damaged.value) == (
        f"A raw file of session on 2025-03-10 is damaged on disk ({path.name}): run `nightshift repair`, or "
        "restore that file from a copy; nothing was built from it."
    )
    assert "canary" not in "".join(traceback.format_exception(damaged.value)).lower()


def test_what_a_killed_process_left_is_not_read(tmp_path: Path) -> None:
    """A temporary in the folder of a date is no document."""
    store = RawStore(tmp_path)
    store.append([document()])
    (path,) = tmp_path.rglob("*.parquet")
    path.with_name(f"{TEMPORARY}1-{path.name}").write_bytes(b"half")
    assert the_one(store.current("asleep", "session", DAY)).document == document()


@pytest.mark.parametrize("day", [date(1970, 1, 1), date(2024, 2, 29), date(9999, 12, 31)])
def test_any_date_finds_its_documents_again(tmp_path: Path, day: date) -> None:
    """The date of the folder is the date of the document."""
    RawStore(tmp_path).append([document(date=day)])
    assert RawStore(tmp_path).dates("asleep", "session") == [day]
    assert the_one(RawStore(tmp_path).current("asleep", "session", day)).document.date == day


def test_a_document_does_not_show_who_it_is_about() -> None:
    """Its repr, and that of its current version, hold no id and no content."""
    shown = repr(CurrentDocument(document(body=b"canary"), 1, FETCHED_AT))
    assert shown.startswith("CurrentDocument(document=RawDocument(document=session, date=2025-03-10, status=200)")
    assert not any(mark in shown for mark in (USER_ID, SESSION_ID, "canary"))
