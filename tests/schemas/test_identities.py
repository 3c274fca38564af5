"""The vendor's own figures: the samples keep all identities, and each can be broken alone."""

import itertools
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.asleep import Envelope, SessionDetail, Stat
from schemas.identities import IDENTITIES, violations
from tests.schemas.samples import ABSENT, SAMPLES, SESSION, SESSION_OPEN, changed, result_of

NIGHT = result_of(SESSION)
STAGES: list[int] = NIGHT["session"]["sleep_stages"]


def decoded(document: bytes, changes: Mapping[str, Any] | None = None) -> SessionDetail:
    """A typed session, with changes by path below ``result``."""
    below = {f"result.{path}": value for path, value in (changes or {}).items()}
    return msgspec.json.decode(changed(document, below), type=Envelope[SessionDetail]).result


def one_epoch_changed(code: int, other: int) -> list[int]:
    """The stages of the sample with the first epoch of ``code`` in the sleep period called something else."""
    epoch = STAGES.index(code, STAGES.index(1))
    return [*STAGES[:epoch], other, *STAGES[epoch + 1 :]]


NO_STAGES = {"session.sleep_stages": None}
"""Leaves out what would tell a changed total from the epochs."""

BROKEN: list[tuple[int, dict[str, Any]]] = [
    (1, {"stat.time_in_bed": 27644}),
    (2, {"stat.sleep_time": "2025-03-10T23:24:38+09:00"}),
    (3, {"stat.wake_time": "2025-03-11T06:15:21+09:00"}),
    (4, {"stat.wakeup_latency": 2250, "stat.wake_time": "2025-03-11T06:15:21+09:00"}),
    (5, {"stat.time_in_wake": 480, **NO_STAGES}),
    (6, {"stat.time_in_light": 16710, **NO_STAGES}),
    (7, {"stat.sleep_efficiency": 0.5}),
    (7, {"stat.sleep_efficiency": 50.0}),
    (8, {"stat.sleep_ratio": 0.97}),
    (9, {"stat.wake_ratio": 0.03}),
    (10, {"stat.light_ratio": 0.70, "stat.rem_ratio": 0.165, "stat.deep_ratio": 0.11}),
    (11, {"stat.light_ratio": 0.69, "stat.deep_ratio": 0.13}),
    (11, {"stat.sleep_ratio": 0.9917, "stat.wake_ratio": 0.0282, "stat.light_ratio": 0.69}),
    (12, {"stat.time_in_snoring": 1440}),
    (13, {"stat.snoring_ratio": 0.5}),
    (14, {"stat.time_in_unstable_breath": 330}),
    (14, {"stat.stable_breath_ratio": 0.5}),
    (15, {"stat.deep_latency": 601}),
    (15, {"stat.longest_waso": 179}),
    (16, {"session.sleep_stages": one_epoch_changed(1, 2)}),
    (17, {"stat.waso_count": 0}),
    (17, {"stat.longest_waso": 480}),
    (18, {"stat.light_latency": 30}),
    (19, {"stat.sleep_cycle_time": []}),
    (20, {"stat.sleep_cycle": None}),
    (20, {"stat.sleep_cycle_count": 0, "stat.sleep_cycle_time": []}),
    (
        21,
        # The latencies are changed along, so that only the order is wrong.
        {"stat.sleep_latency": None, "stat.wakeup_latency": -30, "stat.wake_time": "2025-03-11T06:53:21+09:00"},
    ),
    (22, {"peculiarities": ["NO_BREATHING_STABILITY"]}),
    (23, {"session.breath_stages": [0] * (len(STAGES) - 1)}),
]

NEVER_SLEPT: dict[str, Any] = {
    "peculiarities": ["NEVER_SLEPT"],
    "session.sleep_stages": [0] * 921,
    "stat.sleep_time": "2025-03-11T06:52:51+09:00",
    "stat.wake_time": "2025-03-11T06:52:51+09:00",
    "stat.sleep_latency": 27643,
    "stat.wakeup_latency": 0,
    "stat.sleep_cycle_time": [],
    **{f"stat.{stage}_latency": None for stage in ("light", "deep", "rem")},
    **{f"stat.{name}": 0 for name in Stat.__struct_fields__ if name.startswith("time_in_") or name.endswith("_ratio")},
    "stat.time_in_bed": 27643,
    "stat.sleep_efficiency": 0,
    "stat.sleep_cycle": None,
    "stat.sleep_cycle_count": 0,
    "stat.waso_count": 0,
    "stat.longest_waso": 0,
}


