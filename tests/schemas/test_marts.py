"""The contract of the marts: keys, order, units in names, and that every column is explained."""

import re

import pyarrow as pa
import pytest

from schemas.marts import (
    COHORT_DAYS,
    MART_TABLES,
    NIGHTS,
    SOURCE_PRECEDENCE,
    USER_MONTHS,
    USER_WEEKS,
    VERDICT_PRECEDENCE,
)
from schemas.metrics import METRICS
from schemas.night_verdicts import VERDICTS
from schemas.tables import LAKE_TABLES, SLEEP_SESSIONS, Table

each_mart = pytest.mark.parametrize("table", MART_TABLES, ids=[table.name for table in MART_TABLES])


def test_the_marts_and_their_keys() -> None:
    """All by person, whatever the source; none has the name of a lake table."""
    assert {table.name: table.key for table in MART_TABLES} == {
        "nights": ("user_id", "night_of"),
        "user_weeks": ("user_id", "week_start"),
        "user_months": ("user_id", "month_start"),
        "cohort_days": ("org_id", "night_of"),
        "source_agreement_nights": ("user_id", "night_of"),
        "source_agreement": ("org_id", "user_id", "metric"),
    }
    assert not {table.name for table in MART_TABLES} & {table.name for table in LAKE_TABLES}


@each_mart
def test_every_column_is_explained_and_has_one_name(table: Table) -> None:
    """A sentence for each, and for the row."""
    assert all(table.description(name).endswith(".") for name in table.schema.names)
    assert len(set(table.schema.names)) == len(table.schema.names)
    assert table.row


@each_mart
def test_keys_are_never_null_and_decide_the_order(table: Table) -> None:
    """So that the same rows always come in the same order."""
    assert set(table.key) <= set(table.sort_by)
    assert not any(table.schema.field(name).nullable for name in table.sort_by)


@each_mart
def test_seconds_are_told_by_the_name(table: Table) -> None:
    """Every figure in seconds has them in its name, as every figure of the lake has."""
    for field in table.schema:
        assert (table.unit(field.name) == "s") == bool(re.search("_s(_|$)", field.name)), field.name


@each_mart
def test_types_are_those_that_warehouses_know(table: Table) -> None:
    """No type that a lake table does not have, so that a mart loads like any table."""
    known = {field.type for lake_table in LAKE_TABLES for field in lake_table.schema}
    assert {field.type for field in table.schema} <= known


def test_nights_have_every_figure_of_the_main_sleep() -> None:
    """Type and unit are those of the session's column."""
    for metric in METRICS:
        assert NIGHTS.schema.field(metric.name).type == SLEEP_SESSIONS.schema.field(metric.name).type
        assert NIGHTS.unit(metric.name) == metric.unit
        assert NIGHTS.description(metric.name) == f"Of the main sleep. {metric.description}"


def test_weeks_and_months_have_the_same_figures() -> None:
    """All that are numbers, as means; only the period differs."""
    weeks, months = (set(table.schema.names) for table in (USER_WEEKS, USER_MONTHS))
    assert weeks ^ months == {"week_start", "iso_year", "iso_week", "month_start"}
    numbers = {f"{metric.name}_mean" for metric in METRICS if metric.kind != "text"}
    assert numbers <= weeks
    assert all(USER_WEEKS.schema.field(name).type == pa.float64() for name in numbers)


def test_cohorts_have_neither_users_nor_sessions() -> None:
    """Counts and quantiles only."""
    assert not {"user_id", "session_id", "main_session_id"} & set(COHORT_DAYS.schema.names)
    assert COHORT_DAYS.unit("total_sleep_time_s_p50") == "s"


def test_every_verdict_has_a_place_where_sources_are_merged() -> None:
    """In the order in which one source is judged; only what says that a source is not followed comes last."""
    assert sorted(VERDICT_PRECEDENCE) == sorted(VERDICTS)
    assert VERDICT_PRECEDENCE[-2:] == ("user_gone", "inactive")
    assert list(VERDICT_PRECEDENCE[:-2]) == [one for one in VERDICTS if one in VERDICT_PRECEDENCE[:-2]]
    assert SOURCE_PRECEDENCE == ("asleep", "eight_sleep")
