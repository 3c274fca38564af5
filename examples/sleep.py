"""A notebook over the warehouse: one user's nights, the cohort, and how phone and bed agree.

Open it with ``marimo edit examples/sleep.py``. It reads the home of ``nightshift demo``; with ``-- --own`` at the end
of the command, your own warehouse.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Nightshift: sleep")


@app.cell
def _():
    import os
    from pathlib import Path

    import marimo as mo

    from examples import charts
    from pipelines.analysis import read_table

    return Path, charts, mo, os, read_table


@app.cell
def _(Path, mo, os):
    _own = "own" in mo.cli_args()
    _demo = Path(os.environ["NIGHTSHIFT_HOME"], "demo") if "NIGHTSHIFT_HOME" in os.environ else Path("data-demo")
    home = None if _own else _demo  # None: the warehouse of the settings
    return (home,)


@app.cell
def _(home, mo, read_table):
    everybody = read_table("nights", home=home)
    cohort_days = read_table("cohort_days", home=home)
    mo.md(
        f"""
        # Sleep

        {len(everybody):,} nights of {everybody["user_id"].nunique()} users, read with `read_table("nights")`: one row
        is {everybody.attrs["row"]}. What a column means and its unit are in `frame.attrs`; here the figures of a main
        sleep, of which `total_sleep_time_s` is in {everybody.attrs["units"]["total_sleep_time_s"]}.
        """
    )
    return cohort_days, everybody


@app.cell
def _(everybody, mo):
    by_sessions = everybody.groupby("user_id")["sessions"].sum().sort_values(ascending=False, kind="stable")
    user = mo.ui.dropdown(list(by_sessions.index), value=by_sessions.index[0], label="User")
    user
    return (user,)


@app.cell
def _(home, read_table, user):
    nights = read_table("nights", user.value, home=home)
    weeks = read_table("user_weeks", user.value, home=home)
    sessions = read_table("sleep_sessions", user.value, home=home)
    return nights, sessions, weeks


@app.cell
def _(mo, nights):
    staged = nights[nights["has_stages"] == "4-stage"]["night_of"].astype(str)
    night = mo.ui.dropdown(list(staged), value=staged.iloc[-1], label="Night of")
    night
    return (night,)


@app.cell
def _(charts, home, night, nights, read_table, user):
    chosen = nights[nights["night_of"].astype(str) == night.value].iloc[0]
    of_night = read_table("sleep_stage_intervals", user.value, night.value, night.value, home=home)
    of_main = of_night[of_night["session_id"] == chosen["main_session_id"]]
    hypnogram = charts.hypnogram(of_main, chosen["timezone"])
    hypnogram
    return (hypnogram,)


@app.cell
def _(charts, nights, sessions):
    regularity = charts.regularity(sessions, nights)
    regularity
    return (regularity,)


@app.cell
def _(charts, nights, weeks):
    trend = charts.trend(nights, weeks)
    trend
    return (trend,)


@app.cell
def _(charts, nights):
    stages = charts.stage_distribution(nights)
    stages
    return (stages,)


@app.cell
def _(cohort_days, mo):
    _organisations = sorted(cohort_days["org_id"].unique())
    organisation = mo.ui.dropdown(_organisations, value=_organisations[0], label="Organisation")
    organisation
    return (organisation,)


@app.cell
def _(charts, cohort_days, organisation):
    cohort = charts.cohort(cohort_days[cohort_days["org_id"] == organisation.value])
    cohort
    return (cohort,)


@app.cell
def _(home, mo, read_table):
    both = read_table("source_agreement_nights", home=home)
    _people = sorted(both["user_id"].unique())
    sleeper = mo.ui.dropdown(_people, value=_people[0], label="Phone and bed of") if _people else None
    _nobody = mo.md("Nobody slept with phone and bed in one night: there is nothing to compare.")
    _nobody if sleeper is None else sleeper
    return both, sleeper


@app.cell
def _(both, charts, sleeper):
    agreement = charts.bland_altman(both[both["user_id"] == sleeper.value]) if sleeper is not None else None
    agreement
    return (agreement,)


@app.cell
def _(both, charts, home, read_table, sleeper):
    _mine = both[both["user_id"] == sleeper.value].sort_values("night_of") if sleeper is not None else both
    two_hypnograms = None
    if len(_mine):
        _pair = _mine.iloc[-1]
        _sessions = read_table("sleep_sessions", sleeper.value, home=home)
        _stages = read_table("sleep_stage_intervals", sleeper.value, home=home)
        _phone, _bed = (
            _stages[(_stages["source"] == source) & (_stages["session_id"] == _pair[column])]
            for source, column in (("asleep", "phone_session_id"), ("eight_sleep", "bed_session_id"))
        )
        if len(_phone) and len(_bed):
            _zone = _sessions[_sessions["session_id"] == _pair["phone_session_id"]]["timezone"].iloc[0]
            two_hypnograms = charts.two_hypnograms(_phone, _bed, _zone)
    two_hypnograms
    return (two_hypnograms,)


if __name__ == "__main__":
    app.run()
