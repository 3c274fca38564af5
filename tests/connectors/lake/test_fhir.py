"""FHIR files: exactly the lines given, in the layout of bulk data; no lines, no file."""

from pathlib import Path

import pytest

from connectors.lake.fhir import FhirStore
from connectors.lake.publish import DiskUnavailable
from tests.connectors.lake.disks import read_only_folder

NIGHT = "Observation/date=2025-03-10/sleep.ndjson"


def test_a_file_holds_exactly_the_lines_given(tmp_path: Path) -> None:
    """Other lines replace all of the old ones; the same lines touch nothing."""
    store = FhirStore(tmp_path)
    assert store.replace(NIGHT, b'{"id":"a"}\n{"id":"b"}\n')
    assert store.replace(NIGHT, b'{"id":"b"}\n')
    before = (tmp_path / NIGHT).stat()
    assert not store.replace(NIGHT, b'{"id":"b"}\n')
    assert (tmp_path / NIGHT).read_bytes() == b'{"id":"b"}\n'
    assert ((tmp_path / NIGHT).stat().st_ino, (tmp_path / NIGHT).stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )


def test_no_lines_is_no_file(tmp_path: Path) -> None:
    """The last file of a date takes the folder of the date with it; other dates and resources stay."""
    store = FhirStore(tmp_path)
    others = ("Patient.ndjson", "Observation/month=2025-03/average_stats.ndjson")
    for name in (NIGHT, *others):
        store.replace(name, b"{}\n")
    assert store.replace(NIGHT, b"")
    assert not store.replace(NIGHT, b"")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.ndjson")) == sorted(others)
    assert not (tmp_path / NIGHT).parent.exists()


def test_the_last_file_may_go_and_come_back(tmp_path: Path) -> None:
    """A store that became empty can be written again."""
    store = FhirStore(tmp_path / "fhir")
    store.replace("Patient.ndjson", b"{}\n")
    assert store.replace("Patient.ndjson", b"")
    assert store.replace("Patient.ndjson", b"{}\n")


def test_a_read_only_disk_is_told_for_lines_and_for_none() -> None:
    """Replacing and emptying both raise the same plain error."""
    with read_only_folder("Patient.ndjson") as folder:
        for lines in (b"{}\n", b""):
            with pytest.raises(DiskUnavailable, match="Permission denied"):
                FhirStore(folder).replace("Patient.ndjson", lines)
