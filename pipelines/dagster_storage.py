"""Dagster's own records in a home: its runs and events in its own SQLite files, through connections that stay open.

Dagster makes an engine and a connection for every event it writes, and waits for the disk at each; a sync writes
hundreds. Files, tables and what stands in them stay Dagster's, so that its other tools, and older releases of ours, can
read them. ``dagster.yaml`` names these classes.
"""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster._core.event_api import EventHandlerFn
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import QueuePool

MOST_OPEN_RUNS = 8
"""Runs whose files are kept open; the UI of a home that has thousands looks at a few at a time."""


class RunRecords(SqliteRunStorage):
    """Dagster's runs in ``runs.db``."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "RunRecords":
        """The storage that ``dagster.yaml`` names; ``base_dir`` is Dagster's home."""
        return cls.from_local(_history(config_value), inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection in a transaction."""
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @cached_property
    def _engine(self) -> Engine:
        return _engine(self._conn_string)

    def dispose(self) -> None:
        """Close the file."""
        self._engine.dispose()


class EventRecords(SqliteEventLogStorage):
    """Dagster's events: a file a run, and ``index.db`` over all of them."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._one_at_a_time = threading.RLock()
        self._tables: set[str] = set()
        self._watcher = SqlPollingEventWatcher(self)
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "EventRecords":
        """The storage that ``dagster.yaml`` names; ``base_dir`` is Dagster's home."""
        return cls(f"{_history(config_value)}/runs", inst_data)

    @contextmanager
    def run_connection(self, run_id: str | None = None) -> Iterator[Connection]:
        """A connection to a run's events, in a transaction."""
        if run_id is None:
            raise ValueError("a run's events lie in a file of the run")
        with self._connection(run_id) as connection:
            yield connection

    @contextmanager
    def index_connection(self) -> Iterator[Connection]:
        """A connection to what is kept over all runs, in a transaction."""
        with self._connection(INDEX_SHARD_NAME) as connection:
            yield connection

    def has_table(self, table_name: str) -> bool:
        """Whether the index has the table; asked for at every materialisation."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Tell ``callback`` every new event of a run: by asking, since a file that is open changes beside itself."""
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        """Stop telling."""
        self._watcher.unwatch_run(run_id, handler)

    def wipe(self) -> None:
        """Forget every event."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close all files."""
        self._watcher.close()
        self._close()
        super().dispose()

    @contextmanager
    def _connection(self, shard: str) -> Iterator[Connection]:
        with self._one_at_a_time, self._engine(shard).connect() as connection, connection.begin():
            yield connection

    def _engine(self, shard: str) -> Engine:
        if shard not in self._engines:
            if shard != INDEX_SHARD_NAME:
                self._make_tables(Path(self.path_for_shard(shard)))
            self._engines[shard] = _engine(self.conn_string_for_shard(shard))
        self._engines.move_to_end(shard)
        while len(self._engines) > MOST_OPEN_RUNS:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[shard]

    def _make_tables(self, path: Path) -> None:
        """Give a run's file the tables and revision of the index, as Dagster does after a look at all its revisions."""
        with closing(sqlite3.connect(path, SQLITE_BUSY_TIMEOUT_SECONDS, isolation_level=None)) as file:
            file.execute("PRAGMA journal_mode=WAL")
            file.execute("ATTACH ? AS source", [self.path_for_shard(INDEX_SHARD_NAME)])
            file.execute("BEGIN IMMEDIATE")
            if not file.execute("SELECT 1 FROM sqlite_master WHERE name = 'event_logs'").fetchone():
                for (statement,) in file.execute(
                    "SELECT sql FROM source.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
                ).fetchall():
                    file.execute(statement)
                file.execute("INSERT INTO alembic_version SELECT * FROM source.alembic_version")
            file.execute("COMMIT")

    def _close(self) -> None:
        with self._one_at_a_time:
            while self._engines:
                self._engines.popitem()[1].dispose()


def _history(config: Mapping[str, str]) -> str:
    return f"{config['base_dir']}/history"


def _engine(url: str) -> Engine:
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        max_overflow=-1,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
        hide_parameters=True,
    )
    sa.event.listen(engine, "connect", _do_not_wait_for_the_disk)
    return engine


def _do_not_wait_for_the_disk(connection: sqlite3.Connection, _: object) -> None:
    # A killed process loses nothing by it; lost power loses the last records of runs, which are no data.
    connection.execute("PRAGMA synchronous=NORMAL")