@pytest.mark.parametrize("document", SAMPLES.values(), ids=SAMPLES)
def test_the_samples_keep_every_identity(document: bytes) -> None:
    """The documented answers contradict themselves nowhere."""
    assert violations(msgspec.convert(result_of(document), SessionDetail)) == []


def test_there_are_23_with_a_name_each() -> None:
    """Numbers 1 to 23 in order, and no name twice."""
    assert [identity.number for identity in IDENTITIES] == list(range(1, 24))
    assert len({identity.name for identity in IDENTITIES}) == 23
    assert {identity.number for identity in IDENTITIES if identity.kind == "tolerance"} == {4, 7, 8, 9, 10, 11, 13}


def test_every_identity_is_broken_below() -> None:
    """The next test knows all of them."""
    assert {number for number, _ in BROKEN} == {identity.number for identity in IDENTITIES}


@pytest.mark.parametrize(("number", "changes"), BROKEN)
def test_each_can_be_broken_alone(number: int, changes: dict[str, Any]) -> None:
    """Exactly the identity that is wrong is named."""
    names = {identity.number: identity.name for identity in IDENTITIES}
    assert violations(decoded(SESSION, changes)) == [names[number]]


@pytest.mark.parametrize("unknown_code", [-1, 7])
@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_identity_24_unknown_epochs_excuse_the_sums_over_stages(code: int, unknown_code: int) -> None:
    """An epoch that is missing in the array is missing in a sum too; whatever else is wrong is still named."""
    unknown = {"session.sleep_stages": one_epoch_changed(code, unknown_code)}
    assert violations(decoded(SESSION, unknown)) == []
    assert violations(decoded(SESSION, {**unknown, "stat.time_in_wake": 480})) == []
    assert violations(decoded(SESSION, {**unknown, "stat.time_in_light": 16710})) == []
    assert violations(decoded(SESSION, {**unknown, "stat.light_latency": 30})) == ["a_stage_begins_at_onset"]


@pytest.mark.parametrize(("percent", "violated"), [(87.69, []), (88.0, []), (89.0, ["sleep_efficiency"])])
def test_an_efficiency_in_percent_is_compared_as_a_fraction(percent: float, violated: list[str]) -> None:
    """The sample's is 0.8769; half a percent more is within the tolerance."""
    assert violations(decoded(SESSION, {"stat.sleep_efficiency": percent})) == violated


def test_several_are_named_in_their_order() -> None:
    """A wake total that is wrong contradicts both the period and the epochs."""
    broken = decoded(SESSION, {"stat.time_in_wake": 480, "stat.sleep_efficiency": 0.1})
    assert violations(broken) == [
        "sleep_and_wake_make_the_sleep_period",
        "sleep_efficiency",
        "stage_totals_match_the_stages",
    ]


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({"stat.sleep_efficiency": 0.8818}, True),  # 24240 / 27643 = 0.8769, 0.005 are allowed
        ({"stat.sleep_efficiency": 0.8820}, False),
        ({"stat.sleep_ratio": 0.9717}, False),  # 24240 / 24690 = 0.9818, 0.01 are allowed
        ({"stat.sleep_ratio": 0.9719}, True),
        ({"session.end_time": "2025-03-11T06:53:37+09:00", "stat.time_in_bed": 27689}, True),  # 59 s are left over
        ({"session.end_time": "2025-03-11T06:53:38+09:00", "stat.time_in_bed": 27690}, False),
    ],
)
def test_tolerances_reach_as_far_as_documented(changes: dict[str, Any], holds: bool) -> None:
    """Rounding of the vendor is no contradiction, a second more is."""
    unrelated = {"final_wake_is_end_minus_wakeup_latency"} if "session.end_time" in changes else set()
    assert (set(violations(decoded(SESSION, changes))) - unrelated == set()) is holds


