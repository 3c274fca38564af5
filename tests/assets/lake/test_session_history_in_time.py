"""Random histories of a sandbox's sessions: the present, every version and every moment in between agree."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.lake.session_history import build_session_history
from assets.lake.sleep_sessions import build_sleep_sessions
from assets.warehouse.tables import load_nights
from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import session_detail
from connectors.asleep.sandbox.world import Session, User
from connectors.home import Home
from connectors.lake.raw import HTTP_OK, NOT_FOUND, RawDocument
from connectors.warehouse.duckdb import DuckDbWarehouse
from schemas.asleep import ASLEEP
from schemas.canonical import session_hash
from schemas.documents import DELETED, FIRST_SEEN, RE_ANALYSED, SESSION
from schemas.nights import utc_date
from schemas.session_changes import RESTORED, as_known_at
from schemas.tables import SESSION_HISTORY, SLEEP_SESSIONS
from tests.assets.homes import NOW, StandingClock, new_home
from tests.assets.raw.pulls import follow_everybody

UTC_ZONE, ANOTHER_ZONE = ZoneInfo("UTC"), ZoneInfo("Asia/Kathmandu")
SECOND = timedelta(seconds=1)
Row = dict[str, Any]


@dataclass
class Vendor:
    """A small world, what was fetched of it into a home, and what must be in the history because of that."""

    home: Home
    clock: StandingClock
    world: World = field(default_factory=lambda: World(users=2, nights=1, now=NOW))
    expected: dict[str, list[tuple[str, int | None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        follow_everybody(self.home, self.world)
        self.sessions = [
            (user, session)
            for user in self.world.users()
            for session in user.sessions
            if session.state(self.world.now) == "COMPLETE"
        ]
        self.gone: set[str] = set()
        for user, session in self.sessions:
            self._keep(user, session, FIRST_SEEN)

    @property
    def days(self) -> list[str]:
        """The partitions of all sessions."""
        return sorted({utc_date(session.start).isoformat() for _, session in self.sessions})

    def analyse(self, user: User, session: Session) -> None:
        """The vendor analyses a session again, if it has it."""
        if session.id not in self.gone:
            self.world.reanalyse(user, session)
            self._keep(user, session, RE_ANALYSED)

    def delete(self, user: User, session: Session) -> None:
        """The vendor deletes a session; asked again it answers in the same words, which is nothing new."""
        if session.id not in self.gone:
            self.world.delete_session(user, session)
            self.gone.add(session.id)
            self.expected[session.id].append((DELETED, None))
        body = b'{"detail":"requested session id does not exist"}'
        self._append(user, session, NOT_FOUND, body, "tombstone:" + session_hash(body), DELETED)

    def restore(self, user: User, session: Session) -> None:
        """The vendor has a deleted session again."""
        if session.id in self.gone:
            self.gone.remove(session.id)
            user.sessions.append(session)
            user.deleted_nights.remove(session.plan.night_of)
            self._keep(user, session, RESTORED, kept_because=RE_ANALYSED)

    def look(self, user: User, session: Session) -> None:
        """The same is fetched once more, in another zone."""
        if session.id not in self.gone:
            self._fetch(user, session, ANOTHER_ZONE, RE_ANALYSED)

    def _keep(self, user: User, session: Session, reason: str, kept_because: str | None = None) -> None:
        self._fetch(user, session, UTC_ZONE, kept_because or reason)
        self.expected.setdefault(session.id, []).append((reason, session.stat.time_in_sleep))

    def _fetch(self, user: User, session: Session, zone: ZoneInfo, reason: str) -> None:
        assert session in user.sessions
        result = session_detail(session, self.world.now, zone)
        body = json.dumps({"detail": "OK", "result": result}).encode()
        self._append(user, session, HTTP_OK, body, session_hash(body), reason)

    def _append(self, user: User, session: Session, status: int, body: bytes, content_hash: str, reason: str) -> None:
        day, now = utc_date(session.start), self.clock.now
        self.home.raw.append(
            [
                RawDocument(
                    "clinic", ASLEEP, SESSION, user.user_id, session.id, day, status, now, content_hash, body, reason
                )
            ]
        )


def present(home: Home, days: list[str]) -> list[Row]:
    """``sleep_sessions`` as it is built now, of all days."""
    for day in days:
        build_sleep_sessions(home, day)
    return [row for day in days for row in home.lake.read(SLEEP_SESSIONS, f"date={day}").to_pylist()]


def counting(versions: list[Row]) -> list[Row]:
    """The versions that count and are no deletion, as rows of ``sleep_sessions`` in their order."""
    rows = [row for row in versions if row["valid_to"] is None and row["reason"] != DELETED]
    named = [
        {name: row["seen_at" if name == "fetched_at" else name] for name in SLEEP_SESSIONS.schema.names} for row in rows
    ]
    return sorted(named, key=by_key)


def by_key(row: Row) -> tuple[Any, ...]:
    """What ``sleep_sessions`` is sorted by."""
    return tuple(row[name] for name in SLEEP_SESSIONS.sort_by)


def as_of(connection: duckdb.DuckDBPyConnection, moment: datetime) -> list[Row]:
    """What the warehouse says of a moment."""
    rows = connection.sql("FROM sleep_sessions_as_of(?)", params=[moment]).to_arrow_table().to_pylist()
    return sorted(rows, key=by_key)


steps = st.lists(
    st.tuples(st.sampled_from(["analyse", "analyse", "delete", "restore", "look"]), st.integers(0, 9)), max_size=9
)


@settings(max_examples=8, deadline=None)
@given(steps)
def test_any_history_agrees_with_the_present_and_with_every_moment_of_the_past(steps: list[tuple[str, int]]) -> None:
    """Analyses, deletions and returns in any order: what counted at each moment can be asked for afterwards."""
    with TemporaryDirectory() as folder, new_home(Path(folder), clock := StandingClock()) as home:
        vendor = Vendor(home, clock)
        snapshots = {clock.now: present(home, vendor.days)}
        for step, number in steps:
            clock.advance(hours=1)
            getattr(vendor, step)(*vendor.sessions[number % len(vendor.sessions)])
            snapshots[clock.now] = present(home, vendor.days)
        for day in vendor.days:
            assert build_session_history(home, day).conserved
        versions: list[Row] = [
            row for day in vendor.days for row in home.lake.read(SESSION_HISTORY, f"date={day}").to_pylist()
        ]
        found: dict[str, list[tuple[str, int | None]]] = {}
        for row in versions:
            found.setdefault(row["session_id"], []).append((row["reason"], row["total_sleep_time_s"]))
        assert found == vendor.expected
        assert counting(versions) == sorted(snapshots[clock.now], key=by_key)

        warehouse = DuckDbWarehouse(home.root / "warehouse.duckdb")
        load_nights(home, warehouse, vendor.days)
        with warehouse.read() as connection:
            for moment, rows in snapshots.items():
                then = sorted(rows, key=by_key)
                assert as_of(connection, moment) == as_of(connection, moment + SECOND) == then
                assert counting(as_known_at(versions, moment)) == then
            assert as_of(connection, NOW - SECOND) == []


def test_the_moment_may_be_text_with_an_offset(tmp_path: Path) -> None:
    """As an analyst writes it; the answer has the columns of ``sleep_sessions`` in their order."""
    with new_home(tmp_path / "home", StandingClock(NOW)) as home:
        vendor = Vendor(home, StandingClock(NOW))
        for day in vendor.days:
            build_session_history(home, day)
        warehouse = DuckDbWarehouse(tmp_path / "warehouse.duckdb")
        load_nights(home, warehouse, vendor.days)
        with warehouse.read() as connection:
            counts = [
                connection.execute(f"SELECT count(*) FROM sleep_sessions_as_of('{moment}')").fetchall()  # noqa: S608
                for moment in ("2026-11-03 06:00:00+00", "2026-11-03 15:00:00+09", "2026-11-03 15:00:00+10")
            ]
            columns = [name for name, *_ in connection.execute("FROM sleep_sessions_as_of(now())").description or []]
    complete = len(vendor.sessions)
    assert complete
    assert counts == [[(complete,)], [(complete,)], [(0,)]]
    assert columns == SLEEP_SESSIONS.schema.names
