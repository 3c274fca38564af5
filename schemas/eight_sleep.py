"""Payloads of the Eight Sleep API as the SmartBedAPI reference states them: login, devices, status, temperature.

Unknown fields are ignored. Levels are levels of the bed, -100 (coldest) to 100, never degrees. Nothing here shows its
values in a ``repr``: they are ids, tokens and who lies in which bed.
"""

from typing import Any, Literal

import msgspec

EIGHT_SLEEP = "eight_sleep"
"""The name of this source in every table, path and pseudonym."""

LOWEST_LEVEL, HIGHEST_LEVEL = -100, 100
"""The range of a level, both included; 0 is neutral, which is also how a side that is off is seen."""

SideName = Literal["left", "right"]


class _Silent(msgspec.Struct, frozen=True, rename="camel"):
    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class Session(_Silent, frozen=True):
    """``session`` of a login's answer; the expiry stands under one of two names, or is not told."""

    token: str
    user_id: str
    expires_at: str | None = None
    expiration_date: str | None = None


class LoginAnswer(_Silent, frozen=True):
    """POST /v1/login."""

    session: Session


class Device(_Silent, frozen=True):
    """A bed: ``id`` is what paths take, ``device_id`` what people read."""

    id: str
    device_id: str | None = None
    model: str | None = None
    firmware_version: str | None = None
    sides: tuple[str, ...] = ()


class SideStatus(_Silent, frozen=True):
    """One side: whose it is, whether somebody lies there, the level aimed at and the one reached."""

    side: str
    presence: bool
    user_id: str | None = None
    is_owner: bool = False
    temp_target: int | None = None
    temp_bed: float | None = None


class BedStatus(_Silent, frozen=True):
    """GET /v1/devices/{deviceId}/status; what is said of the sides of a bed that is not ``online`` means nothing."""

    device_id: str
    online: bool
    left: SideStatus
    right: SideStatus


class SideCommand(msgspec.Struct, frozen=True):
    """What one side is told: a level, for so many seconds; 0 means until told otherwise."""

    level: int
    duration: int


class TemperatureCommand(msgspec.Struct, frozen=True, omit_defaults=True):
    """PUT /v1/devices/{deviceId}/temperature; a side that is absent stays as it is."""

    left: SideCommand | None = None
    right: SideCommand | None = None


def unwrapped(document: Any) -> Any:
    """The document without the ``{data, success}`` envelope, which only some answers wear; a failure keeps it."""
    if isinstance(document, dict) and {"data", "success"} <= document.keys() and document["success"] is not False:
        return document["data"]
    return document
