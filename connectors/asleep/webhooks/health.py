"""Is the deployment around the receiver well: four findings, each fine or not with one sentence, from bare figures.

Nothing is looked at here; what is judged comes from ``watch``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.asleep.webhooks.inbox import Backlog


@dataclass(frozen=True, slots=True)
class Figures:
    """What was seen ``at`` that moment; None where nothing could be read.

    ``has_state`` is False when there is no state yet, ``sessions`` counts by verdict, ``calls`` to the vendor's API by
    endpoint and status.
    """

    at: datetime
    free_bytes: int | None
    backlog: Backlog | None
    has_state: bool | None
    last_run_at: datetime | None = None
    sessions: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expected:
    """When a deployment is well: ``due`` gives, for a moment, the last run that should have ended by then, if any.

    At least ``free_bytes`` of the disk are to be free.
    """

    due: Callable[[datetime], datetime | None]
    free_bytes: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: is it fine, in one sentence, with the figures behind it."""

    fine: bool
    words: str
    figures: Mapping[str, Any] = field(default_factory=dict)


def findings(figures: Figures, expected: Expected) -> dict[str, Finding]:
    """What the figures say of ``state``, ``disk``, ``inbox`` and ``last_run``."""
    due = expected.due(figures.at)
    return {
        "state": _state(figures.has_state),
        "disk": _disk(figures.free_bytes, expected.free_bytes),
        "inbox": _inbox(figures, due),
        "last_run": _last_run(figures, due),
    }


def _state(has_state: bool | None) -> Finding:
    if has_state is None:
        return Finding(False, "The state database cannot be read: nightshift doctor says why.")
    if not has_state:
        return Finding(False, "There is no state database yet: nightshift sync makes it.")
    return Finding(True, "The state database can be read.")


def _disk(free: int | None, wanted: int) -> Finding:
    if free is None:
        return Finding(False, "The disk of the home cannot be looked at.", {"free_bytes": None})
    told = {"free_bytes": free}
    if free < wanted:
        return Finding(False, f"Less than {wanted / 1e9:.1f} GB are free: make room on the disk of the home.", told)
    return Finding(True, "There is room on the disk of the home.", told)


def _inbox(figures: Figures, due: datetime | None) -> Finding:
    if figures.backlog is None:
        return Finding(False, "The inbox cannot be read: check the disk of the home.", {"depth": None})
    depth, age_s = figures.backlog
    told = {"depth": depth, "oldest_age_s": age_s}
    if age_s is None:
        return Finding(True, "No event waits.", told)
    if due is not None and figures.at - timedelta(seconds=age_s) < due:
        words = (
            "Events wait since before the last run that was due: see that Dagster's daemon runs, or nightshift sync."
        )
        return Finding(False, words, told)
    return Finding(True, "Events wait, none since before the last run that was due.", told)


def _last_run(figures: Figures, due: datetime | None) -> Finding:
    at = figures.last_run_at
    if at is None:
        words = "No run is known in which every user was pulled."
        return Finding(False, words, {"at": None, "age_s": None})
    told = {"at": at.isoformat(timespec="seconds"), "age_s": (figures.at - at).total_seconds()}
    if due is None:
        return Finding(False, "NIGHTSHIFT_SCHEDULE never comes due: set it to a time that comes.", told)
    if at < due:
        return Finding(False, "The last run that was due has not ended well: nightshift doctor says why.", told)
    return Finding(True, "The last run that was due has ended well.", told)
