"""What the vendor keeps of a person: the documented fields and their ranges, what a change changes, and its words.

Pure; height is in cm, weight in kg. The ranges are the vendor's (https://docs-en.asleep.ai, user metadata).
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.errors import NightshiftError, WrongUsage
from pipelines.command.vendor.words import plain

GENDERS = ("male", "female", "non_binary", "other", "prefer_not_to_say")

FIELDS = {
    "birth-year": "birth_year",
    "birth-month": "birth_month",
    "birth-day": "birth_day",
    "gender": "gender",
    "height-cm": "height",
    "weight-kg": "weight",
}
"""Option of the command to field at the vendor."""

UNITS = {"height": " cm", "weight": " kg"}

OLDEST_BIRTH_YEAR = 1900
TALLEST_CM = 300
HEAVIEST_KG = 1000
LEAP_YEAR = 2000

Facts = Mapping[str, Any]
"""Metadata as the vendor sends it; a field that is absent or None is not known."""


class UnknownMetadata(NightshiftError):
    """The vendor keeps a field that writing the documented ones might lose."""


def check_ranges(facts: Facts, this_year: int) -> None:
    """Refuse what the vendor would refuse. Raises: WrongUsage, one sentence."""
    year, gender = facts.get("birth_year"), facts.get("gender")
    if year is not None and not OLDEST_BIRTH_YEAR <= year <= this_year:
        raise WrongUsage(f"--birth-year must be from {OLDEST_BIRTH_YEAR} to {this_year}.")
    _check_birthday(year, facts.get("birth_month"), facts.get("birth_day"))
    if gender is not None and gender not in GENDERS:
        raise WrongUsage(f"--gender must be one of {', '.join(GENDERS)}.")
    _check_measure("--height-cm", facts.get("height"), TALLEST_CM)
    _check_measure("--weight-kg", facts.get("weight"), HEAVIEST_KG)


def changed(before: Facts, given: Facts, cleared: list[str]) -> dict[str, Any]:
    """All documented fields after a change; a field that is not given stays.

    Every field is there, also as None, so that it does not matter whether the vendor replaces or merges what it is
    sent: the documentation does not say.
    Raises: UnknownMetadata; WrongUsage if what was there and what is given make no date.
    """
    unknown = [name for name, value in before.items() if name not in FIELDS.values() and value is not None]
    if unknown:
        raise UnknownMetadata(
            f"Asleep keeps {len(unknown)} field(s) of this user that Nightshift does not know and might lose by "
            "writing: change the user in the app, or look for a newer Nightshift."
        )
    after = {field: before.get(field) for field in FIELDS.values()}
    after |= {**given, **dict.fromkeys(cleared)}
    if any(field.startswith("birth_") and after[field] != before.get(field) for field in after):
        _check_birthday(*(_number(after[field]) for field in ("birth_year", "birth_month", "birth_day")))
    return after


def differences(before: Facts, after: Facts) -> list[str]:
    """One line for each field that changes."""
    return [
        f"{option}: {words(field, before.get(field))} → {words(field, after.get(field))}"
        for option, field in FIELDS.items()
        if before.get(field) != after.get(field)
    ]


def lines(facts: Facts | None) -> Iterator[tuple[str, str]]:
    """Every documented field and its value in words."""
    for field in FIELDS.values():
        yield field.replace("_", " "), words(field, (facts or {}).get(field))


def words(field: str, value: object) -> str:
    """A value with its unit, or that there is none."""
    return "not set" if value is None else f"{plain(value)}{UNITS.get(field, '')}"


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _check_birthday(year: int | None, month: int | None, day: int | None) -> None:
    if month is not None and not 1 <= month <= 12:
        raise WrongUsage("--birth-month must be from 1 to 12.")
    if day is not None and not 1 <= day <= 31:
        raise WrongUsage("--birth-day must be from 1 to 31.")
    if day is not None and month is not None and day > monthrange(year or LEAP_YEAR, month)[1]:
        raise WrongUsage("The day, month and year of birth are no date of the calendar.")


def _check_measure(option: str, value: float | None, highest: int) -> None:
    if value is None:
        return
    if not 0 <= value <= highest:
        raise WrongUsage(f"{option} must be from 0 to {highest}.")
    if round(value, 1) != value:
        raise WrongUsage(f"{option} takes one decimal place at most.")
