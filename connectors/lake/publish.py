"""Publishing an object: the one place that writes files of raw, lake and fhir, so that an object store can replace it.

An object appears whole or not at all (temporary file, fsync, rename, fsync of the folder). An object whose bytes are
already there is left alone, so that a run with nothing new touches nothing.
"""

import os
from pathlib import Path

from connectors.errors import NightshiftError
from connectors.failpoints import failpoint

TEMPORARY = ".tmp-"


class DiskUnavailable(NightshiftError):
    """The home cannot be written: full, read-only or gone."""


def publish(path: Path, content: bytes) -> bool:
    """Make ``path`` hold exactly ``content``, durably; False if it already did.

    Raises: DiskUnavailable.
    """
    try:
        if _holds(path, content):
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name}")
        try:
            _write_durably(temporary, content)
            failpoint("publish.written")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        failpoint("publish.renamed")
        _sync_folder(path.parent)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        return True
    raise DiskUnavailable(
        f"Cannot write to the home ({reason}): make room or check the permissions of NIGHTSHIFT_HOME, then run again."
    )


def retract(path: Path) -> bool:
    """Make sure that there is no object at ``path``; False if there was none."""
    if not path.exists():
        return False
    path.unlink(missing_ok=True)
    _sync_folder(path.parent)
    if not any(path.parent.iterdir()):
        path.parent.rmdir()
    return True


def sweep_temporaries(folder: Path) -> int:
    """Remove what killed processes left half written; files of living processes stay. Gives the number removed."""
    removed = 0
    for path in folder.rglob(f"{TEMPORARY}*"):
        pid = path.name.removeprefix(TEMPORARY).partition("-")[0]
        if not (pid.isdigit() and is_running(int(pid))):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def is_running(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except FileNotFoundError:
        return False


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
