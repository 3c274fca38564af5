"""Any row the lake may hold: a valid Observation whose values map back to the row."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson
from hypothesis import given, settings

from schemas.fhir import session_observation
from schemas.metrics import METRICS
from schemas.tables import SLEEP_SESSIONS
from tests.schemas.fhir.rows import CONTEXT, any_night
from tests.schemas.fhir.rules import assert_valid, component
from tests.schemas.fhir.test_sessions import LEADING_CODE

FACTORS = {"s": Fraction(1, 60), "fraction": Fraction(100)}


def _expected(column: str, value: Any) -> Fraction | str | None:
    if isinstance(value, str):
        return " ".join(value.split()) or None
    if value is None:
        return None
    return round(Fraction(repr(value)) * FACTORS.get(SLEEP_SESSIONS.unit(column), Fraction(1)), 3)


def _written(column: str, element: dict[str, Any] | None) -> Fraction | str | None:
    """What an element of the JSON says, with every digit it has."""
    if element is None or "dataAbsentReason" in element:
        return None
    if "valueString" in element:
        return str(element["valueString"])
    number = element["valueQuantity"]["value"]
    assert -number.as_tuple().exponent <= 3, f"{column} has more than three decimals"
    return Fraction(number)


@settings(max_examples=60, deadline=None)
@given(any_night())
def test_any_row_gives_a_valid_observation_that_maps_back(row: dict[str, Any]) -> None:
    """Nulls stay nulls, zeros stay zeros, every number is the row's to three decimals."""
    observation = session_observation(CONTEXT, row)
    assert_valid(observation)
    read = _with_decimals(observation)
    for column in (*(metric.name for metric in METRICS), "missing_data_ratio"):
        element = read if column == "total_sleep_time_s" else component(read, LEADING_CODE[column])
        assert _written(column, element) == _expected(column, row[column])


def _with_decimals(observation: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(orjson.dumps(observation), parse_float=Decimal, parse_int=Decimal)
    return read
