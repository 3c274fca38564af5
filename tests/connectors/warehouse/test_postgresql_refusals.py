"""What a PostgreSQL server and the way to it can refuse: one sentence, without values, and whether it may pass."""

import socket
import traceback
from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pytest

from connectors.errors import WrongUsage
from connectors.warehouse.loading import WarehouseUnavailable
from connectors.warehouse.postgresql import PostgresWarehouse
from schemas.tables import USERS
from tests.connectors.warehouse.conftest import Server, Tried
from tests.connectors.warehouse.loads import load, rows_of
from tests.connectors.warehouse.test_duckdb import BAD_ROWS, arrow
from tests.schemas.fhir.rows import user


def refusal(warehouse: PostgresWarehouse, rows: pa.Table | None = None) -> WarehouseUnavailable:
    """What a load of users is refused with; its text and traceback tell no value."""
    with pytest.raises(WarehouseUnavailable) as refused:
        warehouse.load_whole(USERS, arrow(USERS, [user(user_id="canary")]) if rows is None else rows)
    told = [line for line in traceback.format_exception(refused.value) if "Error:" in line or "Unavailable:" in line]
    assert "canary" not in f"{told}{refused.value!r}"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    return refused.value


@pytest.fixture
def nobody_listens() -> Iterator[int]:
    """A port that is taken, so that nobody else opens it, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_server_that_cannot_be_reached_may_come_back(nobody_listens: int) -> None:
    """Loading, reading and looking tell the same."""
    warehouse = PostgresWarehouse(f"postgresql+psycopg://canary:canary@127.0.0.1:{nobody_listens}/canary")
    told = refusal(warehouse)
    assert "cannot be reached" in str(told)
    assert told.may_pass
    for use in (warehouse.exists, warehouse.read().__enter__):
        with pytest.raises(WarehouseUnavailable) as refused:
            use()
        assert str(refused.value) == str(told)


def test_a_wrong_password_is_for_good(server: Server) -> None:
    """As is none, a name nobody has, and a database that is not there."""
    server.ask("DROP ROLE IF EXISTS locked; CREATE ROLE locked LOGIN PASSWORD 'right'")
    rules = server.folder / "pg_hba.conf"
    rules.write_text("local all locked scram-sha-256\n" + rules.read_text())
    server.ask("SELECT pg_reload_conf()")
    address = server.url.partition("@")[2]
    for login in ("locked:canary", "locked", "canary"):
        told = refusal(PostgresWarehouse(f"postgresql://{login}@{address}"))
        assert "has refused the name or the password: check NIGHTSHIFT_WAREHOUSE_URL" in str(told), login
        assert not told.may_pass
    told = refusal(PostgresWarehouse(server.url.replace("/postgres?", "/canary?")))
    assert "has no such database" in str(told)
    assert not told.may_pass


def test_a_user_without_rights_is_told_so(tried: Tried) -> None:
    """Neither the tables nor a schema for them may be made or written."""
    tried.server.ask("DROP ROLE IF EXISTS guest; CREATE ROLE guest LOGIN")
    guest = tried.again(f"postgresql://guest@{tried.server.url.partition('@')[2]}")
    assert "does not permit it" in str(refusal(guest))
    load(tried.warehouse, USERS, [])
    told = refusal(guest)
    assert "does not permit it" in str(told)
    assert not told.may_pass
    tried.ask("GRANT USAGE ON SCHEMA {schema} TO guest; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO guest")
    assert rows_of(guest, USERS) == []
    tried.ask("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO guest")
    load(guest, USERS, [user()])
    assert rows_of(tried.warehouse, USERS) == [user()]
    tried.ask("DROP OWNED BY guest")


CODES = {
    "53100": ("has a full disk: make room on the server", False),
    "53400": ("has reached a limit of its settings", False),
    "53200": ("has no memory left", True),
    "53300": ("has no connection left", True),
    "57P01": ("is shutting down or restarting", True),
    "57014": ("was told to stop the load", True),
    "40P01": ("was crossed by another program", True),
    "55P03": ("did not get a lock in time", True),
    "25006": ("takes no changes", False),
    "XX001": (r"The warehouse cannot be loaded \(DataCorrupted\): see the server's log", False),
}


@pytest.mark.parametrize("code", CODES)
def test_what_the_server_meets_is_told_with_what_to_do(tried: Tried, code: str) -> None:
    """By its code, whatever the server says beside it; what was there stays."""
    load(tried.warehouse, USERS, [user()])
    tried.ask(
        "CREATE FUNCTION {schema}.fail() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN RAISE EXCEPTION 'canary' USING ERRCODE = '{code}'; END$$; "
        "CREATE TRIGGER fail BEFORE INSERT ON {schema}.users EXECUTE FUNCTION {schema}.fail()"
    )
    words, may_pass = CODES[code]
    told = refusal(tried.warehouse)
    assert told.may_pass is may_pass
    with pytest.raises(WarehouseUnavailable, match=words):
        raise told
    assert rows_of(tried.warehouse, USERS) == [user()]


@pytest.mark.parametrize(
    ("words", "told", "may_pass"),
    [
        ("FATAL:  the database system is starting up", "is shutting down or restarting", True),
        ("FATAL:  the database system is in recovery mode", "is shutting down or restarting", True),
        ("FATAL:  sorry, too many clients already", "has no connection left", True),
        ('FATAL:  no pg_hba.conf entry for host "canary"', "has refused the name or the password", False),
        ("server closed the connection unexpectedly", "cannot be reached or has broken off", True),
    ],
)
def test_a_refused_connection_is_told_by_its_words(
    tried: Tried, monkeypatch: pytest.MonkeyPatch, words: str, told: str, may_pass: bool
) -> None:
    """It has no code."""

    def refuse(**_: object) -> None:
        raise psycopg.OperationalError(f"connection failed: {words} canary")

    monkeypatch.setattr(psycopg, "connect", refuse)
    refused = refusal(tried.warehouse)
    assert told in str(refused)
    assert refused.may_pass is may_pass


@pytest.mark.parametrize("change", [change for _, change in BAD_ROWS], ids=[name for name, _ in BAD_ROWS])
def test_a_failed_load_changes_nothing(tried: Tried, change: dict[str, pa.Array]) -> None:
    """Rows that do not fit: what was there stays."""
    load(tried.warehouse, USERS, [user()])
    bad = arrow(USERS, [user(user_id="canary")])
    for name, values in change.items():
        place = bad.schema.get_field_index(name)
        bad = bad.append_column(name, values) if place < 0 else bad.set_column(place, name, values)
    assert "cannot be loaded" in str(refusal(tried.warehouse, bad))
    assert rows_of(tried.warehouse, USERS) == [user()]


def test_one_key_twice_is_refused(tried: Tried) -> None:
    """Nobody could say which of the two rows is meant."""
    told = refusal(tried.warehouse, arrow(USERS, [user(user_id="canary"), user(user_id="canary", gender="male")]))
    assert "cannot be loaded (UniqueViolation)" in str(told)
    assert not told.may_pass


def test_a_nul_in_a_text_is_told(tried: Tried) -> None:
    """PostgreSQL has no such letter."""
    assert "has a NUL" in str(refusal(tried.warehouse, arrow(USERS, [user(gender="canary\0")])))


@pytest.mark.parametrize("url", ["canary", "postgresql://canary@host:canary/db", "postgresql://[::canary/db"])
def test_an_address_that_is_none_is_wrong_usage(url: str) -> None:
    """At once, without a part of it."""
    with pytest.raises(WrongUsage) as refused:
        PostgresWarehouse(url)
    assert "canary" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_warehouse_does_not_tell_its_address(server: Server) -> None:
    """Nor what is in it."""
    assert repr(PostgresWarehouse(server.url.replace("postgres:@", "canary:canary@"))) == "PostgresWarehouse(…)"
