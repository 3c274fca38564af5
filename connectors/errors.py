"""What can go wrong outside, as typed errors whose text is one sentence for the person who runs Nightshift.

A text says what is wrong, where and what to do. It never holds a user id, a session id, a key, a URL or a vendor's
own words. Errors about a single payload's content live with the normaliser, not here.
"""

from typing import ClassVar


class NightshiftError(Exception):
    """An expected failure. ``exit_code`` is the contract's: 1 failed or stopped, 2 wrong usage, file or settings."""

    exit_code: ClassVar[int] = 1


class WrongUsage(NightshiftError):
    """A command, a file or a setting is wrong; nothing was done."""

    exit_code: ClassVar[int] = 2


class VendorError(NightshiftError):
    """A vendor did not give what was asked for. ``kind`` is a fixed word for logs and counters."""

    kind: ClassVar[str] = "vendor_error"


class HostUnreachable(VendorError):
    """No answer: connection refused, DNS, TLS, time-out, or an answer cut short, after all retries.

    ``may_have_run`` is True when the request had left, so that the vendor may have carried it out.
    """

    kind: ClassVar[str] = "host_unreachable"

    def __init__(self, message: str, may_have_run: bool = False) -> None:
        super().__init__(message)
        self.may_have_run = may_have_run


class KeyRefused(VendorError):
    """401: the API key is missing or unknown to the vendor."""

    kind: ClassVar[str] = "key_refused"


class AccountRefused(VendorError):
    """One of several accounts is refused: its users cannot be pulled, those of the others can."""

    kind: ClassVar[str] = "account_refused"


class PlanExpired(VendorError):
    """403: the plan has expired; no call will succeed until it is renewed."""

    kind: ClassVar[str] = "plan_expired"


class QuotaExceeded(VendorError):
    """403: the total quota is used up; no call will succeed until it is raised."""

    kind: ClassVar[str] = "quota_exceeded"


class Forbidden(VendorError):
    """403 with an unknown text; not retried."""

    kind: ClassVar[str] = "forbidden"


class RateLimited(VendorError):
    """403 "rate limit" or 429, still after all retries. ``retry_after_s`` is the vendor's wish in seconds, if any.

    ``lasting`` is True when the vendor has refused every call for so long that asking on is pointless.
    """

    kind: ClassVar[str] = "rate_limited"

    def __init__(self, message: str, retry_after_s: float | None = None, lasting: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.lasting = lasting


class InvalidUserId(VendorError):
    """401 whose text is about the user id: this user's id is malformed, the key is fine."""

    kind: ClassVar[str] = "invalid_user_id"


class UserNotFound(VendorError):
    """404: the vendor does not know the user."""

    kind: ClassVar[str] = "user_not_found"


class SessionNotFound(VendorError):
    """404: the vendor does not know the session. ``body`` is the answer as received, kept as a tombstone."""

    kind: ClassVar[str] = "session_not_found"

    def __init__(self, message: str, body: bytes = b"") -> None:
        super().__init__(message)
        self.body = body


class DeviceNotFound(VendorError):
    """404: the vendor does not know the device, or it belongs to somebody else."""

    kind: ClassVar[str] = "device_not_found"


class DeviceOffline(VendorError):
    """503: the vendor is well, but has lost the device; still so after all retries."""

    kind: ClassVar[str] = "device_offline"


class InvalidRequest(VendorError):
    """400 or 422: the vendor refuses the parameters."""

    kind: ClassVar[str] = "invalid_request"


class ServerFailed(VendorError):
    """5xx, still after all retries. ``retry_after_s`` is the vendor's wish in seconds, if any."""

    kind: ClassVar[str] = "server_failed"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnreadableAnswer(VendorError):
    """A 2xx answer that is not the documented JSON: not JSON, or a field of the wrong type."""

    kind: ClassVar[str] = "unreadable_answer"


class CutShort(UnreadableAnswer):
    """A 2xx answer that is no JSON at all: taken for one cut on the way, and asked for again."""


class VendorDown(VendorError):
    """Many calls in a row failed, and trying one from time to time has not succeeded for minutes."""

    kind: ClassVar[str] = "vendor_down"


def stops_everything(error: BaseException) -> bool:
    """Whether asking for the next user is pointless after this error: the run stops and is resumed later.

    A host that was reached but gave no good answer in time is the trouble of that one call.
    """
    match error:
        case HostUnreachable():
            return not error.may_have_run
        case RateLimited():
            return error.lasting
    return isinstance(error, (KeyRefused, PlanExpired, QuotaExceeded, VendorDown))
