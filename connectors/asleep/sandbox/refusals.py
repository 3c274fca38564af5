"""The sandbox's errors: documented statuses and wordings, and the one way to answer with them."""

from collections.abc import Mapping
from typing import NamedTuple


class Refusal(Exception):
    """An answer other than 2xx; ``detail`` is the vendor's text or its list of parameter errors."""

    def __init__(self, status: int, detail: str | list[dict[str, object]]) -> None:
        super().__init__(status)
        self.status = status
        self.detail = detail


class Wording(NamedTuple):
    """A documented error."""

    status: int
    detail: str

    def refusal(self) -> Refusal:
        """The error, ready to be raised."""
        return Refusal(self.status, self.detail)


WRONG_KEY = Wording(401, "Unauthorized")
BAD_PATH_USER = Wording(401, "user_id is invalid")
BAD_HEADER_USER = Wording(401, "x-user-id is invalid")
BAD_ZONE_IN_LIST = Wording(400, "The invalid timezone is provided")
BAD_ZONE_IN_DETAIL = Wording(400, "Invalid timezone format")
BAD_ZONE_IN_AVERAGES = Wording(400, "Invalid timezone")
PERIOD_TOO_LONG = Wording(400, "The period should be less than or equal to 100 days")
NO_USER = Wording(404, "user does not exist")
NO_USER_TO_UPDATE = Wording(404, "user not exist")
NO_SESSION_TO_SHOW = Wording(404, "Session not found")
NO_SESSION_TO_DELETE = Wording(404, "session does not exist")
PLAN_EXPIRED = Wording(403, "Plan is expired")
RATE_LIMIT_EXCEEDED = Wording(403, "Rate limit exceeded")
QUOTA_EXCEEDED = Wording(403, "Quota exceeded")
UNKNOWN_REFUSAL = Wording(403, "Access from this place is not possible")
"""Undocumented on purpose: 403 has three documented meanings, and this is none of them."""
TOO_MANY_REQUESTS = Wording(429, "Rate limit exceeded")
NO_SUCH_ROUTE = Wording(404, "Not Found")
METHOD_NOT_ALLOWED = Wording(405, "Method Not Allowed")

OTHER_WORDINGS: Mapping[str, tuple[str, ...]] = {
    BAD_PATH_USER.detail: ("invalid user id",),
    BAD_HEADER_USER.detail: ("invalid user id",),
    BAD_ZONE_IN_LIST.detail: ("Invalid timezone", "Invalid timezone format"),
    BAD_ZONE_IN_DETAIL.detail: ("The invalid timezone is provided", "Invalid timezone"),
    BAD_ZONE_IN_AVERAGES.detail: ("The invalid timezone is provided", "Invalid timezone format"),
    NO_USER.detail: ("user not exist", "user requested was not found"),
    NO_USER_TO_UPDATE.detail: ("user does not exist", "user requested was not found"),
    NO_SESSION_TO_SHOW.detail: ("session does not exist",),
    NO_SESSION_TO_DELETE.detail: ("Session not found",),
}
"""What other pages and earlier revisions of the documentation say in place of a text."""
OTHER_INVALID = "Invalid parameter"
"""The text that stands for a list of parameter errors in the vendor's table of errors."""


def no_user_to_average(user_id: str) -> Refusal:
    """The only wording that names the user."""
    return Refusal(404, f"Unable to find the user of id {user_id}")


def invalid(place: str, name: str, message: str) -> Refusal:
    """422 for one parameter: ``place`` is query or body."""
    return Refusal(422, [{"loc": [place, name] if name else [place], "msg": message, "type": "value_error"}])
