"""The nights of the sandbox: every identity of the reference holds for all of them, and they appear as time goes on."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from statistics import mean
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.eight_sleep.sandbox import TrueNight, World, inventing
from connectors.eight_sleep.sandbox.intervals import interval, page
from connectors.eight_sleep.sandbox.nights import Nights, Told
from connectors.eight_sleep.sandbox.noise import seen_by_bed
from connectors.eight_sleep.sandbox.scores import FITNESS_WEIGHTS
from connectors.eight_sleep.sandbox.seeding import stream
from connectors.eight_sleep.sandbox.stays import SLEEP, Stay, epochs, merged
from connectors.eight_sleep.sandbox.trends import day_document, mornings
from tests.connectors.eight_sleep.rig import NOON, Clock

DEVICE = {"id": "b", "side": "left", "specialization": "pod"}
ANALYSIS = timedelta(minutes=30)
stretches = st.lists(
    st.tuples(st.sampled_from(["awake", "light", "deep", "rem"]), st.integers(1, 200).map(lambda n: 30 * n)),
    min_size=1,
    max_size=40,
)
invented = st.builds(
    lambda seed, user, zone, days: inventing.evening_and_night(seed, user, zone, date(2024, 1, 1) + timedelta(days)),
    st.integers(0, 999),
    st.sampled_from(["u1", "u2"]),
    st.sampled_from(["Europe/Lisbon", "America/New_York", "Australia/Lord_Howe"]),
    st.integers(0, 1000),
)


def stay_of(stages: Iterable[tuple[str, int]], start: datetime = NOON) -> Stay:
    """One that begins at noon."""
    return Stay("1", "u", start, "America/New_York", merged(stages))


def told(stay: Stay) -> Told:
    """As the vendor tells it once it is analysed."""
    return Told(stay, stay, True, stay.end + ANALYSIS)


def document(stay: Stay) -> dict[str, Any]:
    """The interval of a stay."""
    return interval(1, told(stay), DEVICE, frozenset())


def at(text: str) -> datetime:
    """A time of the vendor's."""
    return datetime.fromisoformat(text)


def check_interval(sent: dict[str, Any]) -> None:
    """The identities of a session."""
    stages, summary = sent["stages"], sent["stageSummary"]
    sums = Counter[str]()
    for stretch in stages:
        sums[stretch["stage"]] += stretch["duration"]
    assert sum(sums.values()) == sent["duration"] == summary["totalDuration"]
    assert sum(sums[stage] for stage in SLEEP) == summary["sleepDuration"]
    parts = ("sleepDuration", "awakeDuration", "outDuration")
    assert sum(summary[name] for name in parts) == summary["totalDuration"]
    awake = ("awakeBeforeSleepDuration", "awakeBetweenSleepDuration", "awakeAfterSleepDuration")
    assert sum(summary[name] for name in awake) == summary["awakeDuration"]
    assert all(summary[name] >= 0 for name in awake)
    for stage in SLEEP:
        share = round(sums[stage] / summary["sleepDuration"], 2) if summary["sleepDuration"] else 0
        assert summary[f"{stage}PercentOfSleep"] == share
    assert at(sent["ts"]) + timedelta(seconds=sent["duration"]) == at(sent["presenceEnd"])
    if summary["sleepDuration"]:
        assert at(sent["ts"]) + timedelta(seconds=summary["awakeBeforeSleepDuration"]) == at(sent["sleepStart"])
        end = at(sent["sleepEnd"]) + timedelta(seconds=summary["awakeAfterSleepDuration"])
        assert end == at(sent["presenceEnd"])
    else:
        assert sent["sleepStart"] is sent["sleepEnd"] is None
    assert sum(stretch["duration"] for stretch in sent["snoring"]) == sent["duration"]
    assert summary["wasoDuration"] == summary["awakeBetweenSleepDuration"] + summary["outBetweenSleepDuration"]


@settings(max_examples=100, deadline=None)
@given(st.one_of(stretches, invented.map(lambda planned: list(planned[-1][1]) if planned else [("awake", 60)])))
def test_every_session_satisfies_the_identities(stages: list[tuple[str, int]]) -> None:
    """Whatever was slept, also nothing."""
    check_interval(document(stay_of(stages)))


