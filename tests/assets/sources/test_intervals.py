"""Intervals of a bed become rows: hand-checked nights, and what the vendor may send instead of what is documented."""

import json
from array import array
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.sources.decoding import Refused
from assets.sources.eight_sleep import SOURCE
from assets.sources.source import SleepSession
from connectors.lake.raw import CurrentDocument, RawDocument
from schemas.quirks import Drift
from schemas.stages import ASLEEP, DEEP, LIGHT, OUT_OF_BED, REM, UNKNOWN, WAKE

START = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
MINUTE = 60

STAGES: list[tuple[str, float]] = [
    ("awake", 10 * MINUTE),
    ("light", 60 * MINUTE),
    ("deep", 45 * MINUTE),
    ("out", 5 * MINUTE),
    ("awake", 5 * MINUTE),
    ("rem", 30 * MINUTE),
    ("light", 25 * MINUTE),
    ("awake", 8 * MINUTE),
]
"""188 minutes in bed: asleep after 10, 160 asleep, 10 awake in between (5 of them out of bed), 8 awake at the end."""


def interval(stages: list[tuple[str, float]] = STAGES, **fields: Any) -> dict[str, Any]:
    """An interval as received; a field that is None is left out."""
    usual = {
        "id": "1774735200",
        "ts": "2026-03-28T22:00:00.000Z",
        "timezone": "Europe/Berlin",
        "stages": [{"stage": name, "duration": seconds} for name, seconds in stages],
    }
    return {name: value for name, value in (usual | fields).items() if value is not None}


def read(sent: dict[str, Any], roster_zone: str = "Asia/Seoul") -> tuple[SleepSession, set[Drift]]:
    """The session, and what a tolerant rule had to read. Raises: Refused."""
    body = json.dumps(sent).encode()
    document = RawDocument(
        org_id="clinic",
        source="eight_sleep",
        document="session",
        user_id="U1",
        document_id="1774735200",
        date=START.date(),
        status=200,
        fetched_at=START + timedelta(days=1),
        content_hash=SOURCE.session_hash(body),
        body=body,
    )
    decoded = SOURCE.decode(CurrentDocument(document, 1, document.fetched_at))
    return SOURCE.normalise(decoded, "clinic", roster_zone), decoded.notes.drift


def test_a_night_counted_by_hand() -> None:
    """Times, local dates on the night of the clock change, figures in seconds, an epoch for each half minute."""
    session, drift = read(interval())
    row = session.row
    assert drift == set()
    assert (row["start_time"], row["end_time"]) == (START, START + timedelta(minutes=188))
    assert (row["sleep_onset"], row["final_wake"]) == (START + timedelta(minutes=10), START + timedelta(minutes=180))
    assert (row["timezone"], row["created_timezone"]) == ("Europe/Berlin", "Europe/Berlin")
    assert (row["night_of"], row["wake_date"]) == (date(2026, 3, 28), date(2026, 3, 29))
    seconds = {name: value for name, value in row.items() if name.endswith("_s")}
    assert seconds == {
        "time_in_bed_s": 188 * MINUTE,
        "sleep_period_s": 170 * MINUTE,
        "total_sleep_time_s": 160 * MINUTE,
        "wake_after_sleep_onset_s": 10 * MINUTE,
        "sleep_onset_latency_s": 10 * MINUTE,
        "wakeup_latency_s": 8 * MINUTE,
        "light_sleep_s": 85 * MINUTE,
        "deep_sleep_s": 45 * MINUTE,
        "rem_sleep_s": 30 * MINUTE,
        "latency_to_light_s": 0,
        "latency_to_deep_s": 60 * MINUTE,
        "latency_to_rem_s": 115 * MINUTE,
        "longest_awakening_s": 10 * MINUTE,
        "sleep_cycle_mean_s": None,
        "snoring_s": None,
        "stable_breath_s": None,
        "unstable_breath_s": None,
    }
    assert row["sleep_efficiency"] == pytest.approx(160 / 188)
    assert row["sleep_maintenance_efficiency"] == pytest.approx(160 / 170)
    assert (row["awakenings"], row["sleep_cycles"], row["sleep_index"]) == (1, None, None)
    assert row["provider_agreement"] is None, "the vendor sent no figures to compare with"
    expected = [WAKE] * 20 + [LIGHT] * 120 + [DEEP] * 90 + [OUT_OF_BED] * 10 + [WAKE] * 10
    assert session.stages.sleep == array("b", expected + [REM] * 60 + [LIGHT] * 50 + [WAKE] * 16)


