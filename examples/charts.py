"""The pictures of the notebook as functions: frames of ``read_table`` in, altair charts out. Nothing is read here.

Colours are those of Okabe and Ito, which people with any colour vision tell apart. Stages stand in the order of a
hypnogram: wake, REM, light, deep downwards. Clocks are local.
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import altair as alt
import pandas as pd

STAGES = {
    "out_of_bed": "out of bed",
    "wake": "wake",
    "rem": "REM",
    "light": "light",
    "asleep": "asleep",
    "deep": "deep",
}
"""Stages as the tables name them and as they are shown, from top to bottom; what is unknown is a gap."""

COLOURS = {
    "out of bed": "#D55E00",
    "wake": "#E69F00",
    "REM": "#CC79A7",
    "light": "#56B4E9",
    "asleep": "#999999",
    "deep": "#0072B2",
}
ALWAYS_SHOWN = ("wake", "REM", "light", "deep")
MAIN, NAP, OTHER = "main sleep", "nap", "other recording"
KINDS = {MAIN: "#0072B2", NAP: "#E69F00", OTHER: "#999999"}
DARK = "#333333"
HOUR_S = 3600
WIDTH = 640
Layers = alt.LayerChart | alt.FacetChart


def hypnogram(intervals: pd.DataFrame, zone: str) -> Layers:
    """The stages of one session (its rows of ``sleep_stage_intervals``) over the clock of the zone it began in."""
    # One offset for all of the night: a clock change leaves neither a gap nor an overlap.
    starts = _moments(intervals["start_time"])
    offset = starts.min().astimezone(ZoneInfo(zone)).utcoffset()
    ends = _moments(intervals["end_time"]) + offset
    return _hypnogram(intervals, starts + offset, ends, alt.Scale(type="utc"), "Hypnogram")


def _hypnogram(
    intervals: pd.DataFrame, begins: "pd.Series[Any]", ends: "pd.Series[Any]", scale: alt.Scale, title: str
) -> Layers:
    rows = pd.DataFrame(
        {
            "stage": intervals["stage"].astype(object).map(STAGES),
            "begins": begins,
            "ends": ends,
            "minutes": intervals["epochs"].astype(float) / 2,
        }
    ).dropna(subset=["stage"])
    shown = [name for name in COLOURS if name in ALWAYS_SHOWN or name in set(rows["stage"])]
    clock = alt.X("begins:T", title="Local time", scale=scale, axis=alt.Axis(format="%H:%M"))
    level = alt.Y("stage:N", title="Sleep stage", sort=shown, scale=alt.Scale(domain=shown))
    chart = alt.Chart(rows.sort_values("begins"))
    steps = chart.mark_line(interpolate="step-after", color="#BBBBBB", strokeWidth=1).encode(clock, level)
    bars = chart.mark_bar(height=14).encode(
        clock,
        alt.X2("ends:T"),
        level,
        _stage_colour(shown, legend=None),
        [
            alt.Tooltip("stage:N", title="Stage"),
            alt.Tooltip("begins:T", title="From", format="%H:%M", timeUnit="utchoursminutes"),
            alt.Tooltip("minutes:Q", title="Minutes"),
        ],
    )
    return alt.layer(steps, bars).properties(width=WIDTH, height=160, title=title)


def regularity(sessions: pd.DataFrame, nights: pd.DataFrame) -> alt.Chart:
    """A row a night, a bar a recording, over the clock from noon to noon: one user's ``sleep_sessions``, ``nights``."""
    kinds = dict.fromkeys(nights["main_session_id"].dropna(), MAIN)
    kinds |= {name: NAP for named in nights["nap_session_ids"] for name in named}
    rows = pd.DataFrame(
        [
            _bar(session, kinds.get(str(session["session_id"]), OTHER))
            for session in sessions[["session_id", "start_time", "end_time", "timezone", "night_of"]].to_dict("records")
        ],
        columns=["night", "from", "to", "hours", "kind"],
    )
    dates = nights["night_of"].astype(str)
    # Nights without a recording have a row as well.
    every_night = [str(day.date()) for day in pd.date_range(dates.min(), dates.max())]
    clock = alt.Axis(values=list(range(0, 25, 3)), labelExpr="format((datum.value + 12) % 24, '02') + ':00'")
    chart: alt.Chart = (
        alt.Chart(rows)
        .mark_bar(height=alt.RelativeBandSize(0.7))
        .encode(
            alt.X("from:Q", title="Local time", scale=alt.Scale(domain=[0, 24]), axis=clock),
            alt.X2("to:Q"),
            alt.Y("night:O", title="Night of (evening)", sort=every_night, scale=alt.Scale(domain=every_night)),
            alt.Color("kind:N", title=None, scale=alt.Scale(domain=list(KINDS), range=list(KINDS.values()))),
            [alt.Tooltip("night:O", title="Night of"), "kind:N", alt.Tooltip("hours:Q", title="Hours", format=".1f")],
        )
        .properties(width=WIDTH, height=alt.Step(12), title="Regularity")
    )
    return chart


