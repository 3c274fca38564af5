"""How the tests of exporters drive an export to a FHIR server: here, or in children forked from a warm process.

Run as ``python -m tests.exporters.driving`` it is that process: it reads one JSON list of tasks a line, forks a child
for each, lets go of them all at once, and answers one JSON list of exit statuses. A failpoint may kill any child.
"""

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from assets.exports.erasure import ErasureReport, erase
from assets.exports.fhir_files import partitions
from assets.exports.fhir_report import ExportReport, ExportSettings
from assets.exports.fhir_server import export
from connectors.fhir_server.auth import Login, NoLogin
from connectors.fhir_server.bundles import Limits
from connectors.fhir_server.connection import FhirConnection
from connectors.home import Home
from connectors.patience import BreakerTimes, Patience, Retry
from schemas.fhir import code_system, complaints, device, patient, provenance, session_observations
from tests.schemas.fhir.rows import CONTEXT, epochs, night, user


@contextmanager
def one_tls_context() -> Iterator[None]:
    """Have every client use the same TLS context: to read all certificates costs as much as half an export here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx, "create_ssl_context", cache(httpx.create_ssl_context))
        yield


PATIENCE = Patience(Retry(base_s=0, cap_s=0.05, jitter_s=0), answer_s=5, breaker=BreakerTimes(cool_s=0.05))
"""As often as always, with hardly any waiting."""


def connection_to(
    home: Home, address: str, *, entries: int = 100, login: Login | None = None, patience: Patience = PATIENCE
) -> FhirConnection:
    """A server on loopback, with a budget that never binds."""
    return FhirConnection(
        address,
        home.root / "locks" / "fhir.budget",
        login=login or NoLogin(),
        requests_per_second=100_000,
        limits=Limits(entries=entries),
        clock=home.clock,
        patience=patience,
    )


def export_all(home: Home, connection: FhirConnection, **settings: Any) -> ExportReport:
    """Export every partition there is; nothing wanted may be unaccounted for."""
    report = asyncio.run(export(home, connection, partitions(home), ExportSettings("1.0", **settings)))
    assert report.accounted_for, report
    return report


def erase_one(home: Home, connection: FhirConnection, user_id: str) -> ErasureReport:
    """Erase a user."""
    return asyncio.run(erase(home, connection, user_id))


@dataclass(frozen=True)
class Task:
    """An export of a home, or the erasure of a user, in a child; ``failpoint`` kills it there."""

    root: Path
    address: str
    now: datetime
    failpoint: str = ""
    entries: int = 100
    provenance: bool = True
    erase: str = ""

    def words(self) -> dict[str, Any]:
        """The task as JSON."""
        return {**self.__dict__, "root": str(self.root), "now": self.now.isoformat()}

    def run(self) -> None:
        """Do it, in this process."""
        os.environ["NIGHTSHIFT_FAILPOINT"] = self.failpoint
        home = Home(self.root, clock=lambda: self.now)
        connection = connection_to(home, self.address, entries=self.entries)
        if self.erase:
            erase_one(home, connection, self.erase)
        else:
            export_all(home, connection, provenance=self.provenance)


class Warm:
    """Talks to the warm process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def statuses(self, *tasks: Task) -> list[int]:
        """Do these tasks at the same time, each in a child; how each ended (-9: killed)."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([task.words() for task in tasks]) + "\n")
        self._process.stdin.flush()
        statuses: list[int] = json.loads(self._process.stdout.readline())
        return statuses


@contextmanager
def warm_process() -> Iterator[Warm]:
    """A warm process for the length of a ``with``."""
    command = [sys.executable, "-m", "tests.exporters.driving"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        yield Warm(process)
        process.stdin.close()


def main() -> None:
    """Serve lists of tasks until the input ends."""
    rows = night(), epochs()
    for resource in (patient(CONTEXT, user()), device(CONTEXT, "asleep"), *session_observations(CONTEXT, *rows)):
        complaints(resource)  # loads what validates, once for all children
    complaints(code_system(CONTEXT.base))
    complaints(provenance(CONTEXT, [patient(CONTEXT, user())], rows[0]["fetched_at"], "1.0"))
    with one_tls_context():
        httpx.create_ssl_context()
        gc.freeze()  # so that children leave the pages of what is loaded as they are
        _serve()


def _serve() -> None:
    for line in sys.stdin:
        tasks = [
            Task(**words | {"root": Path(words["root"]), "now": datetime.fromisoformat(words["now"])})
            for words in json.loads(line)
        ]
        sys.stdout.write(json.dumps(_statuses(tasks)) + "\n")
        sys.stdout.flush()


def _statuses(tasks: Sequence[Task]) -> list[int]:
    """The exit statuses of these tasks, each in a child; nobody begins before everybody is there."""
    gate, latch = os.pipe()
    children = []
    for task in tasks:
        child = os.fork()
        if child == 0:
            os.close(latch)
            os.read(gate, 1)  # comes back when the last process has closed its latch
            status = 1
            try:
                task.run()
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    os.close(latch)
    os.close(gate)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    main()
