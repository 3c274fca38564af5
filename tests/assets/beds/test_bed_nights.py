"""``bed_nights`` from raw days of trends: every field with its unit, scores only of final nights, their provenance."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from assets.builds import Built
from assets.lake.bed_nights import build_bed_nights
from connectors.home import Home
from connectors.state.quarantine import list_quarantined
from schemas.bed_tables import BED_NIGHTS
from schemas.eight_sleep.trend_identities import TREND_IDENTITIES
from schemas.quirks import IMPOSSIBLE_VALUE
from tests.assets.beds.documents import FETCHED, NIGHT, ZONE, gone, trend, trend_document

SCORES = (
    *("score", "sleep_fitness_score", "sleep_fitness_score_place", "sleep_fitness_score_total"),
    *("sleep_quality_score", "sleep_routine_score", "all_sessions_sleep_duration_s"),
    *("heart_rate_bpm", "hrv_ms", "respiratory_rate_bpm", "waso_fraction", "bed_temperature_c", "room_temperature_c"),
)


def built(home: Home, content: dict[str, Any]) -> tuple[Built, dict[str, Any]]:
    """What building the day of this answer comes to, and its row."""
    home.raw.append([trend_document(content)])
    result = build_bed_nights(home, NIGHT.isoformat())
    (row,) = home.lake.read(BED_NIGHTS, f"date={NIGHT}").to_pylist()
    return result, row


def at(hour: int, minute: int) -> datetime:
    """A moment of the sample's night."""
    return datetime(2025, 3, 11, hour, minute, tzinfo=UTC)


def test_a_night_of_today_arrives_whole(home: Home) -> None:
    """The second version of the answer with the fields of the third: seconds, fractions, scores, means."""
    more = {"snoreDuration": 600, "heavySnoreDuration": 60, "snorePercent": 3, "heavySnorePercent": 0}
    content = trend() | more
    content["sleepQualityScore"] |= {"tempBedC": {"current": 31.2}, "tempRoomC": {"current": 20.5}}
    result, row = built(home, content)
    assert row == {
        "org_id": "clinic",
        "source": "eight_sleep",
        "user_id": "anna",
        "day": NIGHT,
        "timezone": ZONE,
        "is_final": True,
        "presence_start": at(3, 31),
        "presence_end": at(9, 41),
        "sleep_start": at(3, 52),
        "sleep_end": at(9, 36),
        "presence_duration_s": 22_200,
        "sleep_duration_s": 19_680,
        "all_sessions_sleep_duration_s": 19_680,
        "light_sleep_s": 12_300,
        "deep_sleep_s": 3_300,
        "rem_sleep_s": 4_080,
        "deep_fraction": 0.17,
        "rem_fraction": 0.21,
        "snoring_s": 600,
        "heavy_snoring_s": 60,
        "snoring_fraction": 0.03,
        "heavy_snoring_fraction": 0,
        "toss_and_turns": 5,
        "asleep_latency_s": 1_260,
        "out_latency_s": 300,
        "score": 89,
        "sleep_fitness_score": 89,
        "sleep_fitness_score_place": "score",
        "sleep_fitness_score_total": content.get("sleepFitnessScore", {}).get("total"),
        "sleep_quality_score": 90,
        "sleep_routine_score": 80,
        "heart_rate_bpm": 58.1,
        "hrv_ms": 46.4,
        "respiratory_rate_bpm": 13.5,
        "waso_fraction": 0.05,
        "bed_temperature_c": 31.2,
        "room_temperature_c": 20.5,
        "main_session_id": "1741663860",
        "session_ids": ["1741663860"],
        "revision": 1,
        "final_versions": 1,
        "fetched_at": FETCHED,
    }
    assert result.conserved
    assert not {name: count for name, count in result.findings.items() if count}


def test_a_night_of_2022_has_both_of_its_scores(home: Home) -> None:
    """``score`` and ``sleepFitnessScore.total`` differ; its latencies stand inside the score."""
    _, row = built(home, trend("v1_plain"))
    assert (row["score"], row["sleep_fitness_score_total"]) == (90, 93)
    assert (row["asleep_latency_s"], row["out_latency_s"]) == (1_260, 300)
    assert row["light_sleep_s"] is None
    assert row["sleep_quality_score"] is None


@pytest.mark.parametrize(
    ("changes", "score", "place"),
    [
        ({"score": 71, "sleepFitnessScore": {"total": 72}}, 71, "score"),
        ({"score": None, "sleepFitnessScore": {"total": 72}}, 72, "sleepFitnessScore.total"),
        (
            {"score": "None", "sleepFitnessScore": None, "health": {"sleepFitnessScore": 73}},
            73,
            "health.sleepFitnessScore",
        ),
        ({"score": None, "sleepFitnessScore": None}, None, None),
    ],
)
def test_the_fitness_score_says_where_it_stood(
    home: Home, changes: dict[str, Any], score: float | None, place: str | None
) -> None:
    """The first of its three places that holds one."""
    _, row = built(home, trend() | changes)
    assert (row["sleep_fitness_score"], row["sleep_fitness_score_place"]) == (score, place)


