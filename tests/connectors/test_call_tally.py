"""Counts that all processes of a home add to."""

import asyncio
from pathlib import Path

from connectors.call_tally import CallTally, read_tally, status_word


def test_what_several_add_comes_together(tmp_path: Path) -> None:
    """Endpoint by endpoint and status by status; a file that is not there says nothing."""
    file = tmp_path / "asleep.calls"
    assert read_tally(file) == {}

    async def add() -> None:
        first, second = CallTally(file), CallTally(file)
        await asyncio.gather(*(each.add({("list", "200"): 2, ("detail", "429"): 1}) for each in [first, second] * 10))

    asyncio.run(add())
    assert read_tally(file) == {("list", "200"): 40, ("detail", "429"): 20}


def test_a_torn_file_says_nothing_and_is_written_anew(tmp_path: Path) -> None:
    """Counters may begin again at any time."""
    file = tmp_path / "asleep.calls"
    for torn in (b"", b"{", b"[]", b'{"list 200": "x"}', b"\xff" * 100):
        file.write_bytes(torn)
        assert read_tally(file) == {}
    asyncio.run(CallTally(file).add({("list", "200"): 1}))
    assert read_tally(file) == {("list", "200"): 1}


def test_a_host_cannot_invent_labels() -> None:
    """Known statuses by themselves, every other one under one word."""
    assert [status_word(status) for status in (200, 429, 503, 299, 418, 999)] == ["200", "429", "503", *["other"] * 3]
