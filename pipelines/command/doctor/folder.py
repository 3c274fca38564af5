"""The doctor on the home's folder: is it there, can it be written, who else can read it, is there room."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from connectors.transport import origin, parsed
from pipelines.command.doctor.findings import Finding

ENOUGH_DISK_BYTES = 1_000_000_000
"""Room that is enough for any small home."""

NIGHTS_OF_ROOM = 30
"""So many nights more must fit on the disk."""

DATED = ("raw/*/*/date=*", "lake/*/date=*", "fhir/*/date=*")
"""Where a date's files lie."""

OTHERS = 0o007
GROUP = 0o070
PRIVATE_FILES = ("pseudonym.key", "secret.key", "state.db")


def settings_finding(root: Path, base_url: str) -> Finding:
    """Which home and which vendor the settings name. Raises: WrongUsage if the vendor's address is none."""
    where = origin(parsed(base_url, "ASLEEP_BASE_URL"))
    return Finding("settings", True, f"The home is {root}, the vendor is {where}.")


def is_writable(root: Path) -> bool:
    """Whether a file can be made in the home."""
    probe = root / f".tmp-{os.getpid()}-doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def home_findings(root: Path) -> Iterator[Finding]:
    """Whether the home is there and ours alone."""
    if not root.exists():
        yield Finding(
            "home",
            False,
            "The home is not there yet.",
            "Check NIGHTSHIFT_HOME and the folder you are in; nightshift users import FILE.csv makes a new home.",
        )
        return
    if not root.is_dir():
        yield Finding("home", False, "The home is not a folder.", "Set NIGHTSHIFT_HOME to a folder.")
        return
    if is_writable(root):
        yield Finding("home", True, "It can be written.")
    else:
        yield Finding(
            "home",
            False,
            "It cannot be written by this user, so nothing can be pulled or built.",
            "Run as the user who owns it, or make the folder (or its file system) writable.",
        )
    yield _privacy(root)


def disk_finding(root: Path) -> Finding:
    """Free space against what the home grows by in ``NIGHTS_OF_ROOM`` nights."""
    there = next(folder for folder in (root, *root.parents) if folder.is_dir())
    free, needed = shutil.disk_usage(there).free, room_needed(root)
    words = f"{_size(free)} free; {NIGHTS_OF_ROOM} nights more and a copy of the warehouse need {_size(needed)}."
    do = "" if free >= needed else "Make room on this disk, or move the home to a larger one."
    return Finding("disk", free >= needed, words, do)


def room_needed(root: Path) -> int:
    """Bytes that should be free: the newest nights once more, the warehouse's growth, and its copy while it loads."""
    dates: dict[str, int] = {}
    for pattern in DATED:
        for folder in root.glob(pattern):
            size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
            dates[folder.name] = dates.get(folder.name, 0) + size
    newest = sorted(dates)[-NIGHTS_OF_ROOM:]
    files = sum(dates[date] for date in newest) * NIGHTS_OF_ROOM // max(len(newest), 1)
    warehouse = root / "warehouse.duckdb"
    loaded = warehouse.stat().st_size if warehouse.exists() else 0
    grown = loaded * NIGHTS_OF_ROOM // max(len(dates), 1)
    return max(ENOUGH_DISK_BYTES, files + loaded + grown)


def _privacy(root: Path) -> Finding:
    mode = root.stat().st_mode & 0o777
    if mode & OTHERS:
        return Finding(
            "privacy",
            False,
            f"Everybody on this machine can enter the home (mode {mode:04o}); it holds health data.",
            f"chmod -R go-rwx {root}",
        )
    shared = [name for name in PRIVATE_FILES if _group_reads(root / name)] if mode & GROUP else []
    if shared:
        return Finding(
            "privacy",
            False,
            f"The group can read {' and '.join(shared)}, which tells who is behind a pseudonym.",
            f"cd {root} && chmod go-rwx {' '.join(shared)}",
        )
    who = "its owner and the group" if mode & GROUP else "its owner"
    return Finding("privacy", True, f"Only {who} can enter the home (mode {mode:04o}).")


def _group_reads(file: Path) -> bool:
    return file.exists() and bool(file.stat().st_mode & GROUP)


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
