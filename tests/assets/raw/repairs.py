"""Repairs in tests: a home with a past, its files damaged on purpose, and its tables before and after."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from assets.lake.average_stats import build_average_stats
from assets.lake.session_history import build_session_history
from assets.lake.sleep_hypnograms import build_sleep_hypnograms
from assets.lake.sleep_sessions import build_sleep_sessions
from assets.lake.sleep_stage_intervals import build_sleep_stage_intervals
from assets.lake.users import build_users
from assets.raw.asleep_vendor import AsleepVendor
from assets.raw.repair import RepairReport, repair
from connectors.asleep.client import AsleepClient
from connectors.home import Home
from connectors.lake.damage import find_damaged
from connectors.patience import Patience, Retry
from connectors.rate_limit import RateLimit
from connectors.state.ledger import LedgerSession, put_sessions, sessions_of
from connectors.state.roster import list_users
from connectors.state.vendor import VendorAccount, key_fingerprint
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, SESSION
from schemas.tables import SESSION_HISTORY, SLEEP_SESSIONS
from tests.assets.raw.pulls import KEY

BUILDS = (build_sleep_sessions, build_sleep_hypnograms, build_sleep_stage_intervals, build_session_history)


@dataclass
class Repairer:
    """Repairs of one home against one vendor; ``calls`` are those of the last one, by endpoint."""

    home: Home
    base_url: str
    calls: dict[str, int] = field(default_factory=dict)

    def repair(self, *, accept_deletions: bool = False, key: str = KEY) -> RepairReport:
        """Repair everything that is damaged."""

        async def run() -> RepairReport:
            client = AsleepClient(
                self.base_url,
                key,
                rate_limit=RateLimit(self.home.root / "budget", 100_000),
                clock=self.home.clock,
                patience=Patience(Retry(attempts=2, base_s=0.001, cap_s=0.001, jitter_s=0.0)),
            )
            account = VendorAccount(ASLEEP, self.base_url, key_fingerprint(KEY))
            damaged = find_damaged(self.home.raw, date.min, date.max)
            async with client:
                try:
                    vendor = AsleepVendor(client)
                    return await repair(self.home, vendor, account, damaged, accept_deletions=accept_deletions)
                finally:
                    self.calls = dict(client.calls.by_endpoint)

        return asyncio.run(run())


def damage(path: Path, seed: int) -> bytes:
    """Flip a bit anywhere in a file; the bytes it has now."""
    chance = random.Random(seed)  # noqa: S311 - any place will do
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return bytes(content)


def raw_files(home: Home, kind: str = "*") -> list[Path]:
    """The files of raw that are read, oldest date first."""
    return sorted((home.root / "raw" / ASLEEP).glob(f"{kind}/date=*/*.parquet"))


def built_tables(home: Home) -> dict[str, bytes]:
    """Build every table of raw, and give the bytes of all files of the lake."""
    for day in home.raw.dates(ASLEEP, SESSION):
        for build in BUILDS:
            build(home, day.isoformat())
    for month in home.raw.dates(ASLEEP, AVERAGE_STATS):
        build_average_stats(home, f"{month:%Y-%m}")
    build_users(home)
    lake = home.root / "lake"
    return {str(path.relative_to(lake)): path.read_bytes() for path in sorted(lake.rglob("*.parquet"))}


def without_history(tables: Mapping[str, bytes]) -> dict[str, bytes]:
    """The tables of what counts now; the history also holds versions that no vendor can give back."""
    return {name: content for name, content in tables.items() if not name.startswith(SESSION_HISTORY.name)}


def history_rows(home: Home) -> list[dict[str, Any]]:
    """Every row of the history."""
    days = home.raw.dates(ASLEEP, SESSION)
    return [row for day in days for row in home.lake.read(SESSION_HISTORY, f"date={day}").to_pylist()]


def session_rows(home: Home) -> list[dict[str, Any]]:
    """Every row of ``sleep_sessions``."""
    days = home.raw.dates(ASLEEP, SESSION)
    return [row for day in days for row in home.lake.read(SLEEP_SESSIONS, f"date={day}").to_pylist()]


def ledger(home: Home) -> dict[str, LedgerSession]:
    """What the ledger knows, by session id."""
    with home.state.read() as connection:
        users = [user.user_id for user in list_users(connection, ASLEEP)]
        return {seen.session_id: seen for known in sessions_of(connection, ASLEEP, users).values() for seen in known}


def look_changed(home: Home, *session_ids: str) -> None:
    """Have the next pull find another list row than the last one for these sessions."""
    known = ledger(home)
    with home.state.write() as connection:
        put_sessions(connection, [replace(known[session_id], fingerprint="another") for session_id in session_ids])
