"""From a document to a record: the samples become the rows written out here, and what cannot be used says why."""

from array import array
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from assets.sources.asleep import SOURCE
from assets.sources.asleep_documents import decode_session, is_complete
from assets.sources.source import SleepSession
from connectors.lake.raw import RawDocument
from schemas.metrics import METRICS
from tests.assets.lake.documents import (
    USER_ID,
    changed_session,
    current,
    session_document,
)
from tests.schemas.samples import (
    ABSENT,
    SESSION,
    SESSION_ENDED_LATE,
    SESSION_OPEN,
    SESSION_WEBHOOK,
    result_of,
)

ROSTER_ZONE = "America/New_York"

NIGHT: dict[str, Any] = {
    "org_id": "clinic",
    "source": "asleep",
    "user_id": USER_ID,
    "session_id": "20250310141208_h3k9q",
    "start_time": datetime(2025, 3, 10, 14, 12, 8, tzinfo=UTC),
    "end_time": datetime(2025, 3, 10, 21, 52, 51, tzinfo=UTC),
    "sleep_onset": datetime(2025, 3, 10, 14, 24, 8, tzinfo=UTC),
    "final_wake": datetime(2025, 3, 10, 21, 15, 51, tzinfo=UTC),
    "unexpected_end_time": None,
    "created_timezone": "Asia/Seoul",
    "timezone": "Asia/Seoul",
    "night_of": date(2025, 3, 10),
    "wake_date": date(2025, 3, 11),
    "peculiarities": [],
    "missing_data_ratio": 0.0,
    "has_stages": "4-stage",
    "revision": 3,
    "content_hash": session_document().content_hash,
    "fetched_at": datetime(2025, 3, 11, 4, 0, 0, 250_000, tzinfo=UTC),
    "time_in_bed_s": 27643,
    "sleep_period_s": 24690,
    "total_sleep_time_s": 24240,
    "wake_after_sleep_onset_s": 450,
    "sleep_onset_latency_s": 720,
    "wakeup_latency_s": 2220,
    "light_sleep_s": 16680,
    "deep_sleep_s": 3060,
    "rem_sleep_s": 4500,
    "latency_to_light_s": 0,
    "latency_to_deep_s": 600,
    "latency_to_rem_s": 3000,
    "snoring_s": 1410,
    "sleep_efficiency": 24240 / 27643,
    "sleep_maintenance_efficiency": 24240 / 24690,
    "awakenings": 4,
    "longest_awakening_s": 180,
    "sleep_cycles": 4,
    "sleep_cycle_mean_s": 4980.0,
    "snoring_episodes": 6,
    "stable_breath_s": 24390,
    "unstable_breath_s": 300,
    "unstable_breath_episodes": 5,
    "breathing_index": 0.74,
    "breathing_pattern": "STABLE_BREATH",
    "sleep_index": 88.0,
    "provider_agreement": "exact",
    "provider_differences": [],
}

STAGE_FIGURES = ("time_in_light", "time_in_deep", "time_in_rem", "light_latency", "deep_latency", "rem_latency")
METRIC_NAMES = [metric.name for metric in METRICS]


def normalised(document: RawDocument, revision: int = 1) -> SleepSession:
    """The record of a session document."""
    return SOURCE.normalise(decode_session(current(document, revision)), "clinic", ROSTER_ZONE)


def changed_night(**changes: Any) -> SleepSession:
    """The record of the sample with changes below ``result``; a dot is written ``__``."""
    return normalised(changed_session({path.replace("__", "."): value for path, value in changes.items()}))


def test_the_sample_becomes_the_row_of_the_contract() -> None:
    """Every column with its value: UTC, local dates, seconds, recomputed ratios, revision and time of fetch."""
    session = normalised(session_document(), revision=3)
    assert session.row == NIGHT


