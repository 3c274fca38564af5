"""Reading the session list row by row: an odd value costs nobody a night, and no row is dropped in silence."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.asleep.session_list import OddRow, SessionListAnswer
from connectors.errors import UnreadableAnswer
from schemas.asleep import SessionList, SessionRow
from tests.connectors.asleep.client_fixture import NOW, opened
from tests.connectors.loopback import Loopback, result

ROW = {
    "session_id": "20260228220000_ab1cd",
    "state": "COMPLETE",
    "session_start_time": "2026-02-28T22:00:00+00:00",
    "session_end_time": "2026-03-01T06:00:00+00:00",
    "created_timezone": "Asia/Seoul",
    "unexpected_end_time": None,
    "last_received_seq_num": 959,
    "time_in_bed": 28800,
}
NEEDED = ("session_id", "session_start_time")
BAD: list[Any] = [None, 7, ["x"], {}]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def read(*rows: Any) -> list[SessionRow]:
    """The rows of a page that holds these."""
    body = json.dumps({"detail": "OK", "result": {"timezone": "UTC", "sleep_session_list": rows}}).encode()
    return SessionListAnswer(body, 200, NOW, SessionList).result().sleep_session_list


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time_in_bed", 28800.5),
        ("time_in_bed", "28800"),
        ("last_received_seq_num", 3.0),
        ("last_received_seq_num", True),
        ("session_end_time", 1772344800),
        ("created_timezone", ["Asia/Seoul"]),
        ("unexpected_end_time", {}),
        ("state", None),
        ("state", 3),
    ],
)
def test_an_odd_value_leaves_the_rest_of_the_page_as_it_is(name: str, value: object) -> None:
    """The session is there with everything else of it, and so are its neighbours; over real HTTP."""
    before, after = ROW | {"session_id": "before"}, ROW | {"session_id": "after"}

    async def main() -> list[SessionRow]:
        sent = result({"timezone": 9, "sleep_session_list": [before, ROW | {name: value, "new": 1}, after]})
        async with Loopback(lambda _: sent) as server, opened(server.url) as client:
            return [row async for row in client.iterate_sessions("u", date_gte=None, date_lte=None)]

    rows = asyncio.run(main())
    assert [rows[0], rows[2]] == [SessionRow(**before), SessionRow(**after)]  # type: ignore[arg-type]
    assert isinstance(rows[1], OddRow)
    empty = "" if name == "state" else None
    assert msgspec.structs.asdict(rows[1]) == ROW | {name: empty, "odd": rows[1].odd}


def test_an_unknown_state_is_carried_as_it_is() -> None:
    """New states appear without notice."""
    assert read(ROW | {"state": "ARCHIVED"}) == [SessionRow(**ROW | {"state": "ARCHIVED"})]  # type: ignore[arg-type]


def test_a_row_without_a_state_is_a_row() -> None:
    """Id and start are all that a session needs to be looked at."""
    [row] = read({name: ROW[name] for name in NEEDED})
    assert (row.session_id, row.session_start_time, row.state) == (ROW["session_id"], ROW["session_start_time"], "")


def test_a_change_of_an_odd_value_is_seen() -> None:
    """Rows that differ only in what could not be read still differ, and the same row reads the same."""
    rows = read(*(ROW | {"time_in_bed": value} for value in ("long", "longer", "long")))
    marks = [msgspec.json.encode(row) for row in rows]
    assert marks[0] == marks[2] != marks[1]


def test_a_row_as_documented_reads_the_same_beside_an_odd_one() -> None:
    """What the ledger remembers of it does not change because a neighbour is odd."""
    alone, beside = read(ROW), read(ROW, ROW | {"state": 1})
    assert msgspec.json.encode(beside[0]) == msgspec.json.encode(alone[0])


@pytest.mark.parametrize(("name", "value"), [("session_id", ""), *((name, value) for name in NEEDED for value in BAD)])
def test_a_row_without_id_or_start_makes_the_page_unreadable(name: str, value: object) -> None:
    """Nothing is left out in silence: the user is reported as not pulled."""
    with pytest.raises(UnreadableAnswer, match=r"row 1 of the page") as caught:
        read(ROW, ROW | {name: value})
    assert caught.value.__context__ is None


def test_a_start_that_is_no_time_is_left_to_the_pull() -> None:
    """It fails that one row there, and the user's other sessions are kept."""
    assert read(ROW | {"session_start_time": "yesterday"}, ROW)[0].session_start_time == "yesterday"


@pytest.mark.parametrize("value", [None, "x", 7, {}, [None], ["x"]])
def test_a_list_that_is_none_is_unreadable(value: object) -> None:
    """A page without rows of the documented form says nothing about sessions."""
    body = json.dumps({"detail": "OK", "result": {"sleep_session_list": value}}).encode()
    with pytest.raises(UnreadableAnswer):
        SessionListAnswer(body, 200, NOW, SessionList).result()


@given(st.lists(st.dictionaries(st.sampled_from([*ROW, "new"]), json_values), max_size=5))
def test_rows_in_are_rows_out_or_the_page_is_unreadable(changes: list[dict[str, Any]]) -> None:
    """Whatever the vendor puts into its rows: as many as came, with their ids, or one typed error."""
    rows = [ROW | change for change in changes]
    if all(isinstance(row[name], str) for row in rows for name in NEEDED) and all(row["session_id"] for row in rows):
        assert [row.session_id for row in read(*rows)] == [row["session_id"] for row in rows]
    else:
        with pytest.raises(UnreadableAnswer):
            read(*rows)
