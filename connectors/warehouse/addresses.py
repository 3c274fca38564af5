"""Addresses of warehouses: which are possible, and which is which. Nothing is opened here."""

from hashlib import sha256
from importlib.util import find_spec

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchModuleError

from connectors.database_urls import parsed

DUCKDB = "duckdb:///"
EXAMPLE = "duckdb:///data/warehouse.duckdb or postgresql://user:password@host/database"

_NO_FILE = ("", ":memory:")


def check_url(url: str) -> None:
    """See that a warehouse can lie at this address.

    Raises: ValueError saying what is wrong, without a part of the address.
    """
    if url.startswith(DUCKDB):
        if url.removeprefix(DUCKDB) in _NO_FILE:
            raise ValueError(f"must name a file, such as {EXAMPLE}")
        return
    address = parsed(url, EXAMPLE)
    if address.get_backend_name() == "sqlite" and (address.database or "") in _NO_FILE:
        raise ValueError("must name a file, such as sqlite:////srv/nightshift/warehouse.db")
    if address.get_backend_name() == "duckdb":
        raise ValueError(f"must name a file after three slashes, such as {EXAMPLE}")
    if not _has_driver(address):
        raise ValueError(
            "must be of a database whose driver is installed: that of PostgreSQL comes with nightshift[postgres]"
        )


def place(url: str | None) -> str:
    """A word that tells one warehouse from another, and nothing else; empty for the file in the home.

    Another password is the same warehouse.
    """
    if url is None:
        return ""
    shown = url if url.startswith(DUCKDB) else sa.make_url(url).set(password=None).render_as_string()
    return sha256(shown.encode()).hexdigest()[:16]


def _has_driver(url: sa.URL) -> bool:
    if url.get_backend_name() == "postgresql":
        return find_spec("psycopg") is not None
    try:
        dialect = url.get_dialect()
        dialect.import_dbapi()
    except (NoSuchModuleError, ImportError):
        return False
    return not dialect.is_async
