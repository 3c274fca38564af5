"""The state database: made and opened by anyone at any time, whole after any error, and silent about values."""

import json
import sqlite3
import subprocess
import sys
import traceback
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from subprocess import PIPE
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from connectors.errors import WrongUsage
from connectors.lake.publish import publish
from connectors.state.database import NEWEST_REVISION, State, StateUnavailable, upsert
from connectors.state.ledger import sessions_of
from connectors.state.outbox import noted_orgs
from connectors.state.roster import RosterUser, list_users
from connectors.state.tables import documents, metadata, roster, vendors
from tests.connectors.lake.disks import read_only_folder
from tests.system.operations import sqlite_error

PLANTED = "".join(("G-20250101000000-", "CANARY" * 3, "CA"))
ROW: dict[str, Any] = {"source": "asleep", "user_id": PLANTED, "org_id": PLANTED, "timezone": "UTC", "gone": False}
UNUSABLE = (
    "The state database cannot be used ({}): check that NIGHTSHIFT_HOME (or NIGHTSHIFT_STATE_URL) can be written and "
    "has free space, then run the command again."
)
FULL = (
    "The state database cannot be written because the disk is full: make room on the disk of NIGHTSHIFT_HOME (or of "
    "the server of NIGHTSHIFT_STATE_URL), then run the command again."
)


def test_migrations_make_exactly_the_tables_of_the_code(state: State) -> None:
    """From an empty file, Alembic finds nothing that the migrations and ``tables.py`` do not agree on."""
    with state.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == NEWEST_REVISION


def test_the_newest_revision_is_the_last_migration() -> None:
    """A migration that nobody would run is not possible: there is one head, and the code knows it."""
    config = Config()
    config.set_main_option("script_location", "connectors.state:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [NEWEST_REVISION]


def test_a_database_of_the_release_before_keeps_its_rows(tmp_path: Path) -> None:
    """Users are not marked, of sessions nothing is remembered until the vendor says so; their organisation is noted."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    config = Config()
    config.set_main_option("script_location", "connectors.state:migrations")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.exec_driver_sql("INSERT INTO roster VALUES ('asleep', 'anna', 'clinic', 'UTC', NULL, NULL, 0)")
        connection.exec_driver_sql(
            "INSERT INTO sessions VALUES ('asleep', 'anna', 's', 'clinic', '2026-11-21', 'f', 'complete', 'h', 1,"
            " '2026-11-22', '2026-11-22')"
        )
    engine.dispose()
    with State(url).read() as connection:
        assert list_users(connection) == [RosterUser("asleep", "anna", "clinic")]
        [seen] = sessions_of(connection, "asleep", ["anna"])["anna"]
        assert (seen.revision, seen.averaged_hash) == (1, None)
        assert noted_orgs(connection) == {"clinic"}


def test_opening_again_finds_what_was_written(tmp_path: Path) -> None:
    """A second opening, after a close or beside an open one, migrates nothing and sees every row."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    first, second = State(url), State(url)
    for opened in (first, second, first):
        with opened.write() as connection:
            upsert(connection, roster, [ROW])
        with opened.read() as connection:
            assert connection.execute(sa.select(roster.c.user_id)).scalars().all() == [PLANTED]
        opened.close()


def test_nothing_is_opened_before_the_first_transaction(tmp_path: Path) -> None:
    """A home can be looked at without making a database."""
    State(f"sqlite:///{tmp_path / 'state.db'}").close()
    assert list(tmp_path.iterdir()) == []


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """An older program says so in one sentence and changes nothing."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    state = State(url)
    with state.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    state.close()
    with pytest.raises(StateUnavailable) as refused, State(url).read():
        pass
    assert str(refused.value) == (
        "The state database was made by a newer Nightshift: use that version, or another NIGHTSHIFT_HOME."
    )


CHILD = """
import json, sys
import sqlalchemy as sa
from alembic import command, config
from connectors.state.database import State, upsert
from connectors.state.tables import vendors

print("ready", flush=True)
for line in sys.stdin:
    path, source, times = json.loads(line)
    state = State(f"sqlite:///{path}")
    for _ in range(times):
        with state.write() as connection:
            count = connection.execute(sa.select(vendors.c.base_url).where(vendors.c.source == "shared")).scalar() or 0
            upsert(connection, vendors, [{"source": "shared", "base_url": str(int(count) + 1), "key_fingerprint": ""}])
            upsert(connection, vendors, [{"source": source, "base_url": "", "key_fingerprint": ""}])
    state.close()
    print("done", flush=True)
"""


def test_processes_may_open_and_write_a_new_database_at_once(tmp_path: Path) -> None:
    """Whoever comes first makes it, nobody fails, and no write is lost: three processes, many new databases."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", CHILD], stdin=PIPE, stdout=PIPE, text=True))
            for _ in range(3)
        ]
        assert [_heard(process) for process in processes] == ["ready"] * 3
        for number in range(25):
            path, times = tmp_path / f"{number}.db", 20 if number == 0 else 1
            for process in processes:
                _tell(process, [str(path), f"source {process.pid}", times])
            assert [_heard(process) for process in processes] == ["done"] * 3
            expected = {"shared": str(3 * times), **{f"source {process.pid}": "" for process in processes}}
            with closing(State(f"sqlite:///{path}")) as state, state.read() as connection:
                found = connection.execute(sa.select(vendors.c.source, vendors.c.base_url)).tuples().all()
            assert dict(found) == expected


