"""Payloads of the SmartBedAPI reference: login, devices, status, temperature. Levels are -100 to 100, never degrees."""

import msgspec

from schemas.eight_sleep.reading import Silent

LOWEST_LEVEL, HIGHEST_LEVEL = -100, 100
"""The range of a level, both included; 0 is neutral, which is also how a side that is off is seen."""


class Session(Silent, frozen=True):
    """``session`` of a login's answer; the expiry stands under one of two names, or is not told."""

    token: str
    user_id: str
    expires_at: str | None = None
    expiration_date: str | None = None


class LoginAnswer(Silent, frozen=True):
    """POST /v1/login."""

    session: Session


class TokenAnswer(Silent, frozen=True, rename=None):
    """POST /v1/tokens of the community clients; the answer to a refresh does not name the user."""

    access_token: str
    expires_in: float | None = None
    refresh_token: str | None = None
    userId: str | None = None  # noqa: N815 - the one name in camel case among its kind


class Device(Silent, frozen=True):
    """A bed: ``id`` is what paths take, ``device_id`` what people read."""

    id: str
    device_id: str | None = None
    model: str | None = None
    firmware_version: str | None = None
    sides: tuple[str, ...] = ()


class SideStatus(Silent, frozen=True):
    """One side: whose it is, whether somebody lies there, the level aimed at and the one reached."""

    side: str
    presence: bool
    user_id: str | None = None
    is_owner: bool = False
    temp_target: int | None = None
    temp_bed: float | None = None


class BedStatus(Silent, frozen=True):
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
