"""Recognisable credentials, tokens and ids go in; no error, traceback, repr, log, file name or database shows them."""

import asyncio
import json
import logging
import shutil
import traceback
from collections.abc import Callable, Coroutine, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from connectors.eight_sleep.answer import EightSleepAnswer
from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.eight_sleep.login import Credentials
from connectors.eight_sleep.sandbox import people
from connectors.errors import NightshiftError
from connectors.home import Home
from tests.connectors import loopback
from tests.connectors.eight_sleep.rig import AT_ONCE, NOBODY_LISTENS, Clock, Rig
from tests.connectors.loopback import Loopback, Seen, Sent, answer

CREDENTIALS = Credentials("CANARY@example.com", "CANARY-PASSWORD", "CANARY-CLIENT", "CANARY-SECRET")
WITHOUT_APPLICATION = Credentials("CANARY@example.com", "CANARY-PASSWORD")
BED = "CANARY-BED"
GRANT = answer(
    200,
    {"access_token": "CANARY-TOKEN", "refresh_token": "CANARY-REFRESH", "expires_in": 9000, "userId": "CANARY-USER"},
)
LOGIN = answer(
    200, {"session": {"token": "CANARY-TOKEN", "userId": "CANARY-USER", "expiresAt": "2026-03-02T00:00:00Z"}}
)
DAY = date(2026, 3, 1)
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


async def provoke(client: EightSleepClient, most: int | None = None) -> str:
    """Ask everything, or only the first questions; what came of it, as it would be shown."""
    questions: tuple[Callable[[], Coroutine[Any, Any, Any]], ...] = (
        client.authenticate,
        client.get_devices,
        lambda: client.get_status(BED),
        lambda: client.set_temperature(1, 2, device_id=BED),
        lambda: client.turn_off(device_id=f"{BED}\n"),
        client.turn_on,
        client.get_me,
        lambda: client.get_user("CANARY-USER"),
        lambda: client.get_bed(BED),
        lambda: client.get_temperature("CANARY-USER"),
        lambda: client.intervals_between("CANARY-USER", DAY, DAY),
        lambda: client.get_interval("CANARY-USER", "CANARY-SESSION"),
        lambda: client.trends("CANARY-USER", DAY, DAY, "UTC", sessions=True),
    )
    shown = [repr(client), repr(client.calls)]
    for question in questions[:most]:
        try:
            answered = await question()
            shown.append(repr(answered))
            if isinstance(answered, EightSleepAnswer):
                shown.append(repr(answered.result()))
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


def connection(
    home: Home, auth_url: str, client_url: str, credentials: Credentials = CREDENTIALS
) -> EightSleepConnection:
    """A run that knows the canaries."""
    clock = home.clock
    assert isinstance(clock, Clock)
    return EightSleepConnection(
        home,
        credentials,
        auth_url,
        client_url,
        app_url=client_url,
        patience=AT_ONCE,
        seconds=clock.seconds,
        sleep=clock.sleep,
    )


@pytest.mark.parametrize(("at_login", "oauth"), [(True, False), (True, True), (False, True)])
@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_nothing_recognisable_comes_out(
    home: Home,
    name: str,
    at_login: bool,
    oauth: bool,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever the server does, at the login or afterwards; the files of the home show nothing either."""
    caplog.set_level(logging.DEBUG)

    def reply(seen: Seen) -> Sent:
        if at_login or not seen.target.endswith(("/login", "/tokens")):
            return MISBEHAVIOURS[name]
        return GRANT if seen.target.endswith("/tokens") else LOGIN

    async def main() -> str:
        async with Loopback(reply) as server:
            run = connection(home, server.url, server.url, CREDENTIALS if oauth else WITHOUT_APPLICATION)
            async with run.open() as client:
                shown = await provoke(client, 3 if at_login else None)  # all others meet the same
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
        "tokens": {"access_token": "CANARY-TOKEN", "refresh_token": "CANARY-REFRESH", "userId": "CANARY-USER"},
        "devices": [{"id": BED, "deviceId": "CANARY"}],
        "status": {"deviceId": BED, "online": True, "left": side, "right": side},
        "temperature": {"success": True, "message": TEXT},
    }

    async def main() -> str:
        async with (
            Loopback(lambda seen: answer(200, documents[seen.target.rpartition("/")[2]])) as server,
            connection(home, server.url, server.url).open() as client,
        ):
            token = await client._asking._tokens.current()
            return repr(token) + repr(client._asking._tokens) + await provoke(client)

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


@pytest.mark.parametrize("variant", [None, "garbage_interval", "text_none"])
def test_the_personal_data_of_good_answers_stays_in_them(
    rig: Rig, variant: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Names, addresses, births and networks, of which the answers are full, are nowhere outside of the body."""
    caplog.set_level(logging.DEBUG)
    rig.world.set_variants(*([variant] if variant else []))
    user_id, bed = rig.sleeper.user_id, rig.world.beds()[0]

    async def talk(client: EightSleepClient) -> list[object]:
        me, partner, device = await client.get_me(), await client.get_user(user_id), await client.get_bed(bed.id)
        listed = await client.intervals_between(user_id, DAY, DAY)
        trends = await client.trends(user_id, DAY, DAY, "UTC", sessions=True)
        return [me, me.result(), partner, device, device.result(), listed, trends, trends.result(), client]

    shown = repr(rig.converse(talk)) + "".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
    shown += "".join(f"{path}{path.read_bytes()!r}" for path in rig.root.rglob("*") if path.is_file())
    personal = people.invented(rig.world.seed, user_id).told()
    network = people.network(rig.world.seed, bed.id)
    secrets = [value for name, value in personal.items() if name != "gender"]
    secrets += [rig.sleeper.email, user_id, bed.id, network["location"], *map(str, network["wifiInfo"].values())]
    ids = [told.whole.id for told in rig.world.nights_of(user_id).told(rig.clock.now)]
    assert not [secret for secret in secrets + ids if len(secret) > 3 and secret in shown]