def trend(nights: pd.DataFrame, weeks: pd.DataFrame) -> Layers:
    """Total sleep time of every night of one user's ``nights``, and the mean of each week (``user_weeks``)."""
    counted = nights[nights["in_means"]]
    of_nights = pd.DataFrame({"night": _days(counted["night_of"]), "hours": _hours(counted["total_sleep_time_s"])})
    begins = _days(weeks["week_start"])
    of_weeks = pd.DataFrame(
        {"week": begins, "until": begins + timedelta(days=6), "mean": _hours(weeks["total_sleep_time_s_mean"])}
    )
    date = alt.X("night:T", title="Night of (evening)", scale=alt.Scale(type="utc"), axis=alt.Axis(format="%d %b"))
    points = (
        alt.Chart(of_nights.dropna())
        .mark_point(filled=True, color=COLOURS["light"], size=45, opacity=1)
        .encode(
            date,
            alt.Y("hours:Q", title="Total sleep time (h)", scale=alt.Scale(zero=False)),
            [alt.Tooltip("night:T", title="Night of"), alt.Tooltip("hours:Q", title="Hours", format=".2f")],
        )
    )
    means = (
        alt.Chart(of_weeks.dropna())
        .mark_rule(color=COLOURS["out of bed"], strokeWidth=3)
        .encode(
            alt.X("week:T", scale=alt.Scale(type="utc")),
            alt.X2("until:T"),
            alt.Y("mean:Q"),
            [alt.Tooltip("week:T", title="Week from"), alt.Tooltip("mean:Q", title="Mean hours", format=".2f")],
        )
    )
    title = alt.Title("Total sleep time", subtitle="Points: nights. Lines: means of ISO weeks, Monday to Sunday.")
    return alt.layer(points, means).properties(width=WIDTH, height=220, title=title)


def stage_distribution(nights: pd.DataFrame) -> alt.Chart:
    """Hours of each stage in every night of one user's ``nights``; wake is that after sleep onset."""
    columns = {
        "wake_after_sleep_onset_s": "wake",
        "rem_sleep_s": "REM",
        "light_sleep_s": "light",
        "deep_sleep_s": "deep",
    }
    counted = nights[nights["in_means"]]
    rows = pd.concat(
        [
            pd.DataFrame({"night": counted["night_of"].astype(str), "stage": name, "hours": _hours(counted[column])})
            for column, name in columns.items()
        ],
        ignore_index=True,
    ).dropna()
    rows["order"] = rows["stage"].map(list(COLOURS).index)
    chart: alt.Chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            alt.X("night:O", title="Night of (evening)", axis=alt.Axis(labelAngle=-60)),
            alt.Y("hours:Q", title="Time in stage (h)"),
            _stage_colour(list(columns.values()), legend=alt.Legend(title="Stage")),
            alt.Order("order:Q", sort="descending"),  # the last one, wake, is put on top
            [alt.Tooltip("night:O", title="Night of"), "stage:N", alt.Tooltip("hours:Q", title="Hours", format=".2f")],
        )
        .properties(width=WIDTH, height=260, title="Stages of every night")
    )
    return chart


def cohort(days: pd.DataFrame) -> Layers:
    """How total sleep time is spread over the users, night by night: ``cohort_days`` of one organisation."""
    quantiles = {f"p{number}": _hours(days[f"total_sleep_time_s_p{number}"]) for number in (10, 25, 50, 75, 90)}
    rows = pd.DataFrame(
        {"night": days["night_of"].astype(str), "users": days["users_in_means"].astype(int), **quantiles}
    )
    date = alt.X("night:O", title="Night of (evening)", axis=alt.Axis(labelAngle=-60))
    tips = [alt.Tooltip("night:O", title="Night of"), alt.Tooltip("users:Q", title="Users")]
    tips += [alt.Tooltip(f"{name}:Q", title=f"{name} (h)", format=".2f") for name in quantiles]
    hours = alt.Y("p10:Q", title="Total sleep time (h)", scale=alt.Scale(zero=False))
    chart = alt.Chart(rows.dropna())
    title = alt.Title(
        "Total sleep time of the cohort", subtitle="Box: middle half of the users. Whiskers: 10 % to 90 %."
    )
    return alt.layer(
        chart.mark_rule(color=DARK).encode(date, hours, alt.Y2("p90:Q")),
        chart.mark_bar(color=COLOURS["light"], size=11).encode(date, alt.Y("p25:Q"), alt.Y2("p75:Q"), tooltip=tips),
        chart.mark_tick(color=DARK, size=11, thickness=2).encode(date, alt.Y("p50:Q")),
    ).properties(width=WIDTH, height=240, title=title)


