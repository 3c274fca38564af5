"""The sandbox's errors: documented statuses and wordings, and the one way to answer with them."""

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
NO_SUCH_ROUTE = Wording(404, "Not Found")
METHOD_NOT_ALLOWED = Wording(405, "Method Not Allowed")


def no_user_to_average(user_id: str) -> Refusal:
    """The only wording that names the user."""
    return Refusal(404, f"Unable to find the user of id {user_id}")


def invalid(place: str, name: str, message: str) -> Refusal:
    """422 for one parameter: ``place`` is query or body."""
    return Refusal(422, [{"loc": [place, name] if name else [place], "msg": message, "type": "value_error"}])
