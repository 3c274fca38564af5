"""Times of a bed's sessions and scored nights: zones and their changes, offsets, and documents that name no zone."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from assets.sources.decoding import Refused
from assets.sources.eight_sleep import SOURCE
from assets.sources.eight_sleep_trends import decode_trend, night_row
from assets.sources.source import SleepSession
from connectors.lake.raw import CurrentDocument
from tests.assets.sources.eight_sleep_documents import FETCHED, STAGES, START, interval_document, trend_document

LISBON, NEW_YORK, LORD_HOWE = (ZoneInfo(key) for key in ("Europe/Lisbon", "America/New_York", "Australia/Lord_Howe"))


def session(roster_zone: str = "Asia/Tokyo", *, day: date | None = None, **changes: Any) -> SleepSession:
    """An interval as the lake has it."""
    document = interval_document(day=day or START.date(), **changes)
    return SOURCE.normalise(SOURCE.decode(CurrentDocument(document, 1, FETCHED)), "clinic", roster_zone)


def stages_of(seconds: float) -> list[dict[str, Any]]:
    """Light sleep of that length."""
    return [{"stage": "light", "duration": seconds}]


@pytest.mark.parametrize("zone", [None, "None", "", "Mars/Base", "canary"])
def test_a_bed_without_a_zone_is_where_the_roster_says(zone: str | None) -> None:
    """22:30 UTC on 1 November is the morning of the 2nd in Tokyo, which still is in the night of the 1st."""
    row = session("Asia/Tokyo", timezone=zone).row
    assert (row["timezone"], row["night_of"], row["wake_date"]) == ("Asia/Tokyo", date(2026, 11, 1), date(2026, 11, 2))


def test_the_bed_s_zone_goes_before_the_roster_s() -> None:
    """In Lisbon the same night is over before the morning of the 2nd."""
    row = session("Asia/Tokyo").row
    assert (row["timezone"], row["night_of"], row["wake_date"]) == (
        "Europe/Lisbon",
        date(2026, 11, 1),
        date(2026, 11, 2),
    )


@pytest.mark.parametrize(
    ("start", "zone", "hours"),
    [
        (datetime(2026, 10, 24, 23, 0, tzinfo=LISBON), LISBON, 9),  # back by an hour
        (datetime(2026, 3, 28, 23, 0, tzinfo=LISBON), LISBON, 7),  # ahead by an hour
        (datetime(2026, 10, 31, 23, 0, tzinfo=NEW_YORK), NEW_YORK, 9),
        (datetime(2026, 10, 3, 23, 0, tzinfo=LORD_HOWE), LORD_HOWE, 7.5),  # ahead by half an hour
    ],
)
def test_a_night_in_which_the_clock_changes_is_as_long_as_it_was(start: datetime, zone: ZoneInfo, hours: float) -> None:
    """From 23:00 to 07:00 on the wall is not eight hours; one that was slept through has so many epochs."""
    end = start.astimezone(UTC) + timedelta(hours=hours)
    assert end.astimezone(zone).replace(tzinfo=None) == start.replace(tzinfo=None) + timedelta(hours=8)
    day = start.astimezone(UTC).date()
    changes: dict[str, Any] = {
        "stages": stages_of(hours * 3600),
        "stageSummary": None,
        "sleepStart": None,
        "sleepEnd": None,
    }
    ours = session(day=day, id=str(int(START.timestamp())), ts=start.isoformat(), timezone=zone.key, **changes)
    assert (ours.row["start_time"], ours.row["end_time"]) == (start, end)
    assert ours.row["total_sleep_time_s"] == ours.row["time_in_bed_s"] == hours * 3600
    assert ours.stages.sleep is not None
    assert len(ours.stages.sleep) == hours * 120
    assert (ours.row["night_of"], ours.row["wake_date"]) == (start.date(), start.date() + timedelta(days=1))


@pytest.mark.parametrize("offset", [timedelta(hours=5, minutes=45), timedelta(hours=-9, minutes=-30), timedelta()])
def test_an_offset_in_the_text_changes_nothing(offset: timedelta) -> None:
    """The moment counts."""
    plain = session().row
    told = session(ts=START.astimezone(timezone(offset)).isoformat()).row
    assert {name for name in plain if plain[name] != told[name]} <= {"content_hash"}


def test_what_follows_the_last_sleep_out_of_bed_is_no_part_of_the_session() -> None:
    """The bed was left; being out between two sleeps is."""
    stages = [{"stage": stage, "duration": seconds} for stage, seconds in [*STAGES, ("out", 900)]]
    assert session(stages=stages).row["end_time"] == session().row["end_time"]
    assert 5 in (session().stages.sleep or ())


@pytest.mark.parametrize(
    ("changes", "reason", "path"),
    [
        ({"ts": "2026-11-01T22:30:00"}, "time_without_offset", "$.ts"),
        ({"ts": "yesterday"}, "bad_time", "$.ts"),
        ({"ts": None}, "wrong_shape", "$"),
        ({"ts": "2026-10-31T22:30:00Z"}, "start_moved", "$.ts"),
        ({"id": "1"}, "other_session", "$.id"),
        ({"stages": [], "presenceEnd": "2026-11-01T22:00:00Z"}, "times_reversed", "$.presenceEnd"),
        ({"stages": [], "presenceEnd": None, "duration": None}, "time_missing", "$.presenceEnd"),
    ],
)
def test_a_session_without_times_that_can_be_is_refused(changes: dict[str, Any], reason: str, path: str) -> None:
    """With the field and one sentence."""
    with pytest.raises(Refused) as refused:
        session(**changes)
    assert (refused.value.reason, refused.value.path) == (reason, path)


def test_a_scored_night_stands_under_the_morning_it_is_told_for() -> None:
    """Its times are moments; what cannot be one is null and noted; another day's document is refused."""
    decoded = decode_trend(CurrentDocument(trend_document(presenceEnd="soon"), 1, FETCHED))
    row = night_row(decoded, "clinic", "Europe/Lisbon", 1)
    assert (row["day"], row["presence_start"], row["presence_end"]) == (date(2026, 11, 2), START, None)
    assert ("unreadable_value", "$.presenceEnd") in {tuple(difference) for difference in decoded.notes.drift}
    moved = trend_document(day=date(2026, 11, 3), body=trend_document().body)
    with pytest.raises(Refused) as refused:
        decode_trend(CurrentDocument(moved, 1, FETCHED))
    assert (refused.value.reason, refused.value.path) == ("other_day", "$.day")
