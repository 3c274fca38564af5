"""A night as Observations: total sleep time as the value, every other metric as a component.

A null is never written as 0. What the source does not have is left out; what it has and did not give carries a
``dataAbsentReason``. A value that is there is written, whatever the remarks beside it say: correcting a vendor is the
work of the lake.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.asleep import NO_BREATHING_STABILITY
from schemas.fhir.bed_samples import sample_observations
from schemas.fhir.codes import Resource
from schemas.fhir.context import FhirContext
from schemas.fhir.hypnograms import has_epochs, hypnogram_code, hypnogram_observation
from schemas.fhir.observation import AbsentReason, Status, absent, session_beginning
from schemas.fhir.quantities import PERCENT, one_line, quantity
from schemas.fhir.stage_intervals import has_stage_code, stage_interval_observation
from schemas.fhir.times import local_time
from schemas.metrics import METRICS
from schemas.stages import FOUR_STAGE, NO_STAGES

_TOTAL_SLEEP_TIME = "total_sleep_time_s"
_NEEDS = {metric.name: metric.needs for metric in METRICS}
_LOCAL_CODES = {
    "sleep_onset": "sleep-onset-time",
    "final_wake": "final-wake-time",
    "missing_data_ratio": "missing-data-ratio",
}
_MEANINGLESS_AT_ZERO = {
    "latency_to_light_s": "light_sleep_s",
    "latency_to_deep_s": "deep_sleep_s",
    "latency_to_rem_s": "rem_sleep_s",
    "sleep_maintenance_efficiency": "sleep_period_s",
    "sleep_onset": _TOTAL_SLEEP_TIME,
    "final_wake": _TOTAL_SLEEP_TIME,
}
"""A column that can have no value when the other one is 0, as the latency of a stage that never came."""


def session_observations(
    context: FhirContext,
    session: Mapping[str, Any],
    hypnogram: Mapping[str, Any] | None = None,
    intervals: Iterable[Mapping[str, Any]] = (),
    samples: Sequence[Mapping[str, Any]] = (),
) -> list[Resource]:
    """All Observations of a night: the session, its hypnogram if there is one with epochs, its stages, its samples.

    ``intervals`` are rows of ``sleep_stage_intervals``, ``samples`` of ``bed_samples``, used only if the context asks
    for them.
    """
    status = status_of(session)
    members = []
    if hypnogram is not None and has_epochs(hypnogram):
        members.append(hypnogram_observation(context, session, hypnogram, status))
    if context.stage_intervals:
        coded = (interval for interval in intervals if has_stage_code(interval))
        members += [stage_interval_observation(context, session, interval, status) for interval in coded]
    if context.bed_samples:
        members += sample_observations(context, session, samples, status)
    return [session_observation(context, session, members, status), *members]


def status_of(session: Mapping[str, Any]) -> Status:
    """``final`` for the first version of a session, ``amended`` once the vendor has sent another one."""
    return "amended" if session["revision"] > 1 else "final"


def retracted_observations(context: FhirContext, session: Mapping[str, Any], deleted_at: datetime) -> list[Resource]:
    """The Observations of a session that the vendor deleted: entered in error, without values, under the same ids.

    ``session`` is the last version that had content, a row of ``session_history``. Stages and samples are not repeated:
    who has them knows them as members of the session.
    """
    row: Mapping[str, Any] = {**session, "fetched_at": deleted_at}
    status: Status = "entered-in-error"
    code = context.metric_codes[_TOTAL_SLEEP_TIME]
    summary = session_beginning(context, "session", row, code, status)
    if session["has_stages"] == NO_STAGES:
        return [summary]
    hypnogram = session_beginning(context, "hypnogram", row, hypnogram_code(context, session), status)
    return [{**summary, **_members([hypnogram])}, hypnogram]


def session_observation(
    context: FhirContext, session: Mapping[str, Any], members: Iterable[Resource] = (), status: Status = "final"
) -> Resource:
    """The Observation of a row of ``sleep_sessions``, which names the other Observations of the night as members."""
    found = {column: component(session[column]) for column, component in context.metric_components.items()}
    has_stat = any(found.values())
    total_sleep_time = found.pop(_TOTAL_SLEEP_TIME)
    components = list(_components(context, session, found | _other_components(context, session), has_stat))
    return {
        **session_beginning(context, "session", session, context.metric_codes[_TOTAL_SLEEP_TIME], status),
        **({"valueQuantity": total_sleep_time["valueQuantity"]} if total_sleep_time else absent("unknown")),
        **_notes(session["peculiarities"]),
        **_members(members),
        **({"component": components} if components else {}),
    }


def _components(
    context: FhirContext, session: Mapping[str, Any], found: Mapping[str, Resource | None], has_stat: bool
) -> Iterator[Resource]:
    for column, component in found.items():
        if component:
            yield component
        elif has_stat and (reason := _absent_reason(column, session)):
            yield {"code": _code(context, column), **absent(reason)}


def _code(context: FhirContext, column: str) -> Resource:
    local = _LOCAL_CODES.get(column)
    return context.local_codes[local] if local else context.metric_codes[column]


def _absent_reason(column: str, session: Mapping[str, Any]) -> AbsentReason | None:
    """Why a column of a session with statistics is null; None when the source does not have it at all."""
    if _source_lacks(column, session):
        return None
    other = _MEANINGLESS_AT_ZERO.get(column)
    return "not-applicable" if other and session[other] == 0 else "unknown"


def _source_lacks(column: str, session: Mapping[str, Any]) -> bool:
    match _NEEDS.get(column):
        case "stages":
            return bool(session["has_stages"] != FOUR_STAGE)
        case "breathing":
            return NO_BREATHING_STABILITY in session["peculiarities"]
        case "snoring":
            return session["snoring_s"] is None and session["snoring_episodes"] is None
    return column == "sleep_cycle_mean_s" and session["sleep_cycles"] == 0


def _other_components(context: FhirContext, session: Mapping[str, Any]) -> dict[str, Resource | None]:
    onset, wake, missing = session["sleep_onset"], session["final_wake"], session["missing_data_ratio"]
    zone = session["timezone"]
    values = {
        "sleep_onset": {"valueDateTime": local_time(onset, zone)} if onset else None,
        "final_wake": {"valueDateTime": local_time(wake, zone)} if wake else None,
        "missing_data_ratio": None if missing is None else {"valueQuantity": quantity(missing, "%", PERCENT)},
    }
    return {column: value and {"code": _code(context, column), **value} for column, value in values.items()}


def _notes(peculiarities: list[str]) -> Resource:
    """The vendor's remarks as notes, not as ``meta.tag``.

    They say how far the value can be trusted, so they belong to the content; servers may keep the old tags of a
    resource when it is replaced; and a remark nobody has heard of is no code.
    """
    texts = [text for text in map(one_line, peculiarities) if text]
    return {"note": [{"text": text} for text in texts]} if texts else {}


def _members(members: Iterable[Resource]) -> Resource:
    references = [{"reference": f"{member['resourceType']}/{member['id']}"} for member in members]
    return {"hasMember": references} if references else {}
