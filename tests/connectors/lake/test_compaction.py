"""Compaction: fewer files, the same documents to the last field, whatever happens in between."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.lake.compaction import NotCompactable, compact
from connectors.lake.publish import DiskUnavailable
from connectors.lake.raw import RawDocument, RawFolder, RawStore, file_name
from tests.connectors.lake.disks import full_disk
from tests.connectors.lake.documents import DAY, FETCHED_AT, any_document, document
from tests.connectors.lake.test_damage import damage

NEXT = DAY + timedelta(days=1)


def files(root: Path) -> dict[str, bytes]:
    """Every file with its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def some_documents(number: int) -> list[RawDocument]:
    """Documents of three sessions, each with a tombstone or a new version now and then."""
    return [
        document(
            document_id=f"session {count % 3}",
            content_hash=f"hash {count % 5}",
            fetched_at=FETCHED_AT + timedelta(minutes=count),
            body=bytes([count]) * 50,
            reason="re_analysed" if count % 2 else None,
        )
        for count in range(number)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(any_document(), min_size=1, max_size=12), st.data())
def test_the_same_documents_and_versions_in_one_file(documents: list[RawDocument], data: st.DataObject) -> None:
    """However they were appended, even twice: one file, whose bytes are those of one append; again changes nothing."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(documents)), max_size=5)))
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        store = RawStore(Path(folder))
        for start, end in zip([0, *cuts], [*cuts, len(documents)], strict=True):
            store.append(documents[start:end])
        before = store.versions("asleep", "session", DAY), store.current("asleep", "session", DAY)
        number = len(files(Path(folder)))
        found = compact(store, NEXT)
        assert (found.files_before, found.files_after) == (number, 1)
        assert (store.versions("asleep", "session", DAY), store.current("asleep", "session", DAY)) == before
        whole = files(Path(folder))
        if number > 1:
            RawStore(Path(other)).append(set(documents))
            assert whole == files(Path(other))
        assert found.bytes_after == sum(map(len, whole.values()))
        compact(store, NEXT)
        assert files(Path(folder)) == whole


def test_open_dates_and_single_files_are_left_alone(tmp_path: Path) -> None:
    """Only dates before the given one, each source and kind by itself; what is one file already is not touched."""
    store = RawStore(tmp_path)
    for body in (b"one", b"two"):
        store.append(
            [
                document(body=body),
                document(body=body, date=NEXT),
                document(body=body, document="user"),
                document(body=body, source="other"),
            ]
        )
    store.append([document(document="session_list")])
    (single,) = tmp_path.glob("asleep/session_list/*/*")
    mark = single.stat()
    found = compact(store, NEXT)
    assert (found.days, found.files_before, found.files_after) == (4, 7, 4)
    assert [len(list(folder.path.iterdir())) for folder in store.folders()] == [1, 2, 1, 1, 1]
    assert (single.stat().st_ino, single.stat().st_mtime_ns) == (mark.st_ino, mark.st_mtime_ns)


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    """Files and bytes beforehand are what they are afterwards."""
    store = RawStore(tmp_path)
    for one in some_documents(9):
        store.append([one])
    before = files(tmp_path)
    expected = compact(store, NEXT, dry_run=True)
    assert files(tmp_path) == before
    assert compact(store, NEXT) == expected
    assert (expected.files_before, expected.files_after) == (9, 1)
    assert expected.bytes_before == sum(map(len, before.values()))
    assert expected.bytes_after == sum(map(len, files(tmp_path).values()))


def test_a_date_with_a_damaged_file_stays_as_it_is(tmp_path: Path) -> None:
    """Nothing is merged there, and the file is named; other dates are compacted."""
    store = RawStore(tmp_path)
    for one in some_documents(4):
        store.append([one])
        store.append([document(date=NEXT, body=one.body)])
    first = sorted(tmp_path.glob(f"asleep/session/date={DAY}/*"))[0]
    damage(first)
    before = files(tmp_path)
    found = compact(store, NEXT + timedelta(days=1))
    assert [file.path for file in found.damaged] == [first]
    after = files(tmp_path)
    assert {name: content for name, content in after.items() if str(DAY) in name} == {
        name: content for name, content in before.items() if str(DAY) in name
    }
    assert len(after) == 5


def test_what_a_newer_release_keeps_is_not_thrown_away(tmp_path: Path) -> None:
    """A column that is not known here stops the compaction before a file is gone."""
    store = RawStore(tmp_path)
    store.append([document()])
    (path,) = tmp_path.rglob("*.parquet")
    newer = BytesIO()
    pq.write_table(pq.read_table(path, partitioning=None).append_column("mood", pa.array(["good"])), newer)
    path.with_name(file_name(newer.getvalue())).write_bytes(newer.getvalue())
    before = files(tmp_path)
    with pytest.raises(NotCompactable, match="newer Nightshift"):
        compact(store, NEXT)
    assert files(tmp_path) == before


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """The old files are all there, and nothing half written is."""
    store = RawStore(tmp_path)
    for one in some_documents(6):
        store.append([one])
    before = files(tmp_path)
    with full_disk(100), pytest.raises(DiskUnavailable):
        compact(store, NEXT)
    assert files(tmp_path) == before


CHILD = """
import sys
from datetime import date
from pathlib import Path
from connectors.lake.compaction import compact
from connectors.lake.raw import RawStore
compact(RawStore(Path(sys.argv[1])), date.max)
"""


@pytest.mark.parametrize("failpoint", ["publish.written", "compaction.merged", "compaction.removed:2"])
def test_killed_anywhere_and_run_again_nothing_is_lost_and_nothing_twice(failpoint: str, tmp_path: Path) -> None:
    """While old files lie beside the new one everything reads the same; the next compaction clears them away."""
    store = RawStore(tmp_path)
    for one in some_documents(6):
        store.append([one])
    before = store.versions("asleep", "session", DAY)
    env = {**os.environ, "NIGHTSHIFT_FAILPOINT": failpoint}
    killed = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(files(tmp_path)) > 1
    assert store.versions("asleep", "session", DAY) == before
    store.append([document(document_id="late", body=b"appended in between")])
    compact(store, NEXT)
    names = [name for name in files(tmp_path) if ".tmp-" not in name]
    assert len(names) == 1
    after = store.versions("asleep", "session", DAY)
    assert [versions for versions in after if versions[0].document.document_id != "late"] == before
    assert len(after) == len(before) + 1


@pytest.mark.parametrize("shown", [slice(0, 0), slice(0, 1), slice(0, 3)], ids=["nothing", "half", "all"])
def test_a_listing_into_which_a_compaction_falls_is_not_believed(
    shown: slice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that is listed while its files are merged may show some old files, or none, and not yet the new one."""
    store = RawStore(tmp_path)
    for one in some_documents(3):
        store.append([one])
    before = store.current("asleep", "session", DAY)
    listed = RawFolder.files

    def torn(folder: RawFolder) -> list[Path]:
        monkeypatch.setattr(RawFolder, "files", listed)
        paths = folder.files()
        compact(store, NEXT)
        return paths[shown]

    monkeypatch.setattr(RawFolder, "files", torn)
    assert store.current("asleep", "session", DAY) == before


def test_readers_and_appends_beside_compactions_see_every_document(tmp_path: Path) -> None:
    """A reader sees at least what was appended before it began, although files come and go under it."""
    store, appended, rounds = RawStore(tmp_path), [0], 60
    stop = threading.Event()
    failures: list[BaseException] = []

    def repeat(step: Callable[[], None]) -> None:
        try:
            while not stop.is_set():
                step()
        except BaseException as error:
            failures.append(error)

    def read() -> None:
        at_least = appended[0]
        assert len(store.current("asleep", "session", DAY)) >= at_least

    def merge() -> None:
        compact(store, NEXT)

    threads = [threading.Thread(target=repeat, args=(step,)) for step in (read, read, merge)]
    for thread in threads:
        thread.start()
    for number in range(rounds):
        store.append([document(document_id=f"session {number}")])
        appended[0] = number + 1
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.current("asleep", "session", DAY)) == rounds
