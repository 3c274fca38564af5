"""Every field of a night is told: what reached the lake and FHIR, what raw keeps alone, and what was lost."""

from typing import Any

import pytest

from schemas.explanation import COMPARED, KEPT_IN_RAW, InFhir, Line, explain, text_of
from schemas.fhir import session_observations
from schemas.metrics import METRICS
from schemas.tables import SLEEP_SESSIONS
from tests.schemas.fhir.rows import CONTEXT, epochs, night

STAGES = ("sleep_stages", "breath_stages", "snoring_stages")
UNITS = {name: SLEEP_SESSIONS.unit(name) for name in SLEEP_SESSIONS.schema.names}

ANSWER: dict[str, Any] = {
    "detail": "OK",
    "result": {
        "timezone": "UTC",
        "peculiarities": [],
        "session": {"id": "20250310141208_canry", "state": "COMPLETE", "start_time": "2025-03-10T14:12:08+00:00"},
        "stat": {"time_in_sleep": 24240, "sleep_efficiency": 0.877, "light_ratio": 0.68, "something_new": {"a": [1]}},
    },
}


def told(**changes: Any) -> list[Line]:
    """The plain night, explained."""
    row, hypnogram = night(**changes), epochs()
    resources = session_observations(CONTEXT, row, hypnogram)
    return explain(ANSWER, row | {name: hypnogram[name] for name in STAGES}, [InFhir(resources)], UNITS)


def line_of(lines: list[Line], column: str) -> Line:
    """The one line of a column."""
    (found,) = (line for line in lines if line.column == column)
    return found


def test_every_column_and_every_leaf_has_exactly_one_line() -> None:
    """Nothing of the answer and nothing of the lake is left out, also a field that nobody has heard of."""
    lines = told()
    assert [line.column for line in lines if line.column] == [*SLEEP_SESSIONS.schema.names, *STAGES]
    fields = [line.field for line in lines if line.field]
    assert len(fields) == len(set(fields))
    assert set(fields) == {
        "detail",
        "result.timezone",
        "result.peculiarities",
        "result.session.id",
        "result.session.state",
        "result.session.start_time",
        "result.stat.time_in_sleep",
        "result.stat.sleep_efficiency",
        "result.stat.light_ratio",
        "result.stat.something_new.a",
    }


def test_what_goes_no_further_than_raw_says_so() -> None:
    """The vendor's ratios are compared; a new field waits in raw."""
    losses = {line.field: line.loss for line in told() if not line.column}
    assert losses["result.stat.light_ratio"] == losses["result.stat.sleep_efficiency"] == COMPARED
    assert losses["result.stat.something_new.a"] == losses["result.session.state"] == KEPT_IN_RAW


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_found_in_fhir(metric: Any) -> None:
    """With its leading code and its unit."""
    rendered = line_of(told(), metric.name).rendered[0]
    assert rendered is not None
    assert metric.fhir.codings[0].code in rendered.place
    assert (metric.fhir.unit or "") in rendered.value


def test_a_rounding_is_a_loss_and_a_whole_number_is_none() -> None:
    """Seconds that are no whole thousandth of a minute come back a little different."""
    assert line_of(told(total_sleep_time_s=24240), "total_sleep_time_s").loss == ""
    assert line_of(told(total_sleep_time_s=100), "total_sleep_time_s").loss == "rounded by 0.02 s"


def test_an_absent_value_says_why() -> None:
    """As FHIR does."""
    rendered = line_of(told(latency_to_rem_s=None, rem_sleep_s=0), "latency_to_rem_s").rendered[0]
    assert rendered is not None
    assert rendered.value == "absent: not-applicable"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ([1, 2], "1, 2"),
        (list(range(100)), "0, 1, 2, 3, 4, 5, 6, 7 … (100 values)"),
        ("x" * 61, "x" * 40 + " … (61 characters)"),
        (0.5, "0.5"),
    ],
)
def test_cells_are_short(value: Any, text: str) -> None:
    """A hypnogram does not fill the screen."""
    assert text_of(value) == text
