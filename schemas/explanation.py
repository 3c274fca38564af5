"""A night told field by field: what the vendor sent, what the lake made of it, what FHIR says, and by which rule.

Every leaf of the vendor's answer has a line, also one that goes no further than raw, and so has every column and every
part of the Observations that comes from nowhere in the answer. A format other than FHIR is one more ``Rendering``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from schemas.fhir import Resource
from schemas.metrics import METRICS, Metric

RESULT = "result"
STAT = "result.stat"
SESSION = "result.session"

KEPT_IN_RAW = "kept in raw only"
UNCHANGED = "as sent"
SECONDS = "whole seconds"
IN_UTC = "an instant, in UTC"
OUR_CODES = "one code an epoch, in our codes"
RECOMPUTED: dict[str, str] = {
    "sleep_efficiency": "recomputed: total sleep time / time in bed",
    "sleep_maintenance_efficiency": "recomputed: total sleep time / sleep period",
}
COMPARED = "recomputed from seconds and compared, not stored"

Origin = tuple[str, str]
"""A vendor's field, empty if the column comes from none, and the rule by which it became the column."""

_SOURCES: dict[str, Origin] = {
    "session_id": (f"{SESSION}.id", UNCHANGED),
    "start_time": (f"{SESSION}.start_time", IN_UTC),
    "end_time": (f"{SESSION}.end_time", IN_UTC),
    "unexpected_end_time": (f"{SESSION}.unexpected_end_time", IN_UTC),
    "created_timezone": (f"{SESSION}.created_timezone", "the phone's zone"),
    "sleep_onset": (f"{STAT}.sleep_time", IN_UTC),
    "final_wake": (f"{STAT}.wake_time", IN_UTC),
    "peculiarities": (f"{RESULT}.peculiarities", UNCHANGED),
    "missing_data_ratio": (f"{RESULT}.missing_data_ratio", UNCHANGED),
    "sleep_stages": (f"{SESSION}.sleep_stages", OUR_CODES),
    "breath_stages": (f"{SESSION}.breath_stages", OUR_CODES),
    "snoring_stages": (f"{SESSION}.snoring_stages", OUR_CODES),
}
"""Columns that are no metric: where they come from, and how."""

DERIVED: dict[str, str] = {
    "org_id": "from the roster",
    "source": "where it was asked",
    "user_id": "for whom it was asked",
    "content_hash": "SHA-256 of the content without transport",
    "timezone": "created_timezone, or the roster's where that is no IANA zone",
    "night_of": "local date of the start minus 12 h",
    "wake_date": "local date of the final wake, or of the end",
    "has_stages": "which plan the codes are of",
    "provider_agreement": "the vendor's figures compared with ours",
    "provider_differences": "figures that differ",
    "revision": "how many versions there have been",
    "fetched_at": "when this version was first fetched",
}
"""Columns that come from no field: what makes them."""

_RATIOS = ("_ratio", "sleep_efficiency")
_MOST_SHOWN = 8
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Rendered:
    """A column in another format: where it stands there, its value, how it got there, and what that lost."""

    place: str
    value: Any
    rule: str
    loss: str = ""


class Rendering(Protocol):
    """A format in which a night leaves the house."""

    name: str

    def of(self, column: str, value: Any) -> Rendered | None:
        """What the format makes of a column; None when it says nothing of it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One field on its way. ``field`` is the vendor's path, ``column`` the lake's, either empty when there is none."""

    field: str
    sent: Any
    rule: str
    column: str
    kept: Any
    unit: str
    rendered: tuple[Rendered | None, ...]

    @property
    def loss(self) -> str:
        """What is lost on the way, in words; empty when nothing is."""
        if not self.column:
            return self.rule
        return "; ".join(one.loss for one in self.rendered if one and one.loss)


def explain(
    answer: Mapping[str, Any],
    row: Mapping[str, Any],
    renderings: Sequence[Rendering],
    units: Mapping[str, str],
    origin_of: Callable[[str], Origin] | None = None,
) -> list[Line]:
    """Every field of a night: first those that reach the lake, in the order of its columns, then what raw keeps.

    ``answer`` is the vendor's JSON, ``row`` the session's columns with its stages, ``units`` the columns' units.
    ``origin_of`` tells where a column comes from; by default as it is at Asleep.
    """
    leaves = dict(_leaves(answer, ""))
    lines = [
        _line(column, value, leaves, renderings, units.get(column, ""), (origin_of or asleep_origin)(column))
        for column, value in row.items()
    ]
    used = {line.field for line in lines}
    return lines + [
        Line(field, sent, COMPARED if _is_ratio(field) else KEPT_IN_RAW, "", None, "", (None,) * len(renderings))
        for field, sent in leaves.items()
        if field not in used
    ]


def _line(
    column: str, value: Any, leaves: Mapping[str, Any], renderings: Sequence[Rendering], unit: str, origin: Origin
) -> Line:
    field, rule = origin
    rendered = tuple(rendering.of(column, value) for rendering in renderings)
    return Line(field if field in leaves else "", leaves.get(field), rule, column, value, unit, rendered)


def asleep_origin(column: str) -> Origin:
    """Where a column comes from in a session of Asleep."""
    if column in _SOURCES:
        return _SOURCES[column]
    if column in _METRICS:
        metric = _METRICS[column]
        if metric.asleep_field is None:
            return "", RECOMPUTED[column]
        return f"{STAT}.{metric.asleep_field}", SECONDS if metric.unit == "s" else UNCHANGED
    return "", DERIVED[column]


