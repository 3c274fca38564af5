"""Local dates over every change of every zone's clock from 2020 to 2030, by a second reckoning and by hand."""

import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from importlib import resources
from itertools import cycle
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sources.asleep import SOURCE
from assets.sources.asleep_documents import decode_session
from assets.sources.decoding import Refused
from schemas.nights import is_iana_zone, local_date, night_of, utc_date
from tests.assets.lake.documents import SESSION_ID, current, session_document
from tests.schemas.hand_checked_nights import HAND_CHECKED
from tests.schemas.samples import SESSION, changed
from tests.schemas.zone_changes import (
    DAY,
    HOUR,
    changes_of,
    date_at,
    moment,
    moments_of,
    night_at,
    offset_at,
    starts_around,
    zones,
)

LENGTHS_S = (60, 20 * 60, 3 * HOUR, 7 * HOUR + 1, 8 * HOUR, 13 * HOUR, DAY + HOUR)


def on_clock(second: int, offset: int) -> str:
    """The second as the vendor writes it, on a clock with this offset."""
    return moment(second).astimezone(timezone(timedelta(seconds=offset))).isoformat()


def row_of(zone: str, start: str, end: str, document_date: date) -> dict[str, Any]:
    """The row of a session that was slept through from start to end."""
    times = {"session.start_time": start, "session.end_time": end, "stat.sleep_time": start, "stat.wake_time": end}
    changes = {f"result.{path}": text for path, text in times.items()} | {"result.session.created_timezone": zone}
    document = session_document(changed(SESSION, changes), session_id=SESSION_ID, day=document_date)
    return SOURCE.normalise(decode_session(current(document)), "clinic", "UTC").row


def check_row(zone: str, start: int, length_s: int, *, written_with: tuple[int, int]) -> None:
    """A session, whatever offsets its times were written with, has the dates of its zone and its true length."""
    end = start + length_s
    row = row_of(zone, on_clock(start, written_with[0]), on_clock(end, written_with[1]), date_at(start))
    assert row["timezone"] == zone
    assert row["night_of"] == night_at(start, offset_at(zone, start))
    assert row["wake_date"] == date_at(end, offset_at(zone, end))
    assert (row["start_time"], row["end_time"]) == (moment(start), moment(end))
    assert row["final_wake"] - row["sleep_onset"] == row["end_time"] - row["start_time"] == timedelta(seconds=length_s)


def test_the_changes_are_found() -> None:
    """New York changes twice a year at the known moments, Lord Howe by half an hour, Troll by two, Kathmandu never."""
    new_york = changes_of("America/New_York")
    assert len(new_york) == 22
    assert [moment(change.at).isoformat() for change in new_york[:2]] == [
        "2020-03-08T07:00:00+00:00",
        "2020-11-01T06:00:00+00:00",
    ]
    assert {abs(change.after - change.before) for change in changes_of("Australia/Lord_Howe")} == {1800}
    assert {abs(change.after - change.before) for change in changes_of("Antarctica/Troll")} == {7200}
    assert not changes_of("Asia/Kathmandu")
    assert sum(len(changes_of(zone)) for zone in zones()) > 4000


def test_dates_around_every_change_of_every_zone() -> None:
    """Night, date of waking and UTC date are those of arithmetic on the offsets found, for some 400,000 sessions."""
    lengths = cycle(LENGTHS_S)
    wrong = []
    for zone in zones():
        for change in moments_of(zone):
            for start in starts_around(change):
                end = start + next(lengths)
                begins, ends = moment(start), moment(end)
                dates = night_of(begins, zone), local_date(ends, zone), utc_date(begins)
                offset = offset_at(zone, start)
                if dates != (night_at(start, offset), date_at(end, offset_at(zone, end)), date_at(start)):
                    wrong.append((zone, start, end))
    assert not wrong[:10]


def test_a_session_of_every_zone_comes_into_the_lake() -> None:
    """Over one of its changes, written before and after with the offsets that the phone's clock had."""
    for number, zone in enumerate(zones()):
        moments = moments_of(zone)
        change = moments[number % len(moments)]
        start = change.at - 4 * HOUR + number
        check_row(zone, start, 8 * HOUR, written_with=(change.before, change.after))


@st.composite
def sessions(draw: st.DrawFn) -> tuple[str, int, int, tuple[int, int]]:
    """A zone, a start around one of its changes, a length, and offsets to write start and end with."""
    zone = draw(st.sampled_from(zones()))
    change = draw(st.sampled_from(moments_of(zone)))
    start = draw(st.sampled_from(list(starts_around(change)))) + draw(st.integers(-59, 59))
    length_s = draw(st.sampled_from(LENGTHS_S) | st.integers(0, DAY))
    offsets = st.sampled_from((change.before, change.after, 0))
    return zone, start, length_s, (draw(offsets), draw(offsets))


@settings(deadline=None, max_examples=200)
@given(sessions())
def test_any_session_around_any_change_comes_into_the_lake(session: tuple[str, int, int, tuple[int, int]]) -> None:
    """Also with times that no clock showed, such as 02:30 in a skipped hour: the offset says what is meant."""
    zone, start, length_s, written_with = session
    check_row(zone, start, length_s, written_with=written_with)


@settings(deadline=None, max_examples=50)
@given(sessions())
def test_a_session_lies_under_the_utc_date_of_its_start(session: tuple[str, int, int, tuple[int, int]]) -> None:
    """Under the day before or after it is refused, whatever the date is where it was slept."""
    zone, start, length_s, (before, after) = session
    for other in (start - DAY, start + DAY):
        with pytest.raises(Refused) as refused:
            row_of(zone, on_clock(start, before), on_clock(start + length_s, after), date_at(other))
        assert refused.value.reason == "start_moved"


@pytest.mark.parametrize(("zone", "start", "end", "night", "wake_date", "elapsed_s"), HAND_CHECKED)
def test_nights_checked_by_hand(zone: str, start: str, end: str, night: str, wake_date: str, elapsed_s: int) -> None:
    """The clock showed what is written, and night, date of waking and length are those worked out."""
    begins, ends = datetime.fromisoformat(start), datetime.fromisoformat(end)
    for written in (begins, ends):
        assert written.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == written.replace(tzinfo=None)
    assert (str(night_of(begins, zone)), str(local_date(ends, zone))) == (night, wake_date)
    row = row_of(zone, start, end, utc_date(begins))
    assert (str(row["night_of"]), str(row["wake_date"])) == (night, wake_date)
    assert row["end_time"] - row["start_time"] == timedelta(seconds=elapsed_s)


OTHER_RULES = """
from datetime import UTC, datetime
from schemas.nights import is_iana_zone, local_date
print(local_date(datetime(2024, 6, 15, 16, tzinfo=UTC), "Asia/Seoul"), is_iana_zone("Old/Town"))
"""


def test_the_rules_are_not_those_of_the_machine(tmp_path: Path) -> None:
    """A machine whose tz database says otherwise, or knows other names, gives the same dates and zones."""
    rules = (resources.files("tzdata") / "zoneinfo" / "Etc" / "UTC").read_bytes()
    for name in ("Asia/Seoul", "Old/Town"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(rules)
    ended = subprocess.run(
        [sys.executable, "-c", OTHER_RULES],
        env={"PYTHONTZPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split() == ["2024-06-16", "False"]


def test_all_zones_of_the_tz_database_are_zones() -> None:
    """And the machine's own, which it calls localtime, is none."""
    assert all(map(is_iana_zone, available_timezones()))
    assert not is_iana_zone("localtime")
