"""Content hashes: equal for what is equal however it travelled, different for anything that changed."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.canonical import average_stats_hash, averaged_hashes, row_hash, session_hash, user_hash
from tests.schemas.samples import (
    ABSENT,
    AVERAGE_STATS,
    SAMPLES,
    SESSION,
    SESSION_WEBHOOK,
    USER,
    Json,
    changed,
    result_of,
)

ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([+-]\d\d:\d\d|Z)")
ZONES = st.sampled_from(
    ("UTC", "Asia/Seoul", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Kiritimati")
)
STAT = result_of(SESSION)["stat"]


def rewritten(value: Any, change: Callable[[Any], Any]) -> Any:
    """A JSON value with every leaf changed."""
    if isinstance(value, dict):
        return {name: rewritten(member, change) for name, member in value.items()}
    if isinstance(value, list):
        return [rewritten(member, change) for member in value]
    return change(value)


def at_zone(zone: str, letter_z: bool = False) -> Callable[[Any], Any]:
    """Writes times as clocks of a zone show them."""

    def change(leaf: Any) -> Any:
        if not isinstance(leaf, str) or not ISO_TIME.fullmatch(leaf):
            return leaf
        text = datetime.fromisoformat(leaf).astimezone(ZoneInfo(zone)).isoformat()
        return text.replace("+00:00", "Z") if letter_z else text

    return change


def backwards(value: Any) -> Any:
    """The same JSON value with the members of every object in reverse order."""
    if isinstance(value, dict):
        return {name: backwards(value[name]) for name in reversed(value)}
    return [backwards(member) for member in value] if isinstance(value, list) else value


def as_decimals(leaf: Any) -> Any:
    """Whole numbers as decimals: 5 as 5.0."""
    return float(leaf) if isinstance(leaf, int) and not isinstance(leaf, bool) else leaf


def without_nulls(value: Any) -> Any:
    """The same JSON value with every null member left out."""
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return [without_nulls(member) for member in value] if isinstance(value, list) else value


@pytest.mark.parametrize("document", SAMPLES.values(), ids=SAMPLES)
@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda result: {"detail": "anything", "result": result}, id="another detail"),
        pytest.param(lambda result: {"result": result}, id="no detail"),
        pytest.param(lambda result: {"event": "SESSION_COMPLETE", "version": "V3", "data": result}, id="webhook"),
        pytest.param(lambda result: {"result": backwards(result)}, id="order of keys"),
        pytest.param(lambda result: {"result": without_nulls(result)}, id="absent for null"),
        pytest.param(lambda result: {"result": result | {"something": None}}, id="null for absent"),
        pytest.param(lambda result: {"result": rewritten(result, as_decimals)}, id="1.0 for 1"),
        pytest.param(lambda result: {"result": rewritten(result, at_zone("America/New_York"))}, id="another offset"),
        pytest.param(lambda result: {"result": rewritten(result, at_zone("UTC", letter_z=True))}, id="Z for +00:00"),
        pytest.param(lambda result: {"result": result | {"timezone": "Pacific/Apia"}}, id="another request zone"),
        pytest.param(lambda result: {"result": without_nulls(result | {"timezone": None})}, id="no request zone"),
        pytest.param(lambda result: {"result": result | {"user_id": "G-another"}}, id="user id"),
    ],
)
def test_the_same_session_in_another_form_has_the_same_hash(document: bytes, form: Callable[[Json], Json]) -> None:
    """Envelope, order, null or absent, 1 or 1.0, offset, request zone and user id do not count."""
    assert session_hash(json.dumps(form(result_of(document))).encode()) == session_hash(document)


@settings(deadline=None)
@given(
    document=st.sampled_from(sorted(SAMPLES.values())),
    zone=ZONES,
    indent=st.none() | st.integers(0, 3),
    forms=st.lists(st.sampled_from((backwards, without_nulls, lambda value: rewritten(value, as_decimals)))),
)
def test_written_again_in_another_zone_it_has_the_same_hash(
    document: bytes, zone: str, indent: int | None, forms: list[Callable[[Any], Any]]
) -> None:
    """Any zone, white space and combination of forms."""
    result = rewritten(result_of(document), at_zone(zone)) | {"timezone": zone}
    for form in forms:
        result = form(result)
    assert session_hash(json.dumps({"result": result}, indent=indent).encode()) == session_hash(document)


RATIOS = {name for name in STAT if name.endswith(("_ratio", "_efficiency"))}


@pytest.mark.parametrize("name", sorted(RATIOS))
def test_a_ratio_in_another_scale_is_the_same_content(name: str) -> None:
    """It says nothing that the seconds do not; the vendor has it as a fraction, in percent, with more decimals."""
    for other in (STAT[name] * 100, round(STAT[name] + 0.001, 3), None):
        assert session_hash(changed(SESSION, {f"result.stat.{name}": other})) == session_hash(SESSION)


def test_a_row_of_the_list_is_the_same_in_every_zone_and_spelling() -> None:
    """Times in UTC, null as absent, whole numbers in one form; any other fact is a change."""
    row = {"session_id": "a", "session_start_time": "2025-03-10T14:12:08+00:00", "time_in_bed": 3, "unexpected": None}
    same = {"time_in_bed": 3.0, "session_id": "a", "session_start_time": "2025-03-10T23:12:08.000+09:00"}
    assert row_hash(row) == row_hash(same)
    assert len({row_hash(row), row_hash({**row, "time_in_bed": 4}), row_hash({**row, "state": "OPEN"})}) == 3


@pytest.mark.parametrize("name", sorted(set(STAT) - RATIOS))
def test_any_changed_metric_changes_the_hash(name: str) -> None:
    """Another value, and null, are other contents: no member of the statistics is overlooked."""
    value = STAT[name]
    other = value[:-1] if isinstance(value, list | str) else value + 1
    hashes = {session_hash(changed(SESSION, {f"result.stat.{name}": new})) for new in (value, other, None)}
    assert len(hashes) == 3


@settings(deadline=None)
@given(st.sampled_from(("sleep_stages", "breath_stages", "snoring_stages")), st.integers(0, 919), st.integers(-1, 9))
def test_any_changed_stage_changes_the_hash(array: str, epoch: int, code: int) -> None:
    """One epoch of any of the three arrays is enough."""
    stages = list(result_of(SESSION)["session"][array])
    same = stages[epoch] == code
    stages[epoch] = code
    assert (session_hash(changed(SESSION, {f"result.session.{array}": stages})) == session_hash(SESSION)) is same


@pytest.mark.parametrize(
    "changes",
    [
        {"result.session.state": "CLOSED"},
        {"result.session.created_timezone": "Asia/Tokyo"},
        {"result.session.end_time": "2025-03-11T06:52:52+09:00"},
        {"result.session.id": "20250310141208_h3k9r"},
        {"result.peculiarities": ["TOO_LONG_FOR_ANALYSIS"]},
        {"result.missing_data_ratio": 0.01},
        {"result.stat": None},
        {"result.a_field_of_tomorrow": 0},
        {"result.session.timezone": "UTC"},
    ],
)
def test_everything_else_in_a_session_counts(changes: Json) -> None:
    """States, zones of the phone, remarks, unknown fields; the request's zone is meant only where it stands."""
    assert session_hash(changed(SESSION, changes)) != session_hash(SESSION)


