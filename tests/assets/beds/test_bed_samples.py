"""``bed_samples`` from raw intervals: every series with its unit, nothing invented, nothing averaged over units."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from assets.builds import Built
from assets.lake.bed_samples import build_bed_samples
from connectors.home import Home
from schemas.bed_lineage import SERIES
from schemas.bed_tables import BED_SAMPLES
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.quirks import IMPOSSIBLE_VALUE, UNREADABLE_VALUE, Drift
from tests.assets.beds.documents import INTERVAL_DAY, gone, interval, session_document

AT, LATER = "2025-03-12T04:00:00.000Z", "2025-03-12T04:15:00.000Z"


def built(home: Home, *contents: dict[str, Any], day: date = INTERVAL_DAY) -> tuple[Built, list[dict[str, Any]]]:
    """What building the date of these intervals comes to, and its rows."""
    home.raw.append(map(session_document, contents))
    result = build_bed_samples(home, day.isoformat())
    return result, home.lake.read(BED_SAMPLES, f"date={day}").to_pylist()


def of(rows: list[dict[str, Any]], column: str) -> list[Any]:
    """The values of a column that are there, in order of time."""
    return [row[column] for row in rows if row[column] is not None]


@pytest.mark.parametrize(("column", "series"), SERIES.items(), ids=SERIES)
def test_every_series_arrives_in_the_column_of_its_unit(home: Home, column: str, series: str) -> None:
    """With its moments in UTC, and in no other column."""
    _, rows = built(home, interval(timeseries={series: [[AT, 17], [LATER, 18]]}))
    assert [(row["time"], row[column]) for row in rows] == [
        (datetime(2025, 3, 12, 4, 0, tzinfo=UTC), 17),
        (datetime(2025, 3, 12, 4, 15, tzinfo=UTC), 18),
    ]
    assert all(row[other] is None for row in rows for other in SERIES if other != column)
    assert {(row["source"], row["user_id"], row["session_id"]) for row in rows} == {(EIGHT_SLEEP, "anna", "1741748640")}


def test_units_stand_in_the_schema() -> None:
    """Beats, ms, breaths, degrees and counts."""
    units = {column: BED_SAMPLES.unit(column) for column in SERIES}
    assert units["heart_rate_bpm"] == "beats/min"
    assert units["hrv_ms"] == units["rmssd_ms"] == "ms"
    assert units["respiratory_rate_bpm"] == units["nemean_respiratory_rate_bpm"] == "breaths/min"
    assert units["bed_temperature_c"] == units["room_temperature_c"] == "°C"
    assert units["toss_and_turns"] == "count"


def test_the_sample_arrives_whole(home: Home) -> None:
    """Every point of every series, once; the first hour of temperatures lies before the session."""
    content = interval()
    result, rows = built(home, content)
    for column, series in SERIES.items():
        assert of(rows, column) == [value for _, value in content["timeseries"].get(series, [])]
    assert rows[0]["time"] < datetime.fromisoformat(content["ts"])
    assert rows[0]["bed_temperature_c"] is not None
    assert rows[0]["heart_rate_bpm"] is None
    assert {row["start_date"] for row in rows} == {INTERVAL_DAY}
    assert result.conserved
    assert result.findings == {"unique_keys": 0}


def test_lost_heart_beats_are_null_and_counted(home: Home) -> None:
    """The vendor sends 0; an average over it would be wrong."""
    result, rows = built(home, interval(timeseries={"heartRate": [[AT, 0], [LATER, 58.5]]}))
    assert of(rows, "heart_rate_bpm") == [58.5]
    assert result.drift == {(EIGHT_SLEEP, Drift(IMPOSSIBLE_VALUE, "$.timeseries.heartRate[][1]")): 1}


@pytest.mark.parametrize(
    ("point", "kind"),
    [
        ([AT, -3], IMPOSSIBLE_VALUE),
        ([AT, 90_000], IMPOSSIBLE_VALUE),
        (["2025-04-12T04:00:00.000Z", 20], IMPOSSIBLE_VALUE),
        (["early", 20], UNREADABLE_VALUE),
        (["2025-03-12T04:00:00", 20], UNREADABLE_VALUE),
        ([AT, "warm"], UNREADABLE_VALUE),
    ],
    ids=["negative", "beyond", "another month", "no time", "no offset", "text"],
)
def test_what_cannot_be_is_left_out_and_noted(home: Home, point: list[Any], kind: str) -> None:
    """The other points stay, and so does the night."""
    result, rows = built(home, interval(timeseries={"respiratoryRate": [point, [LATER, 14]]}))
    assert of(rows, "respiratory_rate_bpm") == [14]
    assert {drift.kind for _, drift in result.drift} == {kind}


@pytest.mark.parametrize("nothing", [None, "None"], ids=["null", "text"])
def test_no_value_is_no_row(home: Home, nothing: str | None) -> None:
    """Null and the text ``None`` alike, of a point as of a series; never a zero."""
    result, rows = built(home, interval(timeseries={"hrv": [[AT, nothing]], "heartRate": nothing}))
    assert rows == []
    assert not result.drift


def test_of_two_values_of_a_moment_the_later_counts_and_tosses_add_up(home: Home) -> None:
    """Whatever else the moment has; the key stays unique."""
    twice = {"heartRate": [[AT, 50], [AT, 60]], "tnt": [[AT, 1], [AT, 2]], "hrv": [[AT, 40]]}
    result, (row,) = built(home, interval(timeseries=twice))
    assert (row["heart_rate_bpm"], row["toss_and_turns"], row["hrv_ms"]) == (60, 3, 40)
    assert result.findings == {"unique_keys": 0}


def test_temperatures_may_be_below_zero(home: Home) -> None:
    """A cold room is no error."""
    _, rows = built(home, interval(timeseries={"tempRoomC": [[AT, -4.5]]}))
    assert of(rows, "room_temperature_c") == [-4.5]


def test_a_session_that_still_runs_has_no_samples_and_one_that_is_deleted_none_any_more(home: Home) -> None:
    """As in ``sleep_sessions``: the tables agree on which sessions there are."""
    result, rows = built(home, interval(incomplete=True))
    assert (rows, result.waiting) == ([], 1)
    home.raw.append([session_document(interval(), after_h=1)])
    assert build_bed_samples(home, INTERVAL_DAY.isoformat()).rows == 1
    assert home.lake.read(BED_SAMPLES, f"date={INTERVAL_DAY}").num_rows == 37
    home.raw.append([gone(session_document(interval(), after_h=2))])
    assert build_bed_samples(home, INTERVAL_DAY.isoformat()).deleted == 1
    assert home.lake.read(BED_SAMPLES, f"date={INTERVAL_DAY}").num_rows == 0


def test_two_people_may_have_sessions_of_one_id(home: Home) -> None:
    """The vendor's ids are seconds: unique to a user and to nobody else."""
    home.raw.append([session_document(interval(), "bert")])
    result, rows = built(home, interval())
    assert {row["user_id"] for row in rows} == {"anna", "bert"}
    assert result.findings == {"unique_keys": 0}