def test_the_stages_of_the_sample_are_kept_epoch_by_epoch() -> None:
    """Codes of a 4-stage plan are ours already."""
    sent = result_of(SESSION)["session"]
    session = normalised(session_document())
    assert session.stages.sleep == array("b", sent["sleep_stages"])
    assert session.stages.breath == array("b", sent["breath_stages"])
    assert session.stages.snoring == array("b", sent["snoring_stages"])


def test_an_abnormal_end_and_a_contract_without_breathing() -> None:
    """The late close is a column of its own, and every breath column is null, not zero."""
    row = normalised(session_document(SESSION_ENDED_LATE, session_id="20250312141000_p6v0m", day=date(2025, 3, 12))).row
    assert row["end_time"] == datetime(2025, 3, 12, 17, 46, tzinfo=UTC)
    assert row["unexpected_end_time"] == datetime(2025, 3, 12, 23, 5, 12, tzinfo=UTC)
    assert row["peculiarities"] == ["NO_BREATHING_STABILITY"]
    missing = {name for name in METRIC_NAMES if row[name] is None}
    assert missing == {
        "stable_breath_s",
        "unstable_breath_s",
        "unstable_breath_episodes",
        "breathing_index",
        "breathing_pattern",
    }


@pytest.mark.parametrize(("body", "complete"), [(SESSION, True), (SESSION_ENDED_LATE, True), (SESSION_OPEN, False)])
def test_only_complete_sessions_are_complete(body: bytes, complete: bool) -> None:
    """An open one waits."""
    assert is_complete(decode_session(current(session_document(body)))) is complete


def test_a_two_stage_plan_says_asleep_and_has_no_stage_metrics() -> None:
    """1 means sleep of any stage there, and the stage totals are null."""
    stages = [min(stage, 1) for stage in result_of(SESSION)["session"]["sleep_stages"]]
    no_totals = {f"stat.{name}": None for name in STAGE_FIGURES}
    session = normalised(changed_session({**no_totals, "session.sleep_stages": [*stages, -1]}))
    assert session.row["has_stages"] == "2-stage"
    assert session.stages.sleep == array("b", ({1: 4}.get(stage, stage) for stage in [*stages, -1]))
    assert session.row["light_sleep_s"] is None
    assert session.row["latency_to_rem_s"] is None
    assert session.row["total_sleep_time_s"] == 24240


@pytest.mark.parametrize(
    ("stages", "plan"),
    [([0, 1, 2], "4-stage"), ([0, 1, 3], "4-stage"), ([0, 1, -1], "2-stage"), ([0, 0, -1], "4-stage")],
)
def test_without_totals_the_epochs_tell_the_plan(stages: list[int], plan: str) -> None:
    """Deep or REM sleep is there only if stages are told apart; 1 alone may be any sleep, and wake is wake."""
    session = changed_night(session__sleep_stages=stages, stat=None)
    assert session.row["has_stages"] == plan
    assert (4 in (session.stages.sleep or [])) == (plan == "2-stage")


@pytest.mark.parametrize("stages", [None, [], ABSENT], ids=["null", "empty", "absent"])
def test_a_session_without_stages(stages: Any) -> None:
    """No hypnogram, and the metrics stay."""
    session = changed_night(session__sleep_stages=stages)
    assert session.row["has_stages"] == "none"
    assert session.stages.sleep is None
    assert session.row["light_sleep_s"] == 16680


def test_light_sleep_alone_is_a_four_stage_plan_if_it_has_a_total() -> None:
    """A short sleep without deep and REM sleep is not a 2-stage plan."""
    document = session_document(
        b'{"result":%s}' % _inside(SESSION_WEBHOOK), session_id="20250115025029_fvivn", day=date(2025, 1, 15)
    )
    session = normalised(document)
    assert session.row["has_stages"] == "4-stage"
    assert (session.row["light_sleep_s"], session.row["deep_sleep_s"]) == (1080, 0)
    assert set(session.stages.sleep or []) == {0, 1}


def _inside(webhook: bytes) -> bytes:
    start = webhook.index(b'"data":') + len(b'"data":')
    return webhook[start : webhook.rindex(b"}")]


