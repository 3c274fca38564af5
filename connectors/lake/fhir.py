"""FHIR files: NDJSON by resource type in the layout of bulk data; no resources means no file."""

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
