"""What the builds of a home count: documents in and out, and the tolerant rules that were needed."""

from collections.abc import Callable
from datetime import date

from assets.builds import Built
from assets.lake.average_stats import build_average_stats
from assets.lake.bed_nights import build_bed_nights
from assets.lake.sleep_sessions import build_sleep_sessions
from assets.lake.users import build_users
from connectors.home import Home
from schemas.documents import AVERAGE_STATS, SESSION, TREND, USER

BUILDERS: dict[str, Callable[[Home, date], Built]] = {
    SESSION: lambda home, day: build_sleep_sessions(home, day.isoformat()),
    TREND: lambda home, day: build_bed_nights(home, day.isoformat()),
    AVERAGE_STATS: lambda home, day: build_average_stats(home, f"{day:%Y-%m}"),
    USER: lambda home, _: build_users(home),
}
"""For each kind of document that raw keeps and revises, how a date of it is built."""


def built_again(home: Home, source: str) -> Built:
    """Build everything of a source once more, which counts what is there; see that nothing is lost on the way."""
    total = Built()
    for kind, build in BUILDERS.items():
        days: list[date] = sorted(home.raw.dates(source, kind))
        for day in days[:1] if kind == USER else days:
            built = build(home, day)
            assert built.conserved
            total.add(built)
    return total


def drift_of(built: Built) -> set[str]:
    """The differences from what a source documents, as ``kind path``."""
    return {f"{difference.kind} {difference.path}" for _, difference in built.drift}