def test_a_webhook_and_a_poll_of_one_night_are_equal() -> None:
    """The webhook has its own envelope and names the user."""
    night = result_of(SESSION_WEBHOOK)
    assert night.pop("user_id")
    polled = json.dumps({"detail": "OK", "result": rewritten(night, at_zone("Asia/Seoul"))}).encode()
    assert session_hash(polled) == session_hash(SESSION_WEBHOOK)


def test_a_user_changes_with_metadata_but_not_with_a_night() -> None:
    """The last session is new every morning and is left out."""
    later = {"result.last_session_info": {"session_id": "20250311141208_aaaaa"}}
    assert user_hash(changed(USER, later)) == user_hash(USER)
    assert user_hash(changed(USER, {"result.last_session_info": ABSENT})) == user_hash(USER)
    changes: list[Json] = [
        {"result.metadata.weight": 61.3},
        {"result.metadata": None},
        {"result.to_be_deleted": True},
    ]
    assert user_hash(USER) not in {user_hash(changed(USER, change)) for change in changes}


def test_averages_of_another_period_or_zone_are_other_averages() -> None:
    """Unlike in a session, the zone asked for decides what is averaged."""
    assert average_stats_hash(changed(AVERAGE_STATS, {"detail": "success"})) == average_stats_hash(AVERAGE_STATS)
    changes: list[Json] = [
        {"result.period.timezone": "Asia/Seoul"},
        {"result.period.end_date": "2025-01-20"},
        {"result.average_stats.time_in_bed": 22352},
        {"result.slept_sessions": []},
    ]
    assert average_stats_hash(AVERAGE_STATS) not in {
        average_stats_hash(changed(AVERAGE_STATS, change)) for change in changes
    }


