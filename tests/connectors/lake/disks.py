"""Disks that refuse: a folder nobody may write to, and a disk with no room left. Both real, whoever runs the tests."""

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def read_only_folder(*files: str) -> Iterator[Path]:
    """A folder with these (empty) files that this process may read but not change, even if it is root's."""
    folder = Path(tempfile.mkdtemp())
    for name in files:
        (folder / name).touch()
    folder.chmod(0o555)
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        if was_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


@contextmanager
def full_disk(room_bytes: int) -> Iterator[None]:
    """No file can grow beyond ``room_bytes``."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
