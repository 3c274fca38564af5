"""What PostgreSQL and the way to it can refuse, as one sentence each that holds no word of the server's.

The server's own words can quote addresses, names and values of rows, so only their codes are read (PostgreSQL's
documentation, appendix "Error Codes"). A refused connection has no code in libpq; there the words decide, and only a
fixed sentence is told.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connectors.warehouse.loading import WarehouseUnavailable

if TYPE_CHECKING:
    import psycopg

_WHERE = "check NIGHTSHIFT_WAREHOUSE_URL"

_LATER = {
    "57": "is shutting down or restarting",
    "08": "has lost the connection",
    "53300": "has no connection left",
    "53": "has no memory left",
    "55P03": "did not get a lock in time, because another program holds the tables",
    "40": "was crossed by another program that works in the same tables",
    "57014": "was told to stop the load",
    "57P05": "has closed a connection that was idle for too long",
    "25P03": "has ended the load because it was idle for too long",
}
_FOR_GOOD = {
    "28": f"has refused the name or the password: {_WHERE}",
    "3D": f"has no such database: make it, or {_WHERE}",
    "42501": "does not permit it: grant the user what docs/warehouse.md lists",
    "53100": "has a full disk: make room on the server",
    "53400": "has reached a limit of its settings, such as temp_file_limit: raise it",
    "25006": f"takes no changes, because it is a copy of another server or set to read only: {_WHERE}",
    "22021": "cannot keep a text, because it has a NUL or letters that the database's encoding lacks: see that the "
    "database has the encoding UTF8",
    "22P05": "cannot keep a text, because it has letters that the database's encoding lacks: see that the database "
    "has the encoding UTF8",
}
_WORDS = (
    (r"password authentication failed|no password supplied|pg_hba\.conf|role \".*\" does not exist", "28"),
    (r"database \".*\" does not exist", "3D"),
    (r"too many (clients|connections)|remaining connection slots", "53300"),
    (r"starting up|shutting down|in recovery mode|not (yet )?accepting connections", "57"),
)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn what psycopg and Arrow raise in the block into WarehouseUnavailable, without a cause that could be told."""
    import psycopg
    import pyarrow as pa

    try:
        yield
    except psycopg.Error as error:
        raise refusal(error) from None
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise WarehouseUnavailable(
            f"The warehouse cannot be loaded ({type(error).__name__}): the rows do not fit its tables; "
            "run `nightshift rebuild`."
        ) from None


def refusal(error: "psycopg.Error") -> WarehouseUnavailable:
    """The error that tells what a driver's error means, and whether waiting can help."""
    import psycopg

    code = error.sqlstate
    if code is None and isinstance(error, psycopg.OperationalError):
        code = next((code for words, code in _WORDS if re.search(words, str(error))), None)
        if code is None:
            return WarehouseUnavailable(
                "The warehouse cannot be used because its PostgreSQL server cannot be reached or has broken off: see "
                f"that it runs, or {_WHERE}, then run again.",
                may_pass=True,
            )
    if code is not None:
        for length in (5, 2):
            if what := _FOR_GOOD.get(code[:length]):
                return WarehouseUnavailable(f"The warehouse cannot be used: its server {what}, then run again.")
            if what := _LATER.get(code[:length]):
                return WarehouseUnavailable(
                    f"The warehouse cannot be used just now: its server {what}; run again in a while.", may_pass=True
                )
    return WarehouseUnavailable(
        f"The warehouse cannot be loaded ({type(error).__name__}): see the server's log, then run again."
    )
