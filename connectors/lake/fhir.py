"""FHIR files: NDJSON by resource type in the layout of bulk data; no resources means no file."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from connectors.failpoints import failpoint
from connectors.lake.publish import publish, retract


class FhirStore:
    """The NDJSON files under ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def replace(self, name: str, ndjson: bytes) -> bool:
        """Make the file ``name`` (such as ``Observation/date=2026-11-22/sleep.ndjson``) hold exactly these lines.

        False if it already did. Raises: DiskUnavailable.
        """
        path = self._root / name
        if not ndjson:
            return retract(path)
        changed = publish(path, ndjson)
        failpoint("fhir.replaced")
        return changed

    def folders(self) -> list[str]:
        """The partitions there are Observations of, ``date=YYYY-MM-DD`` and ``month=YYYY-MM``, in order."""
        return sorted(path.name for path in (self._root / "Observation").glob("*=*") if path.is_dir())

    def observations(self, folder: str) -> Iterator[bytes]:
        """The lines of a partition's Observations."""
        return self._lines(self._of_folder(folder))

    def people(self) -> Iterator[bytes]:
        """The lines of all Patients and Devices."""
        return self._lines(self._of_people())

    def mark_of_folder(self, folder: str) -> str:
        """A mark that changes whenever a file of the partition is replaced; nothing is read for it."""
        return _mark(self._of_folder(folder))

    def mark_of_people(self) -> str:
        """The same of Patients and Devices."""
        return _mark(self._of_people())

    def _of_folder(self, folder: str) -> list[Path]:
        return sorted((self._root / "Observation" / folder).glob("*.ndjson"))

    def _of_people(self) -> list[Path]:
        return [path for path in (self._root / "Patient.ndjson", self._root / "Device.ndjson") if path.exists()]

    def _lines(self, paths: list[Path]) -> Iterator[bytes]:
        for path in paths:
            yield from path.read_bytes().splitlines()


def _mark(paths: list[Path]) -> str:
    stats = [path.stat() for path in paths]
    marks = " ".join(f"{stat.st_ino} {stat.st_mtime_ns} {stat.st_size}" for stat in stats)
    return sha256(marks.encode()).hexdigest()[:24]
