"""A user's averages over a month as one Observation: a local panel, its components under the codes of the metrics.

The panel has a code of its own so that a search for sleep duration finds nights only. A null average is left out: the
source's answer does not tell what is not in the contract from what it does not know.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.fhir.codes import AVERAGE, Resource
from schemas.fhir.context import FhirContext
from schemas.fhir.observation import Status, absent, beginning
from schemas.fhir.quantities import metric_value, quantity
from schemas.fhir.times import whole_days
from schemas.metrics import AVERAGED_METRICS

_CLOCK_TIMES = {
    "average-bedtime": "bedtime",
    "average-sleep-onset": "sleep_onset",
    "average-final-wake": "final_wake",
    "average-out-of-bed": "out_of_bed",
}
_COUNTS = {"session-count": "slept_sessions", "never-slept-count": "never_slept_sessions"}


def average_stats_observation(context: FhirContext, stats: Mapping[str, Any], status: Status = "final") -> Resource:
    """The Observation of a row of ``average_stats``; without any average it has a ``dataAbsentReason``.

    It has no ``issued``: the row does not say when the averages were computed.
    """
    averages = list(_averages(context, stats))
    components = [*averages, *_counts(context, stats)]
    id = f"{stats['user_id']}/{stats['period_start'].isoformat()}"
    return {
        **beginning(context, "average-stats", stats, id, context.local_codes["sleep-average-stats"], status),
        "effectivePeriod": whole_days(stats["period_start"], stats["period_end"], stats["timezone"]),
        **({} if averages else absent("unknown")),
        "method": AVERAGE,
        **({"component": components} if components else {}),
    }


def _averages(context: FhirContext, stats: Mapping[str, Any]) -> Iterator[Resource]:
    for code, column in _CLOCK_TIMES.items():
        if stats[column] is not None:
            yield {"code": context.local_codes[code], "valueTime": stats[column].isoformat()}
    for metric in AVERAGED_METRICS:
        value = metric_value(metric, stats[metric.name])
        if value:
            yield {"code": context.metric_codes[metric.name], **value}


def _counts(context: FhirContext, stats: Mapping[str, Any]) -> Iterator[Resource]:
    for code, column in _COUNTS.items():
        if stats[column] is not None:
            yield {"code": context.local_codes[code], "valueQuantity": quantity(stats[column], "{count}")}
