"""A session whose start moves over UTC midnight, and what must be true of it in every layer, whatever came before."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from assets.builds import mark_days_dirty
from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.sessions import Session, User
from connectors.state.ledger import LedgerSession, sessions_of
from connectors.state.vendor import VendorAccount, key_fingerprint, remember_vendor
from connectors.warehouse.duckdb import DuckDbWarehouse
from schemas.asleep import ASLEEP
from schemas.documents import DELETED
from schemas.nights import night_of
from schemas.tables import NIGHT_LEDGER, SESSION_HISTORY, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS, Table
from tests.assets.engine.rig import Rig, empty_home
from tests.assets.homes import NOW
from tests.assets.raw.pulls import KEY

Row = dict[str, Any]

BEFORE = datetime(2026, 11, 1, 23, 40, tzinfo=UTC)
AFTER = datetime(2026, 11, 2, 0, 20, tzinfo=UTC)
EARLIER = datetime(2026, 10, 31, 23, 50, tzinfo=UTC)
BACK = datetime(2026, 11, 1, 23, 30, tzinfo=UTC)
"""Starts under three dates and in two months; the session ends in the morning of 2 November."""

FIRST = date(2026, 10, 26)
"""The first date of every sync: a week before the session, because each date more is a night more to build."""

ONE_ROW = (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS)
SECOND = timedelta(seconds=1)


class Moving:
    """One sleeper in UTC with one session, which began on 1 November, and a home that follows them."""

    def __init__(self, folder: Path, empty: Path) -> None:
        self.world = World(users=0, nights=1, now=NOW)
        self.user: User = self.world.create_user(None, "UTC")
        (self.session,) = self.world.add_nights(1, [self.user])
        assert self.session.id.startswith("20261101")
        self.rig = Rig(self.world, folder, empty)

    @property
    def exists(self) -> bool:
        """Whether the vendor has the session."""
        return self.session in self.user.sessions

    def move(self, start: datetime) -> None:
        """A new analysis finds another start."""
        if self.exists:
            self.world.move_start(self.user, self.session, start)

    def analyse(self) -> None:
        """A new analysis finds another end and other figures."""
        plan = self.session.plan
        self.session.plan = replace(plan, end=plan.end - timedelta(seconds=60))
        self.session.analyse_again()

    def delete(self) -> None:
        """Its user deletes it."""
        if self.exists:
            self.world.delete_session(self.user, self.session)

    def restore(self) -> None:
        """The vendor has it again."""
        if not self.exists:
            self.user.sessions.append(self.session)

    def has_synced(self, *starts: datetime) -> None:
        """The world as it is after a sync of each of these starts; what they made is in the home already.

        The vendor of that home had another address, on another port of this machine.
        """
        for start in starts:
            self.move(start)
            self.rig.move_on(timedelta(hours=1))
        with self.rig.home.state.write() as connection:
            remember_vendor(connection, VendorAccount(ASLEEP, self.rig.base_url, key_fingerprint(KEY)))

    def sync(self) -> None:
        """An hour later: pull and build."""
        self.rig.move_on(timedelta(hours=1))
        _, report, _ = self.rig.run(FIRST, self.rig.today)
        assert report.complete

    def killed_sync(self, failpoint: str) -> bool:
        """An hour later: a sync that dies at a failpoint; whether it came there."""
        self.rig.move_on(timedelta(hours=1))
        return self.rig.run_and_kill(FIRST, self.rig.today, failpoint)

    def compact(self) -> None:
        """Merge the raw files of all dates before yesterday's, which are those of the session."""
        self.rig.move_on(timedelta(days=1))
        self.rig.compact()

    def known(self) -> LedgerSession:
        """What the ledger knows of the session."""
        with self.rig.home.state.read() as connection:
            (seen,) = sessions_of(connection, ASLEEP, [self.user.user_id])[self.user.user_id]
        return seen

    def rows(self, table: Table) -> list[tuple[str, Row]]:
        """Every row of a table with the name of its partition."""
        folder = self.rig.root / "lake" / table.name
        return [
            (path.name, row)
            for path in sorted(folder.glob("*=*"))
            for row in self.rig.home.lake.read(table, path.name).to_pylist()
        ]

    def rows_of_sessions(self) -> list[Row]:
        """Every row of ``sleep_sessions``."""
        return [row for _, row in self.rows(SLEEP_SESSIONS)]

    def build(self, day: date) -> None:
        """Have one date built again, and what follows from that."""
        with self.rig.home.state.write() as connection:
            mark_days_dirty(connection, [day.isoformat()])
        self.rig.drain()

    def versions(self) -> list[Row]:
        """The history, oldest version first."""
        return sorted((row for _, row in self.rows(SESSION_HISTORY)), key=lambda row: row["revision"])

    def told(self) -> list[tuple[int, str, datetime | None]]:
        """The history as revision, reason and start."""
        return [(row["revision"], row["reason"], row["start_time"]) for row in self.versions()]

    def night(self) -> Row:
        """The row of the session's night in the ledger of nights."""
        night = night_of(self.session.start, "UTC")
        (row,) = [row for _, row in self.rows(NIGHT_LEDGER) if row["night_of"] == night]
        return row


