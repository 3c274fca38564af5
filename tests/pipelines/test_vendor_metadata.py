"""What may be written about a person: the vendor's ranges, and a change that loses nothing else."""

import json
from collections.abc import Iterator
from math import inf, nan
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connectors.asleep.sandbox import World
from connectors.errors import WrongUsage
from pipelines.command.vendor.metadata import FIELDS, GENDERS, UnknownMetadata, changed, check_ranges, differences
from tests.connectors.asleep.sandbox.clients import NOW, vendor_of

ANNA = {
    "birth_year": 1980,
    "birth_month": 2,
    "birth_day": 29,
    "gender": "female",
    "height": 170.5,
    "weight": None,
}

tenths = st.integers(-20, 11_000).map(lambda number: number / 10)
facts = st.fixed_dictionaries(
    {},
    optional={
        "birth_year": st.integers(1890, 2035),
        "birth_month": st.integers(-1, 14),
        "birth_day": st.integers(-1, 33),
        "gender": st.sampled_from([*GENDERS, "woman", ""]),
        "height": tenths | st.floats(-1, 301, allow_nan=False).map(lambda number: round(number, 2)),
        "weight": tenths | st.floats(-1, 1001, allow_nan=False).map(lambda number: round(number, 2)),
    },
)


@pytest.fixture(scope="module")
def vendor() -> Iterator[httpx.Client]:
    """A vendor that keeps to the documented ranges."""
    with vendor_of(World(users=0, nights=1, now=NOW)) as client:
        yield client


def is_accepted(given: dict[str, Any]) -> bool:
    """Whether we would send it."""
    try:
        check_ranges(given, NOW.year)
    except WrongUsage:
        return False
    return True


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given=facts)
@example(given={"birth_year": 2023, "birth_month": 2, "birth_day": 29})
@example(given={"birth_month": 2, "birth_day": 29})
@example(given={"birth_year": NOW.year, "height": 300.0, "weight": 1000.0})
@example(given={"birth_year": NOW.year + 1})
def test_we_refuse_what_the_vendor_refuses_and_nothing_else(vendor: httpx.Client, given: dict[str, Any]) -> None:
    """Every value, alone and together: refused before the call exactly when the vendor would answer 422."""
    answer = vendor.post("/ai/v1/users", json={"metadata": given})
    assert is_accepted(given) == (answer.status_code == 201)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"birth_year": 1899}, "--birth-year must be from 1900 to 2026."),
        ({"birth_month": 13}, "--birth-month must be from 1 to 12."),
        ({"birth_day": 0}, "--birth-day must be from 1 to 31."),
        ({"birth_month": 4, "birth_day": 31}, "The day, month and year of birth are no date of the calendar."),
        ({"gender": "x"}, "--gender must be one of male, female, non_binary, other, prefer_not_to_say."),
        ({"height": 300.1}, "--height-cm must be from 0 to 300."),
        ({"height": nan}, "--height-cm must be from 0 to 300."),
        ({"weight": inf}, "--weight-kg must be from 0 to 1000."),
        ({"weight": 65.25}, "--weight-kg takes one decimal place at most."),
    ],
)
def test_each_range_is_told_in_one_sentence(given: dict[str, Any], sentence: str) -> None:
    """The option, and what it takes; never the value, which is personal."""
    with pytest.raises(WrongUsage) as refused:
        check_ranges(given, NOW.year)
    assert str(refused.value) == sentence


@given(
    before=st.fixed_dictionaries({}, optional={field: st.none() | st.integers(1, 12) for field in FIELDS.values()}),
    given=st.fixed_dictionaries({}, optional={field: st.integers(1, 12) for field in FIELDS.values()}),
    cleared=st.sets(st.sampled_from(sorted(FIELDS.values()))),
)
def test_a_change_touches_only_what_is_named(before: dict[str, Any], given: dict[str, Any], cleared: set[str]) -> None:
    """Whatever is neither given nor cleared is sent as it was; every field is sent, so that merging does not matter."""
    after = changed(before, given, sorted(cleared))
    assert list(after) == list(FIELDS.values())
    for field, value in after.items():
        assert value == (None if field in cleared else given.get(field, before.get(field)))
    assert len(differences(before, after)) == sum(after[field] != before.get(field) for field in after)


def test_a_change_is_told_with_units() -> None:
    """What was, what will be, and nothing about the fields that stay."""
    after = changed(ANNA, {"height": 171.0, "weight": 60.0}, ["gender"])
    assert differences(ANNA, after) == [
        "gender: female → not set",
        "height-cm: 170.5 cm → 171.0 cm",
        "weight-kg: not set → 60.0 kg",
    ]


def test_a_birthday_that_becomes_none_is_refused() -> None:
    """February 29th goes with the year that is there, not with another one; without a year it may be."""
    with pytest.raises(WrongUsage, match="no date of the calendar"):
        changed(ANNA, {"birth_year": 1981}, [])
    assert changed(ANNA, {}, ["birth_year"])["birth_day"] == 29


def test_a_field_we_do_not_know_is_not_lost() -> None:
    """Writing might empty it, so nothing is written; a field without a value is no reason to stop."""
    with pytest.raises(UnknownMetadata) as refused:
        changed({**ANNA, "canary_field": "canary value"}, {"height": 171.0}, [])
    assert "canary" not in str(refused.value)
    assert changed({**ANNA, "canary_field": None}, {"height": 171.0}, [])["height"] == 171.0


def test_whole_numbers_stay_whole() -> None:
    """A year that came as 1980 goes back as 1980, not as 1980.0, which the vendor would refuse."""
    before = json.loads(json.dumps(ANNA))
    assert json.dumps(changed(before, {}, ["weight"])) == json.dumps(ANNA)
