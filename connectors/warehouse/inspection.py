"""Looking whether a DuckDB warehouse can be read to its last block, and putting one aside that cannot.

Loading is in ``duckdb``. A warehouse is made from the lake, so one that is damaged is simply made again.
"""

from itertools import count
from pathlib import Path

import duckdb

from connectors.lake.publish import DiskUnavailable

ASIDE = ".damaged"
_HELD_BY_ANOTHER = "Could not set lock"


def is_readable(path: Path) -> bool:
    """Whether every value in every table can be read; a file that another program is writing counts as readable."""
    try:
        with duckdb.connect(path, read_only=True) as connection:
            tables = connection.execute("SELECT database_name, schema_name, table_name FROM duckdb_tables()").fetchall()
            for names in tables:
                name = ".".join('"' + part.replace('"', '""') + '"' for part in names)
                # A hash over whole rows has every value read.
                connection.execute(f"SELECT bit_xor(hash(every)) FROM {name} AS every").fetchall()  # noqa: S608 - quoted
    except duckdb.IOException as error:
        return _HELD_BY_ANOTHER in str(error)
    except (duckdb.Error, OSError):
        return False
    return True


def put_aside(path: Path) -> Path:
    """Rename a warehouse that cannot be read, log and all; where it is now. Raises: DiskUnavailable."""
    names = (f"{path.name}{ASIDE}{number or ''}" for number in count())
    place = next(candidate for candidate in map(path.with_name, names) if not candidate.exists())
    log = path.with_name(f"{path.name}.wal")
    try:
        if log.exists():
            log.rename(place.with_name(f"{place.name}.wal"))
        path.rename(place)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    else:
        return place
    raise DiskUnavailable(f"The damaged warehouse cannot be put aside ({reason}): check the permissions.")
