"""Users, beds, sleep sessions and scored nights as the client reads them from the simulator: every documented field."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.login import Credentials
from connectors.errors import DeviceNotFound, Forbidden, SessionNotFound, UnreadableAnswer, UserNotFound, WrongUsage
from schemas.eight_sleep import Bed, BedUser, Interval, Timeseries, TrendDay, decoded
from tests.connectors.eight_sleep.rig import NOON, Rig

LAST_NIGHT = NOON.date()

INTERVAL = [
    *(
        "id",
        "ts",
        "deviceTimeAtUpdate",
        "stages",
        "score",
        "incomplete",
        "timezone",
        "device",
        "sleepStart",
        "sleepEnd",
    ),
    *("presenceEnd", "duration", "snoring", "stageSummary", "sleepAlgorithmVersion", "presenceAlgorithmVersion"),
    *("hrvAlgorithmVersion", "timeseries"),
]
TIMESERIES = [
    *("heartRate", "hrv", "rmssd", "respiratoryRate", "nemeanRespiratoryRate", "nemeanRespiratoryRateNightly"),
    *("tempBedC", "tempRoomC", "tnt", "heating", "shortAwakes"),
]
SUMMARY = [
    *("totalDuration", "sleepDuration", "outDuration", "awakeDuration", "lightDuration", "deepDuration", "remDuration"),
    *("awakeBeforeSleepDuration", "awakeBetweenSleepDuration", "awakeAfterSleepDuration", "outBetweenSleepDuration"),
    *("wasoDuration", "deepPercentOfSleep", "remPercentOfSleep", "lightPercentOfSleep"),
]
EVERY_TREND = [
    *("day", "score", "presenceStart", "presenceEnd", "sleepStart", "sleepEnd", "presenceDuration", "sleepDuration"),
    *("deepPercent", "tnt", "mainSessionId", "sessionIds", "tags"),
]
LATER_TREND = ["lightDuration", "deepDuration", "remDuration", "remPercent", "sleepQualityScore", "sleepRoutineScore"]
TREND = {
    "v1": [*EVERY_TREND, "incomplete", "sleepFitnessScore"],
    "v2": [
        *(*EVERY_TREND, *LATER_TREND, "processing", "latencyAsleepSeconds", "latencyOutSeconds", "sleepFitnessScore"),
        "sessions",
    ],
    "v3": [
        *(*EVERY_TREND, *LATER_TREND, "incomplete", "snoreDuration", "heavySnoreDuration", "snorePercent"),
        *("heavySnorePercent", "avgSleepFitnessScore", "avgSleepQualityScore", "avgSleepRoutineScore"),
        *("hotFlash", "performanceWindows"),
    ],
}
FITNESS = ["total", "sleepDurationSeconds", "latencyAsleepSeconds", "latencyOutSeconds", "wakeupConsistency"]
QUALITY = [
    *("total", "weight", "weighted", "sleepDurationSeconds", "heartRate", "hrv", "respiratoryRate", "deep", "rem"),
    *("waso", "tempBedC", "tempRoomC"),
]
ROUTINE = [
    *("total", "weight", "weighted", "wakeupConsistency", "sleepStartConsistency", "bedtimeConsistency"),
    *("latencyAsleepSeconds", "latencyOutSeconds"),
]
BED = [
    *("deviceId", "ownerId", "leftUserId", "rightUserId", "awaySides", "leftHeatingLevel", "rightHeatingLevel"),
    *("leftTargetHeatingLevel", "rightTargetHeatingLevel", "leftNowHeating", "rightNowHeating", "leftHeatingDuration"),
    *("rightHeatingDuration", "priming", "needsPriming", "hasWater", "lastPrime", "lastLowWater", "ledBrightnessLevel"),
    *("sensorInfo", "timezone", "firmwareVersion", "firmwareUpdating", "online", "lastHeard", "features"),
    *("modelString", "leftKelvin", "rightKelvin"),
]
PERSONAL = {"email", "firstName", "lastName", "dob", "zip", "gender", "wifiInfo", "location", "label", "serialNumber"}


def carried(document: dict[str, Any], typed: msgspec.Struct, names: list[str]) -> None:
    """Every field of ``names`` was sent, and is in the typed answer as it was sent, and so is all below it."""
    fields = {field.encode_name: getattr(typed, field.name) for field in msgspec.structs.fields(typed)}
    for name in names:
        assert name in document, f"{name} is not served"
        same(document[name], fields[name], name)


def same(sent: Any, value: Any, name: str) -> None:
    """The typed value says what was sent, apart from fields we do not read."""
    if isinstance(value, msgspec.Struct):
        known = {field.encode_name: getattr(value, field.name) for field in msgspec.structs.fields(value)}
        for inner, told in known.items():
            if inner in sent:
                same(sent[inner], told, f"{name}.{inner}")
    elif isinstance(sent, list):
        assert len(sent) == len(value), name
        for one, told in zip(sent, value, strict=True):
            same(one, told, name)
    else:
        assert value == sent, name


def ask(rig: Rig, question: Any) -> Any:
    """The one answer to a question."""
    return rig.converse(question)


def body(answer: Any) -> Any:
    """The answer's JSON."""
    return msgspec.json.decode(answer.body)


