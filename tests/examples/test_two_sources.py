"""The question and the charts of two sources, over people who slept with phone and bed, and over nobody."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa
import pytest

from connectors.warehouse.duckdb import DuckDbWarehouse
from connectors.warehouse.postgresql import PostgresWarehouse
from examples import charts
from examples.pictures import NAMES, OF_TWO_SOURCES, draw
from pipelines.analysis import read_table
from schemas.stages import DEEP, LIGHT, REM, WAKE
from schemas.tables import SESSION_HISTORY, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS
from tests.assets.marts.recordings import BED, Row, ledger_of, marts_of, session_between, stages_of
from tests.connectors.warehouse.conftest import Server, server
from tests.examples.conftest import Pulled
from tests.examples.test_charts import HYPNOGRAM_ORDER, OKABE_ITO, parts, rows, told
from tests.examples.test_questions import answer

__all__ = ["server"]  # a fixture, found by its name

ZONE = "Europe/Berlin"
EVENING = datetime(2026, 11, 3, 22, tzinfo=UTC)
LONGER_MIN = {"ann": [10, 25, 40], "ben": [-5]}
"""By how many minutes the bed's total sleep time is longer, night by night."""
PHONE_STAGES = [WAKE] * 240 + [LIGHT] * 240 + [DEEP] * 240 + [REM] * 240
BED_STAGES = [WAKE] * 240 + [LIGHT] * 480 + [REM] * 240


def recordings() -> tuple[list[Row], list[Row]]:
    """The sessions of both people with phone and bed, and their stages."""
    sessions, stages = [], []
    for user, minutes in LONGER_MIN.items():
        for number, longer in enumerate(minutes):
            start = EVENING + timedelta(days=number)
            night = session_between(f"{user} {number}", start, start + timedelta(hours=8), ZONE) | {"user_id": user}
            phone = night | {"has_stages": "4-stage", "total_sleep_time_s": 21_600}
            bed = phone | BED | {"session_id": f"bed {user} {number}", "total_sleep_time_s": 21_600 + 60 * longer}
            sessions += [phone, bed]
            stages += [*stages_of(phone, PHONE_STAGES), *stages_of(bed, BED_STAGES)]
    return sessions, stages


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose warehouse has these nights and their marts."""
    home = tmp_path_factory.mktemp("two")
    sessions, stages = recordings()
    warehouse = DuckDbWarehouse(home / "warehouse.duckdb")
    tables = {
        SLEEP_SESSIONS.name: pa.Table.from_pylist(sessions, SLEEP_SESSIONS.schema),
        SLEEP_STAGE_INTERVALS.name: pa.Table.from_pylist(stages, SLEEP_STAGE_INTERVALS.schema),
        SLEEP_HYPNOGRAMS.name: SLEEP_HYPNOGRAMS.schema.empty_table(),
        SESSION_HISTORY.name: SESSION_HISTORY.schema.empty_table(),
    }
    warehouse.load_nights({date(2026, 11, 3): tables})
    found = marts_of(sessions, ledger_of(sessions), stages=stages)
    warehouse.load_marts(found.tables, found.partitions)
    return home


def test_the_question_whether_they_agree(home: Path, server: Server) -> None:
    """Bias and limits in minutes and kappa by hand, of each person and of everybody; PostgreSQL has the same rows.

    Of stages they agree in 3 of 4 epochs, by chance in 1 / 4; of sleep and wake always.
    """
    found = answer(DuckDbWarehouse(home / "warehouse.duckdb"), "source_agreement")
    told_of = {user: [float(value) if value is not None else None for value in row] for _, user, *row in found}
    assert list(told_of) == ["", "ann", "ben"]
    assert told_of["ben"] == [1, -5, None, None, 1, 0.67]
    for user, minutes in (("ann", LONGER_MIN["ann"]), ("", [10, 25, 40, -5])):
        limits = [fmean(minutes) - 1.96 * stdev(minutes), fmean(minutes) + 1.96 * stdev(minutes)]
        assert told_of[user][:2] == [len(minutes), fmean(minutes)]
        assert told_of[user][2:4] == pytest.approx(limits, abs=0.05)
        assert told_of[user][4:] == [1, 0.67]
    sessions, stages = recordings()
    marts = marts_of(sessions, ledger_of(sessions), stages=stages)
    postgresql = PostgresWarehouse(server.url, "agreement")
    postgresql.load_marts(marts.tables, marts.partitions)
    with postgresql.read() as reader:
        assert reader.execute("SELECT count(*) FROM source_agreement").fetchall() == [(15,)]
    assert answer(postgresql, "source_agreement") == found


def test_the_plot_has_every_night_its_bias_and_its_limits(home: Path) -> None:
    """Against the mean of both, in hours; the difference in minutes."""
    chart = charts.bland_altman(read_table("source_agreement_nights", "ann", home=home))
    points, rules = chart.layer
    assert [row["difference"] for row in rows(points)] == LONGER_MIN["ann"]
    assert [row["mean"] for row in rows(points)] == pytest.approx([6 + m / 120 for m in LONGER_MIN["ann"]])
    of_mart = read_table("source_agreement", "ann", home=home).set_index("metric").loc["total_sleep_time_s"]
    lines = {row["line"]: row["minutes"] * 60 for row in rows(rules)}
    assert lines == pytest.approx(
        {
            "bias": of_mart["bias_s"],
            "lower limit": of_mart["lower_limit_s"],
            "upper limit": of_mart["upper_limit_s"],
        }
    )
    one = charts.bland_altman(read_table("source_agreement_nights", "ben", home=home))
    assert [row["line"] for row in rows(one.layer[1])] == ["bias"]


def pair(home: Path, late: timedelta = timedelta(0)) -> alt.VConcatChart:
    """The first night of somebody as both have it, the bed's a while later."""
    stages = read_table("sleep_stage_intervals", "ann", home=home)
    phone = stages[stages["session_id"] == "ann 0"]
    bed = stages[stages["session_id"] == "bed ann 0"].copy()
    for column in ("start_time", "end_time"):
        bed[column] = pd.to_datetime(bed[column].astype("datetime64[us, UTC]")) + late
    return charts.two_hypnograms(phone, bed, ZONE)


