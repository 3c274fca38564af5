"""Every documented shape of an answer beside the usual one: what changes, what stays, and that the truth does not."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import average_stats, session_detail, session_list, user_detail
from connectors.asleep.sandbox.cases import CASES
from connectors.asleep.sandbox.reshaping import ENDPOINTS
from connectors.asleep.sandbox.variants import VARIANTS, applied
from tests.connectors.asleep.sandbox.clients import NOW, listed, shown

Body = dict[str, Any]
METADATA = {
    "birth_year": 1990,
    "birth_month": 5,
    "birth_day": None,
    "gender": "female",
    "height": 168.5,
    "weight": 61.0,
}
ZONE = ZoneInfo("UTC")


def bodies(case: str = "", zone: ZoneInfo = ZONE) -> dict[str, Body]:
    """The answer of every endpoint about a user with a case and an ordinary night."""
    world = World(0, now=NOW)
    user = world.create_user(dict(METADATA))
    world.add_nights(2, [user])
    if case:
        world.add_case(user, case)
    complete = [session for session in user.sessions if session.state(world.now) == "COMPLETE"]
    days = (date(2026, 11, 1), date(2026, 11, 30))
    return {
        "list": {"detail": "OK", "result": session_list(user.sessions, world.now, zone)},
        "detail": {"detail": "OK", "result": session_detail(user.sessions[-1], world.now, zone)},
        "stats": {"detail": "OK", "result": average_stats(user, complete, *days, zone)},
        "user": {"detail": "success", "result": user_detail(user, world.now)},
        "create_user": {"detail": "success", "result": {"user_id": user.user_id}},
        "update_user": {"detail": "success", "result": {"user_id": user.user_id, "metadata": user.metadata}},
    }


def changed(name: str, endpoint: str, case: str = "") -> tuple[Any, Any]:
    """Result of an endpoint without and with a variant."""
    body = bodies(case)[endpoint]
    return body["result"], applied([name], endpoint, body)["result"]


def objects(value: Any) -> Iterator[Body]:
    """Every object in a body, itself included."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def leaves(value: Any) -> Iterator[Any]:
    """Every text, number, flag and null in a body."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    else:
        yield value


def same(before: Body, after: Body, *but: str) -> bool:
    """Whether two objects agree on all fields but some."""
    return {n: v for n, v in before.items() if n not in but} == {n: v for n, v in after.items() if n not in but}


def test_without_variants_nothing_changes() -> None:
    """No names, no change, and what is handed in stays as it is in any case."""
    for endpoint, body in bodies().items():
        written = json.dumps(body)
        assert applied([], endpoint, body) == body
        applied(VARIANTS, endpoint, body)
        assert json.dumps(body) == written


def test_an_unknown_name_is_not_passed_over() -> None:
    """A variant that does not exist is an error."""
    with pytest.raises(KeyError):
        applied(["upside_down"], "list", bodies()["list"])


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_can_be_seen(name: str) -> None:
    """Each has a sentence and changes an answer of some case."""
    assert VARIANTS[name].endswith(".")
    assert any(
        json.dumps(applied([name], endpoint, body)) != json.dumps(body)
        for case in ("", "closed", "no_breathing", "never_slept")
        for endpoint, body in bodies(case).items()
    )


@given(st.tuples(*[st.booleans()] * len(VARIANTS)), st.sampled_from(["", *CASES]))
@settings(deadline=None, max_examples=150)
def test_variants_go_together(switches: tuple[bool, ...], case: str) -> None:
    """Any of them together, on any case, give JSON with the sessions' ids still in it, whatever the order."""
    names = {name for name, on in zip(VARIANTS, switches, strict=True) if on}
    for endpoint, body in bodies(case).items():
        found = applied(names, endpoint, body)
        assert found == applied(sorted(names, reverse=True), endpoint, body)
        assert json.loads(json.dumps(found)) == found
        if endpoint in ("list", "detail", "user"):
            assert re.findall(r"\d{14}_[a-z0-9]{5}", str(found)) == re.findall(r"\d{14}_[a-z0-9]{5}", str(body))


def test_three_decimals() -> None:
    """Ratios of a session and of rows are those of its durations to a thousandth; means had three before."""
    _, after = changed("three_decimals", "detail")
    stat = after["stat"]
    assert stat["sleep_efficiency"] == round(stat["time_in_sleep"] / stat["time_in_bed"], 3)
    assert stat["rem_ratio"] == round(stat["time_in_rem"] / stat["time_in_sleep_period"], 3)
    assert stat["sleep_ratio"] != round(stat["sleep_ratio"], 2)
    before, after = changed("three_decimals", "stats")
    assert before["average_stats"] == after["average_stats"]
    assert before["slept_sessions"] != after["slept_sessions"]