def test_an_interval_carries_every_documented_field(rig: Rig) -> None:
    """Those of 2022 and of 2026, its summary and all that was measured."""
    rig.world.set_variants("newer_fields")
    page = ask(rig, lambda client: client.intervals_page(rig.sleeper.user_id))
    sent, raw = body(page)["intervals"][0], page.result().intervals[0]
    interval = decoded(raw, Interval)
    carried(sent, interval, INTERVAL)
    assert interval.stage_summary
    carried(sent["stageSummary"], interval.stage_summary, SUMMARY)
    carried(sent["timeseries"], interval.timeseries, TIMESERIES)
    carried(sent["device"], interval.device, ["id", "side", "specialization"])
    assert {name for name in sent["timeseries"] if sent["timeseries"][name]} == set(TIMESERIES) - {"heating"}
    assert {stretch.intensity for stretch in interval.snoring} <= {"none", "light", "medium", "heavy"}
    assert (interval.is_final, interval.side) == (True, "left")


@pytest.mark.parametrize("model", TREND)
def test_a_trend_carries_every_documented_field(rig: Rig, model: Any) -> None:
    """In each variant, with its scores and their parts."""
    rig.world.set_variants("newer_fields")
    with_sessions = model == "v2"
    answer = ask(
        rig,
        lambda client: client.trends(
            rig.sleeper.user_id, LAST_NIGHT, LAST_NIGHT, "Europe/Lisbon", model=model, sessions=with_sessions
        ),
    )
    [sent], [raw] = body(answer)["days"], answer.result().days
    day = decoded(raw, TrendDay)
    carried(sent, day, TREND[model])
    assert (day.is_final, day.has_night, day.day) == (True, True, "2026-03-01")
    assert (day.asleep_latency_s, day.out_latency_s) == (_seconds(sent, "Asleep"), _seconds(sent, "Out"))
    if model == "v1":
        carried(sent["sleepFitnessScore"], day.sleep_fitness_score, FITNESS)
        averages = body(answer)
        assert answer.result().avg_sleep_duration == averages["avgSleepDuration"] == sent["sleepDuration"]
        assert {"avgScore", "avgPresenceDuration", "avgDeepPercent", "avgTnt"} < averages.keys()
    else:
        carried(sent["sleepQualityScore"], day.sleep_quality_score, QUALITY)
        carried(sent["sleepRoutineScore"], day.sleep_routine_score, ROUTINE)
        part = day.sleep_quality_score.heart_rate
        assert None not in (part.current, part.average, part.minimum, part.maximum, part.score, part.weight)
        assert None not in (part.lower_range, part.upper_range)


def _seconds(sent: dict[str, Any], which: str) -> int:
    bounds = ("presenceStart", "sleepStart") if which == "Asleep" else ("sleepEnd", "presenceEnd")
    first, last = (msgspec.convert(sent[name], type=_MOMENT) for name in bounds)
    return int((last - first).total_seconds())


_MOMENT = type(NOON)


def test_a_user_is_read_without_what_tells_who_it_is(rig: Rig) -> None:
    """Oneself and the partner; the answer is full of personal data, the typed one has none."""
    partner = rig.world.beds()[0].sides["right"].sleeper
    me = ask(rig, EightSleepClient.get_me)
    other = ask(rig, lambda client: client.get_user(partner.user_id))
    for answer, sleeper, side in ((me, rig.sleeper, "left"), (other, partner, "right")):
        sent, user = body(answer)["user"], answer.result()
        carried(sent, user, ["userId", "timezone", "devices", "currentDevice"])
        carried(sent["currentDevice"], user.current_device, ["id", "side", "timeZone", "specialization"])
        assert (user.user_id, user.current_device.side) == (sleeper.user_id, side)
        assert PERSONAL - {"wifiInfo", "location", "label", "serialNumber"} <= sent.keys()
        assert sleeper.email not in repr(answer) + repr(user)
    assert not PERSONAL & {field.encode_name for field in msgspec.structs.fields(BedUser)}


def test_a_bed_is_read_without_its_network_and_numbers(rig: Rig) -> None:
    """Every other documented field is there."""
    bed = rig.world.beds()[0]
    bed.sides["right"].is_away = True
    bed.sides["left"].set(-30, 3600, rig.clock.now)
    rig.clock.forward(120)
    answer = ask(rig, lambda client: client.get_bed(bed.id))
    sent, found = body(answer)["result"], answer.result()
    carried(sent, found, BED)
    carried(sent["sensorInfo"], found.sensor_info, ["skuName", "model", "connected", "lastConnected"])
    kelvin = ["targetLevels", "level", "currentTargetLevel", "active", "currentActivity", "scheduleProfiles"]
    carried(sent["leftKelvin"], found.left_kelvin, kelvin)
    assert (found.left_heating_level, found.left_target_heating_level, found.left_heating_duration) == (-20, -30, 3480)
    assert {"wifiInfo", "location"} <= sent.keys()
    shapes = (Bed, type(found.sensor_info))
    assert not PERSONAL & {field.encode_name for shape in shapes for field in msgspec.structs.fields(shape)}