def test_two_hypnograms_stand_over_one_clock(home: Path) -> None:
    """The phone's above the bed's, from the first start to the last end of either, at local hours."""
    spec: dict[str, Any] = told(pair(home, timedelta(minutes=20)))
    assert [part["title"] for part in spec["vconcat"]] == ["Phone", "Bed"]
    domains = [scale["domain"] for part in spec["vconcat"] for scale in parts(part, "scale") if "type" in scale]
    first, last = domains[0]
    assert all(domain == domains[0] for domain in domains)
    assert [(end["date"], end["hours"], end["minutes"]) for end in (first, last)] == [(3, 23, 0), (4, 7, 20)]
    upper, lower = (rows(part) for part in pair(home).vconcat)
    assert [(row["stage"], row["minutes"]) for row in upper] == [(s, 120) for s in ("wake", "light", "deep", "REM")]
    assert [(row["stage"], row["minutes"]) for row in lower] == [("wake", 120), ("light", 240), ("REM", 120)]


def test_their_colours_and_units_are_those_of_the_other_charts(home: Path) -> None:
    """Every axis has a title; colours of Okabe and Ito, or grey."""
    for chart in (pair(home), charts.bland_altman(read_table("source_agreement_nights", home=home))):
        spec = told(chart)
        spec.pop("datasets")
        titles = {axis["title"] for name in ("x", "y") for axis in parts(spec, name) if "title" in axis}
        assert titles in ({"Local time", "Sleep stage"}, {"Mean of both (h)", "Bed minus phone (min)"})
        colours = {colour for colour in parts(spec, "range") for colour in colour if isinstance(colour, str)}
        colours |= {mark["color"] for mark in parts(spec, "mark") if "color" in mark}
        assert colours - {"#333333", "#BBBBBB"} <= OKABE_ITO
    assert told(pair(home))["vconcat"][0]["layer"][0]["encoding"]["y"]["sort"] == HYPNOGRAM_ORDER


def test_the_notebook_draws_them_where_there_are_two_sources(home: Path, tmp_path: Path) -> None:
    """All its pictures, over a home with phone and bed."""
    drawn = draw(home, tmp_path)
    names = [f"sleep-{name}.svg".replace("_", "-") for name in (*NAMES, *OF_TWO_SOURCES)]
    assert [path.name for path in drawn] == names
    assert all("<svg" in path.read_text() for path in drawn)


def test_a_home_with_one_source_has_no_such_pictures(pulled: Pulled) -> None:
    """The notebook says that there is nothing to compare, and all others are drawn."""
    from examples.sleep import app

    outputs, definitions = app.run(defs={"home": pulled.home.root})
    assert all(definitions[name] is None for name in ("agreement", "two_hypnograms"))
    assert any("Nobody slept with phone and bed" in str(getattr(output, "text", "")) for output in outputs)
