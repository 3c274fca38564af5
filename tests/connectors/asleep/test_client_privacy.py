"""Recognisable ids and a recognisable key go in; no error, text, traceback or log record brings them out."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from datetime import date

import pytest

from connectors.asleep.client import AsleepClient
from connectors.errors import VendorError
from connectors.patience import Patience, Retry
from tests.connectors import loopback
from tests.connectors.asleep.client_fixture import opened
from tests.connectors.loopback import Loopback, Seen, Sent, answer, result

KEY, USER, SESSION = "CANARY-KEY", "CANARY-USER", "CANARY-SESSION"
TEXT = f"Unable to find the user of id {USER} with {KEY} and session {SESSION}"
DAY = date(2026, 2, 1)

MISBEHAVIOURS: dict[str, Sent] = {
    "reset": loopback.RESET,
    "closed": loopback.CLOSED,
    "cut": loopback.CUT_BY_LENGTH,
    "cut chunk": loopback.CUT_CHUNK,
    "bad chunk": loopback.BAD_CHUNK,
    "bad gzip": loopback.BAD_GZIP,
    "nonsense": loopback.NONSENSE,
    "unnoticed": loopback.CUT_UNNOTICED,
    "wrong shape": result({"session": {"id": 7, USER: KEY}, "user_id": [USER], "sleep_session_list": USER}),
    "cookie": answer(400, {"detail": TEXT}, set_cookie=f"{USER}=1; Domain=elsewhere.test"),
    **{f"{status}": answer(status, {"detail": TEXT}) for status in (302, 400, 403, 404, 409, 422, 429, 500, 503)},
    "401 key": answer(401, {"detail": f"Unauthorized {KEY}"}),
    "401 user": answer(401, {"detail": f"user_id {USER} is invalid"}),
    "403 quota": answer(403, {"detail": f"quota of {USER}"}),
    "403 plan": answer(403, {"detail": f"plan of {USER}"}),
    "422 list": answer(422, {"detail": [{"msg": f"{USER} is not allowed", "input": KEY}]}),
}


async def provoke(client: AsleepClient) -> list[VendorError]:
    """Ask everything and read every answer; the errors that came of it."""

    async def stats() -> object:
        return (await client.average_stats(USER, DAY, DAY)).result()

    async def detail() -> object:
        return (await client.get_session(USER, SESSION)).result()

    async def rows() -> object:
        return [row async for row in client.iterate_sessions(USER, date_gte=None, date_lte=None)]

    async def user() -> object:
        return (await client.get_user(USER)).result()

    async def update() -> object:
        return (await client.update_user(USER, None)).result()

    async def create() -> object:
        return await client.create_user(None)

    async def delete() -> object:
        return await client.delete_session(USER, SESSION), await client.delete_user(USER)

    async def odd() -> object:
        return await client.get_user(f"{USER}\r\n"), await client.get_session(USER, f"{SESSION}\n")

    errors = []
    for question in (stats, detail, rows, user, update, create, delete, odd):
        try:
            await question()
        except VendorError as error:
            errors.append(error)
    return errors


def everything_shown(error: BaseException) -> str:
    """All that a log or an event could show of an error and of what hangs on it."""
    shown = [repr(error), str(error), *traceback.format_exception(error)]
    links = [link for link in (error.__cause__, error.__context__) if link is not None]
    return "\n".join(shown + [everything_shown(link) for link in links])


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_nothing_recognisable_comes_out(
    name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever the server does, ids and key stay inside: errors, tracebacks, logs and output hold none."""
    caplog.set_level(logging.DEBUG)
    shown = asyncio.run(shown_after(lambda _: MISBEHAVIOURS[name]), debug=True)
    shown += "\n".join(f"{record.getMessage()} {record.exc_text} {record.args}" for record in caplog.records)
    shown += "".join(capfd.readouterr())
    assert "CANARY" not in shown


async def shown_after(reply: Callable[[Seen], Sent]) -> str:
    async with (
        Loopback(reply) as server,
        opened(server.url, key=KEY, patience=Patience(Retry(attempts=2, base_s=0, jitter_s=0))) as client,
    ):
        errors = await provoke(client)
        assert len(errors) >= 6
        return "\n".join([repr(client), repr(client.calls), *map(everything_shown, errors)])


def test_no_answer_at_all_shows_nothing_either(caplog: pytest.LogCaptureFixture) -> None:
    """A refused connection and an unknown host name only the host."""
    caplog.set_level(logging.DEBUG)

    async def main(base_url: str) -> str:
        async with opened(base_url, key=KEY, patience=Patience(Retry(attempts=1))) as client:
            return "\n".join(map(everything_shown, await provoke(client)))

    shown = asyncio.run(main("http://127.0.0.1:1")) + asyncio.run(main(f"http://asleep.invalid/{KEY}"))
    assert "No answer from http://asleep.invalid after 1 attempt (host name not found)" in shown
    assert "CANARY" not in shown + caplog.text
