"""A disk that is not waited for: a process that is killed loses nothing by it, only lost power would."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import event
from sqlalchemy.pool import Pool


@contextmanager
def unawaited_disk() -> Iterator[None]:
    """Neither files nor the state database are waited for within the block."""
    event.listen(Pool, "checkout", _do_not_wait)
    try:
        with patch.object(os, "fsync", lambda descriptor: None):
            yield
    finally:
        event.remove(Pool, "checkout", _do_not_wait)


def _do_not_wait(connection: Any, *_: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")
