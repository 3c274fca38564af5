"""Stays as the vendor tells them: interval documents, pages of ten with a cursor, newest first."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import orjson

from connectors.eight_sleep.sandbox.measurements import instant, snoring, timeseries
from connectors.eight_sleep.sandbox.nights import Told
from connectors.eight_sleep.sandbox.stays import Stay

PAGE = 10

_OF_2026 = ("sleepStart", "sleepEnd", "presenceEnd", "duration", "snoring", "stageSummary")
_VERSIONS = {"sleepAlgorithmVersion": "3.0.1", "presenceAlgorithmVersion": "2.4.0", "hrvAlgorithmVersion": "1.2.0"}
_GARBAGE: tuple[Any, ...] = ({"id": 7, "stages": "none"}, "<html>", {})


def interval(seed: int, told: Told, device: dict[str, str], variants: frozenset[str]) -> dict[str, Any]:
    """One session, slept on ``device``; ``variants`` are those of the world."""
    stay, final = told.stay, told.is_final
    start, end = stay.sleep_start, stay.sleep_end
    document: dict[str, Any] = {
        "id": stay.id,
        "deviceTimeAtUpdate": instant(told.updated_at),
        "ts": instant(stay.start),
        "sleepStart": instant(start) if start else None,
        "sleepEnd": instant(end) if end and final else None,
        "presenceEnd": instant(stay.end) if final else None,
        "duration": stay.total_s,
        "score": 0,
        "timezone": stay.zone,
        "device": device,
        "stages": [{"stage": stage, "duration": length} for stage, length in stay.stages],
        "snoring": [{"intensity": kind, "duration": length} for kind, length in snoring(seed, stay)],
        "stageSummary": summary(stay),
        "timeseries": timeseries(seed, stay, zeros="zero_heart_rates" in variants, newer="newer_fields" in variants),
        "incomplete": not final,
    }
    if "newer_fields" in variants:
        document |= _VERSIONS
    if "unknown_stages" in variants:
        for stretch in document["stages"]:
            stretch["stage"] = {"light": "asleep", "deep": "slumber"}.get(stretch["stage"], stretch["stage"])
    if "of_2022" in variants:
        document = {name: value for name, value in document.items() if name not in _OF_2026}
        document["score"] = 50 + stay.asleep_s % 50
        if final:
            del document["incomplete"]
    if "presence_without_out" in variants and start and end and final:
        out = timedelta(seconds=stay.seconds("out"))
        document |= {"sleepEnd": instant(end - out), "presenceEnd": instant(stay.end - out)}
    if "text_none" in variants:
        document |= {"score": "None", "device": {**device, "specialization": "None"}, "hrvAlgorithmVersion": "None"}
        document |= {name: "None" for name, value in document.items() if value is None}
    return document


def summary(stay: Stay) -> dict[str, int | float]:
    """``stageSummary`` in seconds, and fractions of the sleep."""
    asleep, before, after = stay.asleep_s, stay.before_s, stay.after_s
    awake, out = stay.seconds("awake"), stay.seconds("out")
    between = awake - before - after
    light, deep, rem = (stay.seconds(stage) for stage in ("light", "deep", "rem"))
    return {
        "totalDuration": stay.total_s,
        "sleepDuration": asleep,
        "outDuration": out,
        "awakeDuration": awake,
        "lightDuration": light,
        "deepDuration": deep,
        "remDuration": rem,
        "awakeBeforeSleepDuration": before,
        "awakeBetweenSleepDuration": between,
        "awakeAfterSleepDuration": after,
        "outBetweenSleepDuration": out,
        "wasoDuration": between + out,
        "deepPercentOfSleep": fraction(deep, asleep),
        "remPercentOfSleep": fraction(rem, asleep),
        "lightPercentOfSleep": fraction(light, asleep),
    }


def fraction(part: int, whole: int) -> float:
    """With two decimals; 0 of nothing."""
    return round(part / whole, 2) if whole else 0.0


def page(
    told: Sequence[Told], cursor: str | None, variants: frozenset[str], tell: Callable[[Told], dict[str, Any]]
) -> dict[str, Any]:
    """The page after ``cursor`` of all stays, oldest first; a cursor nobody has given begins anew."""
    newest_first = list(reversed(told))
    after = _last_told(cursor)
    if after is not None:
        newest_first = [one for one in newest_first if instant(one.stay.start) < after]
    here: list[Any] = [tell(one) for one in newest_first[:PAGE]]
    answer: dict[str, Any] = {}
    given = _cursor(instant(newest_first[:PAGE][-1].stay.start)) if here else cursor
    if "repeated_cursor" in variants and cursor:
        given = cursor
    is_told = bool(here) or "cursor_on_empty_page" in variants
    if "cursor_only_if_more" in variants:
        is_told = len(newest_first) > PAGE
    if is_told:
        answer["next"] = given
    elif "text_none" in variants:
        answer["next"] = "None"
    if "unordered_pages" in variants:
        here = here[1::2] + here[::2]
    if "garbage_interval" in variants and here:
        here[1:1] = _GARBAGE
    return {**answer, "intervals": here}


def _cursor(ts: str) -> str:
    return base64.b64encode(orjson.dumps({"v": "1", "lastEventTs": ts})).decode()


def _last_told(cursor: str | None) -> str | None:
    try:
        told = orjson.loads(base64.b64decode(cursor or "", validate=True))
    except (ValueError, binascii.Error):
        return None
    return str(told["lastEventTs"]) if isinstance(told, dict) and "lastEventTs" in told else None