SLEPT = result_of(AVERAGE_STATS)["slept_sessions"]
SHOWN = averaged_hashes(AVERAGE_STATS)


def showing(**changes: Any) -> dict[str, str]:
    """What averages show of their sessions when the first row has these changes."""
    first = {name: value for name, value in (SLEPT[0] | changes).items() if value is not ABSENT}
    return averaged_hashes(changed(AVERAGE_STATS, {"result.slept_sessions": [first, *SLEPT[1:]]}))


def test_averages_show_an_analysis_of_each_slept_session() -> None:
    """By its id, under either name; sessions of which they show no figures are not among them."""
    assert list(SHOWN) == [row["id"] for row in SLEPT]
    assert len(set(SHOWN.values())) == len(SLEPT)
    assert showing(id=ABSENT, session_id=SLEPT[0]["id"]) == SHOWN
    bare = [{"session_id": row["id"], "session_start_time": row["start_time"]} for row in SLEPT]
    assert averaged_hashes(changed(AVERAGE_STATS, {"result.slept_sessions": bare})) == {}
    nothings: list[Any] = [None, ABSENT, [], {}, [None, 7, {"id": ["a"], "time_in_bed": 3}]]
    for nothing in nothings:
        assert averaged_hashes(changed(AVERAGE_STATS, {"result.slept_sessions": nothing})) == {}


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda row: backwards(row), id="order of keys"),
        pytest.param(lambda row: without_nulls(row), id="absent for null"),
        pytest.param(lambda row: rewritten(row, as_decimals), id="1.0 for 1"),
        pytest.param(lambda row: rewritten(row, at_zone("Asia/Kathmandu")), id="another zone"),
        pytest.param(lambda row: rewritten(row, at_zone("UTC", letter_z=True)), id="Z for +00:00"),
        pytest.param(lambda row: row | {"sleep_efficiency": 92.14, "deep_ratio": 0.122}, id="ratios in other scales"),
        pytest.param(lambda row: row | {"sleep_time": "06:05:00", "sleep_cycle": []}, id="other forms of figures"),
        pytest.param(lambda row: row | {"created_timezone": "Asia/Seoul", "tomorrow": 1}, id="what is no figure"),
    ],
)
def test_another_form_of_averages_shows_the_same_analyses(form: Callable[[Json], Json]) -> None:
    """However a row is written; and the rest of the answer does not count at all."""
    rows = {"result.slept_sessions": [form(row) for row in SLEPT], "result.average_stats.time_in_bed": 1}
    assert averaged_hashes(changed(AVERAGE_STATS, rows)) == SHOWN


@pytest.mark.parametrize(
    "changes",
    [
        *({name: (SLEPT[0][name] or 0) + 30} for name in ("time_in_deep", "time_in_wake", "time_in_snoring")),
        *({name: SLEPT[0][name] + 1} for name in ("waso_count", "snoring_count", "sleep_latency", "wakeup_latency")),
        {"breathing_index": 0.3},
        {"completed_time": "2025-01-20T05:07:24+00:00"},
    ],
)
def test_any_changed_figure_is_another_analysis_of_that_session_alone(changes: Json) -> None:
    """Also when only the moment of the analysis has changed."""
    other = showing(**changes)
    assert {name for name in SHOWN if other[name] != SHOWN[name]} == {SLEPT[0]["id"]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"result": ',
        b'{"result": {"text": "\xff"}}',
        b'{"result": {"number": 1e999}}',
        b'{"result": ' + b"[" * 2000 + b"]" * 2000 + b"}",
        b'{"result": null}',
        b"[]",
        b"7",
    ],
)
@pytest.mark.parametrize("content_hash", [session_hash, average_stats_hash, user_hash])
def test_any_bytes_have_a_hash(content_hash: Callable[[bytes], str], body: bytes) -> None:
    """What cannot be read is hashed as it is, so that one broken answer never ends a pull."""
    assert re.fullmatch(r"[0-9a-f]{64}", content_hash(body))
    assert content_hash(body) == content_hash(bytes(body))
    assert content_hash(body) != content_hash(body + b"x")
    assert averaged_hashes(body) == {}


@pytest.mark.parametrize("text", ["2025-13-45T99:99:99Z", "0001-01-01T00:00:00+09:00", "2025-02-29T00:00:00+00:00"])
def test_what_only_looks_like_a_time_is_text(text: str) -> None:
    """A time that is on no calendar, or not in UTC's, counts as the text it is."""
    hashes = {session_hash(changed(SESSION, {"result.stat.sleep_time": odd})) for odd in (text, f"{text} ")}
    assert len(hashes | {session_hash(SESSION)}) == 3