@settings(max_examples=60, deadline=None)
@given(invented, st.sampled_from(["v1", "v2", "v3"]), st.sampled_from(["Europe/Lisbon", "Asia/Kolkata"]))
def test_every_night_satisfies_the_identities(planned: list[inventing.Planned], model: str, zone: str) -> None:
    """Of trends: latencies, presence, shares, clock times, the main session beside a nap."""
    stays = [Stay(str(n), "u", start, zone, stages) for n, (start, stages) in enumerate(planned)]
    for day, members in mornings(map(told, stays), ZoneInfo(zone)).items():
        sent = day_document(1, day, members, ZoneInfo(zone), model)
        main = next(one.stay for one in members if one.stay.id == sent["mainSessionId"])
        assert main.asleep_s == sent["sleepDuration"] == max(one.stay.asleep_s for one in members)
        assert sorted(sent["sessionIds"]) == sorted(one.stay.id for one in members)
        assert at(sent["presenceEnd"]).astimezone(ZoneInfo(zone)).date() <= day
        span = at(sent["presenceEnd"]) - at(sent["presenceStart"])
        assert sent["presenceDuration"] == span.total_seconds() + main.seconds("out")
        assert sent["deepPercent"] == round(main.seconds("deep") / main.asleep_s, 2)
        asleep = (at(sent["sleepStart"]) - at(sent["presenceStart"])).total_seconds()
        out = (at(sent["presenceEnd"]) - at(sent["sleepEnd"])).total_seconds()
        scores = sent["sleepFitnessScore" if model == "v1" else "sleepRoutineScore"]
        assert (scores["latencyAsleepSeconds"]["current"], scores["latencyOutSeconds"]["current"]) == (asleep, out)
        woke = at(sent["sleepEnd"]).astimezone(ZoneInfo(zone))
        assert scores["wakeupConsistency"]["current"] == f"{woke:%H:%M:%S}"
        duration = (scores if model == "v1" else sent["sleepQualityScore"])["sleepDurationSeconds"]
        assert duration["current"] == sum(one.stay.asleep_s for one in members)
        if model == "v1":
            weighted = {name: round(scores[name]["score"] * weight) for name, weight in FITNESS_WEIGHTS.items()}
            assert {name: scores[name]["weighted"] for name in weighted} == weighted
            assert scores["total"] == sum(weighted.values())
        else:
            assert sent["lightDuration"] + sent["deepDuration"] + sent["remDuration"] == sent["sleepDuration"]
        if model == "v3":
            assert sent["snorePercent"] == round(100 * sent["snoreDuration"] / sent["sleepDuration"])


def test_an_end_may_be_too_early_by_the_time_out_of_bed() -> None:
    """As one source shows it: the one identity that does not hold everywhere."""
    stay = stay_of([("awake", 300), ("light", 600), ("out", 120), ("rem", 600), ("awake", 60)])
    usual = document(stay)
    sent = interval(1, told(stay), DEVICE, frozenset({"presence_without_out"}))
    assert at(sent["presenceEnd"]) + timedelta(seconds=120) == at(usual["presenceEnd"])
    assert at(sent["sleepEnd"]) + timedelta(seconds=60) == at(sent["presenceEnd"])


def test_what_is_measured_has_its_units_and_steps() -> None:
    """Beats each quarter of an hour of sleep, temperatures each hour from the one in which the stay begins."""
    [(start, stages)] = inventing.evening_and_night(1, "u", "Europe/Lisbon", date(2026, 2, 1))
    sent = document(Stay("1", "u", start, "Europe/Lisbon", stages))["timeseries"]
    bounds = {"heartRate": (35, 75), "hrv": (30, 60), "respiratoryRate": (10, 19), "tempBedC": (29, 33)}
    for name, (low, high) in bounds.items():
        assert sent[name]
        assert all(low <= value <= high for _, value in sent[name])
    assert {at(moment).minute % 15 for moment, _ in sent["heartRate"]} == {0}
    assert at(sent["tempRoomC"][0][0]) <= start < at(sent["tempRoomC"][1][0])
    assert {at(moment).minute for moment, _ in sent["tempBedC"]} == {0}
    assert sent["heating"] == []


class Sleeping:
    """A sleeper of Lisbon without nights of before, and with what was done to their stays."""

    def __init__(self, **more: Any) -> None:
        self.nights = Nights(1, 0, "u", "Europe/Lisbon", date(2026, 2, 1), ANALYSIS, more.get("truth"))

    def ids(self, now: datetime = NOON) -> list[str]:
        """What the vendor tells of."""
        return [one.whole.id for one in self.nights.told(now)]

    def night(self) -> Told:
        """The last one."""
        return self.nights.told(NOON)[-1]


