"""The sandbox's errors: documented codes, statuses and envelope, what community clients have seen, and HTML pages."""

from datetime import datetime
from typing import Any

import orjson
from starlette.responses import Response


class Refusal(Exception):
    """An answer other than 2xx, ready to be sent."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def _documented(status: int, code: str, message: str, **details: Any) -> Refusal:
    body = {"error": {"code": code, "message": message, "details": details}, "success": False}
    return Refusal(Response(orjson.dumps(body), status, media_type="application/json"))


def bad_credentials() -> Refusal:
    """401 of a login."""
    return _documented(401, "AUTHENTICATION_FAILED", "Invalid email or password")


def token_expired(at: datetime) -> Refusal:
    """401 of everything that needs a token."""
    return _documented(401, "TOKEN_EXPIRED", "Session token expired", expiredAt=f"{at:%Y-%m-%dT%H:%M:%SZ}")


def no_device(device_id: str) -> Refusal:
    """404 that names the device."""
    return _documented(404, "DEVICE_NOT_FOUND", "Device ID not found", deviceId=device_id)


def no_user() -> Refusal:
    """404 of somebody who was there once."""
    return _documented(404, "USER_NOT_FOUND", "User not found")


def bad_temperature(side: str, level: object) -> Refusal:
    """400 for a level that is out of range."""
    return _documented(
        400, "INVALID_TEMPERATURE", "Temperature out of range", side=side, level=level, min=-100, max=100
    )


def too_many(limit: int) -> Refusal:
    """429 with the limit."""
    return _documented(429, "RATE_LIMIT_EXCEEDED", "Too many requests", limit=limit, windowSeconds=60)


def offline(device_id: str) -> Refusal:
    """503 that names the device."""
    return _documented(503, "DEVICE_OFFLINE", "Device not connected", deviceId=device_id)


def community(status: int, code: str, **more: str) -> Refusal:
    """The other error envelope."""
    return Refusal(
        Response(orjson.dumps({"status": status, "code": code, **more}), status, media_type="application/json")
    )


def page(status: int, title: str) -> Refusal:
    """HTML in place of JSON."""
    html = f"<html><head><title>{status} {title}</title></head></html>"
    return Refusal(Response(html, status, media_type="text/html"))


def bare(status: int) -> Refusal:
    """A status and nothing else."""
    return Refusal(Response(status_code=status))
