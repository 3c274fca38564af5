"""FHIR resources for a bulk import: one NDJSON file a resource type, cut to size, with a manifest. Nothing is sent.

The manifest has the form of the answer of bulk data exports (https://hl7.org/fhir/uv/bulkdata/export.html), so that
importers that read that read this.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from assets.exports.fhir_files import Wanted, partitions, wanted_of
from connectors.errors import WrongUsage
from connectors.home import Home
from connectors.lake.publish import publish
from schemas.fhir import complaints

MANIFEST = "manifest.json"

MOST_RESOURCES = 20_000
"""Resources of a file: servers that import take files of about this size best."""

ORDER = ("CodeSystem", "Device", "Patient", "Observation")
"""Importers that check references want the targets first."""


@dataclass(slots=True)
class BulkFiles:
    """What was written: the files with type and count, how many resources, how many were left out as not valid."""

    made_at: datetime
    files: list[dict[str, Any]] = field(default_factory=list)
    invalid: int = 0

    @property
    def resources(self) -> int:
        """How many resources are in all files."""
        return sum(file["count"] for file in self.files)

    def summary(self) -> dict[str, Any]:
        """The counts, for ``--json``."""
        return {"resources": self.resources, "files": len(self.files), "invalid": self.invalid}

    def manifest(self) -> dict[str, Any]:
        """The manifest: which file holds resources of which type."""
        return {
            "transactionTime": self.made_at.isoformat(),
            "request": "nightshift export fhir --bulk",
            "requiresAccessToken": False,
            "output": self.files,
            "error": [],
        }


def write_bulk(home: Home, folder: Path, first: date | None = None, last: date | None = None) -> BulkFiles:
    """Write every resource of the home, or of these inclusive UTC dates, into an empty folder; the manifest last.

    Each resource is validated; one that is not valid is left out and counted. Raises: WrongUsage, DiskUnavailable.
    """
    _check_empty(folder)
    names = partitions(home, first, last)
    written = BulkFiles(home.clock())
    for resource_type in ORDER:
        lines: list[bytes] = []
        for line in _valid_lines(home, names, resource_type, written):
            lines.append(line)
            if len(lines) == MOST_RESOURCES:
                _write(folder, resource_type, lines, written)
                lines = []
        if lines:
            _write(folder, resource_type, lines, written)
    publish(folder / MANIFEST, orjson.dumps(written.manifest(), option=orjson.OPT_INDENT_2))
    return written


def _valid_lines(home: Home, names: list[str], resource_type: str, written: BulkFiles) -> Iterator[bytes]:
    of_people = resource_type != "Observation"
    for name in names:
        if of_people != (name == names[0]):
            continue
        for one in _of_type(wanted_of(home, name).values(), resource_type):
            if complaints(one.resource):
                written.invalid += 1
            else:
                yield orjson.dumps(one.resource)


def _of_type(wanted: Any, resource_type: str) -> Iterator[Wanted]:
    return (one for one in wanted if one.resource["resourceType"] == resource_type)


def _write(folder: Path, resource_type: str, lines: list[bytes], written: BulkFiles) -> None:
    number = 1 + sum(file["type"] == resource_type for file in written.files)
    name = f"{resource_type}.{number}.ndjson"
    content = b"\n".join(lines) + b"\n"
    publish(folder / name, content)
    digest = sha256(content).hexdigest()
    written.files.append({"type": resource_type, "url": name, "count": len(lines), "sha256": digest})


def _check_empty(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        empty = not any(folder.iterdir())
    except OSError as error:
        raise WrongUsage(f"--bulk: the folder cannot be used ({error.strerror}): name another one.") from None
    if not empty:
        raise WrongUsage("--bulk: the folder is not empty, and an import would take all of it: name a new one.")