def test_a_night_without_sleep_keeps_every_identity() -> None:
    """The latency is the whole time in bed, shares of nothing are 0, and no ratio has to add up."""
    assert violations(decoded(SESSION, NEVER_SLEPT)) == []


def test_a_session_without_statistics_cannot_violate_any() -> None:
    """An open session, and a complete one whose analysis was blocked."""
    assert violations(decoded(SESSION_OPEN)) == []
    assert violations(decoded(SESSION, {"stat": None})) == []


@pytest.mark.parametrize("value", [None, ABSENT], ids=["null", "absent"])
@pytest.mark.parametrize("name", Stat.__struct_fields__)
def test_a_figure_that_was_not_sent_contradicts_nothing(name: str, value: Any) -> None:
    """Two do: the count says that there is a mean cycle, and without light sleep another stage must begin."""
    told_by_its_absence = {
        "sleep_cycle": ["cycle_mean_matches_the_count"],
        "light_latency": ["a_stage_begins_at_onset"],
    }
    assert violations(decoded(SESSION, {f"stat.{name}": value})) == told_by_its_absence.get(name, [])


@pytest.mark.parametrize("array", ["sleep_stages", "breath_stages", "snoring_stages"])
def test_stages_that_were_not_sent_contradict_nothing(array: str) -> None:
    """There is nothing to count, and the figures speak for the contract."""
    assert violations(decoded(SESSION, {f"session.{array}": None})) == []


def test_who_falls_asleep_at_once_has_times_in_order() -> None:
    """Start and onset may be one moment, and so may final wake and end."""
    at_once = {"stat.sleep_time": "2025-03-10T23:12:08+09:00", "stat.wake_time": "2025-03-11T06:52:51+09:00"}
    assert "times_in_order" not in violations(decoded(SESSION, at_once))


@pytest.mark.parametrize("name", ["time_in_bed", "sleep_latency", "wakeup_latency"])
def test_figures_beyond_any_calendar_do_not_hold(name: str) -> None:
    """Nothing can be added to a time that is so long."""
    assert violations(decoded(SESSION, {f"stat.{name}": 2**62}))[0] in {
        "time_in_bed_is_end_minus_start",
        "sleep_onset_is_start_plus_latency",
        "final_wake_is_end_minus_wakeup_latency",
    }


@pytest.mark.parametrize("text", ["06:30:00", "yesterday", "2025-03-10T23:24:08"])
def test_what_is_no_instant_is_not_compared(text: str) -> None:
    """A bare clock time, words, and a time without an offset are not times to calculate with."""
    assert violations(decoded(SESSION, {"stat.sleep_time": text})) == []


def test_a_two_stage_plan_keeps_every_identity() -> None:
    """Without stage totals there is nothing to add up, and the epochs are not compared with them."""
    two_stages = [min(stage, 1) for stage in STAGES]
    kinds = itertools.product(("light", "deep", "rem"), ("time_in_{}", "{}_ratio", "{}_latency"))
    nothing = {f"stat.{form.format(stage)}": None for stage, form in kinds}
    assert violations(decoded(SESSION, nothing | {"session.sleep_stages": two_stages})) == []


NUMBERS = st.none() | st.integers(-60, 30_000) | st.sampled_from((2**62, -(2**63), 10**12))
TIMES = st.none() | st.text(max_size=8) | st.datetimes().map(lambda moment: f"{moment.isoformat()}+00:00")
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "str | None": TIMES,
    "list[str] | None": st.none() | st.lists(TIMES.map(str), max_size=3),
    "float | None": st.none() | st.floats(allow_nan=False),
}
FIGURES = {name: KINDS.get(str(Stat.__annotations__[name]), NUMBERS) for name in Stat.__struct_fields__}


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({}, optional=FIGURES))
def test_any_figures_are_judged(figures: dict[str, Any]) -> None:
    """Whatever the vendor sends, the answer is a list of names and never an error."""
    detail = decoded(SESSION)
    assert detail.stat is not None
    odd = msgspec.structs.replace(detail, stat=msgspec.structs.replace(detail.stat, **figures))
    assert set(violations(odd)) <= {identity.name for identity in IDENTITIES}