def _tell(process: "subprocess.Popen[str]", words: list[object]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(words) + "\n")
    process.stdin.flush()


def _heard(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_reader_is_not_held_up_by_a_writer(state: State) -> None:
    """While a transaction writes, others read the state before it; afterwards they read the state after it."""
    with state.write() as writing:
        upsert(writing, roster, [ROW])
        with state.read() as reading:
            assert reading.execute(sa.select(sa.func.count()).select_from(roster)).scalar() == 0
    with state.read() as reading:
        assert reading.execute(sa.select(sa.func.count()).select_from(roster)).scalar() == 1


def test_an_error_undoes_the_whole_transaction(state: State) -> None:
    """Nothing of a block that is left by an error is kept, whatever the error."""
    with pytest.raises(LookupError), state.write() as connection:  # noqa: PT012 - what happens inside is the matter
        upsert(connection, roster, [ROW])
        raise LookupError
    with state.read() as connection:
        assert connection.execute(sa.select(roster)).all() == []


def test_an_upsert_adds_what_is_new_and_changes_only_what_is_given(state: State) -> None:
    """A column that is not among the given ones keeps its value."""
    pulled_at = datetime(2026, 11, 22, 4, tzinfo=UTC)
    row = {"source": "asleep", "base_url": "a", "key_fingerprint": "k", "last_complete_pull_at": pulled_at}
    with state.write() as connection:
        upsert(connection, vendors, [row])
        upsert(
            connection,
            vendors,
            [{"source": name, "base_url": "b", "key_fingerprint": "l"} for name in ("asleep", "other")],
        )
        upsert(connection, vendors, [])
        found = connection.execute(sa.select(vendors).order_by(vendors.c.source)).tuples().all()
    assert found == [("asleep", "b", "l", pulled_at), ("other", "b", "l", None)]


@pytest.mark.parametrize(
    "statement",
    [
        sa.insert(roster).values(ROW),  # stands there already
        sa.insert(roster).values(ROW | {"user_id": PLANTED + "2", "timezone": None}),
        sa.insert(roster).values(ROW | {"gone": PLANTED}),
        sa.insert(vendors).values(source=PLANTED, base_url=[PLANTED], key_fingerprint=""),
        sa.text("INSERT INTO roster VALUES (:planted)").bindparams(planted=PLANTED),
        sa.text("SELECT nothing FROM nowhere WHERE x = :planted").bindparams(planted=PLANTED),
    ],
)
def test_no_error_of_the_database_tells_a_value(state: State, statement: sa.Executable) -> None:
    """Neither the error nor anything a traceback would print behind it holds what was to be written."""
    with state.write() as connection:
        upsert(connection, roster, [ROW])
    with pytest.raises(StateUnavailable, match=r"The state database cannot be used \(\w+\)") as refused:
        _write(state, statement)
    assert PLANTED not in "".join(traceback.format_exception(refused.value))


def _write(state: State, statement: sa.Executable) -> None:
    with state.write() as connection:
        connection.execute(statement)


@pytest.mark.parametrize("url", ["nonsense", "oracle9://user:canary@host/db", "nodriver+x://canary", ""])
def test_an_unusable_url_is_wrong_usage(url: str) -> None:
    """The setting is named; the URL, which may hold a password, is not shown."""
    with pytest.raises(WrongUsage) as refused, State(url).read():
        pass
    assert str(refused.value) == (
        "NIGHTSHIFT_STATE_URL cannot be used: give an SQLAlchemy URL whose driver is installed."
    )
    assert "canary" not in repr(State(url))


def test_an_unusable_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    """A folder, something that is no database, a folder that is not there: the same plain words, no path."""
    publish(tmp_path / "garbage", b"no database at all " * 100)
    (tmp_path / "folder").mkdir()
    for name, kind in (
        ("garbage", "DatabaseError"),
        ("folder", "OperationalError"),
        ("none/state.db", "OperationalError"),
    ):
        with pytest.raises(StateUnavailable) as refused, State(f"sqlite:///{tmp_path / name}").read():
            pass
        assert str(refused.value) == UNUSABLE.format(kind)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (sqlite_error("database or disk is full", sqlite3.SQLITE_FULL, "SQLITE_FULL"), True),
        (sqlite_error("disk I/O error", sqlite3.SQLITE_IOERR_SHMSIZE, "SQLITE_IOERR_SHMSIZE"), True),
        (sqlite_error("disk I/O error", sqlite3.SQLITE_IOERR, "SQLITE_IOERR"), False),
        (psycopg.errors.DiskFull("canary"), True),
        (psycopg.errors.IoError("canary"), False),
        (sqlite3.OperationalError("canary"), False),
    ],
    ids=repr,
)
def test_a_full_disk_is_called_that(state: State, error: Exception, full: bool) -> None:
    """Whichever database says so; any other failure is told by its kind."""
    with pytest.raises(StateUnavailable) as refused, state.write():
        raise OperationalError("INSERT canary", {}, error)
    assert str(refused.value) == (FULL if full else UNUSABLE.format(type(error).__name__))


