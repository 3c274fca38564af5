"""Our own log: JSON lines in ``logs/`` of the home, through an allow-list. What is not on the list is not written.

Events and kinds are fixed words of ours, values are counts and durations, dates are those of partitions. An id, a key,
an address or a text that came from outside has no field to stand in and does not look like any of these.
"""

import logging
import re
from pathlib import Path
from typing import Any

import structlog

COUNTS = frozenset(
    {
        "exit_code",
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
"""Fields that hold a number, below ``LARGEST_COUNT``."""

DATES = frozenset({"first", "last"})
"""Fields that hold a partition: a day or a month."""

WORDS = frozenset({"event", "command", "error_kind", "where", "asset"})
"""Fields that hold letters, joined by dots and underscores, and at most a line number behind them."""

LARGEST_COUNT = 10_000_000_000

_DATE = re.compile(r"\d{4}-\d\d(-\d\d)?")
_WORD = re.compile(r"[A-Za-z]+([._][A-Za-z]+){0,9}(:\d{1,5})?")


class _Lines:
    """Appends each line to a file, which is open only while it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def msg(self, line: str) -> None:
        """Append one line."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    info = warning = error = critical = msg


def open_log(folder: Path) -> structlog.typing.FilteringBoundLogger:
    """The log of this home; lines go to ``nightshift.jsonl``, each with its time (UTC) and level."""
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        _Lines(folder / "nightshift.jsonl"),
        processors=[
            only_allowed,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return logger


def only_allowed(_logger: object, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Keep the allowed fields whose value is of the field's kind."""
    return {name: value for name, value in fields.items() if _is_allowed(name, value)}


def _is_allowed(name: str, value: Any) -> bool:
    if name in COUNTS:
        return isinstance(value, int | float) and abs(value) < LARGEST_COUNT
    pattern = _DATE if name in DATES else _WORD if name in WORDS else None
    return pattern is not None and isinstance(value, str) and pattern.fullmatch(value) is not None