def two_hypnograms(phone: pd.DataFrame, bed: pd.DataFrame, zone: str) -> alt.VConcatChart:
    """One night as phone and bed have it, over one clock: rows of ``sleep_stage_intervals`` of a session of each."""
    offset = _moments(phone["start_time"]).min().astimezone(ZoneInfo(zone)).utcoffset()
    both = pd.concat([phone.assign(source="Phone"), bed.assign(source="Bed")], ignore_index=True)
    begins, ends = _moments(both["start_time"]) + offset, _moments(both["end_time"]) + offset
    clock = alt.Scale(type="utc", domain=[_vega_time(begins.min()), _vega_time(ends.max())])
    drawn = []
    for source in ("Phone", "Bed"):
        mine = both["source"] == source
        drawn.append(_hypnogram(both[mine], begins[mine], ends[mine], clock, source))
    chart: alt.VConcatChart = alt.vconcat(*drawn, title="One night, two sources").resolve_scale(color="shared")
    return chart


def bland_altman(nights: pd.DataFrame) -> Layers:
    """Total sleep time of phone and bed: the difference against the mean of both (``source_agreement_nights``).

    Lines are the bias and the limits of these nights, bias and 1.96 sample standard deviations to either side, as
    ``source_agreement`` has them; without limits under two nights.
    """
    figure = "total_sleep_time_s"
    rows = pd.DataFrame(
        {
            "night": nights["night_of"].astype(str),
            "mean": (_hours(nights[f"{figure}_phone"]) + _hours(nights[f"{figure}_bed"])) / 2,
            "difference": nights[f"{figure}_difference"].astype("Float64") / 60,
        }
    ).dropna()
    bias, deviation = rows["difference"].mean(), rows["difference"].std()
    lines = pd.DataFrame(
        {
            "line": ["bias", "lower limit", "upper limit"],
            "minutes": pd.Series([bias, bias - 1.96 * deviation, bias + 1.96 * deviation], dtype="Float64"),
        }
    ).dropna()
    minutes = alt.Y("difference:Q", title="Bed minus phone (min)", scale=alt.Scale(zero=False))
    points = (
        alt.Chart(rows)
        .mark_point(filled=True, color=COLOURS["light"], size=45, opacity=1)
        .encode(
            alt.X("mean:Q", title="Mean of both (h)", scale=alt.Scale(zero=False)),
            minutes,
            [
                alt.Tooltip("night:O", title="Night of"),
                alt.Tooltip("mean:Q", title="Mean (h)", format=".2f"),
                alt.Tooltip("difference:Q", title="Difference (min)", format=".0f"),
            ],
        )
    )
    rules = (
        alt.Chart(lines)
        .mark_rule(color=COLOURS["out of bed"], strokeWidth=2)
        .encode(
            alt.Y("minutes:Q"),
            alt.StrokeDash(
                "line:N", legend=None, scale=alt.Scale(domain=list(lines["line"]), range=[[1, 0], [6, 4], [6, 4]])
            ),
            tooltip=["line:N", alt.Tooltip("minutes:Q", title="Minutes", format=".1f")],
        )
    )
    title = alt.Title(
        "Total sleep time: bed and phone", subtitle="Solid: bias. Dashed: limits of agreement (95 %). No reference."
    )
    return alt.layer(points, rules).properties(width=WIDTH, height=240, title=title)


def _bar(session: dict[Any, Any], kind: str) -> tuple[str, float, float, float, str]:
    start, end, night = session["start_time"], session["end_time"], session["night_of"]
    local = start.astimezone(ZoneInfo(session["timezone"])).replace(tzinfo=None)
    begins = (local - datetime(night.year, night.month, night.day, 12)) / timedelta(hours=1)  # noqa: DTZ001 - wall clock
    hours = (end - start) / timedelta(hours=1)
    # What goes on beyond the next noon is cut there, where its row ends.
    return str(night), begins, min(begins + hours, 24.0), hours, kind


def _stage_colour(shown: list[str], legend: alt.Legend | None) -> alt.Color:
    scale = alt.Scale(domain=shown, range=[COLOURS[name] for name in shown])
    return alt.Color("stage:N", scale=scale, legend=legend)


def _vega_time(moment: pd.Timestamp) -> alt.DateTime:
    return alt.DateTime(
        year=moment.year,
        month=moment.month,
        date=moment.day,
        hours=moment.hour,
        minutes=moment.minute,
        seconds=moment.second,
        utc=True,
    )


def _moments(times: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.to_datetime(times.astype("datetime64[us, UTC]"))


def _days(dates: "pd.Series[Any]") -> "pd.Series[Any]":
    return pd.to_datetime(dates.astype(str), utc=True)


def _hours(seconds: "pd.Series[Any]") -> "pd.Series[Any]":
    return seconds.astype("Float64") / HOUR_S
