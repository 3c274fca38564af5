"""Reading a list that has no total and may change between its pages, without losing or repeating a row.

Knows nothing of HTTP: a page is whatever ``fetch`` returns for an offset.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from connectors.errors import UnreadableAnswer
from schemas.asleep import SessionRow

_MOST_IDLE_PAGES = 20
"""Pages in a row that bring nothing new: each deletion between two pages costs two, ten may follow each other."""

Fetch = Callable[[int], Awaitable[Sequence[SessionRow]]]
"""The page of rows from an offset on."""


async def every_row(fetch: Fetch, page_rows: int) -> AsyncIterator[SessionRow]:
    """Yield every row once, in the vendor's order, until a page is shorter than ``page_rows``.

    Each page starts on the last row of the one before. When that row is not where it was, rows before it have been
    deleted meanwhile and others have slipped past the offset: the page is dropped and reading goes on one page back.
    Raises ``UnreadableAnswer`` when the pages do not fit together at all (an ignored offset, a random order).
    """
    seen: set[str] = set()
    offset = idle_pages = 0
    while True:
        page = await fetch(offset)
        joined = offset == 0 or (bool(page) and page[0].session_id in seen)
        fresh = _fresh(page, seen) if joined else []
        for row in fresh:
            yield row
        if joined and len(page) < page_rows:
            return
        offset = offset + len(page) - 1 if joined else max(0, offset - page_rows)
        idle_pages = 0 if fresh else idle_pages + 1
        if idle_pages > _MOST_IDLE_PAGES:
            raise UnreadableAnswer("Asleep's list pages do not fit together: start the run again later.")


def _fresh(page: Sequence[SessionRow], seen: set[str]) -> list[SessionRow]:
    """The rows not seen before, which are now."""
    fresh = []
    for row in page:
        if row.session_id not in seen:
            seen.add(row.session_id)
            fresh.append(row)
    return fresh