def _is_ratio(field: str) -> bool:
    return field.startswith(STAT) and field.endswith(_RATIOS)


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every leaf with its path; a list is a leaf, because its members have no meaning of their own."""
    if isinstance(node, Mapping) and node:
        for name, value in node.items():
            yield from _leaves(value, f"{path}.{name}" if path else str(name))
    else:
        yield path, node


class InFhir:
    """The Observations of a night as a rendering: the value, the components, the times, the hypnogram."""

    name = "FHIR R4"

    def __init__(self, resources: Sequence[Resource]) -> None:
        """``resources`` are what ``session_observations`` made: the session first, then its hypnogram."""
        self._session = resources[0]
        self._hypnogram = next((one for one in resources[1:] if _is_hypnogram(one)), None)
        parts = [*self._session.get("component", ()), *((self._hypnogram or {}).get("component", ()))]
        self._components = {part["code"]["coding"][0]["code"]: part for part in parts}

    def of(self, column: str, value: Any) -> Rendered | None:
        """Where a column stands in the Observations."""
        if column in _METRICS:
            return self._metric(_METRICS[column], value)
        if column in _FHIR_PLACES:
            return _FHIR_PLACES[column](self._session)
        if column in _FHIR_COMPONENTS:
            return self._component(_FHIR_COMPONENTS[column], "Observation.component")
        if column == "sleep_stages" and self._hypnogram and "valueSampledData" in self._hypnogram:
            data = self._hypnogram["valueSampledData"]["data"]
            return Rendered("hypnogram Observation.valueSampledData", data, "the same codes, E for unknown")
        return None

    def _metric(self, metric: Metric, value: Any) -> Rendered | None:
        code = metric.fhir.codings[0].code
        scale = metric.fhir.scale
        rule = "unchanged" if scale == 1 else f"times {scale}"
        if metric.name == "total_sleep_time_s":
            return _rendered(self._session, f"Observation.value ({code})", rule, metric, value)
        part = self._components.get(code)
        return _rendered(part, f"Observation.component ({code})", rule, metric, value) if part else None

    def _component(self, code: str, place: str) -> Rendered | None:
        part = self._components.get(code)
        return Rendered(f"{place} ({code})", _value(part), "as a component") if part else None


def _rendered(element: Resource, place: str, rule: str, metric: Metric, value: Any) -> Rendered:
    shown = _value(element)
    return Rendered(place, shown, rule, _rounding(element, metric, value))


def _rounding(element: Resource, metric: Metric, value: Any) -> str:
    if value is None or not isinstance(value, int | float) or "valueQuantity" not in element:
        return ""
    back = element["valueQuantity"]["value"] / float(metric.fhir.scale)
    off = abs(back - value)
    return f"rounded by {off:.1g} {metric.unit}" if off > 1e-9 * max(1.0, abs(value)) else ""


def _value(element: Resource) -> str:
    if "dataAbsentReason" in element:
        return f"absent: {element['dataAbsentReason']['coding'][0]['code']}"
    name, value = next((name, value) for name, value in element.items() if name.startswith("value"))
    match name:
        case "valueQuantity":
            return f"{value['value']} {value['unit']}"
        case "valueSampledData":
            return str(value["data"])
    return str(value)


def _is_hypnogram(resource: Resource) -> bool:
    return str(resource["code"]["coding"][0]["code"]).startswith("hypnogram")


def _period(end: str) -> Callable[[Resource], Rendered]:
    def place(session: Resource) -> Rendered:
        return Rendered(f"Observation.effectivePeriod.{end}", session["effectivePeriod"][end], "on the zone's clock")

    return place


_METRICS = {metric.name: metric for metric in METRICS}
_FHIR_COMPONENTS = {
    "sleep_onset": "sleep-onset-time",
    "final_wake": "final-wake-time",
    "missing_data_ratio": "missing-data-ratio",
    "breath_stages": "breath-epochs",
    "snoring_stages": "snoring-epochs",
}
_FHIR_PLACES: dict[str, Callable[[Resource], Rendered]] = {
    "session_id": lambda session: Rendered("Observation.id", session["id"], "a keyed pseudonym", "the vendor's id"),
    "user_id": lambda session: Rendered(
        "Observation.subject", session["subject"]["reference"], "a keyed pseudonym", "the vendor's id"
    ),
    "start_time": _period("start"),
    "end_time": _period("end"),
    "fetched_at": lambda session: Rendered("Observation.issued", session["issued"], "unchanged"),
    "revision": lambda session: Rendered("Observation.status", session["status"], "final first, amended afterwards"),
    "peculiarities": lambda session: Rendered(
        "Observation.note", ", ".join(note["text"] for note in session.get("note", ())), "a note each"
    ),
}


def text_of(value: Any) -> str:
    """A value for a table cell: short, ISO 8601, long ones cut with their length."""
    match value:
        case None:
            return ""
        case datetime() | date():
            return value.isoformat()
        case list():
            text = ", ".join(map(str, value))
            short = ", ".join(map(str, value[:_MOST_SHOWN]))
            return text if len(text) <= _LONGEST_SHOWN else f"{short[:_LONGEST_SHOWN]} … ({len(value)} values)"
    text = str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 20]} … ({len(text)} characters)"
