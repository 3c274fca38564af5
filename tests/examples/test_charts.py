"""The charts of the notebook show what the simulator's people slept; it runs without a network."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean, quantiles
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import pandas as pd
import pytest

from examples import charts
from examples.pictures import NAMES
from pipelines.analysis import read_table
from schemas.stages import STAGE_NAMES
from tests.examples.answers import hours_asleep_by_week
from tests.examples.conftest import Pulled
from tests.examples.truth import DAY, mains_of

HYPNOGRAM_ORDER = ["wake", "REM", "light", "deep"]
OKABE_ITO = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999"}
NO_NETWORK = """
import socket

def refuse(self, address, *_):
    open({seen!r}, "a").write(f"{{address!r}}\\n")
    raise OSError("no network here")

def connect(self, address, _connect=socket.socket.connect):
    is_here = isinstance(address, (str, bytes)) or address[0] in ("127.0.0.1", "::1", "localhost")
    return _connect(self, address) if is_here else refuse(self, address)

socket.socket.connect = connect
socket.socket.connect_ex = refuse
socket.getaddrinfo = lambda *address, **_: refuse(None, address)
"""


@pytest.fixture
def napper(pulled: Pulled) -> str:
    """The user with most recordings, with whom the notebook opens."""
    return max(pulled.truth.people, key=lambda user: sum(len(n.naps) + 1 for n in pulled.truth.people[user].values()))


def read(pulled: Pulled, name: str, user: str | None = None, **dates: Any) -> pd.DataFrame:
    """A table of the home."""
    return read_table(name, user, home=pulled.home.root, **dates)


def told(chart: Any) -> dict[str, Any]:
    """The chart as Vega-Lite gets it, which altair checks against the schema."""
    spec: dict[str, Any] = chart.to_dict()
    return spec


def rows(chart: Any) -> list[dict[str, Any]]:
    """The data of a chart, or what all its layers share."""
    found: Any = chart.data.to_dict("records")
    return list(found)


def parts(spec: Any, name: str) -> Iterator[Any]:
    """Everything under a name, however deep."""
    for key, value in spec.items() if isinstance(spec, dict) else enumerate(spec if isinstance(spec, list) else []):
        if key == name:
            yield value
        yield from parts(value, name)


def test_a_hypnogram_shows_every_stage_of_the_night(pulled: Pulled, napper: str) -> None:
    """At the hours of the local clock, in the order wake, REM, light, deep."""
    user = pulled.world.user(napper)
    assert user is not None
    session = next(s for s in user.sessions if s.plan.kind == "main" and s.plan.night_of > pulled.truth.first)
    night = session.plan.night_of
    intervals = read(pulled, "sleep_stage_intervals", napper, start=night, end=night)
    chart = charts.hypnogram(intervals[intervals["session_id"] == session.id], session.timezone)
    assert told(chart)["layer"][0]["encoding"]["y"]["sort"] == HYPNOGRAM_ORDER
    bars = sorted(rows(chart), key=lambda row: row["begins"])
    shown = [row["stage"] for row in bars for _ in range(round(row["minutes"] * 2))]
    assert shown == [charts.STAGES[STAGE_NAMES[code]] for code in session.recording.stages]
    begins = session.start.astimezone(ZoneInfo(session.timezone))
    assert f"{bars[0]['begins']:%Y-%m-%d %H:%M:%S}" == f"{begins:%Y-%m-%d %H:%M:%S}"
    assert bars[-1]["ends"] - bars[0]["begins"] == timedelta(seconds=30) * len(session.recording.stages)


def test_the_raster_has_a_row_a_night_and_a_bar_a_recording(pulled: Pulled, napper: str) -> None:
    """From noon to noon by the local clock; a night without a recording is an empty row."""
    chart = charts.regularity(read(pulled, "sleep_sessions", napper), read(pulled, "nights", napper))
    nights = pulled.truth.people[napper]
    expected = []
    for night, recorded in nights.items():
        noon = datetime(night.year, night.month, night.day, 12)  # noqa: DTZ001 - on the wall clock
        kinds = [(recorded.main, "main sleep"), *((nap, "nap") for nap in recorded.naps)]
        for sleep, kind in [*kinds, *((rest, "other recording") for rest in recorded.rests)]:
            if sleep:
                hours = (sleep.start.astimezone(sleep.zone).replace(tzinfo=None) - noon) / timedelta(hours=1)
                expected.append((str(night), pytest.approx(hours), kind))
    found = sorted((row["night"], row["from"], row["kind"]) for row in rows(chart))
    assert found == sorted(expected, key=lambda row: (row[0], row[1].expected))
    assert all(0 <= row["from"] < row["to"] <= 24 for row in rows(chart))
    domain = told(chart)["encoding"]["y"]["scale"]["domain"]
    first, last = min(nights), pulled.truth.last_night_over(napper)
    assert domain[: (last - first).days + 1] == [str(first + number * DAY) for number in range((last - first).days + 1)]
    assert told(chart)["encoding"]["x"]["scale"]["domain"] == [0, 24]


def test_the_trend_has_every_night_and_the_mean_of_every_week(pulled: Pulled, napper: str) -> None:
    """In hours."""
    chart = charts.trend(read(pulled, "nights", napper), read(pulled, "user_weeks", napper))
    nights, weeks = chart.layer
    mains = mains_of(pulled.truth.people[napper])
    assert [str(row["night"].date()) for row in rows(nights)] == [str(main.night_of) for main in mains]
    assert [row["hours"] for row in rows(nights)] == pytest.approx([main.hours_asleep for main in mains])
    expected = {tuple(row[1:3]): row[4] for row in hours_asleep_by_week(pulled.truth) if row[0] == napper}
    found = {row["week"].isocalendar()[:2]: row["mean"] for row in rows(weeks)}
    assert found == pytest.approx(expected)
    assert all((row["until"] - row["week"]).days == 6 for row in rows(weeks))


def test_stages_of_every_night_are_stacked_as_in_a_hypnogram(pulled: Pulled, napper: str) -> None:
    """Deep sleep at the bottom, wake on top; together the sleep period."""
    chart = charts.stage_distribution(read(pulled, "nights", napper))
    for main in mains_of(pulled.truth.people[napper]):
        mine = {row["stage"]: row["hours"] * 3600 for row in rows(chart) if row["night"] == str(main.night_of)}
        stat = main.stat
        seconds = (stat.time_in_wake, stat.time_in_rem, stat.time_in_light, stat.time_in_deep)
        assert mine == pytest.approx(dict(zip(HYPNOGRAM_ORDER, seconds, strict=True)))
    encoding = told(chart)["encoding"]
    assert encoding["color"]["scale"]["domain"] == HYPNOGRAM_ORDER
    assert encoding["order"] == {"field": "order", "sort": "descending", "type": "quantitative"}
    orders = {row["stage"]: row["order"] for row in rows(chart)}
    assert sorted(HYPNOGRAM_ORDER, key=orders.__getitem__) == HYPNOGRAM_ORDER


def test_a_box_is_the_middle_half_of_the_cohort(pulled: Pulled) -> None:
    """Of the users of one organisation whose night is over."""
    days = read(pulled, "cohort_days")
    chart = charts.cohort(days[days["org_id"] == "a"])
    users = [user for user, org in pulled.truth.orgs.items() if org == "a"]
    for row in rows(chart):
        hours = [
            main.hours_asleep
            for user in users
            for main in mains_of(pulled.truth.people[user])
            if str(main.night_of) == row["night"] and main.night_of <= pulled.truth.last_night_over(user)
        ]
        assert row["users"] == len(hours)
        if len(hours) > 1:
            lower, middle, upper = quantiles(hours, n=4, method="inclusive")
            assert [row["p25"], row["p50"], row["p75"]] == pytest.approx([lower, middle, upper])
            assert row["p10"] <= lower <= fmean([lower, upper]) <= upper <= row["p90"]


def test_every_chart_has_units_and_colours_that_everybody_tells_apart(pulled: Pulled, napper: str) -> None:
    """Every axis a title, hours and clocks named as such; colours of Okabe and Ito, or grey."""
    nights, days = read(pulled, "nights", napper), read(pulled, "cohort_days")
    intervals = read(pulled, "sleep_stage_intervals", napper, start=pulled.truth.first, end=pulled.truth.first)
    drawn: list[Any] = [
        charts.hypnogram(intervals, "UTC"),
        charts.regularity(read(pulled, "sleep_sessions", napper), nights),
        charts.trend(nights, read(pulled, "user_weeks", napper)),
        charts.stage_distribution(nights),
        charts.cohort(days[days["org_id"] == "b"]),
    ]
    for chart in drawn:
        spec = told(chart)
        spec.pop("datasets")
        titles = {axis["title"] for name in ("x", "y") for axis in parts(spec, name) if "title" in axis}
        assert len(titles) == 2
        assert titles <= {
            "Local time",
            "Sleep stage",
            "Night of (evening)",
            "Total sleep time (h)",
            "Time in stage (h)",
        }
        assert isinstance(chart, alt.Chart | alt.LayerChart)
        colours = {colour for colour in parts(spec, "range") for colour in colour if isinstance(colour, str)}
        colours |= {mark["color"] for mark in parts(spec, "mark") if "color" in mark}
        assert colours - {"#333333", "#BBBBBB"} <= OKABE_ITO


def test_the_notebook_and_its_pictures_need_no_network(pulled: Pulled, tmp_path: Path) -> None:
    """Exported with all its charts over a demo home, and drawn for the README, where nobody answers."""
    seen = tmp_path / "asked"
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK.format(seen=str(seen)))
    (tmp_path / "demo").symlink_to(pulled.home.root)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTSHIFT_")}
    environment = kept | {"PYTHONPATH": str(tmp_path), "NIGHTSHIFT_HOME": str(tmp_path), "HOME": str(tmp_path)}

    def run(*words: str) -> str:
        command = [sys.executable, "-m", *words]
        ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    notebook = Path(__file__).parents[2] / "examples" / "sleep.py"
    html = run("marimo", "export", "html", "--no-include-code", str(notebook))
    for title in (
        "Hypnogram",
        "Regularity",
        "Total sleep time (h)",
        "Time in stage (h)",
        "Total sleep time of the cohort",
    ):
        assert title in html
    assert "Traceback" not in html
    drawn = run("examples.pictures", str(tmp_path / "demo"), str(tmp_path)).split()
    assert drawn == [str(tmp_path / f"sleep-{name}.svg") for name in NAMES]
    assert all("<svg" in Path(file).read_text() for file in drawn)
    assert not seen.exists(), seen.read_text()