def test_percent_efficiency() -> None:
    """A percentage with two decimals in the stat, in rows and in means; no other ratio changes."""
    before, after = changed("percent_efficiency", "detail")
    stat = after["stat"]
    assert stat["sleep_efficiency"] == round(100 * stat["time_in_sleep"] / stat["time_in_bed"], 2) > 50
    assert same(before["stat"], stat, "sleep_efficiency")
    before, after = changed("percent_efficiency", "stats")
    for was, now in zip(before["slept_sessions"], after["slept_sessions"], strict=True):
        assert now["sleep_efficiency"] == pytest.approx(100 * was["sleep_efficiency"], abs=0.51)
    assert after["average_stats"]["sleep_efficiency"] > 50


def test_clock_sleep_time() -> None:
    """``sleep_time`` of the stat is hours, minutes and seconds of sleep; means keep their clock time."""
    before, after = changed("clock_sleep_time", "detail")
    hours, minutes, seconds = map(int, after["stat"]["sleep_time"].split(":"))
    assert 3600 * hours + 60 * minutes + seconds == after["stat"]["time_in_sleep"]
    assert same(before["stat"], after["stat"], "sleep_time")
    before, after = changed("clock_sleep_time", "stats")
    assert before == after


def test_duration_as_mean_sleep_time() -> None:
    """Means say how long was slept where they say when."""
    before, after = changed("duration_as_mean_sleep_time", "stats")
    hours, minutes, seconds = map(int, after["average_stats"]["sleep_time"].split(":"))
    assert 3600 * hours + 60 * minutes + seconds == after["average_stats"]["time_in_sleep"]
    assert same(before["average_stats"], after["average_stats"], "sleep_time")


def test_ratios_over_sleep() -> None:
    """Light, deep and REM ratios add up to one; wake and sleep ratio stay of the period."""
    before, after = changed("ratios_over_sleep", "detail")
    ratios = [after["stat"][f"{stage}_ratio"] for stage in ("light", "deep", "rem")]
    assert ratios[2] == round(after["stat"]["time_in_rem"] / after["stat"]["time_in_sleep"], 2)
    assert sum(ratios) == pytest.approx(1, abs=0.011)
    assert same(before["stat"], after["stat"], "light_ratio", "deep_ratio", "rem_ratio")
    _, after = changed("ratios_over_sleep", "stats")
    means = after["average_stats"]
    assert means["light_ratio"] == round(means["time_in_light"] / means["time_in_sleep"], 3)


def test_snoring_over_sleep() -> None:
    """Snoring and no snoring fill the time asleep."""
    before, after = changed("snoring_over_sleep", "detail")
    stat = after["stat"]
    assert stat["time_in_snoring"] + stat["time_in_no_snoring"] == stat["time_in_sleep"]
    assert stat["time_in_no_snoring"] < before["stat"]["time_in_no_snoring"]
    assert stat["snoring_ratio"] == round(stat["time_in_snoring"] / stat["time_in_sleep"], 2)


@pytest.mark.parametrize(("name", "number", "first"), [("order", "order", 1), ("index", "index", 0)])
def test_cycle_lists(name: str, number: str, first: int) -> None:
    """Cycles are numbered objects from one cycle's end to the next; without a cycle the list is empty."""
    before, after = changed(f"cycle_list_with_{name}", "detail")
    cycles, times = after["stat"]["sleep_cycle"], before["stat"]["sleep_cycle_time"]
    assert [cycle[number] for cycle in cycles] == [*range(first, first + before["stat"]["sleep_cycle_count"])]
    assert [times[0], *(cycle["end_time"] for cycle in cycles)] == times
    assert [cycle["start_time"] for cycle in cycles] == times[:-1]
    assert "sleep_cycle_time" not in after["stat"]
    _, after = changed(f"cycle_list_with_{name}", "detail", "never_slept")
    assert after["stat"]["sleep_cycle"] == []


def test_latencies_from_start() -> None:
    """Stage latencies are longer by the sleep latency; what never comes stays null."""
    before, after = changed("latencies_from_start", "detail")
    for stage in ("light", "deep", "rem"):
        name = f"{stage}_latency"
        assert after["stat"][name] == before["stat"][name] + before["stat"]["sleep_latency"]
    _, after = changed("latencies_from_start", "detail", "never_slept")
    assert after["stat"]["light_latency"] is None


def test_decimal_sleep_index() -> None:
    """A decimal number of 0 to 100."""
    for case in ("", "never_slept"):
        _, after = changed("decimal_sleep_index", "detail", case)
        assert isinstance(after["stat"]["sleep_index"], float)
        assert 0 <= after["stat"]["sleep_index"] <= 100


