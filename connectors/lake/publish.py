"""Publishing an object: the one place that writes files of raw, lake and fhir, so that an object store can replace it.

An object appears whole or not at all (temporary file, fsync, rename, fsync of the folder). An object whose bytes are
already there is left alone, so that a run with nothing new touches nothing.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, ENOSPC
from pathlib import Path

from connectors.errors import NightshiftError
from connectors.failpoints import failpoint

TEMPORARY = ".tmp-"


class DiskUnavailable(NightshiftError):
    """The home cannot be written or read: full, read-only, broken or gone."""


def disk_unavailable(error: OSError, doing: str = "write to") -> DiskUnavailable:
    """What the operating system refused, in one sentence without a path; ``doing`` is what was tried with the home."""
    if error.errno in (ENOSPC, EDQUOT):
        return DiskUnavailable("The disk is full: make room on the disk of NIGHTSHIFT_HOME, then run again.")
    reason = error.strerror or type(error).__name__
    return DiskUnavailable(
        f"Cannot {doing} the home ({reason}): make room or check the permissions of NIGHTSHIFT_HOME, then run again."
    )


def publish(path: Path, content: bytes, *, mode: int = 0o666) -> bool:
    """Make ``path`` hold exactly ``content``, durably; False if it already did. ``mode`` is for a new file.

    Raises: DiskUnavailable.
    """
    with _plain_errors():
        if _holds(path, content):
            # Whoever put it there may have died before its name was durable.
            _sync_folder(path.parent)
            return False
        _make_folder(path.parent)
        temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{threading.get_ident()}-{path.name}")
        try:
            _write_durably(temporary, content, mode)
            failpoint("publish.written")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        failpoint("publish.renamed")
        _sync_folder(path.parent)
        return True


def retract(path: Path) -> bool:
    """Make sure that there is no object at ``path``; False if there was none.

    Raises: DiskUnavailable.
    """
    with _plain_errors():
        if not path.exists():
            return False
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)
        with suppress(OSError):
            path.parent.rmdir()  # a folder that holds something stays
        return True


def sweep_temporaries(folder: Path, *, deep: bool = True) -> int:
    """Remove what killed processes left half written; files of living processes stay. Gives the number removed.

    ``deep`` is with all folders below. Raises: DiskUnavailable.
    """
    removed = 0
    with _plain_errors():
        for parent, folders, names in os.walk(folder):
            if not deep:
                folders.clear()
            for name in names:
                if name.startswith(TEMPORARY) and not _belongs_to_the_living(name):
                    Path(parent, name).unlink(missing_ok=True)
                    removed += 1
    return removed


def is_running(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise disk_unavailable(error) from None


def _belongs_to_the_living(temporary: str) -> bool:
    pid = temporary.removeprefix(TEMPORARY).partition("-")[0]
    return pid.isdecimal() and is_running(int(pid))


def _make_folder(folder: Path) -> None:
    # A folder that is new is durable only when its parent is.
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync_folder(folder.parent)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except FileNotFoundError:
        return False


def _write_durably(path: Path, content: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
