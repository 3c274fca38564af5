"""Reading the address of a database; what kind of database it may be is for who uses it."""

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError


def parsed(url: str, example: str) -> sa.URL:
    """The parts of an SQLAlchemy URL; ``example`` is shown when it is none.

    Raises: ValueError saying what is wrong, without a part of the address.
    """
    try:
        found = sa.make_url(url)
        port_is_good = found.port is None or 0 < found.port < 2**16
    except ArgumentError:
        raise ValueError(f"must be the address of a database, such as {example}") from None
    except ValueError:  # SQLAlchemy takes the port for a number without asking
        port_is_good = False
    if not port_is_good:
        raise ValueError(f"must have a whole number below 65536 as port, such as {example}")
    return found