def test_unknown_codes_become_unknown_and_are_never_fatal() -> None:
    """Codes that are not documented, in any array."""
    session = changed_night(
        session__sleep_stages=[0, 7, 2, -9], session__breath_stages=[0, 1, 2, -1], session__snoring_stages=[5, 1, 0, 0]
    )
    assert session.stages.sleep == array("b", [0, -1, 2, -1])
    assert session.stages.breath == array("b", [0, 1, -1, -1])
    assert session.stages.snoring == array("b", [-1, 1, 0, 0])


def test_never_slept_with_statistics() -> None:
    """The vendor gives moments of sleep all the same; they are null, and the wake date is that of the end."""
    zeros = {f"stat.{metric.asleep_field}": 0 for metric in METRICS if metric.asleep_field and metric.kind == "integer"}
    nothing = {f"stat.{name}": None for name in ("light_latency", "deep_latency", "rem_latency", "sleep_cycle")}
    bed = {"stat.time_in_bed": 27643, "stat.sleep_latency": 27643, "peculiarities": ["NEVER_SLEPT"]}
    row = normalised(changed_session(zeros | nothing | bed)).row
    assert (row["sleep_onset"], row["final_wake"]) == (None, None)
    assert row["wake_date"] == date(2025, 3, 11)
    assert (row["total_sleep_time_s"], row["sleep_efficiency"]) == (0, 0.0)
    assert row["sleep_maintenance_efficiency"] is None
    assert row["latency_to_light_s"] is None


def test_never_slept_without_statistics() -> None:
    """Nothing is known but the times: every metric is null and none is zero."""
    row = changed_night(stat=None, peculiarities=["NEVER_SLEPT", "A_REMARK_OF_TOMORROW"]).row
    assert {row[name] for name in METRIC_NAMES} == {None}
    assert (row["sleep_onset"], row["final_wake"]) == (None, None)
    assert (row["night_of"], row["wake_date"]) == (date(2025, 3, 10), date(2025, 3, 11))
    assert row["peculiarities"] == ["NEVER_SLEPT", "A_REMARK_OF_TOMORROW"]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "+09:00", "KST-9", None, ABSENT])
def test_an_unusable_zone_of_the_phone_falls_back_to_the_roster(zone: Any) -> None:
    """The dates are those of the roster's zone; what the phone said is kept."""
    row = changed_night(session__created_timezone=zone).row
    assert row["timezone"] == "America/New_York"
    assert row["created_timezone"] == (None if zone is ABSENT else zone)
    # 10:12 in the morning in New York: the night before.
    assert (row["night_of"], row["wake_date"]) == (date(2025, 3, 9), date(2025, 3, 10))


def test_the_ratios_of_the_vendor_are_not_stored() -> None:
    """An efficiency in percent changes nothing."""
    assert changed_night(stat__sleep_efficiency=87.7).row["sleep_efficiency"] == 24240 / 27643


@pytest.mark.parametrize("bed", [0, None])
def test_a_share_of_nothing_is_null(bed: int | None) -> None:
    """No division by zero, and no zero in its place."""
    assert changed_night(stat__time_in_bed=bed).row["sleep_efficiency"] is None


def test_a_bare_clock_time_as_sleep_onset_is_not_used() -> None:
    """An old variant sends one, and it is not known what it means; durations stay."""
    row = changed_night(stat__sleep_time="06:30:00").row
    assert row["sleep_onset"] is None
    assert row["final_wake"] == NIGHT["final_wake"]
    assert row["total_sleep_time_s"] == 24240


@pytest.mark.parametrize("length", [timedelta(), timedelta(days=2)])
def test_any_length_is_accepted(length: timedelta) -> None:
    """A session of no length and one of two days are odd, not wrong."""
    start = datetime(2025, 3, 10, 14, 12, 8, tzinfo=UTC)
    assert changed_night(session__end_time=(start + length).isoformat()).row["end_time"] == start + length
