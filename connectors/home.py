"""The home: the one folder that holds everything of a deployment, and the doors to what lies in it.

Knows where things are and with what rights they are made; what is in them is for ``lake``, ``state`` and the warehouse.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import EDQUOT, EIO, ENOSPC
from functools import cached_property
from pathlib import Path
from secrets import token_bytes
from tempfile import TemporaryFile

import sqlalchemy as sa
from filelock import FileLock, Timeout

from connectors.errors import WrongUsage
from connectors.lake.fhir import FhirStore
from connectors.lake.publish import disk_unavailable, publish, sweep_temporaries
from connectors.lake.raw import RawStore
from connectors.lake.tables import LakeStore
from connectors.state.database import State
from schemas.metrics import DEFAULT_BASE

Clock = Callable[[], datetime]

_NOT_THE_SETTING = (EIO, ENOSPC, EDQUOT)
"""What the disk refuses wherever the home lies on it."""


def utc_now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Home:
    """A deployment's folder. ``state_url`` None is ``state.db`` in it; every time of ours comes from ``clock``.

    ``fhir_base`` is the base of every local URI in FHIR resources, ``fhir_stage_intervals`` asks for an Observation of
    each unbroken stage, ``fhir_bed_samples`` for what beds measured and who lay in them.
    """

    root: Path
    state_url: str | None = None
    pseudonym_key: bytes | None = None
    secret_key: bytes | None = None
    fhir_base: str = DEFAULT_BASE
    fhir_stage_intervals: bool = False
    fhir_bed_samples: bool = False
    clock: Clock = utc_now

    def __repr__(self) -> str:
        return "Home(…)"

    def prepare(self) -> None:
        """Make the folder, readable by its owner only, and see that it can be written.

        Raises: WrongUsage; DiskUnavailable if the disk is full or broken.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with TemporaryFile(dir=self.root):
                pass
            for folder in ("raw", "lake", "fhir", "locks", "logs", "dagster"):
                (self.root / folder).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            if error.errno in _NOT_THE_SETTING:
                raise disk_unavailable(error) from None
            reason = error.strerror or type(error).__name__
        else:
            return
        raise WrongUsage(
            f"The home cannot be written ({reason}): set NIGHTSHIFT_HOME to a folder that this user may write."
        )

    def sweep(self) -> None:
        """Remove what killed processes left half written; a warehouse is swept when it is loaded.

        Raises: DiskUnavailable.
        """
        for folder in ("raw", "lake", "fhir"):
            sweep_temporaries(self.root / folder)
        for place in (self.root, self.dagster):
            sweep_temporaries(place, deep=False)

    @cached_property
    def state(self) -> State:
        """Roster, ledger, dirty partitions, quarantine."""
        return State(self.state_url or sa.URL.create("sqlite", database=str(self.root / "state.db")))

    @cached_property
    def raw(self) -> RawStore:
        """Every document as received."""
        return RawStore(self.root / "raw")

    @cached_property
    def lake(self) -> LakeStore:
        """The canonical tables."""
        return LakeStore(self.root / "lake")

    @cached_property
    def fhir(self) -> FhirStore:
        """The NDJSON files."""
        return FhirStore(self.root / "fhir")

    @property
    def logs(self) -> Path:
        """The folder of our own logs."""
        return self.root / "logs"

    @property
    def dagster(self) -> Path:
        """DAGSTER_HOME of this home."""
        return self.root / "dagster"

    @contextmanager
    def lock(self, name: str, *, wait_s: float = -1) -> Iterator[bool]:
        """Hold the lock ``name`` against all processes; True if held. ``wait_s`` 0 tries once, -1 waits for ever.

        Raises: DiskUnavailable.
        """
        lock = FileLock(self.root / "locks" / f"{name}.lock")
        try:
            lock.acquire(timeout=wait_s)
        except Timeout:
            yield False
            return
        except OSError as error:
            raise disk_unavailable(error) from None
        try:
            yield True
        finally:
            lock.release()

    def hold_until_exit(self, name: str) -> bool:
        """Hold the lock ``name`` as long as this process lives, whatever program it becomes; False if another does."""
        descriptor = os.open(self.root / "locks" / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.set_inheritable(descriptor, True)
        return True

    def secret_for_pseudonyms(self) -> bytes:
        """The key of the pseudonyms: from the settings, else made on first use and kept with mode 0600.

        Raises: DiskUnavailable.
        """
        return self._own_key("pseudonym") if self.pseudonym_key is None else self.pseudonym_key

    def secret_for_tokens(self) -> bytes:
        """The secret that seals stored tokens: from the settings, else made on first use and kept with mode 0600.

        Raises: DiskUnavailable.
        """
        return self._own_key("secret") if self.secret_key is None else self.secret_key

    def _own_key(self, name: str) -> bytes:
        path = self.root / f"{name}.key"
        with self.lock(f"{name}-key"):
            if not path.exists():
                publish(path, token_bytes(32), mode=0o600)
            return path.read_bytes()
