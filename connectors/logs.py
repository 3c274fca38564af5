"""Our own log: JSON lines in ``logs/`` of the home, through an allow-list. What is not on the list is not written.

Events are fixed words; values are counts, kinds, dates of partitions and durations. No id, name, key, URL or text that
came from outside can get in, because only the fields below pass and texts among them must look like one plain word.
"""

import logging
import re
from pathlib import Path
from typing import Any

import structlog

ALLOWED_FIELDS = frozenset(
    {
        "event",
        "timestamp",
        "level",
        "command",
        "exit_code",
        "error_kind",
        "where",
        "asset",
        "first",
        "last",
        "partitions",
        "files",
        "users",
        "failed_users",
        "documents",
        "quarantined",
        "calls",
        "retries",
        "seconds",
        "new",
        "changed",
        "unchanged",
        "deleted",
        "pending",
    }
)
"""Every field that may be written."""

_PLAIN_WORD = re.compile(r"[A-Za-z0-9 _.:,+-]{0,200}")


def open_log(folder: Path) -> structlog.typing.FilteringBoundLogger:
    """The log of this home; lines go to ``nightshift.jsonl``."""
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        _LineFile(folder / "nightshift.jsonl"),
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return logger


class _LineFile:
    """Appends each line and closes the file again, so that nothing is held open or lost."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def msg(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    info = warning = error = msg


def only_allowed(_logger: object, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Keep the allowed fields whose value is a number or a plain word."""
    return {name: value for name, value in fields.items() if name in ALLOWED_FIELDS and _is_harmless(value)}


def _is_harmless(value: Any) -> bool:
    if isinstance(value, (bool, int, float)):
        return True
    return isinstance(value, str) and _PLAIN_WORD.fullmatch(value) is not None
