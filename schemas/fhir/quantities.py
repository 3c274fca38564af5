"""Numbers and texts of the lake as FHIR values: scaled in whole numbers, at most three decimals, no binary noise.

Which metric has which unit and scale is said in ``schemas.metrics``.
"""

from decimal import Decimal
from fractions import Fraction

from schemas.fhir.codes import Resource
from schemas.metrics import UCUM, Metric

ONE = Fraction(1)
PERCENT = Fraction(100)


def scaled(value: float, scale: Fraction) -> int | float:
    """``value`` times ``scale``, rounded half to even at three decimals; a whole number comes back as an int.

    A float counts as the decimal it prints as, and the result prints as a decimal again: 100 s are 1.667 min.
    """
    numerator, denominator = (value, 1) if isinstance(value, int) else Decimal(repr(value)).as_integer_ratio()
    thousandths = _divided(numerator * scale.numerator * 1000, denominator * scale.denominator)
    return thousandths / 1000 if thousandths % 1000 else thousandths // 1000


def _divided(numerator: int, denominator: int) -> int:
    """Quotient rounded half to even (``round`` of a Fraction, without making one)."""
    quotient, rest = divmod(numerator, denominator)
    above_half = 2 * rest - denominator
    return quotient + 1 if above_half > 0 or (above_half == 0 and quotient % 2) else quotient


def quantity(value: float, unit: str, scale: Fraction = ONE) -> Resource:
    """A Quantity in a UCUM unit."""
    return {"value": scaled(value, scale), "unit": unit, "system": UCUM, "code": unit}


def one_line(text: str) -> str:
    """A text as FHIR's string allows it: single spaces; may come out empty, and must then be left out."""
    return " ".join(text.split())


def metric_value(metric: Metric, value: float | str | None) -> Resource | None:
    """``{"valueQuantity": ...}`` or ``{"valueString": ...}`` of a metric's column; None for a null or blank text."""
    if value is None:
        return None
    if isinstance(value, str):
        text = one_line(value)
        return {"valueString": text} if text else None
    return {"valueQuantity": quantity(value, metric.fhir.unit or "1", metric.fhir.scale)}
