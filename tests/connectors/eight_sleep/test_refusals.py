"""Every documented error, and those that were seen besides, as a typed error with one clear sentence."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.refusals import EightSleepJudge, InvalidTemperature, TokenExpired, judge_login
from connectors.eight_sleep.sandbox import Fault
from connectors.errors import (
    CutShort,
    DeviceNotFound,
    DeviceOffline,
    Forbidden,
    HostUnreachable,
    InvalidRequest,
    KeyRefused,
    RateLimited,
    ServerFailed,
    UnreadableAnswer,
    UserNotFound,
    VendorError,
)
from connectors.http import Reply
from tests.connectors.eight_sleep.rig import NOBODY_LISTENS, NOON, Rig
from tests.connectors.loopback import Loopback, answer


def documented(code: str) -> bytes:
    """The first envelope."""
    return json.dumps({"error": {"code": code, "message": "m", "details": {}}, "success": False}).encode()


def refusal(status: int, body: bytes, what: str = "status") -> VendorError | None:
    """What an answer to a call comes to."""
    return EightSleepJudge(what)(Reply(status, body, 1, NOON))


PAGE = b"<html><head><title>502 Bad Gateway</title></head></html>"

DATA: list[tuple[int, bytes, type[VendorError]]] = [
    (401, documented("AUTHENTICATION_FAILED"), TokenExpired),
    (401, documented("TOKEN_EXPIRED"), TokenExpired),
    (401, b"", TokenExpired),
    (404, documented("DEVICE_NOT_FOUND"), DeviceNotFound),
    (404, PAGE, VendorError),
    (400, documented("INVALID_TEMPERATURE"), InvalidTemperature),
    (400, b"", InvalidRequest),
    (422, PAGE, InvalidRequest),
    (429, documented("RATE_LIMIT_EXCEEDED"), RateLimited),
    (429, b'{"status":429,"code":"Too Many Requests"}', RateLimited),
    (503, documented("DEVICE_OFFLINE"), DeviceOffline),
    (503, PAGE, ServerFailed),
    (500, b"", ServerFailed),
    (502, PAGE, ServerFailed),
    (504, PAGE, ServerFailed),
    (403, b"", Forbidden),
    (302, b"", VendorError),
    (200, PAGE, CutShort),
    (200, b'{"deviceId":', CutShort),
    (200, b"7", CutShort),
    (200, b'{"success": false}', VendorError),
    (200, b'{"success": false, "data": {}}', VendorError),
]


@pytest.mark.parametrize(("status", "body", "error"), DATA)
def test_an_answer_is_the_error_that_its_status_and_code_say(
    status: int, body: bytes, error: type[VendorError]
) -> None:
    """The status first, then the code of either envelope, whatever the body is otherwise."""
    found = refusal(status, body)
    assert type(found) is error
    assert str(found).endswith(".")
    assert "\n" not in str(found)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, documented("AUTHENTICATION_FAILED"), "key_refused"),
        (401, b"", "key_refused"),
        (400, b'{"status":400,"code":"BadRequest","error":"invalid_grant"}', "key_refused"),
        (400, b"{}", "invalid_request"),
        (403, b"", "forbidden"),
        (404, PAGE, "not_served_here"),
        (429, documented("RATE_LIMIT_EXCEEDED"), "rate_limited"),
        (502, PAGE, "server_failed"),
        (200, PAGE, "unreadable_answer"),
        (302, b"", "vendor_error"),
    ],
)
def test_an_answer_to_a_login_is_the_error_that_it_says(status: int, body: bytes, kind: str) -> None:
    """Wrong credentials are told by 401 or by ``invalid_grant``."""
    error = judge_login(Reply(status, body, 1, NOON))
    assert error is not None
    assert error.kind == kind
    assert str(error).endswith(".")


def test_a_user_that_is_gone_is_no_bed_that_is_gone() -> None:
    """404 to the list of beds is about the user."""
    assert type(refusal(404, documented("USER_NOT_FOUND"), "devices")) is UserNotFound


def test_good_answers_are_no_errors() -> None:
    """Objects and lists, wrapped or bare."""
    assert refusal(200, b"[]") is None
    assert refusal(200, b'{"success": true, "data": []}') is None
    assert refusal(200, b'{"success": true, "message": "Temperature updated"}') is None
    assert judge_login(Reply(200, b"{}", 1, NOON)) is None


def caught(rig: Rig, ask: Callable[[EightSleepClient], Any], **changes: Any) -> VendorError:
    """The error that a question to the sandbox ends with."""
    with pytest.raises(VendorError) as raised:
        rig.converse(ask, **changes)
    return raised.value


@pytest.mark.parametrize(
    ("kind", "error", "asked"),
    [
        ("forbidden", Forbidden, 1),
        ("failed", ServerFailed, 3),
        ("bad_gateway", ServerFailed, 3),
        ("gateway_timeout", ServerFailed, 3),
        ("offline", DeviceOffline, 3),
        ("cut", HostUnreachable, 3),
        ("not_there", VendorError, 1),
    ],
)
@pytest.mark.parametrize("endpoint", ["status", "temperature"])
def test_what_may_pass_is_tried_three_times_and_the_rest_once(
    rig: Rig, kind: str, error: type[VendorError], asked: int, endpoint: str
) -> None:
    """Over real HTTP; a fault that passes earlier does not show."""
    bed = rig.world.beds()[0].id
    questions: dict[str, Callable[[EightSleepClient], Any]] = {
        "status": lambda client: client.get_status(bed),
        "temperature": lambda client: client.set_temperature(1, device_id=bed),
    }
    rig.faults.set(Fault(kind, endpoint, None))
    assert type(caught(rig, questions[endpoint])) is error
    assert rig.calls[endpoint] == asked
    if asked > 1:
        rig.faults.set(Fault(kind, endpoint, 2))
        rig.clock.forward(600)
        rig.converse(questions[endpoint])


def test_a_bed_that_is_offline_takes_no_command(rig: Rig) -> None:
    """503 DEVICE_OFFLINE, in one sentence."""
    rig.world.beds()[0].online = False
    error = caught(rig, lambda client: client.turn_off())
    assert str(error) == (
        "The bed is offline, also after 3 attempts (503): check its hub's power and network, then try again."
    )


def test_beds_that_are_offline_are_no_failing_vendor(rig: Rig) -> None:
    """A dozen of their refusals in a row do not hold back the next call."""
    bed = rig.world.beds()[0]
    bed.online = False

    async def talk(client: EightSleepClient) -> None:
        refused = await asyncio.gather(
            *(client.set_temperature(level, device_id=bed.id) for level in range(12)), return_exceptions=True
        )
        assert {type(error) for error in refused} == {DeviceOffline}
        assert (await client.get_status(bed.id)).online is False

    rig.converse(talk)


@pytest.mark.parametrize("whose", ["nobody", "neighbour"])
def test_a_bed_that_is_not_the_accounts_is_not_found(rig: Rig, whose: str) -> None:
    """Unknown, or another account's."""
    bed = rig.world.beds()[1].id if whose == "neighbour" else "unknown-device"
    assert isinstance(caught(rig, lambda client: client.get_status(bed)), DeviceNotFound)


@pytest.mark.parametrize(
    "document",
    [{"deviceId": "d"}, {"data": {"online": 1}, "success": True}, [], {"deviceId": 1, "online": "yes"}],
)
def test_a_status_of_another_form_is_unreadable(rig: Rig, document: Any) -> None:
    """It is JSON, so it is not asked for again."""

    async def main() -> None:
        async with (
            Loopback(lambda _: answer(200, document)) as server,
            rig.connection(client_url=server.url).open() as client,
        ):
            with pytest.raises(UnreadableAnswer, match="not of the documented form"):
                await client.get_status("bed")
            assert len(server.seen) == 1

    asyncio.run(main())


def test_a_host_that_is_not_there_is_named_by_its_setting(rig: Rig) -> None:
    """So that one knows what to correct."""
    assert str(caught(rig, EightSleepClient.get_devices, client_url=NOBODY_LISTENS)) == (
        "No answer from http://127.0.0.1:1 after 3 attempts (connection refused): check EIGHT_SLEEP_CLIENT_URL and "
        "the network."
    )


def test_a_refused_login_stops_everything() -> None:
    """It is a refused key."""
    assert isinstance(judge_login(Reply(401, b"", 1, NOON)), KeyRefused)
