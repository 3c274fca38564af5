"""What Asleep's session ids tell: they begin with the start that a session had when it was made, as in the
documentation's ``20250314144120_w2x7d``."""

import re
from datetime import UTC, datetime

_START = re.compile(r"(\d{8})(\d{6})(?:_|$)", re.ASCII)


def start_in(session_id: str) -> datetime | None:
    """The start, in UTC, that an id begins with; None if it does not begin with 14 digits that are a time."""
    start = _START.match(session_id)
    if start is None:
        return None
    try:
        return datetime.fromisoformat(f"{start[1]}T{start[2]}").replace(tzinfo=UTC)
    except ValueError:
        return None
