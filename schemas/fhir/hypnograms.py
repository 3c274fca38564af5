"""The epochs of a session as one Observation: the hypnogram as its value, snoring and breathing as components.

The integers are the lake's stage codes (``schemas.stages``), E for unknown; the code system says what each means.
"""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.fhir.codes import Resource
from schemas.fhir.context import FhirContext
from schemas.fhir.observation import Status, absent, session_beginning
from schemas.metrics import UCUM
from schemas.stages import TWO_STAGE

_COMPONENTS = (("snoring-epochs", "snoring_stages"), ("breath-epochs", "breath_stages"))
_COLUMNS = ("sleep_stages", *(column for _, column in _COMPONENTS))
_SAMPLES: dict[int | None, str] = {None: "E"} | {code: "E" if code < 0 else str(code) for code in range(-128, 128)}
"""A lake code (int8) as SampledData writes it; a table, because a night has a thousand epochs."""

_TWO_DIGITS = 0
_LETTERS = bytes(ord(s) if len(s := _SAMPLES[code]) == 1 else _TWO_DIGITS for code in (*range(128), *range(-128, 0)))
"""The same by the byte that a code is, for those that are written as one letter: all that the lake has."""


def has_epochs(hypnogram: Mapping[str, Any]) -> bool:
    """Whether a row of ``sleep_hypnograms`` holds any epoch at all."""
    return any(hypnogram[column] for column in _COLUMNS)


def hypnogram_code(context: FhirContext, session: Mapping[str, Any]) -> Resource:
    """The code of a session's hypnogram, by whether its source tells stages apart."""
    return context.local_codes["hypnogram-2-stage" if session["has_stages"] == TWO_STAGE else "hypnogram"]


def hypnogram_observation(
    context: FhirContext, session: Mapping[str, Any], hypnogram: Mapping[str, Any], status: Status = "final"
) -> Resource:
    """The Observation of a row of ``sleep_hypnograms``; epoch 0 begins with ``effectivePeriod``.

    Epochs may also come as bytes, an int8 each, which is ten times as fast.
    """
    code = hypnogram_code(context, session)
    stages, epoch_s = hypnogram["sleep_stages"], hypnogram["epoch_s"]
    components = [
        {"code": context.local_codes[name], **_sampled(hypnogram[column], epoch_s, "1")}
        for name, column in _COMPONENTS
        if hypnogram[column]
    ]
    return {
        **session_beginning(context, "hypnogram", session, code, status),
        **(_sampled(stages, epoch_s, "{stage}") if stages else absent("unknown")),
        **({"component": components} if components else {}),
    }


def _sampled(epochs: Sequence[int | None] | bytes, epoch_s: int, unit: str) -> Resource:
    data = _spaced(epochs) if isinstance(epochs, bytes) else " ".join([_SAMPLES[epoch] for epoch in epochs])
    origin = {"value": 0, "unit": unit, "system": UCUM, "code": unit}
    return {"valueSampledData": {"origin": origin, "period": epoch_s * 1000, "dimensions": 1, "data": data}}


def _spaced(codes: bytes) -> str:
    letters = codes.translate(_LETTERS)
    if _TWO_DIGITS in letters:
        return " ".join([_SAMPLES[code] for code in array("b", codes)])
    data = bytearray(b" ") * (2 * len(letters) - 1)
    data[::2] = letters
    return data.decode()
