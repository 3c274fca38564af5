"""An interval and a day of trends as Eight Sleep sends them, whole and with changes, and as raw keeps them."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from connectors.lake.raw import HTTP_OK, RawDocument
from schemas.canonical import interval_hash, trend_hash
from schemas.documents import SESSION, TREND
from schemas.eight_sleep import EIGHT_SLEEP

STAGES = [("awake", 600), ("light", 1800), ("deep", 3600), ("out", 120), ("light", 1500), ("rem", 2400), ("awake", 180)]
START = datetime(2026, 11, 1, 22, 30, tzinfo=UTC)
DAY = date(2026, 11, 1)
FETCHED = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def interval(start: datetime = START, **changes: Any) -> bytes:
    """A final night that begins at ``start``; stage durations are seconds."""
    seconds = sum(duration for _, duration in STAGES)
    end = start + timedelta(seconds=seconds)
    document = {
        "id": str(int(start.timestamp())),
        "deviceTimeAtUpdate": end.isoformat(),
        "ts": start.isoformat(),
        "sleepStart": (start + timedelta(seconds=600)).isoformat(),
        "sleepEnd": (end - timedelta(seconds=180)).isoformat(),
        "presenceEnd": end.isoformat(),
        "duration": seconds,
        "score": 0,
        "timezone": "Europe/Lisbon",
        "device": {"id": "0123456789abcdef", "side": "left", "specialization": "pod"},
        "stages": [{"stage": stage, "duration": duration} for stage, duration in STAGES],
        "snoring": [{"intensity": "none", "duration": seconds}],
        "stageSummary": {
            "totalDuration": seconds,
            "sleepDuration": 9300,
            "outDuration": 120,
            "awakeDuration": 780,
            "lightDuration": 3300,
            "deepDuration": 3600,
            "remDuration": 2400,
            "awakeBeforeSleepDuration": 600,
            "awakeBetweenSleepDuration": 0,
            "awakeAfterSleepDuration": 180,
            "outBetweenSleepDuration": 120,
            "wasoDuration": 120,
        },
        "timeseries": {
            "heartRate": [[start.isoformat(), 61.5], [(start + timedelta(minutes=5)).isoformat(), 0]],
            "tnt": [[start.isoformat(), 2]],
        },
        "incomplete": False,
    }
    return json.dumps(document | changes).encode()


def interval_document(
    body: bytes | None = None, *, user_id: str = "P-0", day: date = DAY, **changes: Any
) -> RawDocument:
    """An interval as raw keeps it."""
    body = interval(**changes) if body is None else body
    session_id = str(int(START.timestamp()))
    return RawDocument(
        "clinic", EIGHT_SLEEP, SESSION, user_id, session_id, day, HTTP_OK, FETCHED, interval_hash(body), body
    )


def trend(day: date = date(2026, 11, 2), **changes: Any) -> bytes:
    """The scored night of a day."""
    start, end = START, START + timedelta(seconds=10_200)
    document = {
        "day": day.isoformat(),
        "score": 84,
        "presenceDuration": 10_200,
        "sleepDuration": 9_300,
        "presenceStart": start.isoformat(),
        "presenceEnd": end.isoformat(),
        "sleepStart": (start + timedelta(seconds=600)).isoformat(),
        "sleepEnd": (end - timedelta(seconds=180)).isoformat(),
        "tnt": 2,
        "mainSessionId": str(int(start.timestamp())),
        "sessionIds": [str(int(start.timestamp()))],
        "incomplete": False,
    }
    return json.dumps(document | changes).encode()


def trend_document(body: bytes | None = None, *, day: date = date(2026, 11, 2), **changes: Any) -> RawDocument:
    """A day of trends as raw keeps it."""
    body = trend(day, **changes) if body is None else body
    return RawDocument(
        "clinic", EIGHT_SLEEP, TREND, "P-0", day.isoformat(), day, HTTP_OK, FETCHED, trend_hash(body), body
    )
