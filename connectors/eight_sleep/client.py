"""The Eight Sleep API of the SmartBedAPI reference as typed async calls: beds, their status, and what they are told.

Nights are in ``sleep_data``. Retries and connections are in ``connectors.http``, limits in ``budget``, logins in
``login`` and ``tokens``, the meaning of refusals in ``refusals``, payload shapes in ``schemas.eight_sleep``. When a bed
is told what does not live here.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx
import msgspec

from connectors.breaker import Breaker
from connectors.call_tally import CallTally
from connectors.eight_sleep.asking import Asking
from connectors.eight_sleep.budget import APP, DEVICES, SLEEP, STATUS, TEMPERATURE, Group, GroupBudget
from connectors.eight_sleep.login import Token
from connectors.eight_sleep.refusals import document_of, unreadable
from connectors.eight_sleep.sleep_data import SleepData, path_part
from connectors.eight_sleep.tokens import Tokens
from connectors.errors import DeviceNotFound, WrongUsage
from connectors.http import Call, Calls, Host
from connectors.patience import Patience, Retry
from schemas.eight_sleep import (
    HIGHEST_LEVEL,
    LOWEST_LEVEL,
    BedStatus,
    Device,
    SideCommand,
    TemperatureCommand,
)

PATIENCE = Patience(Retry(attempts=3, base_s=2.0), answer_s=60.0)
"""Three attempts, 2 s and 4 s apart, as the reference has them; a minute for an answer, because the vendor is slow."""

NEUTRAL = 0
"""The level of a side that is on without heating or cooling, and of one that is off: the bed tells no difference."""

Sides = Literal["left", "right", "both"]

T = TypeVar("T")


class EightSleepClient(SleepData):
    """One account; an async context manager for one event loop. Levels are -100 to 100, never degrees.

    ``device_id`` may be left out by an account with one bed. Every method raises ``LoginRefused``, ``TokenExpired``,
    ``HostUnreachable``, ``VendorDown``, ``Forbidden``, ``RateLimited``, ``ServerFailed``, ``InvalidRequest``,
    ``UnreadableAnswer`` or another ``VendorError``; those about a bed also ``DeviceNotFound`` and ``DeviceOffline``.
    After an error that ``stops_everything`` its group of endpoints is asked no more: who goes on opens another client.
    ``calls`` counts requests under ``login``, ``devices``, ``status``, ``temperature``, ``me``, ``user``, ``bed``,
    ``intervals``, ``interval``, ``trends`` and ``user_temperature``.
    """

    def __init__(
        self,
        base_url: str,
        tokens: Tokens,
        *,
        app_url: str,
        budget: Callable[[Group], GroupBudget],
        clock: Callable[[], datetime],
        concurrency: int = 4,
        patience: Patience = PATIENCE,
        breaker: Breaker | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        on_call: Callable[[str], None] | None = None,
        tally: CallTally | None = None,
    ) -> None:
        """Raise ``WrongUsage`` when the address cannot be used at all; nothing is asked yet."""

        def make_host(group: Group, rate_limit: GroupBudget) -> Host:
            return Host(
                app_url if group is APP else base_url,
                {},
                setting="EIGHT_SLEEP_APP_URL" if group is APP else "EIGHT_SLEEP_CLIENT_URL",
                rate_limit=rate_limit,
                concurrency=concurrency,
                clock=clock,
                patience=patience,
                breaker=None if group is APP else breaker,
                transport=transport,
                on_call=on_call,
                tally=tally,
            )

        groups = (DEVICES, STATUS, TEMPERATURE, SLEEP, APP)
        super().__init__(Asking(tokens, groups, budget=budget, make_host=make_host, concurrency=concurrency))
        self._looking = asyncio.Lock()
        self._only_bed: str | None = None

    def __repr__(self) -> str:
        return f"<EightSleepClient {self._asking.origin}>"

    async def __aenter__(self) -> Self:
        await self._asking.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._asking.__aexit__(kind, error, trace)

    @property
    def calls(self) -> Calls:
        """Requests made so far, retries and logins included."""
        return self._asking.calls

    async def authenticate(self) -> None:
        """See that there is a token: the one that some run of this home has bought, or a new one."""
        await self._asking.prepare()

    async def get_devices(self) -> list[Device]:
        """GET /v1/users/{userId}/devices: the beds of the account."""

        def call(token: Token) -> Call:
            return Call(DEVICES.name, "GET", f"/v1/users/{path_part(token.user_id)}/devices")

        beds = _shaped(await self._asked(DEVICES, call), list[Device], DEVICES.name)
        self._only_bed = beds[0].id if len(beds) == 1 else None
        return beds

    async def get_status(self, device_id: str | None = None) -> BedStatus:
        """GET /v1/devices/{deviceId}/status; a bed without its hub may also be told by ``online`` being false."""
        path = f"/v1/devices/{path_part(await self._bed(device_id), 'bed')}/status"
        return _shaped(await self._asked(STATUS, lambda _: Call(STATUS.name, "GET", path)), BedStatus, STATUS.name)

    async def set_temperature(
        self,
        left: int | None = None,
        right: int | None = None,
        duration: int = 0,
        *,
        device_id: str | None = None,
    ) -> None:
        """PUT /v1/devices/{deviceId}/temperature: levels for so many seconds, 0 for ever; None leaves a side as it is.

        Raises ``WrongUsage`` without a call when there is no side, or a level or the duration is out of range.
        """
        body = msgspec.json.encode(TemperatureCommand(_command(left, duration), _command(right, duration)))
        if left is None and right is None:
            raise WrongUsage("No side of the bed is given a level: name left, right or both.")
        path = f"/v1/devices/{path_part(await self._bed(device_id), 'bed')}/temperature"
        told = await self._asked(TEMPERATURE, lambda _: Call(TEMPERATURE.name, "PUT", path, body=body))
        if not isinstance(told, dict):
            raise unreadable(TEMPERATURE.name)

    async def turn_on(self, side: Sides = "both", *, device_id: str | None = None) -> None:
        """Set the side to neutral: the API has no other way to switch it on."""
        await self._neutral(side, device_id)

    async def turn_off(self, side: Sides = "both", *, device_id: str | None = None) -> None:
        """Stop heating and cooling of the side: level 0 as well, until told otherwise."""
        await self._neutral(side, device_id)

    async def _neutral(self, side: Sides, device_id: str | None) -> None:
        if side not in ("left", "right", "both"):
            raise WrongUsage("A bed has no such side: name left, right or both.")
        levels = {name: NEUTRAL for name in ("left", "right") if side in (name, "both")}
        await self.set_temperature(**levels, device_id=device_id)

    async def _bed(self, device_id: str | None) -> str:
        """The bed that is meant: the one named, or the account's only one, looked up unless it was seen."""
        if device_id is not None:
            return device_id
        async with self._looking:
            if self._only_bed is None:
                beds = await self.get_devices()
                if not beds:
                    raise DeviceNotFound("The Eight Sleep account has no bed: add one in its app.")
                if len(beds) > 1:
                    raise WrongUsage("The Eight Sleep account has several beds: name the one that is meant.")
                return beds[0].id
            return self._only_bed

    async def _asked(self, group: Group, call: Callable[[Token], Call]) -> Any:
        return document_of(await self._asking.reply(group, call))


def _shaped(document: Any, shape: type[T], what: str) -> T:
    try:
        return msgspec.convert(document, shape)
    except msgspec.ValidationError:
        pass
    raise unreadable(what)


def _command(level: int | None, duration: int) -> SideCommand | None:
    if not _is_whole(duration) or duration < 0:
        raise WrongUsage("The duration is not a whole number of seconds, 0 or more: correct it.")
    if level is None:
        return None
    if not _is_whole(level) or not LOWEST_LEVEL <= level <= HIGHEST_LEVEL:
        raise WrongUsage(f"A level is not a whole number from {LOWEST_LEVEL} to {HIGHEST_LEVEL}: correct it.")
    return SideCommand(level, duration)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
