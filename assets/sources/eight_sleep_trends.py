"""Eight Sleep's scored nights (GET /v1/users/{userId}/trends, as community clients read them): typed, and as rows.

Nothing is read or written here. What cannot be true is null and noted; only a document of another day is refused.
"""

from typing import Any

from assets.sources.decoding import Decoded, Refused, day, decode_tolerantly, readable_instant
from assets.sources.eight_sleep_documents import with_numbers_that_fit
from connectors.lake.raw import CurrentDocument
from schemas.documented_fields import fields_of, note_fields_beyond
from schemas.eight_sleep import ScorePart, TrendDay, unwrapped
from schemas.eight_sleep.reading import Number, without_nothing
from schemas.quirks import IMPOSSIBLE_VALUE, Notes, possible, whole_number, whole_seconds

_NEEDED = frozenset({"$", "$.day"})
_FIELDS = fields_of(TrendDay)

_BEST = 1_000
"""No score is higher; parts of scores have been seen above 100."""

_LOWEST_C, _HIGHEST_C = -60, 100


def decode_trend(current: CurrentDocument) -> Decoded[TrendDay]:
    """Type a day of trends. Raises: Refused."""
    decoded = decode_tolerantly(current, TrendDay, _NEEDED, _prepared)
    if day(decoded.content.day, "$.day") != current.document.date:
        raise Refused("other_day", "$.day", "The document is of another day than the one it is kept under.")
    return decoded


def _prepared(document: Any, notes: Notes) -> Any:
    answer = with_numbers_that_fit(without_nothing(unwrapped(document)))
    if isinstance(answer, dict):
        note_fields_beyond(_FIELDS, answer, notes)
    return answer


def is_final_night(current: CurrentDocument) -> bool:
    """Whether a version of a day of trends was a final night; what cannot be read was not."""
    try:
        return not current.deleted and decode_trend(current).content.is_final
    except Refused:
        return False


def night_row(decoded: Decoded[TrendDay], org_id: str, zone: str, final_versions: int) -> dict[str, Any]:
    """The row of ``bed_nights``; while the night is not final it has no scores. Refuses nothing."""
    night, current, notes = decoded.content, decoded.current, decoded.notes
    document = current.document
    return {
        "org_id": org_id,
        "source": document.source,
        "user_id": document.user_id,
        "day": document.date,
        "timezone": zone,
        "is_final": night.is_final,
        **{
            column: readable_instant(text, f"$.{field}", notes)
            for column, field, text in (
                ("presence_start", "presenceStart", night.presence_start),
                ("presence_end", "presenceEnd", night.presence_end),
                ("sleep_start", "sleepStart", night.sleep_start),
                ("sleep_end", "sleepEnd", night.sleep_end),
            )
        },
        **_durations(night, notes),
        **(_scores(night, notes) if night.is_final else {}),
        "main_session_id": night.main_session_id,
        "session_ids": list(night.session_ids),
        "revision": current.revision,
        "final_versions": final_versions,
        "fetched_at": current.fetched_at,
    }


def _durations(night: TrendDay, notes: Notes) -> dict[str, Any]:
    seconds = {
        "presence_duration_s": ("presenceDuration", night.presence_duration),
        "sleep_duration_s": ("sleepDuration", night.sleep_duration),
        "light_sleep_s": ("lightDuration", night.light_duration),
        "deep_sleep_s": ("deepDuration", night.deep_duration),
        "rem_sleep_s": ("remDuration", night.rem_duration),
        "snoring_s": ("snoreDuration", night.snore_duration),
        "heavy_snoring_s": ("heavySnoreDuration", night.heavy_snore_duration),
        "asleep_latency_s": ("latencyAsleepSeconds", night.asleep_latency_s),
        "out_latency_s": ("latencyOutSeconds", night.out_latency_s),
    }
    fractions = {
        "deep_fraction": ("deepPercent", night.deep_percent),
        "rem_fraction": ("remPercent", night.rem_percent),
        "snoring_fraction": ("snorePercent", night.snore_fraction),
        "heavy_snoring_fraction": ("heavySnorePercent", night.heavy_snore_fraction),
    }
    return {
        **{column: whole_seconds(value, f"$.{field}", notes) for column, (field, value) in seconds.items()},
        **{column: possible(value, 1, f"$.{field}", notes) for column, (field, value) in fractions.items()},
        "toss_and_turns": whole_number(night.tnt, 100_000, "$.tnt", notes),
    }


def _scores(night: TrendDay, notes: Notes) -> dict[str, Any]:
    quality, fitness = night.sleep_quality_score, night.fitness_score
    fitness_score = possible(fitness.value, _BEST, f"$.{fitness.place}", notes) if fitness else None
    scores = {
        "score": ("score", night.score),
        "sleep_fitness_score_total": ("sleepFitnessScore.total", night.sleep_fitness_score.total),
        "sleep_quality_score": ("sleepQualityScore.total", quality.total),
        "sleep_routine_score": ("sleepRoutineScore.total", night.sleep_routine_score.total),
    }
    means: dict[str, tuple[str, ScorePart, float]] = {
        "heart_rate_bpm": ("heartRate", quality.heart_rate, 400),
        "hrv_ms": ("hrv", quality.hrv, 5_000),
        "respiratory_rate_bpm": ("respiratoryRate", quality.respiratory_rate, 200),
        "waso_fraction": ("waso", quality.waso, 1),
    }
    temperatures = {
        "bed_temperature_c": ("tempBedC", quality.temp_bed_c),
        "room_temperature_c": ("tempRoomC", quality.temp_room_c),
    }
    return {
        "all_sessions_sleep_duration_s": whole_seconds(night.all_sleep_s, "$.*.sleepDurationSeconds.current", notes),
        "sleep_fitness_score": fitness_score,
        "sleep_fitness_score_place": fitness.place if fitness and fitness_score is not None else None,
        **{column: possible(value, _BEST, f"$.{field}", notes) for column, (field, value) in scores.items()},
        **{
            column: possible(_number(part.current), highest, f"$.sleepQualityScore.{field}.current", notes)
            for column, (field, part, highest) in means.items()
        },
        **{
            column: _degrees(_number(part.current), f"$.sleepQualityScore.{field}.current", notes)
            for column, (field, part) in temperatures.items()
        },
    }


def _number(value: Number | str | None) -> float | None:
    return value if isinstance(value, int | float) else None


def _degrees(value: float | None, path: str, notes: Notes) -> float | None:
    if value is not None and not _LOWEST_C <= value <= _HIGHEST_C:
        notes.add(IMPOSSIBLE_VALUE, path)
        return None
    return value
