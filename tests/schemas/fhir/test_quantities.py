"""Numbers: decimal arithmetic, at most three decimals, no binary noise."""

from fractions import Fraction

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fhir.quantities import quantity, scaled

MINUTES = Fraction(1, 60)


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (24240, MINUTES, "404"),
        (100, MINUTES, "1.667"),
        (20, MINUTES, "0.333"),
        (30, MINUTES, "0.5"),
        (0, MINUTES, "0"),
        (6097.0, MINUTES, "101.617"),
        (0.01, MINUTES, "0.0"),
        (0.29, Fraction(100), "29"),
        (0.57, Fraction(100), "57"),
        (0.855, Fraction(100), "85.5"),
        (0.8768946930506819, Fraction(100), "87.689"),
        (1.0, Fraction(100), "100"),
        (88.0, Fraction(1), "88"),
        (0.74, Fraction(1), "0.74"),
        (2.0005, Fraction(1), "2"),
        (2.0015, Fraction(1), "2.002"),
    ],
)
def test_a_number_is_written_as_a_short_decimal(value: float, scale: Fraction, text: str) -> None:
    """0.29 is 29 per cent and not 28.999999999999996."""
    assert orjson.loads(orjson.dumps(scaled(value, scale))) == float(text)
    assert len(orjson.dumps(scaled(value, scale))) <= len(text)


@given(st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9), st.sampled_from((MINUTES, Fraction(100), Fraction(1))))
def test_scaling_is_exact_rounding_at_three_decimals(value: float, scale: Fraction) -> None:
    """Read back as a decimal, the text is the exact product rounded half to even."""
    text = orjson.dumps(scaled(value, scale)).decode()
    assert Fraction(text) == round(Fraction(repr(value)) * scale, 3)
    assert len(text.partition(".")[2]) <= 3


def test_a_quantity_names_its_unit_as_text_and_as_code() -> None:
    """Unit, system and code are all there."""
    system = "http://unitsofmeasure.org"
    assert quantity(90, "min", MINUTES) == {"value": 1.5, "unit": "min", "system": system, "code": "min"}