def test_a_database_without_room_is_whole_when_there_is_some(state: State) -> None:
    """The transaction that met it is gone, and the next one works."""
    with state.write() as connection:
        (pages,) = connection.execute(sa.text("PRAGMA page_count")).one()
        connection.execute(sa.text(f"PRAGMA max_page_count = {pages}"))
    many = [{**ROW, "user_id": f"{number:04}" * 50} for number in range(200)]
    with pytest.raises(StateUnavailable) as refused, state.write() as connection:
        upsert(connection, roster, many)
    assert str(refused.value) == FULL
    state.close()
    with state.write() as connection:
        assert connection.execute(sa.select(roster)).all() == []
        upsert(connection, roster, many)


def test_a_read_only_folder_is_told_in_one_sentence() -> None:
    """A home that cannot be written says so."""
    with (
        read_only_folder() as folder,
        pytest.raises(StateUnavailable) as refused,
        State(f"sqlite:///{folder / 'state.db'}").write(),
    ):
        pass
    assert str(refused.value) == UNUSABLE.format("OperationalError")


@settings(max_examples=100, deadline=None)
@given(
    moment=st.datetimes(datetime(1900, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001
    offset=st.timedeltas(-timedelta(hours=23, minutes=59), timedelta(hours=23, minutes=59)),
)
def test_a_time_comes_back_as_the_same_instant_in_utc(shared_state: State, moment: datetime, offset: timedelta) -> None:
    """Whatever its offset, to the microsecond, and aware."""
    given_time = moment.replace(tzinfo=timezone(offset))
    row = {"source": "s", "document": "d", "user_id": "u", "document_id": "i", "content_hash": "h"}
    with shared_state.write() as connection:
        upsert(connection, documents, [{**row, "fetched_at": given_time}])
        found = connection.execute(sa.select(documents.c.fetched_at)).scalar_one()
    assert found == given_time
    assert found.tzinfo is UTC
