"""Recognisable credentials, tokens and ids go in; no error, traceback, repr, log, file name or database shows them."""

import asyncio
import json
import logging
import shutil
import traceback
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.eight_sleep.login import Credentials
from connectors.errors import NightshiftError
from connectors.home import Home
from tests.connectors import loopback
from tests.connectors.eight_sleep.rig import AT_ONCE, NOBODY_LISTENS, Clock
from tests.connectors.loopback import Loopback, Seen, Sent, answer

CREDENTIALS = Credentials("CANARY@example.com", "CANARY-PASSWORD", "CANARY-CLIENT", "CANARY-SECRET")
BED = "CANARY-BED"
LOGIN = answer(
    200, {"session": {"token": "CANARY-TOKEN", "userId": "CANARY-USER", "expiresAt": "2026-03-02T00:00:00Z"}}
)
TEXT = "CANARY CANARY@example.com CANARY-TOKEN CANARY-BED"


def envelope(status: int, code: str) -> Sent:
    """An error that tells everything."""
    error = {"code": code, "message": TEXT, "details": {"deviceId": BED, "email": TEXT}}
    return answer(status, {"error": error, "success": False}, x_trace=TEXT)


MISBEHAVIOURS: dict[str, Sent] = {
    "reset": loopback.RESET,
    "cut": loopback.CUT_BY_LENGTH,
    "nonsense": loopback.NONSENSE,
    "wrong shape": answer(200, {"session": {"token": ["CANARY"]}, "deviceId": BED, "online": TEXT}),
    "token that no header can hold": answer(200, {"session": {"token": "CANARY\r\n", "userId": "CANARY"}}),
    "unauthorised": envelope(401, "AUTHENTICATION_FAILED"),
    "expired": envelope(401, "TOKEN_EXPIRED"),
    "not found": envelope(404, "DEVICE_NOT_FOUND"),
    "temperature": envelope(400, "INVALID_TEMPERATURE"),
    "grant": answer(400, {"status": 400, "code": TEXT, "error": "invalid_grant"}),
    "limit": envelope(429, "RATE_LIMIT_EXCEEDED"),
    "offline": envelope(503, "DEVICE_OFFLINE"),
    "unknown code": envelope(418, TEXT),
    "failed": envelope(500, TEXT),
    "not done": answer(200, {"success": False, "message": TEXT}),
}


def everything_shown(error: BaseException) -> str:
    """All that a log or an event could show of an error and of what hangs on it."""
    shown = [repr(error), str(error), *traceback.format_exception(error)]
    links = [link for link in (error.__cause__, error.__context__) if link is not None]
    return "\n".join(shown + [everything_shown(link) for link in links])


async def provoke(client: EightSleepClient) -> str:
    """Ask everything; what came of it, as it would be shown."""
    questions: tuple[Callable[[], Coroutine[Any, Any, Any]], ...] = (
        client.authenticate,
        client.get_devices,
        lambda: client.get_status(BED),
        lambda: client.set_temperature(1, 2, device_id=BED),
        lambda: client.turn_off(device_id=f"{BED}\n"),
        client.turn_on,
    )
    shown = [repr(client), repr(client.calls)]
    for question in questions:
        try:
            shown.append(repr(await question()))
        except NightshiftError as error:
            shown.append(everything_shown(error))
    return "\n".join(shown)


@pytest.fixture
def home(tmp_path: Path, empty_home: Path) -> Iterator[Home]:
    """A home of its own."""
    shutil.copytree(empty_home, tmp_path / "home")
    home = Home(tmp_path / "home", clock=Clock())
    yield home
    home.state.close()


def connection(home: Home, auth_url: str, client_url: str) -> EightSleepConnection:
    """A run that knows the canaries."""
    clock = home.clock
    assert isinstance(clock, Clock)
    return EightSleepConnection(
        home, CREDENTIALS, auth_url, client_url, patience=AT_ONCE, seconds=clock.seconds, sleep=clock.sleep
    )


@pytest.mark.parametrize("at_login", [True, False])
@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_nothing_recognisable_comes_out(
    home: Home, name: str, at_login: bool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever the server does, at the login or afterwards; the files of the home show nothing either."""
    caplog.set_level(logging.DEBUG)

    def reply(seen: Seen) -> Sent:
        return MISBEHAVIOURS[name] if at_login or not seen.target.endswith("/login") else LOGIN

    async def main() -> str:
        async with Loopback(reply) as server:
            run = connection(home, server.url, server.url)
            async with run.open() as client:
                shown = await provoke(client)
            assert server.seen
            return shown + repr(run) + repr(run.credentials)

    shown = asyncio.run(main(), debug=True)
    shown += "\n".join(f"{record.getMessage()} {record.exc_text} {record.args}" for record in caplog.records)
    shown += "".join(capfd.readouterr())
    files = [path for path in home.root.rglob("*") if path.is_file()]
    shown += "".join(f"{path.relative_to(home.root)} {path.read_bytes()!r}" for path in files)
    assert "CANARY" not in shown.replace(repr(f"{BED}\n"), "")


def test_good_answers_do_not_show_themselves(home: Home) -> None:
    """Devices, status and tokens are silent about what is in them."""
    side = {"side": "left", "presence": True, "userId": "CANARY", "isOwner": True}
    documents = {
        "login": json.loads(LOGIN.raw.partition(b"\r\n\r\n")[2]),
        "devices": [{"id": BED, "deviceId": "CANARY"}],
        "status": {"deviceId": BED, "online": True, "left": side, "right": side},
        "temperature": {"success": True, "message": TEXT},
    }

    async def main() -> str:
        async with (
            Loopback(lambda seen: answer(200, documents[seen.target.rpartition("/")[2]])) as server,
            connection(home, server.url, server.url).open() as client,
        ):
            token = await client._tokens.current()
            return repr(token) + repr(client._tokens) + await provoke(client)

    shown = asyncio.run(main())
    assert "[Device(…)]" in shown
    assert "BedStatus(…)" in shown
    assert "CANARY" not in shown


def test_no_answer_at_all_shows_nothing_either(home: Home) -> None:
    """A refused connection names only the host."""

    async def main() -> str:
        async with connection(home, NOBODY_LISTENS, f"{NOBODY_LISTENS}/CANARY").open() as client:
            return await provoke(client)

    shown = asyncio.run(main())
    assert "No answer from http://127.0.0.1:1 after" in shown
    assert "CANARY" not in shown
