"""Damaged raw files: all are found, what can be read is told apart from what cannot, and evidence is kept."""

from datetime import timedelta
from pathlib import Path

import pytest

from connectors.lake.damage import DamagedFile, find_damaged, keep_evidence, set_aside
from connectors.lake.publish import DiskUnavailable
from connectors.lake.raw import RawDamaged, RawStore
from tests.connectors.lake.disks import read_only_folder
from tests.connectors.lake.documents import DAY, SESSION_ID, USER_ID, document

NEXT = DAY + timedelta(days=1)
NEVER = DAY + timedelta(days=300)


def damage(path: Path, bit: int = 2) -> bytes:
    """Flip a bit in the middle of a file; the bytes it has now."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1 << bit
    path.write_bytes(content)
    return bytes(content)


def filled(root: Path) -> RawStore:
    """Two files of one date, one each of another date and kind."""
    store = RawStore(root)
    store.append([document(), document(date=NEXT), document(document="user")])
    store.append([document(document_id="another")])
    return store


def test_every_damaged_file_of_the_dates_is_found_and_no_other(tmp_path: Path) -> None:
    """Whatever its kind; a sound home has none; dates outside are not looked at."""
    store = filled(tmp_path)
    assert find_damaged(store, DAY, NEVER) == []
    (user,) = tmp_path.glob("asleep/user/*/*.parquet")
    first = sorted(tmp_path.glob(f"asleep/session/date={DAY}/*.parquet"))[0]
    (later,) = tmp_path.glob(f"asleep/session/date={NEXT}/*.parquet")
    for path in (user, first, later):
        damage(path)
    found = find_damaged(store, DAY, NEVER)
    assert found == [
        DamagedFile("asleep", "session", DAY, first),
        DamagedFile("asleep", "session", NEXT, later),
        DamagedFile("asleep", "user", DAY, user),
    ]
    assert find_damaged(store, NEXT, NEVER) == found[1:2]
    assert str(found[0]) == f"session, {DAY}, {first.name}"
    assert not any(mark in str(found) for mark in (USER_ID, SESSION_ID))


def test_only_what_can_be_read_is_readable(tmp_path: Path) -> None:
    """The other file's document is given to a repair; everybody else is refused the whole date."""
    store = filled(tmp_path)
    damage(next(p for p in tmp_path.glob(f"asleep/session/date={DAY}/*") if b"another" not in p.read_bytes()))
    assert [c.document.document_id for c in store.readable("asleep", "session", DAY)] == ["another"]
    assert [c.document.document_id for c in store.readable_of_all_dates("asleep", "session")] == [SESSION_ID, "another"]
    for read in (store.current, store.versions):
        with pytest.raises(RawDamaged):
            read("asleep", "session", DAY)


def test_a_file_set_aside_is_kept_beside_and_not_read(tmp_path: Path) -> None:
    """Byte by byte, under another name; a second one of that name gets a name of its own."""
    store = RawStore(tmp_path)
    for seen in range(2):
        store.append([document()])
        (path,) = tmp_path.rglob("*.parquet")
        evidence = damage(path, seen)
        (found,) = find_damaged(store, DAY, DAY)
        place = keep_evidence(found)
        assert keep_evidence(found) == place  # a repair that was killed and is run again
        assert path.exists()
        set_aside(found, place)
        assert (place.parent, place.read_bytes(), path.exists()) == (path.parent, evidence, False)
    assert store.current("asleep", "session", DAY) == []
    assert find_damaged(store, DAY, DAY) == []
    assert sorted(kept.name for kept in path.parent.iterdir()) == [f"{path.name}.damaged", f"{path.name}.damaged1"]


def test_a_file_that_was_written_again_stays_and_its_evidence_too(tmp_path: Path) -> None:
    """The same documents have the same file: appended again, it is whole, and nobody moves it away."""
    store = RawStore(tmp_path)
    store.append([document()])
    (path,) = tmp_path.rglob("*.parquet")
    evidence = damage(path)
    (found,) = find_damaged(store, DAY, DAY)
    place = keep_evidence(found)
    store.append([document()])
    set_aside(found, place)
    assert [current.document for current in store.current("asleep", "session", DAY)] == [document()]
    assert place.read_bytes() == evidence


def test_a_disk_that_refuses_is_told_in_one_sentence() -> None:
    """No traceback, no path of a person; the file is where it was."""
    with read_only_folder("a.parquet") as folder:
        file = DamagedFile("asleep", "session", DAY, folder / "a.parquet")
        with pytest.raises(DiskUnavailable, match="Cannot write to the home"):
            keep_evidence(file)
        with pytest.raises(DiskUnavailable, match="cannot be set aside"):
            set_aside(file, folder / "b")
        assert [path.name for path in folder.iterdir()] == ["a.parquet"]