def test_out_of_bed_after_the_last_stage_in_it_is_no_part_of_the_session() -> None:
    """The vendor lets stages run on after the presence has ended: the bed was left then."""
    left = START + timedelta(minutes=188)
    session, drift = read(interval([*STAGES, ("out", 70 * MINUTE)], presenceEnd=left.isoformat()))
    assert session.row["end_time"] == left
    assert session.row["wakeup_latency_s"] == 8 * MINUTE
    assert len(session.stages.sleep or ()) == 376
    assert drift == set()


def test_the_figures_of_the_vendor_are_kept_and_compared_with_its_stages() -> None:
    """What differs by more than an epoch is named; what was not sent is counted from the stages and names nothing."""
    summary = {"sleepDuration": 160 * MINUTE, "deepDuration": 50 * MINUTE, "wasoDuration": 10 * MINUTE + 20}
    row = read(interval(stageSummary=summary))[0].row
    assert (row["deep_sleep_s"], row["wake_after_sleep_onset_s"], row["light_sleep_s"]) == (3000, 620, 5100)
    assert (row["provider_agreement"], row["provider_differences"]) == ("differs", ["deep_sleep_s"])
    exact = read(interval(stageSummary={"sleepDuration": 160 * MINUTE}))[0].row
    assert (exact["provider_agreement"], exact["provider_differences"]) == ("exact", [])


def test_an_epoch_has_the_stage_at_its_middle() -> None:
    """Stretches need not be whole half minutes; the last part of one counts from its fifteenth second on."""
    session, _ = read(interval([("awake", 44), ("light", 30), ("deep", 60), ("rem", 31)]))
    assert session.stages.sleep == array("b", [WAKE, LIGHT, DEEP, DEEP, REM])
    assert session.row["end_time"] == START + timedelta(seconds=165)
    assert len(read(interval([("light", 74)]))[0].stages.sleep or ()) == 2
    assert len(read(interval([("light", 76)]))[0].stages.sleep or ()) == 3


def test_snoring_is_counted_within_the_sleep_period() -> None:
    """Every intensity but none is snoring; a stretch after the final wake is not counted."""
    stretches = [("none", 30), ("light", 10), ("none", 30), ("medium", 5), ("heavy", 5), ("none", 100), ("light", 8)]
    session, _ = read(interval(snoring=[{"intensity": i, "duration": m * MINUTE} for i, m in stretches]))
    assert (session.row["snoring_s"], session.row["snoring_episodes"]) == (20 * MINUTE, 2)
    assert len(session.stages.snoring or ()) == 376


def test_sleep_without_a_stage_and_names_that_nobody_knows() -> None:
    """``asleep`` is sleep not told apart; another name is an unknown epoch, which is reported."""
    session, drift = read(interval([("awake", 60), ("asleep", 600), ("dozing", 60), ("light", 60)]))
    assert session.stages.sleep == array("b", [WAKE] * 2 + [ASLEEP] * 20 + [UNKNOWN] * 2 + [LIGHT] * 2)
    assert (session.row["total_sleep_time_s"], session.unknown_epochs) == (660, 2)
    assert drift == {Drift("unknown_code", "$.stages[].stage")}


@pytest.mark.parametrize("nothing", [None, "None"])
def test_a_zone_that_is_not_told_or_unknown_is_the_rosters(nothing: str | None) -> None:
    """Null, missing and the text None are all no zone; one that nobody knows is reported."""
    row = read(interval(timezone=nothing) | {"timezone": nothing})[0].row
    assert (row["timezone"], row["created_timezone"], row["night_of"]) == ("Asia/Seoul", None, date(2026, 3, 28))
    row, drift = read(interval(timezone="Mars/Olympus"))[0].row, read(interval(timezone="Mars/Olympus"))[1]
    assert (row["timezone"], drift) == ("Asia/Seoul", {Drift("unknown_code", "$.timezone")})


@pytest.mark.parametrize(
    "stages",
    [None, [], [{"stage": "light"}], [{"stage": "light", "duration": -60}], [{"stage": "rem", "duration": 1e9}]],
)
def test_a_night_whose_stages_cannot_be_read_keeps_its_times(stages: Any) -> None:
    """It has no hypnogram and no figures of its own: where one stretch is lost, no other has a place."""
    end = START + timedelta(hours=7)
    told = {"presenceEnd": end.isoformat(), "stageSummary": {"sleepDuration": 20_000}}
    session, _ = read(interval() | told | {"stages": stages})
    assert (session.row["end_time"], session.row["has_stages"], session.stages.sleep) == (end, "none", None)
    assert (session.row["total_sleep_time_s"], session.row["deep_sleep_s"]) == (20_000, None)
    assert session.row["time_in_bed_s"] == 7 * 3600


