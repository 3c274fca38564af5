"""What the lake makes of a sandbox's answers: a pull over HTTP and a build of everything it left dirty."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.builds import Built
from assets.lake.average_stats import build_average_stats
from assets.lake.sleep_hypnograms import build_sleep_hypnograms
from assets.lake.sleep_sessions import build_sleep_sessions
from assets.lake.users import build_users
from assets.raw.pull import PullReport
from connectors.asleep.sandbox import World
from connectors.home import Home
from schemas.identities import IDENTITIES
from schemas.quirks import Drift
from schemas.tables import AVERAGE_STATS, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, USERS, Table
from tests.assets.homes import StandingClock, new_home
from tests.assets.raw.pulls import Puller, dirty, follow_everybody

Row = dict[str, Any]

TRANSPORT = ("content_hash", "fetched_at")
"""Columns that say how a document came, not what it says."""

COMPARISON = ("provider_agreement", "provider_differences")
"""Columns that say what the vendor's own figures are worth."""


@dataclass
class Lake:
    """The rows of a home by their ids, and what the builds counted."""

    report: PullReport
    sessions: dict[str, Row]
    hypnograms: dict[str, Row]
    averages: dict[tuple[str, Any], Row]
    users: dict[str, Row]
    built: Built

    @property
    def drift(self) -> set[Drift]:
        """Every tolerant rule that was needed, and where."""
        return {difference for _, difference in self.built.drift}

    @property
    def violated(self) -> set[str]:
        """The identities that some session violates."""
        return {identity.name for identity in IDENTITIES if self.built.findings.get(identity.name)}

    def figures(self, *left_out: str) -> list[dict[Any, Row]]:
        """Every row without what only tells of transport and comparison, to compare with another lake's."""
        unread = {*TRANSPORT, *COMPARISON, *left_out}
        return [
            {key: {name: value for name, value in row.items() if name not in unread} for key, row in table.items()}
            for table in (self.sessions, self.hypnograms, self.averages, self.users)
        ]


def lake_of(root: Path, world: World, base_url: str, variants: Collection[str] = ()) -> Lake:
    """Pull and build the world, with variants while it is asked, in a home of its own."""
    with new_home(root, StandingClock(world.now)) as home:
        follow_everybody(home, world)
        world.set_variants(variants)
        try:
            report = Puller(home, base_url, key=world.api_key).pull()
        finally:
            world.set_variants(())
        return _built(home, report)


def _built(home: Home, report: PullReport) -> Lake:
    built = Built()
    sessions, hypnograms, averages = dict[str, Row](), dict[str, Row](), dict[tuple[str, Any], Row]()
    for day in dirty(home, "sleep_sessions"):
        built.add(build_sleep_sessions(home, day))
        build_sleep_hypnograms(home, day)
        sessions |= {row["session_id"]: row for row in _rows(home, SLEEP_SESSIONS, f"date={day}")}
        hypnograms |= {row["session_id"]: row for row in _rows(home, SLEEP_HYPNOGRAMS, f"date={day}")}
    for month in dirty(home, "average_stats"):
        built.add(build_average_stats(home, month))
        rows = _rows(home, AVERAGE_STATS, f"month={month}")
        averages |= {(row["user_id"], row["period_start"]): row for row in rows}
    built.add(build_users(home))
    users = {row["user_id"]: row for row in _rows(home, USERS, "")}
    assert built.conserved
    return Lake(report, sessions, hypnograms, averages, users, built)


def _rows(home: Home, table: Table, partition: str) -> list[Row]:
    rows: list[Row] = home.lake.read(table, partition).to_pylist()
    return rows