@pytest.mark.parametrize("flag", ["incomplete", "processing"])
def test_scores_are_withheld_until_the_night_is_final(home: Home, flag: str) -> None:
    """Either word says that it is not; what was measured so far is told."""
    _, row = built(home, trend() | {flag: True})
    assert row["is_final"] is False
    assert [name for name in SCORES if row[name] is not None] == []
    assert row["sleep_duration_s"] == 19_680
    assert row["final_versions"] == 0


def test_versions_that_were_final_are_counted(home: Home) -> None:
    """The first final one is no change of a final night; the next one is."""
    home.raw.append([trend_document(trend(incomplete=True))])
    home.raw.append([trend_document(trend(), after_h=1)])
    build_bed_nights(home, NIGHT.isoformat())
    (row,) = home.lake.read(BED_NIGHTS, f"date={NIGHT}").to_pylist()
    assert (row["revision"], row["final_versions"]) == (2, 1)
    home.raw.append([trend_document(trend(score=70), after_h=2)])
    build_bed_nights(home, NIGHT.isoformat())
    (row,) = home.lake.read(BED_NIGHTS, f"date={NIGHT}").to_pylist()
    assert (row["revision"], row["final_versions"], row["score"]) == (3, 2, 70)


def test_no_value_is_null_however_it_is_said(home: Home) -> None:
    """Null, missing and the text ``None``."""
    _, said = built(home, trend(tnt="None", deepDuration=None))
    assert said["toss_and_turns"] is None
    assert said["deep_sleep_s"] is None


def test_presence_is_no_wall_clock_span(home: Home) -> None:
    """It counts the time out of bed once more, and the column says so."""
    result, row = built(home, trend(presenceDuration=22_200 + 180))
    assert row["presence_duration_s"] != (row["presence_end"] - row["presence_start"]).total_seconds()
    assert not result.findings.get("bed_night_5_presence_covers_its_span")
    assert "NOT" in BED_NIGHTS.description("presence_duration_s")


@pytest.mark.parametrize(
    ("changes", "identity"),
    [
        ({"sleepStart": "2025-03-11T03:53:00.000Z"}, "bed_night_1_asleep_latency"),
        ({"latencyOutSeconds": 301}, "bed_night_2_out_latency"),
        ({"sleepEnd": "2025-03-11T09:37:00.000Z", "latencyOutSeconds": 240}, "bed_night_3_waking_clock"),
        ({"sleepQualityScore": {"sleepDurationSeconds": {"current": 19_000}}}, "bed_night_4_sleep_of_all_sessions"),
        ({"presenceDuration": 22_199}, "bed_night_5_presence_covers_its_span"),
        ({"lightDuration": 12_301}, "bed_night_6_sleep_is_its_stages"),
        ({"deepPercent": 0.18}, "bed_night_8_deep_share"),
    ],
)
def test_an_identity_that_is_broken_is_counted_and_costs_nothing(
    home: Home, changes: dict[str, Any], identity: str
) -> None:
    """The row is there all the same; no other identity complains."""
    result, row = built(home, trend() | changes)
    assert {name for name in TREND_IDENTITIES if result.findings.get(name)} == {identity}
    assert row["day"] == NIGHT


def test_what_cannot_be_is_null_and_noted(home: Home) -> None:
    """A fraction over 1, a negative score."""
    result, row = built(home, trend(deepPercent=17, score=-1))
    assert row["deep_fraction"] is row["score"] is None
    assert {drift.path for (_, drift) in result.drift if drift.kind == IMPOSSIBLE_VALUE} == {"$.deepPercent", "$.score"}


def test_days_without_a_night_wait_and_those_that_are_gone_are_no_more(home: Home) -> None:
    """Every document comes out as a row or with a reason."""
    empty = {"day": NIGHT.isoformat(), "score": 0, "tags": []}
    home.raw.append([trend_document(empty), gone(trend_document(trend(), "bert")), trend_document(trend(), "carl")])
    result = build_bed_nights(home, NIGHT.isoformat())
    assert (result.documents, result.rows, result.waiting, result.deleted) == (3, 1, 1, 1)
    assert result.conserved


def test_a_document_of_another_day_is_in_quarantine(home: Home) -> None:
    """Under the asset that refused it, with the field."""
    other = trend_document(trend(day="2025-03-12"), "bert")
    home.raw.append([trend_document(trend()), replace(other, date=NIGHT)])
    result = build_bed_nights(home, NIGHT.isoformat())
    assert (result.rows, result.quarantined, result.conserved) == (1, 1, True)
    with home.state.read() as connection:
        (entry,) = list_quarantined(connection)
    assert (entry.asset, entry.path, entry.reason) == ("bed_nights", "$.day", "other_day")
