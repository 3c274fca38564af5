"""Session lists that do not keep still: the same rows told twice, and pages that shift between two requests.

Only the query and the rows of an answer are turned here; nothing of the world changes.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

TOLD_TWICE_EVERY = 3
"""Every third row of the whole list comes twice, the first one among them."""


def shifted(query: str, by: int) -> str:
    """The query for the page that starts ``by`` rows later (or earlier, below 0), never before the first row."""
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    return urlencode(pairs | {"offset": str(max(0, int(pairs["offset"]) + by))})


def rows_behind(offset: int, limit: int) -> list[int]:
    """The rows of the real list on a page of the list with repetitions, by number."""
    block = TOLD_TWICE_EVERY + 1
    return [place // block * TOLD_TWICE_EVERY + max(0, place % block - 1) for place in range(offset, offset + limit)]


def paged(query: str, rows: Sequence[int]) -> str:
    """The query for the page of the real list that has ``rows`` and no others."""
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    return urlencode(pairs | {"offset": str(rows[0]), "limit": str(rows[-1] - rows[0] + 1)})


def repeated(body: bytes, rows: Sequence[int]) -> bytes:
    """The answer to ``paged`` with its rows as often as they stand in ``rows``."""
    document: dict[str, Any] = orjson.loads(body)
    real = document["result"]["sleep_session_list"]
    there = (number - rows[0] for number in rows)
    document["result"]["sleep_session_list"] = [real[place] for place in there if place < len(real)]
    return orjson.dumps(document)