@pytest.mark.parametrize(
    ("sent", "reason", "path"),
    [
        (interval(stages=[]), "time_missing", "$.presenceEnd"),
        (interval(ts=None), "wrong_shape", "$"),
        (interval(ts=1774735200), "wrong_shape", "$.ts"),
        (interval(ts="2026-03-28T22:00:00"), "time_without_offset", "$.ts"),
        (interval(ts="last night"), "bad_time", "$.ts"),
        (interval(id="1774735201"), "other_session", "$.id"),
        (interval(ts="2026-03-29T00:30:00Z"), "start_moved", "$.ts"),
        (interval(stages=[], presenceEnd="2026-03-28T21:00:00Z"), "times_reversed", "$.presenceEnd"),
    ],
)
def test_what_is_nobodys_night_is_refused(sent: dict[str, Any], reason: str, path: str) -> None:
    """The reason and the field are told, and no value."""
    with pytest.raises(Refused) as refused:
        read(sent)
    assert (refused.value.reason, refused.value.path) == (reason, path)


def test_a_side_or_a_score_is_not_needed() -> None:
    """Fields that are documented are no news, whatever is in them; one that is not documented is."""
    known: dict[str, Any] = {
        "score": 0,
        "device": {"id": "bed", "side": "solo", "specialization": "pod"},
        "incomplete": False,
    }
    series = {"heartRate": [["2026-03-28T22:30:00.000Z", 54.3]], "heating": [], "shortAwakes": []}
    assert read(interval() | known | {"timeseries": series})[1] == set()
    assert read(interval(moonPhase="full"))[1] == {Drift("unknown_field", "$.moonPhase")}


def test_the_samples_break_no_identity() -> None:
    """Both nights of the vendor's sample agree with their stages to the second."""
    page = json.loads((Path(__file__).parent / "intervals_sample.json").read_text())
    assert len(page) == 2
    for sent in page:
        body = json.dumps(sent).encode()
        day = datetime.fromisoformat(sent["ts"]).date()
        document = RawDocument("o", "eight_sleep", "session", "U1", sent["id"], day, 200, START, "", body)
        decoded = SOURCE.decode(CurrentDocument(document, 1, START))
        session = SOURCE.normalise(decoded, "o", "UTC")
        assert list(SOURCE.violations(decoded.content)) == []
        assert (session.row["provider_agreement"], decoded.notes.drift) == ("exact", set())
        assert session.row["end_time"] == datetime.fromisoformat(sent["presenceEnd"])


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ({"totalDuration": 1}, "eight_sleep_1_stages_are_the_total"),
        ({"lightDuration": 1}, "eight_sleep_2_sleep_is_its_stages"),
        ({"outDuration": 1}, "eight_sleep_3_total_is_its_parts"),
        ({"awakeBetweenSleepDuration": 1}, "eight_sleep_4_awake_is_its_parts"),
        ({"deepPercentOfSleep": 0.5}, "eight_sleep_5_shares_are_of_sleep"),
        ({"awakeAfterSleepDuration": 1}, "eight_sleep_7_times_are_the_latencies"),
        ({"wasoDuration": 1}, "eight_sleep_9_waso_is_its_parts"),
    ],
)
def test_each_identity_is_seen_when_it_breaks(change: dict[str, float], broken: str) -> None:
    """One figure of the sample that is wrong breaks the identity it is in; none of it means no complaint."""
    page = json.loads((Path(__file__).parent / "intervals_sample.json").read_text())
    sent = page[0] | {"stageSummary": page[0]["stageSummary"] | change}
    assert broken in set(SOURCE.violations(_typed(sent)))
    empty = page[0] | {"stageSummary": dict.fromkeys(change)}
    assert list(SOURCE.violations(_typed(empty))) == []


def _typed(sent: dict[str, Any]) -> Any:
    body = json.dumps(sent).encode()
    day = datetime.fromisoformat(sent["ts"]).date()
    document = RawDocument("o", "eight_sleep", "session", "U1", sent["id"], day, 200, START, "", body)
    return SOURCE.decode(CurrentDocument(document, 1, START)).content


def test_the_hash_tells_content_from_transport() -> None:
    """A later update of the device, another offset of the same instant, and nulls are no new version."""
    sent = interval()
    same = [
        sent | {"deviceTimeAtUpdate": "2026-03-29T07:00:00Z"},
        sent | {"ts": "2026-03-28T23:00:00.000+01:00"},
        sent | {"score": None, "snoring": None},
        {"data": sent, "success": True},
    ]
    hashes = {SOURCE.session_hash(json.dumps(one).encode()) for one in (sent, *same)}
    assert len(hashes) == 1
    other = [interval(stages=[*STAGES, ("rem", 30)]), interval(incomplete=True), interval(score=5)]
    assert len({SOURCE.session_hash(json.dumps(one).encode()) for one in other} | hashes) == 4
    assert SOURCE.session_hash(b"not json") != SOURCE.session_hash(b"not json either")
