"""Reading a session list that changes between its pages: nothing that stays is lost, nothing comes twice."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.paging import every_row
from connectors.errors import UnreadableAnswer
from schemas.asleep import SessionRow

PAGE_ROWS = 10

changes = st.lists(
    st.tuples(
        st.lists(st.integers(0, 80), max_size=15, unique=True),  # rows deleted, by position at that moment
        st.integers(0, 3),  # rows added at the end
    ),
    max_size=8,
)


def row(name: str) -> SessionRow:
    return SessionRow(name, "COMPLETE", "2026-02-28T22:00:00+00:00")


def read(page: Callable[[int], list[SessionRow]]) -> list[str]:
    """The ids that come out when pages come from ``page``."""

    async def fetch(offset: int) -> list[SessionRow]:
        return page(offset)

    async def main() -> list[str]:
        return [found.session_id async for found in every_row(fetch, PAGE_ROWS)]

    return asyncio.run(main())


@pytest.mark.parametrize(("rows", "pages"), [(0, 1), (1, 1), (9, 1), (10, 2), (18, 2), (19, 3), (27, 3), (28, 4)])
def test_a_list_at_rest_costs_no_more_pages_than_it_must(rows: int, pages: int) -> None:
    """One page for under a page of rows, then one for every nine more."""
    names = [f"s{number}" for number in range(rows)]
    asked: list[int] = []

    def page(offset: int) -> list[SessionRow]:
        asked.append(offset)
        return [row(name) for name in names[offset : offset + PAGE_ROWS]]

    assert read(page) == names
    assert len(asked) == pages


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 80), changes)
def test_no_row_that_stays_is_lost_and_none_comes_twice(rows: int, steps: list[tuple[list[int], int]]) -> None:
    """Deletions anywhere and new sessions at the end, between any two pages, hide no other session."""
    names = [f"s{number}" for number in range(rows)]
    start, pending = set(names), list(steps)

    def page(offset: int) -> list[SessionRow]:
        found = [row(name) for name in names[offset : offset + PAGE_ROWS]]
        if pending:
            deleted, added = pending.pop(0)
            names[:] = [name for place, name in enumerate(names) if place not in deleted]
            names.extend(f"new{len(pending)}-{number}" for number in range(added))
        return found

    got = read(page)
    assert len(got) == len(set(got))
    assert start & set(names) <= set(got)


def test_a_row_deleted_between_two_pages_does_not_disturb_the_order() -> None:
    """After stepping back the rows still come out oldest first."""
    names = [f"s{number:02}" for number in range(30)]

    def page(offset: int) -> list[SessionRow]:
        found = [row(name) for name in names[offset : offset + PAGE_ROWS]]
        if offset == 0:
            del names[:5]
        return found

    assert read(page) == sorted({f"s{number:02}" for number in range(30)})


@pytest.mark.parametrize("first", [0, 5])
def test_pages_that_never_fit_end_in_an_error(first: int) -> None:
    """A server that ignores the offset, or shuffles its rows, cannot keep a run busy for ever."""
    fresh = iter(range(1_000_000))

    def page(offset: int) -> list[SessionRow]:
        if first and offset:
            return [row(f"new{next(fresh)}") for _ in range(PAGE_ROWS)]
        return [row(f"s{number}") for number in range(PAGE_ROWS)]

    with pytest.raises(UnreadableAnswer, match="do not fit together"):
        read(page)