def test_breath_stages_always() -> None:
    """Zeros in place of null, as many as there are stages; the figures stay null."""
    before, after = changed("breath_stages_always", "detail", "no_breathing")
    assert before["session"]["breath_stages"] is None
    assert after["session"]["breath_stages"] == [0] * len(after["session"]["sleep_stages"])
    assert before["stat"] == after["stat"]


@pytest.mark.parametrize("endpoint", ["detail", "stats"])
def test_breathing_flag_with_figures(endpoint: str) -> None:
    """The flag stands beside breath figures, and only once."""
    before, after = changed("breathing_flag_with_figures", endpoint, "breathing")
    assert (before["peculiarities"], after["peculiarities"]) == ([], ["NO_BREATHING_STABILITY"])
    assert same(before, after, "peculiarities")
    before, after = changed("breathing_flag_with_figures", "detail", "no_breathing")
    assert before == after


def test_closed_without_time_in_bed() -> None:
    """Only CLOSED rows lose it."""
    before, after = changed("closed_without_time_in_bed", "list", "closed")
    for was, row in zip(before["sleep_session_list"], after["sleep_session_list"], strict=True):
        assert same(was, row, "time_in_bed")
        assert row["time_in_bed"] == (None if row["state"] == "CLOSED" else was["time_in_bed"])
    assert {row["state"] for row in after["sleep_session_list"]} == {"CLOSED", "COMPLETE"}


def test_session_zone() -> None:
    """The phone's zone moves into the session, the answer's own is gone; the list is as before."""
    before, after = changed("session_zone", "detail")
    assert after["session"]["timezone"] == before["session"]["created_timezone"]
    assert "timezone" not in after
    assert "created_timezone" not in after["session"]
    before, after = changed("session_zone", "list")
    assert before == after


@pytest.mark.parametrize("case", ["", "open"])
def test_old_last_session(case: str) -> None:
    """Names of the list, times with an offset, an OPEN session without an end."""
    before, after = changed("old_last_session", "user", case)
    was, info = before["last_session_info"], after["last_session_info"]
    assert info == {
        "session_id": was["session_id"],
        "state": was["state"],
        "session_start_time": was["start_time"].replace("Z", "+00:00"),
        "session_end_time": None if case == "open" else was["end_time"].replace("Z", "+00:00"),
    }


def test_nobody_has_no_last_session() -> None:
    """A user without sessions is the same in every shape of the last one."""
    user = World(0, now=NOW).create_user(None)
    body = {"detail": "success", "result": user_detail(user, NOW)}
    assert applied(["old_last_session"], "user", body) == body


def test_period_with_days() -> None:
    """Both ends count."""
    _, after = changed("period_with_days", "stats")
    assert after["period"] == {"start_date": "2026-11-01", "end_date": "2026-11-30", "days": 30}


def test_lean_means() -> None:
    """Durations and the ratios of sleep are left."""
    before, after = changed("lean_means", "stats")
    assert len(before["average_stats"]) > len(after["average_stats"]) > 20
    assert {"sleep_time", "time_in_bed", "rem_ratio"} < set(after["average_stats"])
    assert not {"waso_count", "snoring_count", "snoring_ratio", "sleep_cycle"} & set(after["average_stats"])


def test_lean_slept_rows() -> None:
    """What a row need not have is null, what it must have is there."""
    before, after = changed("lean_slept_rows", "stats")
    for was, row in zip(before["slept_sessions"], after["slept_sessions"], strict=True):
        assert set(was) == set(row)
        assert row["time_in_sleep"] == was["time_in_sleep"] > 0
        assert (row["time_in_light"], row["sleep_time"], row["waso_count"]) == (None, None, None)


def test_short_slept_rows() -> None:
    """Id and start under the names of the list."""
    before, after = changed("short_slept_rows", "stats")
    assert after["slept_sessions"] == [
        {"session_id": row["id"], "session_start_time": row["start_time"]} for row in before["slept_sessions"]
    ]


def test_lists_of_average_stats() -> None:
    """Those who lay awake are not listed, have no list, or nobody has one; means are the same."""
    before = changed("never_slept_unlisted", "stats", "never_slept")[0]
    assert len(before["never_slept_sessions"]) == 1
    after = {n: changed(n, "stats", "never_slept")[1] for n in VARIANTS if "never_slept" in n or n == "without_lists"}
    assert after["never_slept_unlisted"] == before | {"never_slept_sessions": []}
    assert after["without_never_slept"] == {n: v for n, v in before.items() if n != "never_slept_sessions"}
    assert set(after["without_lists"]) == {"period", "peculiarities", "average_stats"}