def test_a_temperature_is_told_by_user(rig: Rig) -> None:
    """By the application host, for whichever side the user has."""
    partner = rig.world.beds()[0].sides["right"]
    partner.set(-40, 0, rig.clock.now)
    partner.is_on = True
    rig.clock.forward(60)
    answer = ask(rig, lambda client: client.get_temperature(partner.sleeper.user_id))
    carried(body(answer), answer.result(), ["currentLevel", "currentDeviceLevel", "currentState", "smart"])
    told = answer.result()
    assert (told.current_level, told.current_device_level) == (-40, -10)
    assert (told.current_state.type, told.smart.bed_time_level) == ("smart:bedtime", -20)


def test_an_answer_keeps_the_bytes_it_came_in(rig: Rig) -> None:
    """And of a page each interval its own, with the time of receipt."""
    page = ask(rig, lambda client: client.intervals_page(rig.sleeper.user_id))
    assert (page.status, page.fetched_at) == (200, NOON)
    assert all(bytes(raw) in page.body for raw in page.result().intervals)
    assert page.result() is page.result()
    [first, *_] = body(page)["intervals"]
    one = ask(rig, lambda client: client.get_interval(rig.sleeper.user_id, first["id"]))
    assert body(one) == first
    assert one.result() == decoded(page.result().intervals[0], Interval)


@pytest.mark.parametrize("oauth", [True, False])
def test_nights_are_read_with_either_token(rig: Rig, oauth: bool) -> None:
    """That of a login, and that of OAuth."""
    more = {"client_id": "c", "client_secret": "s"} if oauth else {}
    credentials = Credentials(rig.sleeper.email, rig.sleeper.password, **more)

    async def talk(client: EightSleepClient) -> None:
        assert (await client.intervals_page(rig.sleeper.user_id)).result().intervals
        assert (await client.get_status()).online
        assert client.calls.by_endpoint == {"login": 1, "intervals": 1, "devices": 1, "status": 1}

    rig.converse(talk, credentials=credentials)
    assert (rig.calls["tokens"], rig.calls["auth_login"]) == ((1, 0) if oauth else (0, 1))


def test_what_is_not_there_is_told_apart(rig: Rig) -> None:
    """A session, a user who is gone, a bed, and somebody whose data is not for us."""
    user_id, partner, stranger = (one.user_id for one in list(rig.world.accounts())[:3])

    async def talk(client: EightSleepClient) -> None:
        with pytest.raises(SessionNotFound) as gone:
            await client.get_interval(user_id, "1")
        assert gone.value.body == b'{"status":404,"code":"NotFound"}'
        with pytest.raises(DeviceNotFound):
            await client.get_bed("unknown")
        with pytest.raises(Forbidden):
            await client.trends(stranger, LAST_NIGHT, LAST_NIGHT, "UTC")
        rig.world.forget(partner)
        for question in (client.get_user(partner), client.intervals_page(partner), client.get_interval(partner, "1")):
            with pytest.raises(UserNotFound):
                await question

    rig.converse(talk)


def test_what_cannot_be_sent_is_refused_before_any_call(rig: Rig) -> None:
    """Ids that would name another resource, and reversed dates."""

    async def talk(client: EightSleepClient) -> None:
        for question in (
            client.get_user(".."),
            client.get_interval("u", "a b"),
            client.get_bed(""),
            client.trends("u", LAST_NIGHT, LAST_NIGHT - timedelta(days=1), "UTC"),
        ):
            with pytest.raises(WrongUsage):
                await question

    rig.converse(talk)
    assert rig.calls == {}


def test_an_answer_of_another_form_is_unreadable(rig: Rig) -> None:
    """When its content is asked for; its bytes are there all the same, and the text shows nothing of them."""
    rig.world.set_variants("garbage_interval")
    page = ask(rig, lambda client: client.intervals_page(rig.sleeper.user_id))
    assert len(page.result().intervals) == 13
    broken = type(page)(b'{"intervals": "CANARY"}', 200, NOON, page.what, page.decoder)
    with pytest.raises(UnreadableAnswer) as error:
        broken.result()
    assert "CANARY" not in str(error.value)
    assert "intervals call is not of the documented form" in str(error.value)


def test_trends_are_empty_where_nobody_slept(rig: Rig) -> None:
    """No error: no days."""
    day = date(2020, 1, 1)
    answer = ask(rig, lambda client: client.trends(rig.sleeper.user_id, day, day, "UTC", model="v2"))
    assert body(answer) == {"days": []}
    assert answer.result().days == []


def test_nothing_measured_is_no_value() -> None:
    """All members of a timeseries may be missing."""
    assert decoded(b"{}", Timeseries) == Timeseries()
