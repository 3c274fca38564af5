"""Which typed error an answer of Eight Sleep stands for, or none.

The status decides, the code only tells apart what shares a status; the vendor's text is never passed on, because it may
hold the id of a bed. There are two envelopes and HTML pages: a body is taken for what it is. Whether to ask again is
decided in ``connectors.http``, and after an expired token in ``client``.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from connectors.errors import (
    CutShort,
    DeviceNotFound,
    DeviceOffline,
    Forbidden,
    InvalidRequest,
    KeyRefused,
    RateLimited,
    ServerFailed,
    SessionNotFound,
    UnreadableAnswer,
    UserNotFound,
    VendorError,
)
from connectors.http import Reply, attempts_text
from schemas.eight_sleep import HIGHEST_LEVEL, LOWEST_LEVEL, unwrapped


class LoginRefused(KeyRefused):
    """401, or 400 ``invalid_grant``: the e-mail address or the password is wrong."""


class TokenExpired(VendorError):
    """401 of anything but a login: the token holds no more, or never did."""

    kind: ClassVar[str] = "token_expired"


class InvalidTemperature(InvalidRequest):
    """400: the vendor refuses the level."""

    kind: ClassVar[str] = "invalid_temperature"


class NotServedHere(VendorError):
    """404 to a login: this host does not log anybody in, another one may."""

    kind: ClassVar[str] = "not_served_here"


LOGIN_REFUSED = (
    "Eight Sleep refused the e-mail address or the password: correct EIGHT_SLEEP_EMAIL and EIGHT_SLEEP_PASSWORD; "
    "until they change nobody logs in again."
)


@dataclass(frozen=True)
class EightSleepJudge:
    """Judges the answers of one endpoint, which is named in texts as ``what`` was asked."""

    what: str

    def __call__(self, reply: Reply) -> VendorError | None:
        """The error ``reply`` stands for, or None when it is a success."""
        match reply.status:
            case status if 200 <= status < 300:
                return self._success(reply)
            case 400 | 422:
                return self._bad_request(reply)
            case 401:
                return TokenExpired(
                    f"Eight Sleep refuses a token it has just given (401, {self.what}): start again later."
                )
            case 403:
                return Forbidden(f"Eight Sleep forbids this call (403, {self.what}): check whose account it is.")
            case 404:
                return self._not_found(reply)
            case 429:
                return rate_limited(reply)
            case 503 if _code(reply) == "DEVICE_OFFLINE":
                return DeviceOffline(
                    f"The bed is offline, also after {attempts_text(reply.attempts)} (503): check its hub's power and "
                    "network, then try again."
                )
            case status if status >= 500:
                return _server_failed(reply)
        return self._undocumented(reply)

    def _success(self, reply: Reply) -> VendorError | None:
        document = document_of(reply)
        if isinstance(document, dict) and document.get("success") is False:
            return VendorError(f"Eight Sleep says that the {self.what} call failed ({reply.status}): try again.")
        return None if isinstance(document, dict | list) else _unreadable(self.what, reply)

    def _bad_request(self, reply: Reply) -> VendorError:
        if _code(reply) == "INVALID_TEMPERATURE":
            return InvalidTemperature(
                f"Eight Sleep calls the level out of range ({reply.status}): use {LOWEST_LEVEL} to {HIGHEST_LEVEL}."
            )
        return InvalidRequest(f"Eight Sleep refused the {self.what} call ({reply.status}): check what was asked for.")

    def _not_found(self, reply: Reply) -> VendorError:
        code = _code(reply)
        if self.what == "interval" and code is not None and not _names_user(code):
            return SessionNotFound("Eight Sleep does not know this session (404): it was deleted there.", reply.body)
        if code == "DEVICE_NOT_FOUND" or (self.what == "bed" and code is not None):
            return DeviceNotFound(
                "Eight Sleep does not know this bed, or it is another account's (404): list the beds."
            )
        if code is not None and self.what == "devices":
            return UserNotFound("Eight Sleep does not know the account's user (404): log in to its app once.")
        if code is not None and self.what in ("me", "user", "intervals", "interval", "trends", "user_temperature"):
            return UserNotFound("Eight Sleep does not know this user (404): check the roster.")
        return self._undocumented(reply)

    def _undocumented(self, reply: Reply) -> VendorError:
        return VendorError(
            f"Eight Sleep gave an undocumented answer to the {self.what} call ({reply.status}): "
            "check EIGHT_SLEEP_CLIENT_URL."
        )


def judge_login(reply: Reply) -> VendorError | None:
    """The error the answer to a login stands for, or None when it is a success."""
    match reply.status:
        case status if 200 <= status < 300:
            return None if isinstance(document_of(reply), dict) else _unreadable("login", reply)
        case 401:
            return LoginRefused(LOGIN_REFUSED)
        case 400 if _code(reply) == "invalid_grant":
            return LoginRefused(LOGIN_REFUSED)
        case 400 | 422:
            return InvalidRequest(
                f"Eight Sleep refused the login call ({reply.status}): check EIGHT_SLEEP_EMAIL, EIGHT_SLEEP_CLIENT_ID "
                "and EIGHT_SLEEP_CLIENT_SECRET."
            )
        case 403:
            return Forbidden("Eight Sleep forbids the login (403): check the account in its app.")
        case 404:
            return NotServedHere("Eight Sleep has no login at this address (404): check EIGHT_SLEEP_AUTH_URL.")
        case 429:
            return rate_limited(reply)
        case status if status >= 500:
            return _server_failed(reply)
    return VendorError(
        f"Eight Sleep gave an undocumented answer to the login ({reply.status}): check EIGHT_SLEEP_AUTH_URL."
    )


def document_of(reply: Reply) -> Any:
    """The answer's JSON without its envelope; None when it is no JSON."""
    try:
        return unwrapped(msgspec.json.decode(reply.body))
    except (ValueError, RecursionError):
        return None


def rate_limited(reply: Reply) -> VendorError:
    """429, still after all attempts."""
    return RateLimited(
        f"Eight Sleep's rate limit is still exceeded after {attempts_text(reply.attempts)} (429): see what else uses "
        "the account, and start again later.",
        reply.retry_after_s,
    )


def _server_failed(reply: Reply) -> VendorError:
    return ServerFailed(
        f"Eight Sleep still fails after {attempts_text(reply.attempts)} ({reply.status}): start again later.",
        reply.retry_after_s,
    )


def _unreadable(what: str, reply: Reply) -> VendorError:
    return CutShort(
        f"Eight Sleep's answer to the {what} call is not the documented JSON ({reply.status}, after "
        f"{attempts_text(reply.attempts)}): check EIGHT_SLEEP_CLIENT_URL, then try again."
    )


def unreadable(what: str) -> UnreadableAnswer:
    """An answer that is JSON, but not of the documented shape."""
    return UnreadableAnswer(
        f"Eight Sleep's answer to the {what} call is not of the documented form: its format has changed, look for a "
        "newer Nightshift."
    )


def _names_user(code: str) -> bool:
    return "user" in code.lower()


def _code(reply: Reply) -> str | None:
    """The fixed word of either envelope; None when the body is neither."""
    document = document_of(reply)
    match document:
        case {"error": {"code": str() as code}} | {"error": str() as code} | {"code": str() as code}:
            return code
    return None
