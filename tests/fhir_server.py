"""A real FHIR server (sekmet-fhir, from its own environment) for tests: started on a free port, ended by its pid.

What it does, as tried: update-as-create, conditional update and create, batch and transaction, ``ifMatch`` in entries
(412), versions 1, 2, 3 …, histories, tombstones (410) whose versions go on when the id is written again (201). Every
PUT makes a version, also of equal content. In batches conditional references are stored as they stand; references are
not checked. Answers of entries have absolute locations and ETags, no lastModified. It validates with fhir.resources
(400). A deletion never fails, not even of what never was. A transaction that fails answers with the status of the entry
that failed.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

PYTHON = Path(__file__).parents[1] / ".venv" / "oracles" / "fhir-server" / "bin" / "python"
RUNNER = Path(__file__).with_name("fhir_server_runner.py")

_END_S = 10

_CLIENT = httpx.Client(timeout=30, trust_env=False)  # each one that is made reads all certificates of the system


@dataclass(frozen=True)
class RealFhirServer:
    """A running server: ``address`` is its FHIR base, ``pid`` its process."""

    address: str
    pid: int

    def get(self, path: str, **params: str) -> dict[str, Any]:
        """A GET below the base, past our own client: what the server really has."""
        answer = _CLIENT.get(f"{self.address}/{path}", params=params)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json()
        return document

    def count(self, type: str) -> int:
        """How many resources of a type there are."""
        return int(self.get(type, _summary="count")["total"])

    def versions(self, type: str) -> dict[str, int]:
        """How many versions each id of a type has had, tombstones counted."""
        versions: dict[str, int] = {}
        offset, total = 0, 1
        while offset < total:
            page = self.get(f"{type}/_history", _count="1000", _offset=str(offset))
            total, offset = page["total"], offset + 1000
            for entry in page.get("entry", []):
                id = entry["request"]["url"].partition("/")[2] or entry["resource"]["id"]
                versions[id] = versions.get(id, 0) + 1
        return versions


@contextmanager
def running_fhir_server(folder: Path, settings: Mapping[str, Any] | None = None) -> Iterator[RealFhirServer]:
    """A server with its own database in memory; ``settings`` are sekmet's, such as ``server_auth``.

    Fails the test with a reason when it cannot be started.
    """
    if not PYTHON.exists():
        pytest.fail("The FHIR server is not set up: `make oracles` does it, and `make test` does so by itself.")
    folder.mkdir(parents=True, exist_ok=True)
    words = [str(PYTHON), str(RUNNER), json.dumps({"data_dir": str(folder), "db_path": ":memory:", **(settings or {})})]
    complaints = folder / "stderr.txt"
    with (
        complaints.open("wb") as stderr,
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, cwd=folder) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().decode().strip()
            if not address:
                process.wait(_END_S)
                pytest.fail(f"The FHIR server did not start: {complaints.read_text(errors='replace')[-2000:]}")
            yield RealFhirServer(address, process.pid)
        finally:
            process.stdin.close()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
