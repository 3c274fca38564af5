"""A night drawn: every column shows a stage of its part of the night, every hour stands where it belongs."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from pipelines.command.hypnogram import draw_hypnogram
from schemas.stages import ASLEEP, DEEP, EPOCH_S, LIGHT, OUT_OF_BED, REM, UNKNOWN, WAKE

START = datetime(2025, 3, 10, 22, 30, tzinfo=UTC)
ROWS = ("wake", "REM", "light", "deep")
MARGIN = 8
SHOWN = {WAKE: "wake", OUT_OF_BED: "wake", REM: "REM", LIGHT: "light", ASLEEP: "light", DEEP: "deep", UNKNOWN: None}

stages = st.lists(st.sampled_from(sorted(SHOWN)), max_size=1500)
zones = st.sampled_from(["UTC", "Asia/Seoul", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe"])


def columns(lines: list[str], width: int) -> list[str | None]:
    """Which row is filled in each column; at most one is."""
    rows = [line[MARGIN:].ljust(width) for line in lines[: len(ROWS)]]
    filled = [[name for name, row in zip(ROWS, rows, strict=True) if row[column] == "█"] for column in range(width)]
    assert all(len(names) <= 1 for names in filled)
    return [names[0] if names else None for names in filled]


@given(stages, st.integers(1, 200))
def test_every_column_shows_a_most_frequent_stage_of_its_part(night: list[int], width: int) -> None:
    """Columns share the night evenly; unknown is a gap, and a night without stages is empty."""
    found = columns(draw_hypnogram(night, START, "UTC", width), width)
    for column, shown in enumerate(found):
        first, after = column * len(night) // width, (column + 1) * len(night) // width
        part = Counter(night[first : max(first + 1, after)])
        most = {SHOWN[stage] for stage, count in part.items() if count == max(part.values())} or {None}
        assert shown in most


@given(stages, st.integers(40, 120), zones)
def test_lines_have_one_frame_whatever_the_night(night: list[int], width: int, zone: str) -> None:
    """Four rows with their names, the axis, the hours: no trailing spaces, no line wider than the frame."""
    lines = draw_hypnogram(night, START, zone, width)
    assert [line[:MARGIN] for line in lines[:4]] == ["  wake ┤", "   REM ┤", " light ┤", "  deep ┤"]
    assert lines[4] == " " * 7 + "└" + "─" * width
    assert all(line == line.rstrip() for line in lines if line.strip())
    assert all(len(line) <= MARGIN + width + 4 for line in lines)
    assert len(lines) == 6


@given(
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    epochs=st.integers(1, 2 * 60 * 14),
    zone=zones,
)
def test_an_hour_stands_at_its_place_in_local_time(start: datetime, epochs: int, zone: str) -> None:
    """Every label is the wall clock at its column, to the width of a column, on the hour in UTC."""
    width = 72
    hours = draw_hypnogram([WAKE] * epochs, start, zone, width)[5]
    length = timedelta(seconds=EPOCH_S * epochs)
    for label in hours.split():
        column = hours.index(label) - MARGIN
        moments = [start + length * part / width for part in (column, column + 1)]
        shown = [
            moment
            for moment in (start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=n) for n in range(1, 16))
            if f"{moment.astimezone(ZoneInfo(zone)):%H:%M}" == label and moments[0] <= moment < moments[1]
        ]
        assert shown
    assert len(hours.split()) >= min(epochs * EPOCH_S // 3600 - 1, 4)


def test_a_short_night_as_a_person_sees_it() -> None:
    """Awake, light, deep, REM, a gap, awake again; at local time."""
    night = [WAKE] * 20 + [LIGHT] * 40 + [DEEP] * 40 + [REM] * 40 + [UNKNOWN] * 20 + [WAKE] * 40
    assert draw_hypnogram(night, START, "Asia/Seoul", width=40) == [
        "  wake ┤████                            ████████",
        "   REM ┤                    ████████",
        " light ┤    ████████",
        "  deep ┤            ████████",
        "       └────────────────────────────────────────",
        "                    08:00                   09:00",
    ]


def test_a_clock_change_shows_in_the_labels() -> None:
    """When the clock goes forward an hour is missing, when it goes back one comes twice."""
    spring = draw_hypnogram([LIGHT] * 480, datetime(2025, 3, 29, 23, 30, tzinfo=UTC), "Europe/Berlin")[5].split()
    autumn = draw_hypnogram([LIGHT] * 480, datetime(2025, 10, 25, 23, 30, tzinfo=UTC), "Europe/Berlin")[5].split()
    assert spring == ["01:00", "03:00", "04:00", "05:00"]
    assert autumn == ["02:00", "02:00", "03:00", "04:00"]