def test_a_night_grows_until_it_is_final() -> None:
    """Not there before it begins; incomplete with an awake placeholder at its end; final half an hour after it."""
    sleeper = Sleeping()
    night = sleeper.night().whole
    assert night.id not in sleeper.ids(night.start + timedelta(seconds=29))
    known = 0
    for minutes in range(1, int(night.total_s / 60), 17):
        now = night.start + timedelta(minutes=minutes)
        one = sleeper.nights.find(night.id, now)
        assert one
        assert not one.is_final
        assert one.stay.total_s == 60 * minutes > known
        assert one.stay.stages[-1][0] == "awake"
        sure = max(0, 2 * minutes - 20)
        assert epochs(one.stay) == epochs(night)[:sure] + ["awake"] * (2 * minutes - sure)
        known = one.stay.total_s
        sent = interval(1, one, DEVICE, frozenset())
        assert sent["incomplete"] is True
        assert sent["presenceEnd"] is sent["sleepEnd"] is None
    for later, final in ((timedelta(minutes=29), False), (ANALYSIS, True)):
        one = sleeper.nights.find(night.id, night.end + later)
        assert one
        assert (one.stay, one.is_final) == (night, final)


def test_a_night_in_progress_has_no_scores() -> None:
    """Its day is there under the morning on which it will end, and says that it is not final."""
    sleeper = Sleeping()
    night = sleeper.night().whole
    now = night.start + timedelta(minutes=70)
    for model, word in (("v1", "incomplete"), ("v2", "processing"), ("v3", "incomplete")):
        days = mornings(sleeper.nights.told(now), ZoneInfo("Europe/Lisbon"))
        last = max(days)
        sent = day_document(1, last, days[last], ZoneInfo("Europe/Lisbon"), model)
        assert last == NOON.date()
        assert sent[word] is True
        assert sent["score"] == 0
        assert not any(name.endswith("Score") for name in sent)


def test_some_nights_are_slept_elsewhere_and_some_afternoons_napped() -> None:
    """A share of them, for every sleeper and date anew."""
    planned = [
        inventing.evening_and_night(1, "u", "Europe/Lisbon", date(2026, 1, 1) + timedelta(days)) for days in range(400)
    ]
    hours = [[start.astimezone(ZoneInfo("Europe/Lisbon")).hour for start, _ in one] for one in planned]
    nights = sum(any(hour >= 22 or hour < 2 for hour in one) for one in hours)
    naps = sum(any(14 <= hour < 16 for hour in one) for one in hours)
    assert 370 <= nights <= 396
    assert 12 <= naps <= 50
    assert any("out" in dict(stages) for one in planned for _, stages in one)


def test_a_stay_is_deleted_analysed_again_held_back_or_skipped() -> None:
    """Each changes that stay, or that evening, and no other."""
    sleeper = Sleeping()
    before = sleeper.ids()
    first, second, third, fourth = sleeper.nights.told(NOON)[-5:-1]
    sleeper.nights.delete(first.whole.id)
    sleeper.nights.analyse_again(second.whole.id, NOON)
    sleeper.nights.hold_back(third.whole.id, NOON + timedelta(hours=1))
    sleeper.nights.change_score(fourth.whole.id, 5)
    assert sleeper.ids() == [one for one in before if one not in (first.whole.id, third.whole.id)]
    assert sleeper.ids(NOON + timedelta(minutes=61)) == [one for one in before if one != first.whole.id]
    again = sleeper.nights.find(second.whole.id, NOON)
    assert again
    assert (again.whole.start, again.whole.end) == (second.whole.start, second.whole.end)
    assert again.whole.stages != second.whole.stages
    sleeper.nights.analyse_again(second.whole.id, NOON)
    twice = sleeper.nights.find(second.whole.id, NOON)
    assert twice
    assert twice.whole.stages not in (second.whole.stages, again.whole.stages)
    sleeper.nights.skip(date(2026, 2, 28))
    assert sleeper.ids() == [one for one in before[:-1] if one not in (first.whole.id, third.whole.id)]


def test_a_changed_score_changes_nothing_else() -> None:
    """The same night is read again with another one."""
    sleeper = Sleeping()
    zone = ZoneInfo("Europe/Lisbon")
    days = []
    for by in (0, -7):
        sleeper.nights.change_score(sleeper.night().whole.id, by)
        days.append(day_document(1, NOON.date(), [sleeper.night()], zone, "v2"))
    before, after = days
    assert after["score"] < before["score"]
    assert {name for name in before if before[name] != after[name]} <= {
        *("score", "sleepFitnessScore", "sleepQualityScore", "sleepRoutineScore")
    }


def test_a_stay_is_added_where_nobody_lies() -> None:
    """And refused where somebody does."""
    sleeper = Sleeping()
    added = sleeper.nights.add(datetime(2026, 2, 28, 17, tzinfo=UTC), (("awake", 300), ("light", 1800)))
    assert added.id in sleeper.ids()
    with pytest.raises(ValueError, match="lies there already"):
        sleeper.nights.add(sleeper.night().whole.start, (("light", 60),))
    with pytest.raises(ValueError, match="Only a stay that is final"):
        sleeper.nights.analyse_again("unknown", NOON)