@contextmanager
def moving_in(folder: Path, empty: Path) -> Iterator[Moving]:
    """A sleeper and a home in this folder, which is a copy of the empty one."""
    moving = Moving(folder, empty)
    try:
        yield moving
    finally:
        moving.rig.close()


def synced_home(folder: Path, *starts: datetime) -> Path:
    """A home in which the session was synced under each of these starts, to be copied for ``Moving.has_synced``."""
    with moving_in(folder, empty_home(folder / "empty")) as moving:
        for start in starts:
            moving.move(start)
            moving.sync()
        return moving.rig.root


def wrong(moving: Moving) -> list[str]:
    """Everything that is not as the vendor has it now, and every moment of the past that has not one answer."""
    return [*wrong_places(moving, moving.session if moving.exists else None), *wrong_times(moving)]


def wrong_places(moving: Moving, session: Session | None) -> Iterator[str]:
    """Rows that are missing, doubled, of another start or under another date than theirs; None: there must be none."""
    for table in ONE_ROW:
        found = [(name, row["start_time"]) for name, row in moving.rows(table)]
        if found != ([] if session is None else [(f"date={session.start:%Y-%m-%d}", session.start)]):
            yield f"{table.name}: {found}"
    epochs = [row["epochs"] for _, row in moving.rows(SLEEP_STAGE_INTERVALS)]
    if sum(epochs) != (0 if session is None else len(session.recording.stages)):
        yield f"stage intervals of {sum(epochs)} epochs"
    if session is not None and (night := moving.night())["main_session_id"] != session.id:
        yield f"the night is {night['verdict']}"


def wrong_times(moving: Moving) -> Iterator[str]:
    """A history with a gap, an overlap or two rows of one number, and a warehouse that is not the lake."""
    versions = moving.versions()
    if [row["revision"] for row in versions] != list(range(1, len(versions) + 1)):
        yield f"revisions {[row['revision'] for row in versions]}"
    if any(old["valid_to"] != new["valid_from"] or old["seen_at"] >= new["seen_at"] for old, new in pairwise(versions)):
        yield "the versions do not follow one another"
    if versions[-1]["valid_to"] is not None:
        yield "no version counts now"
    with DuckDbWarehouse(moving.rig.root / "warehouse.duckdb").read() as connection:
        for table in (*ONE_ROW, SLEEP_STAGE_INTERVALS, SESSION_HISTORY):
            loaded = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()  # noqa: S608 - names are ours
            if loaded != (len(moving.rows(table)),):
                yield f"the warehouse has {loaded} rows of {table.name}"
        for row in versions:
            for moment in (row["valid_from"], row["valid_from"] + SECOND):
                then = connection.execute("SELECT start_time FROM sleep_sessions_as_of(?)", [moment]).fetchall()
                if then != ([] if row["reason"] == DELETED else [(row["start_time"],)]):
                    yield f"as of {moment}: {then}"
        if connection.execute("FROM sleep_sessions_as_of(?)", [versions[0]["valid_from"] - SECOND]).fetchall():
            yield "something is there before the first version"