def test_success_everywhere() -> None:
    """No answer says OK."""
    usual = bodies()
    assert {usual[endpoint]["detail"] for endpoint in ENDPOINTS} == {"OK", "success"}
    found = [applied(["success_everywhere"], endpoint, usual[endpoint]) for endpoint in ENDPOINTS]
    assert [body["detail"] for body in found] == ["success"] * 6
    assert [body["result"] for body in found] == [usual[endpoint]["result"] for endpoint in ENDPOINTS]


def test_odd_detail() -> None:
    """PUT is misspelt in the two places the documentation has it; no other answer is."""
    usual = bodies()
    body = applied(["odd_detail"], "update_user", usual["update_user"])
    assert body["detail"] == "sucess"
    assert body["result"]["metadata"]["gendar"] == "female"
    assert "gender" not in body["result"]["metadata"]
    assert applied(["odd_detail"], "user", usual["user"]) == usual["user"]
    nothing = {"detail": "success", "result": {"user_id": "x", "metadata": None}}
    assert applied(["odd_detail"], "update_user", nothing) == nothing | {"detail": "sucess"}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_unknown_fields(endpoint: str) -> None:
    """Every object has fields of all JSON types, nested ones too, beside what it had."""
    body = bodies()[endpoint]
    found = applied(["unknown_fields"], endpoint, body)
    known = [place for place in objects(found) if "added_null" in place]
    assert len(known) == len([*objects(body)])
    assert {type(value) for value in known[0].values()} >= {str, int, float, bool, type(None), list, dict}
    for place in known:
        for name in [name for name in place if name.startswith("added_")]:
            del place[name]
    assert found == body


@pytest.mark.parametrize("case", ["", "open", "two_stage", "too_short_without_arrays"])
def test_absent_for_null(case: str) -> None:
    """No field is null, and every field that was not null is there."""
    for endpoint, body in bodies(case).items():
        found = applied(["absent_for_null"], endpoint, body)
        assert None not in leaves(found)
        assert [*leaves(found)] == [leaf for leaf in leaves(body) if leaf is not None]


def test_whole_and_decimal_numbers() -> None:
    """All numbers are decimal, or none that need not be; flags stay flags and the values are the same."""
    for endpoint, body in bodies().items():
        decimal = applied(["whole_as_decimal"], endpoint, body)
        assert decimal == body
        assert int not in {type(leaf) for leaf in leaves(decimal)}
        whole = applied(["whole_for_decimal"], endpoint, body)
        assert whole == body
        assert not [leaf for leaf in leaves(whole) if isinstance(leaf, float) and leaf.is_integer()]
        flags = [leaf for leaf in leaves(body) if isinstance(leaf, bool)]
        assert [leaf for leaf in leaves(decimal) if isinstance(leaf, bool)] == flags


def test_z_offsets() -> None:
    """Times at UTC end in Z; those at another offset stay."""
    for endpoint, body in bodies().items():
        assert "+00:00" not in str(applied(["z_offsets"], endpoint, body))
    usual = bodies(zone=ZoneInfo("Asia/Kathmandu"))
    assert applied(["z_offsets"], "detail", usual["detail"]) == usual["detail"]


def test_fractional_times() -> None:
    """Every timestamp has milliseconds, at any offset and with Z; clock times and dates have none."""
    for zone in (ZONE, ZoneInfo("Asia/Kathmandu")):
        for endpoint, body in bodies(zone=zone).items():
            texts = [leaf for leaf in leaves(body) if isinstance(leaf, str)]
            found = [leaf for leaf in leaves(applied(["fractional_times"], endpoint, body)) if isinstance(leaf, str)]
            moments = [(was, now) for was, now in zip(texts, found, strict=True) if "T" in was and was[:4] == "2026"]
            assert all(re.fullmatch(r".{19}\.000(Z|[+-]\d\d:\d\d)", now) for _, now in moments)
            assert [now.replace(".000", "") for now in found] == texts
            assert bool(moments) == (endpoint not in ("create_user", "update_user"))


def test_variants_over_http_leave_the_truth_alone(serve_world: Callable[[World], httpx.Client]) -> None:
    """The vendor's endpoints answer in the variants in force from the next request on; the control endpoints do not."""
    world = World(1, 2, now=NOW)
    vendor, user = serve_world(world), next(world.users())
    truth = vendor.get("/_control/truth").json()
    usual = listed(vendor, user.user_id)
    world.set_variants(["unknown_fields", "z_offsets"])
    rows = listed(vendor, user.user_id)
    assert [row["session_start_time"] for row in rows] == [
        row["session_start_time"].replace("+00:00", "Z") for row in usual
    ]
    assert {row["added_whole"] for row in rows} == {7}
    assert shown(vendor, user.user_id, rows[0]["session_id"])["session"]["added_flag"] is True
    assert vendor.get("/_control/truth").json() == truth
    world.set_variants([])
    assert listed(vendor, user.user_id) == usual
