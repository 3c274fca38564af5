"""Reading requests the way the vendor does: ids, zone, query values and metadata, or the documented refusal.

Which check comes first is decided in ``app``.
"""

import calendar
import re
from datetime import date
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import orjson
from starlette.requests import Request

from connectors.asleep.sandbox.people import GENDERS, Metadata
from connectors.asleep.sandbox.refusals import BAD_HEADER_USER, BAD_PATH_USER, Wording, invalid

_USER_ID = re.compile(r"G-\d{14}-[A-Za-z]{20}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_OLDEST_BIRTH_YEAR = 1900


def path_user(request: Request) -> str:
    """The user id of the path; 401 when it is empty or malformed."""
    user_id = str(request.path_params.get("user_id", ""))
    if not _USER_ID.fullmatch(user_id):
        raise BAD_PATH_USER.refusal()
    return user_id


def header_user(request: Request) -> str:
    """The user id of ``x-user-id``; 401 when it is missing or malformed."""
    user_id = request.headers.get("x-user-id", "")
    if not _USER_ID.fullmatch(user_id):
        raise BAD_HEADER_USER.refusal()
    return user_id


def zone(request: Request, wording: Wording) -> ZoneInfo:
    """The zone of the ``timezone`` header, UTC without one; 400 in the endpoint's ``wording`` when unknown."""
    name = request.headers.get("timezone", "UTC")
    if name not in _known_zones():
        raise wording.refusal()
    return ZoneInfo(name)


def day(request: Request, name: str) -> date | None:
    """A query value ``YYYY-MM-DD``, None when absent; 422 otherwise."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise invalid("query", name, "invalid date format, YYYY-MM-DD expected") from None


def required_day(request: Request, name: str) -> date:
    """A query value ``YYYY-MM-DD``; 422 when absent or malformed."""
    value = day(request, name)
    if value is None:
        raise invalid("query", name, "field required")
    return value


def whole_number(request: Request, name: str, default: int, highest: int | None = None) -> int:
    """A query value of 0 or more; 422 when it is not a whole number or out of range."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not _WHOLE.fullmatch(text):
        raise invalid("query", name, "value is not a valid integer")
    number = int(text)
    if number < 0:
        raise invalid("query", name, "ensure this value is greater than or equal to 0")
    if highest is not None and number > highest:
        raise invalid("query", name, f"ensure this value is less than or equal to {highest}")
    return number


def newest_first(request: Request) -> bool:
    """``order_by``: DESC (the default) or ASC; 422 otherwise."""
    order = request.query_params.get("order_by", "DESC")
    if order not in ("ASC", "DESC"):
        raise invalid("query", "order_by", "value is not a valid enumeration member; permitted: 'ASC', 'DESC'")
    return order == "DESC"


async def metadata(request: Request, this_year: int, required: bool) -> Metadata | None:
    """``metadata`` of the body with every key present, or None; 422 when a rule is broken or it is missing."""
    content = await request.body()
    body = _json(content) if content.strip() else None
    if body is None and not required:
        return None
    if not isinstance(body, dict):
        raise invalid("body", "", "value is not a valid dict")
    if required and "metadata" not in body:
        raise invalid("body", "metadata", "field required")
    facts = body.get("metadata")
    if facts is None:
        return None
    if not isinstance(facts, dict):
        raise invalid("body", "metadata", "value is not a valid dict")
    return _checked(facts, this_year)


@cache
def _known_zones() -> set[str]:
    return available_timezones()


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        raise invalid("body", "", "value is not valid JSON") from None


def _checked(facts: dict[str, Any], this_year: int) -> Metadata:
    year = _integer(facts, "birth_year", _OLDEST_BIRTH_YEAR, this_year)
    month = _integer(facts, "birth_month", 1, 12)
    return {
        "birth_year": year,
        "birth_month": month,
        "birth_day": _integer(facts, "birth_day", 1, _days_in(year, month)),
        "gender": _gender(facts),
        "height": _measure(facts, "height", 300),
        "weight": _measure(facts, "weight", 1000),
    }


def _days_in(year: int | None, month: int | None) -> int:
    """Days of a month; of February 29 when the year is unknown, 31 when the month is."""
    leap_year = 2000
    return calendar.monthrange(year or leap_year, month)[1] if month else 31


def _integer(facts: dict[str, Any], name: str, lowest: int, highest: int) -> int | None:
    value = facts.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid("body", name, "value is not a valid integer")
    if not lowest <= value <= highest:
        raise invalid("body", name, f"ensure this value is between {lowest} and {highest}")
    return value


def _gender(facts: dict[str, Any]) -> str | None:
    value = facts.get("gender")
    if value is not None and value not in GENDERS:
        raise invalid("body", "gender", f"value is not a valid enumeration member; permitted: {', '.join(GENDERS)}")
    return value


def _measure(facts: dict[str, Any], name: str, highest: int) -> float | None:
    value = facts.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise invalid("body", name, "value is not a valid float")
    if not 0 <= value <= highest:
        raise invalid("body", name, f"ensure this value is between 0 and {highest}")
    if round(value, 1) != value:
        raise invalid("body", name, "ensure that there are no more than 1 decimal places")
    return float(value)
