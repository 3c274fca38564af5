"""Paging back through sessions: every one of the range once and as received, and an end whatever the vendor does."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest

from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.sleep_data import ListedInterval
from schemas.eight_sleep import Interval, decoded
from tests.connectors.eight_sleep.rig import NOON, Rig
from tests.connectors.loopback import Loopback, Seen, Sent, answer

TODAY = NOON.date()


def listed(rig: Rig, days: int = 400) -> list[ListedInterval]:
    """What the client finds of the last days."""
    user_id = rig.sleeper.user_id
    return rig.converse(lambda client: client.intervals_between(user_id, TODAY - timedelta(days=days), TODAY))


def truth(rig: Rig) -> list[str]:
    """The ids of all stays, oldest first."""
    return [told.whole.id for told in rig.world.nights_of(rig.sleeper.user_id).told(rig.clock.now)]


@pytest.mark.parametrize(
    "variant", [None, "wrapped", "unordered_pages", "cursor_on_empty_page", "cursor_only_if_more", "text_none"]
)
def test_every_session_is_found_once_and_in_order(rig: Rig, variant: str | None) -> None:
    """However pages are wrapped, ordered and ended; each as its own bytes."""
    rig.world.set_variants(*([variant] if variant else []))
    found = listed(rig)
    assert [one.id for one in found] == truth(rig)
    assert len(found) > 25
    assert all(decoded(one.body, Interval).ts == one.ts and one.fetched_at == NOON for one in found)


def test_pages_are_read_only_as_far_back_as_needed(rig: Rig) -> None:
    """A page that reaches more than a day before the range is the last one."""
    recent = listed(rig, days=2)
    assert rig.calls["intervals"] == 1
    earliest = datetime(2026, 2, 26, tzinfo=UTC)
    assert [one.id for one in recent] == [
        told.whole.id
        for told in rig.world.nights_of(rig.sleeper.user_id).told(rig.clock.now)
        if told.whole.start >= earliest
    ]


def test_a_range_that_is_over_brings_no_later_session(rig: Rig) -> None:
    """Up to a day after its end."""
    first, last = date(2026, 2, 10), date(2026, 2, 12)
    found = rig.converse(lambda client: client.intervals_between(rig.sleeper.user_id, first, last))
    days = {datetime.fromisoformat(one.ts or "").date() for one in found}
    assert days
    assert min(days) >= date(2026, 2, 9)
    assert max(days) <= date(2026, 2, 13)


def test_a_cursor_that_repeats_ends_the_reading(rig: Rig) -> None:
    """Nobody asks for ever; what was read is given."""
    rig.world.set_variants("repeated_cursor")
    found = listed(rig)
    assert len(found) == 20
    assert rig.calls["intervals"] == 2


def test_garbage_is_given_with_the_rest(rig: Rig) -> None:
    """Without a time, and without an id unless that can be read; nothing is lost for it."""
    rig.world.set_variants("garbage_interval")
    found = listed(rig)
    good, bad = found[: len(truth(rig))], found[len(truth(rig)) :]
    assert [one.id for one in good] == truth(rig)
    assert {(one.id, one.ts, one.body) for one in bad} == {
        ("7", None, b'{"id":7,"stages":"none"}'),
        (None, None, b'"<html>"'),
        (None, None, b"{}"),
    }


def scripted(rig: Rig, pages: Callable[[str | None], Any]) -> tuple[list[ListedInterval], int]:
    """What the client makes of invented pages, by their cursor; and how many it has asked for."""

    def reply(seen: Seen) -> Sent:
        if seen.target.endswith("/login"):
            return answer(200, {"session": {"token": "t", "userId": "u", "expiresAt": "2026-03-02T00:00:00Z"}})
        _, _, query = seen.target.partition("?next=")
        return answer(200, pages(query or None))

    async def main() -> tuple[list[ListedInterval], int]:
        async with Loopback(reply) as server:
            run = rig.connection(auth_url=server.url, client_url=server.url)
            async with run.open() as client:
                found = await client.intervals_between("u", date(2026, 1, 1), TODAY)
            return found, sum("/intervals" in seen.target for seen in server.seen)

    return asyncio.run(main())


def one(day: int, **more: Any) -> dict[str, Any]:
    """An interval of a February night."""
    return {"id": f"{day}", "ts": f"2026-02-{day:02}T22:00:00.000Z", "stages": [], **more}


@pytest.mark.parametrize(
    ("first", "asked"),
    [
        ({"intervals": [one(3)]}, 1),
        ({"intervals": [one(3)], "next": None}, 1),
        ({"intervals": [one(3)], "next": "None"}, 1),
        ({"intervals": [one(3)], "next": "more"}, 2),
        ({"intervals": [one(3), {"id": "0", "ts": "2025-12-30T22:00:00.000Z"}], "next": "more"}, 1),
    ],
    ids=["missing", "null", "text", "empty page", "reached"],
)
def test_the_reading_ends(rig: Rig, first: dict[str, Any], asked: int) -> None:
    """At a page without a cursor, an empty one even if that has a cursor, and one that reaches back far enough."""
    found, calls = scripted(rig, lambda cursor: {"intervals": [], "next": "x"} if cursor else first)
    assert ([interval.id for interval in found], calls) == (["3"], asked)


def test_pages_that_tell_nothing_new_end_the_reading(rig: Rig) -> None:
    """Although each has a cursor of its own."""
    numbers = Counter[str]()

    def page(_: str | None) -> dict[str, Any]:
        numbers["asked"] += 1
        return {"intervals": [one(3)], "next": f"c{numbers['asked']}"}

    assert scripted(rig, page)[1] == 2


def test_a_session_on_two_pages_is_given_as_it_was_told_last(rig: Rig) -> None:
    """It was analysed again meanwhile."""
    pages = {None: {"intervals": [one(3, score=1)], "next": "b"}, "b": {"intervals": [one(3, score=2), one(2)]}}
    found, _ = scripted(rig, pages.__getitem__)
    assert [json.loads(interval.body).get("score") for interval in found] == [None, 2]


@pytest.mark.parametrize("ts", [None, 7, "", "None", "yesterday", "2026-02-03T22:00:00"])
def test_a_beginning_that_cannot_be_read_is_none(rig: Rig, ts: Any) -> None:
    """Also a time without an offset: the session is given, for whoever keeps it in quarantine."""
    found, _ = scripted(rig, lambda _: {"intervals": [{"id": "9", "ts": ts}]})
    assert [(interval.id, interval.ts) for interval in found] == [("9", None)]


def test_the_cursor_is_sent_back_as_it_came(rig: Rig) -> None:
    """Base64 with its padding and signs."""
    given: list[str] = []
    cursor = "eyJ2+/fQ=="

    def page(asked: str | None) -> dict[str, Any]:
        given.append(asked or "")
        return {"intervals": [one(3)], "next": cursor} if not asked else {"intervals": []}

    scripted(rig, page)
    assert [unquote(asked) for asked in given] == ["", cursor]
    assert "+" not in given[1]


def test_calls_of_one_minute_keep_within_the_budget_of_ours(rig: Rig) -> None:
    """Thirty a minute over all of them; no limit of theirs is documented."""

    async def talk(client: EightSleepClient) -> None:
        for _ in range(16):
            await client.get_me()
            await client.intervals_page(rig.sleeper.user_id)

    rig.converse(talk)
    assert rig.calls["me"] + rig.calls["intervals"] == 32
    assert rig.limits.most_in_a_window("sleep") <= 30
