"""Payloads of Eight Sleep as they are read: missing, null and the text None alike, every variant as one shape."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.eight_sleep import (
    Bed,
    BedAnswer,
    BedUser,
    Interval,
    IntervalsPage,
    PlacedScore,
    TrendDay,
    Trends,
    UserAnswer,
    decoded,
    decoded_list,
    unwrapped,
)
from tests.connectors.eight_sleep.samples import sample

NIGHT: dict[str, Any] = {"id": "1", "ts": "2026-03-01T22:00:00.000Z", "stages": [{"stage": "light", "duration": 60}]}


def sent(document: Any) -> bytes:
    """As it goes over the wire."""
    return msgspec.json.encode(document)


@pytest.mark.parametrize("nothing", [{}, None, "None"], ids=["missing", "null", "text"])
def test_no_value_is_no_value_however_it_is_told(nothing: Any) -> None:
    """Of every optional field, at every depth; in points as well."""
    empty = decoded(sent(NIGHT), Interval)
    optional = [field.encode_name for field in msgspec.structs.fields(Interval) if not field.required]
    document = NIGHT if nothing == {} else NIGHT | dict.fromkeys(optional, nothing)
    assert decoded(sent(document), Interval) == empty
    assert empty.score is None
    assert empty.is_final
    day = {"day": "2026-03-01"}
    optional = [field.encode_name for field in msgspec.structs.fields(TrendDay) if not field.required]
    document = day if nothing == {} else day | dict.fromkeys(optional, nothing)
    assert decoded(sent(document), TrendDay) == decoded(sent(day), TrendDay)
    inner = {} if nothing == {} else {"current": nothing, "score": nothing}
    assert decoded(sent(day | {"sleepQualityScore": {"hrv": inner}}), TrendDay) == decoded(sent(day), TrendDay)
    if nothing != {}:
        series = decoded(sent(NIGHT | {"timeseries": {"heartRate": [["t", nothing], ["u", 0]]}}), Interval).timeseries
        assert series.heart_rate == (("t", None), ("u", 0))


@pytest.mark.parametrize("missing", ["id", "ts", "stages"])
@pytest.mark.parametrize("nothing", [None, "None", msgspec.UNSET])
def test_what_makes_a_session_is_required(missing: str, nothing: Any) -> None:
    """Without it there is none."""
    document = {name: value for name, value in NIGHT.items() if name != missing}
    document |= {} if nothing is msgspec.UNSET else {missing: nothing}
    with pytest.raises(msgspec.ValidationError):
        decoded(sent(document), Interval)


@pytest.mark.parametrize("name", ["asleep", "slumber", "out", "", "None of them"])
def test_names_of_stages_are_kept_as_they_come(name: str) -> None:
    """Known or not."""
    stages = [{"stage": name, "duration": 30}]
    assert decoded(sent(NIGHT | {"stages": stages}), Interval).stages[0].stage == name


@pytest.mark.parametrize(
    ("words", "final"),
    [
        ({}, True),
        ({"incomplete": False}, True),
        ({"processing": False}, True),
        ({"incomplete": True}, False),
        ({"processing": True}, False),
        ({"incomplete": False, "processing": True}, False),
        ({"incomplete": True, "processing": False}, False),
        ({"incomplete": None, "processing": "None"}, True),
    ],
)
def test_either_word_says_that_a_night_is_in_progress(words: dict[str, Any], final: bool) -> None:
    """Whichever variant it is."""
    assert decoded(sent({"day": "2026-03-01", **words}), TrendDay).is_final is final


@pytest.mark.parametrize(
    ("told", "value", "place"),
    [
        ({"score": 13, "sleepFitnessScore": {"total": 23}}, 13, "score"),
        ({"score": 0}, 0, "score"),
        ({"score": None, "sleepFitnessScore": {"total": 23}}, 23, "sleepFitnessScore.total"),
        ({"score": "None", "health": {"sleepFitnessScore": 88}}, 88, "health.sleepFitnessScore"),
        ({"health": {"sleepFitnessScore": {"total": 87}}}, 87, "health.sleepFitnessScore"),
        ({"sleepFitnessScore": {}, "health": {"sleepFitnessScore": True}}, None, ""),
        ({"health": 0.5}, None, ""),
        ({}, None, ""),
    ],
)
def test_the_fitness_score_is_the_first_there_is(told: dict[str, Any], value: Any, place: str) -> None:
    """With the place it stood in."""
    expected = None if value is None else PlacedScore(value, place)
    assert decoded(sent({"day": "2026-03-01", **told}), TrendDay).fitness_score == expected


def test_percents_have_the_scale_of_their_field() -> None:
    """Deep and rem are fractions, snoring is in whole percents."""
    told = {"day": "d", "deepPercent": 0.14, "remPercent": 0.2, "snorePercent": 2, "heavySnorePercent": 1}
    day = decoded(sent(told), TrendDay)
    assert (day.deep_percent, day.rem_percent, day.snore_percent) == (0.14, 0.2, 2)
    assert (day.snore_fraction, day.heavy_snore_fraction) == (0.02, 0.01)
    assert decoded(sent({"day": "d"}), TrendDay).snore_fraction is None


@pytest.mark.parametrize(
    ("side", "named"), [("left", "left"), ("right", "right"), ("solo", "left"), ("middle", None), (None, None)]
)
def test_who_sleeps_alone_is_on_the_left(side: Any, named: Any) -> None:
    """A side nobody knows is none."""
    assert decoded(sent(NIGHT | {"device": {"side": side}}), Interval).side == named


@pytest.mark.parametrize(
    ("told", "has_night"),
    [
        ({"presenceStart": "2026-03-01T22:00:00.000Z"}, True),
        ({"sessions": [NIGHT]}, True),
        ({"processing": True}, True),
        ({"score": 0, "sleepDuration": 0, "sessions": [], "processing": False}, False),
        ({"presenceStart": "None"}, False),
    ],
)
def test_an_empty_day_is_no_night(told: dict[str, Any], has_night: bool) -> None:
    """A day counts with a presence, with sessions or while it is processed."""
    assert decoded(sent({"day": "2026-03-01", **told}), TrendDay).has_night is has_night


def test_latencies_stand_in_several_places() -> None:
    """Those of the day first, then those of the scores."""
    parts = {"latencyAsleepSeconds": {"current": 700}, "latencyOutSeconds": {"current": 60}}
    for place in ("sleepFitnessScore", "sleepRoutineScore"):
        day = decoded(sent({"day": "d", place: parts}), TrendDay)
        assert (day.asleep_latency_s, day.out_latency_s) == (700, 60)
    day = decoded(sent({"day": "d", "latencyAsleepSeconds": 5, "sleepRoutineScore": parts}), TrendDay)
    assert (day.asleep_latency_s, day.out_latency_s) == (5, 60)


def test_scores_may_exceed_a_hundred() -> None:
    """105 has been seen."""
    day = decoded(sent({"day": "d", "sleepQualityScore": {"rem": {"score": 105}}}), TrendDay)
    assert day.sleep_quality_score.rem.score == 105


def test_the_sample_nights_are_read() -> None:
    """Both, and the page after them that is empty and has no cursor."""
    page = decoded_list(sent(sample("intervals", "page_1")), IntervalsPage)
    nights = [decoded(raw, Interval) for raw in page.intervals]
    assert [night.id for night in nights] == ["1741748640", "1741663860"]
    assert [sum(stretch.duration for stretch in night.stages) for night in nights] == [26_880, 22_200]
    assert len(nights[0].timeseries.heart_rate) == 28
    assert page.next
    last = decoded_list(sent(sample("intervals", "page_2_last")), IntervalsPage)
    assert (last.next, last.intervals) == (None, [])


@pytest.mark.parametrize(
    ("variant", "days", "score"),
    [("v1_plain", 2, 90), ("v2_all_sessions", 2, 89), ("v3_compact", 2, 89), ("empty", 0, 0)],
)
def test_the_sample_trends_are_read(variant: str, days: int, score: int) -> None:
    """In each of the variants; what they tell of the first night is the same."""
    trends = decoded_list(sent(sample("trends", variant)), Trends)
    read = [decoded(raw, TrendDay) for raw in trends.days]
    nights = [day for day in read if day.has_night and day.is_final]
    assert len(nights) == days
    for night in nights[:1]:
        assert (night.day, night.sleep_duration, night.tnt) == ("2025-03-11", 19_680, 5)
        assert night.fitness_score == PlacedScore(score, "score")
        assert (night.asleep_latency_s, night.out_latency_s) == (1260, 300)
        assert all(decoded(sent(session), Interval).id == "1741663860" for session in night.sessions)


def test_the_sample_user_and_bed_are_read() -> None:
    """Without their personal data."""
    user = decoded(sent(sample("devices", "community_users_me")), UserAnswer).user
    assert isinstance(user, BedUser)
    assert user.current_device
    assert (user.devices, user.current_device.side) == (("3c9d7e51a2b84f60",), "left")
    bed = decoded(sent(sample("devices", "community_device_detail")), BedAnswer).result
    assert isinstance(bed, Bed)
    assert (bed.left_target_heating_level, bed.right_kelvin.target_levels) == (-50, (30, 20, 0))


@pytest.mark.parametrize(
    ("document", "inner"),
    [
        ({"data": [1], "success": True}, [1]),
        ({"data": [1]}, {"data": [1]}),
        ({"success": True, "message": "m"}, {"success": True, "message": "m"}),
        ({"data": [1], "success": False}, {"data": [1], "success": False}),
        ([{"data": 1, "success": True}], [{"data": 1, "success": True}]),
    ],
)
def test_only_an_envelope_is_unwrapped(document: Any, inner: Any) -> None:
    """Both keys, and a success."""
    assert unwrapped(document) == inner


def test_members_of_a_list_are_kept_as_received() -> None:
    """Byte for byte, wrapped or bare, whatever they are."""
    bare = b'{"intervals": [ {"id" : 1},  "x", null,[2 ] ], "next": "None"}'
    for body in (bare, b'{"success": true, "data": ' + bare + b"}"):
        page = decoded_list(body, IntervalsPage)
        assert [bytes(raw) for raw in page.intervals] == [b'{"id" : 1}', b'"x"', b"null", b"[2 ]"]
        assert page.next is None
    with pytest.raises(msgspec.ValidationError):
        decoded_list(b'{"success": false, "data": {"intervals": []}, "intervals": 5}', IntervalsPage)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4) | st.just("None"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "ts", "stages", "data", "success", "timeseries", "device"]), inner)
        ),
        max_leaves=8,
    )
)
def test_any_document_is_read_or_invalid(document: Any) -> None:
    """Never anything else; nothing read shows itself."""
    for shape in (Interval, TrendDay, UserAnswer, BedAnswer):
        try:
            assert repr(decoded(sent(document), shape)) == f"{shape.__name__}(…)"
        except msgspec.DecodeError:
            continue


def test_nothing_shows_itself() -> None:
    """Not even what is inside."""
    for told in (decoded(sent(NIGHT), Interval), decoded_list(sent({"intervals": [NIGHT]}), IntervalsPage)):
        assert repr(told) == f"{type(told).__name__}(…)"
