"""Which typed error an answer of Asleep stands for, or none.

The status decides; the vendor's text only tells apart what shares a status (403: rate limit, quota, plan; 401: key or
user id; 404: user, session or neither) and is never passed on, because it may hold a user id. The sentences are
for the person who runs Nightshift. Whether to ask again is decided in ``connectors.http``.
"""

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from connectors.errors import (
    CutShort,
    Forbidden,
    InvalidRequest,
    InvalidUserId,
    KeyRefused,
    PlanExpired,
    QuotaExceeded,
    RateLimited,
    ServerFailed,
    SessionNotFound,
    UnreadableAnswer,
    UserNotFound,
    VendorError,
)
from connectors.http import Reply, attempts_text
from schemas.asleep import Envelope

_LONGEST_TEXT = 4096
_ABSENT = re.compile(r"(?<![\w/-])(?:x-)?(user|session)(?:[ _-]?id)?(?![\w/'-])")
_USER_ID = re.compile(r"\buser[ _-]?id\b")
_PLAN = re.compile(r"\bplan\b")
_RATE_LIMIT = re.compile(r"\brate[ _-]?limit|\btoo many requests\b")
_ENVELOPE = msgspec.json.Decoder(Envelope[dict[str, msgspec.Raw]])
_ANY_JSON = msgspec.json.Decoder(msgspec.Raw)


@dataclass(frozen=True)
class AsleepJudge:
    """Judges the answers of one endpoint.

    ``success`` is what a 2xx body must be: an envelope with an object as result, any JSON, or empty (or any JSON).
    """

    endpoint: str
    success: Literal["result", "json", "empty"]

    def __call__(self, reply: Reply) -> VendorError | None:
        """The error ``reply`` stands for, or None when it is a success."""
        match reply.status:
            case status if 200 <= status < 300:
                return self._success(reply)
            case 400 | 422:
                return self._invalid_request(reply)
            case 401:
                return _unauthorized(reply)
            case 403:
                return _forbidden(reply)
            case 404:
                return self._not_found(reply)
            case 429:
                return _rate_limited(reply)
            case status if status >= 500:
                return _server_failed(reply)
        return self._undocumented(reply)

    def _undocumented(self, reply: Reply) -> VendorError:
        return VendorError(
            f"Asleep gave an undocumented answer to the {self.endpoint} call ({reply.status}): check ASLEEP_BASE_URL."
        )

    def _success(self, reply: Reply) -> VendorError | None:
        if self.success == "empty" and not reply.body.strip():
            return None
        try:
            (_ENVELOPE if self.success == "result" else _ANY_JSON).decode(reply.body)
        except (msgspec.ValidationError, RecursionError):
            kind: type[UnreadableAnswer] = UnreadableAnswer
        except msgspec.DecodeError:
            kind = CutShort
        else:
            return None
        return kind(
            f"Asleep's answer to the {self.endpoint} call is not the documented JSON ({reply.status}, after "
            f"{attempts_text(reply.attempts)}): check ASLEEP_BASE_URL, then try again."
        )

    def _invalid_request(self, reply: Reply) -> VendorError:
        return InvalidRequest(
            f"Asleep refused the parameters of the {self.endpoint} call ({reply.status}): "
            "check the dates and the time zone asked for."
        )

    def _not_found(self, reply: Reply) -> VendorError:
        # What is named first is what is gone, whatever else is told of it. A text that names neither, or only as part
        # of an id or a path, is a proxy's or a wrong address's, which know nothing of users and sessions.
        named = _ABSENT.search(_detail(reply))
        if named is None:
            return self._undocumented(reply)
        if named[1] == "session":
            return SessionNotFound("Asleep does not know this session (404): it was deleted there.", reply.body)
        return UserNotFound("Asleep does not know this user (404): check the roster.")


def _unauthorized(reply: Reply) -> VendorError:
    if _is_about_user_id(_detail(reply), _text(reply)):
        return InvalidUserId("Asleep calls a user id malformed (401): correct it in the roster.")
    return KeyRefused("Asleep refused the API key (401): check ASLEEP_API_KEY in the environment or .env.")


def _is_about_user_id(detail: str, text: str) -> bool:
    """Whether a 401 with this ``detail``, or this ``text`` where it has none, leaves the key out of it.

    A login page may speak of users too, so outside of the envelope only a user id counts. Without any text it is what
    the status says: the key.
    """
    return bool(_USER_ID.search(detail or text)) or ("user" in detail and "key" not in detail)


def _forbidden(reply: Reply) -> VendorError:
    # No body is documented for 403, so a text outside of the usual envelope counts too.
    detail = _detail(reply)
    text = detail or _text(reply)
    if _RATE_LIMIT.search(text):
        return _rate_limited(reply)
    if "quota" in text:
        return QuotaExceeded("Asleep's quota is used up (403): have it raised, then start the run again.")
    if _PLAN.search(text) or "expired" in detail:  # outside of the envelope a login may have expired as well
        return PlanExpired("The Asleep plan has expired (403): renew it, then start the run again.")
    return Forbidden("Asleep forbids this call (403): check what the key and the contract allow.")


def _rate_limited(reply: Reply) -> VendorError:
    return RateLimited(
        f"Asleep's rate limit is still exceeded after {attempts_text(reply.attempts)} ({reply.status}): "
        "lower ASLEEP_REQUESTS_PER_SECOND or start the run again later.",
        reply.retry_after_s,
    )


def _server_failed(reply: Reply) -> VendorError:
    return ServerFailed(
        f"Asleep still fails after {attempts_text(reply.attempts)} ({reply.status}): start the run again later.",
        reply.retry_after_s,
    )


def _detail(reply: Reply) -> str:
    """The error's ``detail`` in lower case, a list as one text; empty when the body is not the vendor's envelope."""
    try:
        document = msgspec.json.decode(reply.body)
    except (ValueError, RecursionError):
        return ""
    detail = document.get("detail") if isinstance(document, dict) else None
    return _joined(detail).strip().lower()


def _joined(detail: object) -> str:
    match detail:
        case str():
            return detail
        case list():
            return " ".join(_joined(part) for part in detail)
        case {"msg": str() as message} | {"message": str() as message} | {"title": str() as message}:
            return message
    return ""


def _text(reply: Reply) -> str:
    return reply.body[:_LONGEST_TEXT].decode("utf-8", "replace").lower()
