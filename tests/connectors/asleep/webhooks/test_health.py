"""What figures mean: each finding is fine for as long as nobody has to do anything, and then says what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.asleep.webhooks.health import Expected, Figures, findings
from connectors.asleep.webhooks.inbox import Backlog

NOW = datetime(2026, 10, 27, 9, 0, tzinfo=UTC)
DUE = timedelta(hours=5)
EXPECTED = Expected(due=lambda now: now - DUE, free_bytes=1_000)
WELL = Figures(NOW, 1_000, Backlog(0, None), True, NOW - DUE, {"complete": 3})


@pytest.mark.parametrize(
    "figures",
    [
        WELL,
        replace(WELL, backlog=Backlog(7, 60.0)),
        replace(WELL, backlog=Backlog(1, DUE.total_seconds())),
        replace(WELL, last_run_at=NOW),
    ],
)
def test_all_is_well(figures: Figures) -> None:
    """Up to the very bounds, and while events wait for a run that is not due yet."""
    assert [finding.fine for finding in findings(figures, EXPECTED).values()] == [True] * 4


@pytest.mark.parametrize(
    ("figures", "what"),
    [
        (replace(WELL, has_state=None), "state"),
        (replace(WELL, has_state=False), "state"),
        (replace(WELL, free_bytes=999), "disk"),
        (replace(WELL, free_bytes=None), "disk"),
        (replace(WELL, backlog=None), "inbox"),
        (replace(WELL, backlog=Backlog(1, DUE.total_seconds() + 1)), "inbox"),
        (replace(WELL, last_run_at=None), "last_run"),
        (replace(WELL, last_run_at=NOW - DUE - timedelta(seconds=1)), "last_run"),
    ],
)
def test_one_thing_is_wrong(figures: Figures, what: str) -> None:
    """That finding and no other, in one sentence."""
    found = findings(figures, EXPECTED)
    assert [name for name, finding in found.items() if not finding.fine] == [what]
    assert found[what].words.endswith(".")
    assert found[what].words.count(". ") == 0


def test_a_schedule_that_never_comes_due_is_told() -> None:
    """Nobody can say then whether a run is missing; what waits is not blamed for it."""
    found = findings(replace(WELL, backlog=Backlog(1, 1e9)), replace(EXPECTED, due=lambda _: None))
    assert [name for name, finding in found.items() if not finding.fine] == ["last_run"]
    assert "NIGHTSHIFT_SCHEDULE" in found["last_run"].words


def test_figures_stand_beside_the_words() -> None:
    """Bytes, events, seconds, and the time of the last run with its age."""
    found = findings(replace(WELL, backlog=Backlog(7, 60.0)), EXPECTED)
    assert {name: dict(finding.figures) for name, finding in found.items()} == {
        "state": {},
        "disk": {"free_bytes": 1_000},
        "inbox": {"depth": 7, "oldest_age_s": 60.0},
        "last_run": {"at": "2026-10-27T04:00:00+00:00", "age_s": DUE.total_seconds()},
    }