def test_the_same_seed_is_the_same_nights() -> None:
    """And ids are those of one sleeper: no two of a world have the same."""
    worlds = [World(beds=4, seed=seed, clock=Clock()) for seed in (1, 1, 2)]
    nights = [
        [one for user in world.accounts() for one in world.nights_of(user.user_id).told(NOON)] for world in worlds
    ]
    assert nights[0] == nights[1]
    assert [one.whole.stages for one in nights[0]] != [one.whole.stages for one in nights[2]]
    ids = [one.whole.id for one in nights[0]]
    assert len(ids) == len(set(ids)) > 200
    assert all(one.isdigit() for one in ids)


def test_who_is_out_of_bed_is_not_present() -> None:
    """Presence follows the stages of the night."""
    stay = stay_of([("awake", 300), ("light", 600), ("out", 120), ("rem", 600)])
    moments = [NOON + timedelta(seconds=seconds) for seconds in (-1, 0, 899, 900, 1019, 1020, 1619, 1620)]
    assert [stay.is_in_bed(moment) for moment in moments] == [False, True, True, False, False, True, True, False]


def truly(seed: int) -> TrueNight:
    """A true night of somebody's."""
    stages = inventing.night(stream(seed, "truth"))
    codes = {"awake": 0, "out": 0, "light": 1, "deep": 2, "rem": 3}
    told_codes = [codes[stage] for stage in epochs(stay_of(stages))]
    start = datetime(2026, 2, 20, 22, 30, tzinfo=UTC)
    return TrueNight(start, start + timedelta(seconds=30 * len(told_codes)), told_codes, "Asia/Seoul")


def kappa(pairs: list[tuple[str, str]]) -> float:
    """Cohen's, over pairs of stages."""
    count = len(pairs)
    agreed = sum(one == other for one, other in pairs) / count
    ones, others = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    by_chance = sum(ones[stage] * others[stage] for stage in ones) / count**2
    return (agreed - by_chance) / (1 - by_chance)


def test_a_bed_sees_a_true_night_with_noise() -> None:
    """Bounds and latency some minutes off, and a kappa of 0.5 to 0.7 over many nights; every night may be further."""
    names = ("awake", "light", "deep", "rem")
    kappas, starts, latencies = [], set(), set()
    for seed in range(60):
        night = truly(seed)
        start, stages = seen_by_bed(1, f"u{seed}", night)
        bed = epochs(stay_of(stages))
        off = round((start - night.start).total_seconds() / 30)
        assert abs(off) <= 12
        starts.add(off)
        pairs = [(names[code], bed[n - off]) for n, code in enumerate(night.stages) if 0 <= n - off < len(bed)]
        kappas.append(kappa(pairs))
        true_latency = next(n for n, code in enumerate(night.stages) if code)
        latencies.add(true_latency - off - stay_of(stages).before_s // 30)
        check_interval(document(stay_of(stages, start)))
    assert 0.55 < mean(kappas) < 0.67
    assert min(kappas) > 0.3
    assert len(starts) > 8
    assert len(latencies) > 8


def test_true_nights_replace_invented_ones() -> None:
    """Those of whom the truth knows nothing keep theirs; an empty truth is a night elsewhere."""
    night = truly(3)

    def truth(user_id: str, evening: date) -> list[TrueNight] | None:
        if user_id != known:
            return None
        return [night] if evening == date(2026, 2, 20) else []

    known = next(World(clock=Clock()).accounts()).user_id
    world = World(clock=Clock(), truth=truth)
    mine, partner = (world.nights_of(user.user_id).told(NOON) for user in world.accounts())
    [one] = mine
    assert abs(one.whole.start - night.start) <= timedelta(minutes=6)
    assert abs(one.whole.end - night.end) <= timedelta(minutes=12)
    assert one.whole.zone == "Asia/Seoul"
    assert len(partner) > 25


def test_a_true_night_without_stages_is_time_awake() -> None:
    """Codes that nobody knows are time in bed, too."""
    night = TrueNight(NOON, NOON + timedelta(minutes=10), [], "UTC")
    assert set(dict(seen_by_bed(1, "u", night)[1])) == {"awake"}
    _, stages = seen_by_bed(1, "u", TrueNight(NOON, NOON + timedelta(hours=1), [-1, 9] * 60, "UTC"))
    assert 3600 - 360 <= sum(seconds for _, seconds in stages) <= 3600 + 720


def test_pages_hold_ten_newest_first() -> None:
    """And lead on to all the others."""
    all_told = Sleeping().nights.told(NOON)
    cursor, seen = None, []
    for _ in range(4):
        answer = page(all_told, cursor, frozenset(), lambda one: {"id": one.whole.id})
        assert len(answer["intervals"]) <= 10
        seen += [one["id"] for one in answer["intervals"]]
        cursor = answer.get("next")
    assert seen == [one.whole.id for one in reversed(all_told)]
    assert cursor is None
