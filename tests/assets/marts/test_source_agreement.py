"""How phone and bed agree: which nights are compared, epochs and limits counted by hand, null where undefined."""

from datetime import date, timedelta
from typing import Any

import pytest

from schemas.marts import AGREEMENT_METRICS, EVERYBODY
from schemas.stages import ASLEEP, DEEP, LIGHT, OUT_OF_BED, REM, UNKNOWN, WAKE
from tests.assets.marts.recordings import AWAKE, BED, NO_FIGURES, Row, marts_of, session, stages_of

STAGED: Row = {"has_stages": "4-stage"}
PHONE = session("phone", "3 23:00", "4 07:00", **STAGED)
IN_BED = session("bed", "3 23:00", "4 07:00", **STAGED, **BED)


def compared(phone: Row, bed: Row, *codes: list[int]) -> Row:
    """The row of the night that two sessions with these stages come to."""
    stages = [one for row, of in zip((phone, bed), codes, strict=True) for one in stages_of(row, of)]
    marts = marts_of([phone, bed], stages=stages)
    assert [check for check in marts.checks if not check.passed] == []
    (row,) = marts.tables["source_agreement_nights"].to_pylist()
    return dict(row)


def test_kappa_of_a_table_counted_by_hand() -> None:
    """Of 50 epochs both say wake in 20 and sleep in 15; by chance they would agree in half: (0.7 - 0.5) / 0.5."""
    night = compared(PHONE, IN_BED, [WAKE] * 25 + [LIGHT] * 25, [WAKE] * 20 + [LIGHT] * 5 + [WAKE] * 10 + [LIGHT] * 15)
    assert (night["epochs"], night["unknown_epochs"], night["common_s"]) == (50, 0, 28_800)
    assert (night["sleep_wake_agreement"], night["sleep_wake_kappa"]) == (0.7, pytest.approx(0.4))
    assert night["stage_kappa"] == pytest.approx(0.4)


def test_kappa_of_four_stages_counted_by_hand() -> None:
    """Ten epochs of each stage at the phone; the bed calls all REM and half of the deep sleep light.

    It agrees in 25 of 40; by chance in (10 * 10 + 10 * 25 + 10 * 5) / 1600 = 1/4: (5/8 - 1/4) / (3/4) = 1/2.
    """
    phone = [code for code in (WAKE, LIGHT, DEEP, REM) for _ in range(10)]
    night = compared(PHONE, IN_BED, phone, [WAKE] * 10 + [LIGHT] * 15 + [DEEP] * 5 + [LIGHT] * 10)
    assert (night["stage_epochs"], night["stage_agreement"], night["stage_kappa"]) == (40, 0.625, pytest.approx(0.5))
    assert (night["sleep_wake_agreement"], night["sleep_wake_kappa"]) == (1, pytest.approx(1))


def test_out_of_bed_is_wake_and_what_is_unknown_is_left_out() -> None:
    """Sleep without a stage is sleep, and no stage; what only one recorded is not compared."""
    phone = [WAKE, WAKE, UNKNOWN, LIGHT, LIGHT, DEEP, REM, REM]
    bed = [OUT_OF_BED, WAKE, LIGHT, UNKNOWN, ASLEEP, DEEP, WAKE]
    night = compared(PHONE, IN_BED, phone, bed)
    assert (night["epochs"], night["unknown_epochs"], night["sleep_wake_agreement"]) == (5, 2, 0.8)
    assert (night["stage_epochs"], night["stage_agreement"]) == (4, 0.75)


@pytest.mark.parametrize(
    ("late_s", "epochs", "agreeing"),
    [(0, 4, 3), (15, 4, 3), (15.000001, 3, 2), (30, 3, 2), (-14.999999, 4, 3), (-15, 4, 4)],
)
def test_an_epoch_has_the_stage_that_the_bed_has_at_its_middle(late_s: float, epochs: int, agreeing: int) -> None:
    """The phone's middles are 15, 45, 75 and 105 s after its start; the bed says wake for the first 30 s of its own."""
    bed = IN_BED | {"start_time": IN_BED["start_time"] + timedelta(seconds=late_s)}
    night = compared(PHONE, bed, [LIGHT, LIGHT, LIGHT, LIGHT], [WAKE, LIGHT, LIGHT, LIGHT, LIGHT])
    assert (night["epochs"], night["sleep_wake_agreement"]) == (epochs, agreeing / epochs)


def test_one_stage_throughout_has_no_kappa() -> None:
    """Two that both only ever say light agree, but not better than chance could; two opposites have a kappa of zero."""
    same = compared(PHONE, IN_BED, [LIGHT] * 9, [LIGHT] * 9)
    assert (same["stage_agreement"], same["stage_kappa"], same["sleep_wake_kappa"]) == (1, None, None)
    apart = compared(PHONE, IN_BED, [LIGHT] * 9, [WAKE] * 9)
    assert (apart["stage_agreement"], apart["stage_kappa"], apart["sleep_wake_kappa"]) == (0, 0, 0)


def test_a_recording_without_stages_is_compared_by_sleep_and_wake() -> None:
    """And one without a hypnogram by its figures alone."""
    night = compared(PHONE | {"has_stages": "2-stage"}, IN_BED, [WAKE, ASLEEP, ASLEEP], [WAKE, LIGHT, DEEP])
    assert (night["sleep_wake_kappa"], night["stage_epochs"], night["stage_kappa"]) == (pytest.approx(1), 0, None)
    night = compared(PHONE, IN_BED | {"has_stages": "none"}, [WAKE, LIGHT], [])
    assert (night["epochs"], night["sleep_wake_agreement"], night["stage_kappa"]) == (0, None, None)
    assert night["total_sleep_time_s_difference"] == 0


NIGHT = date(2026, 11, 3)
BOTH = (NIGHT, "phone", "bed")
SEOUL, LA = "Asia/Seoul", "America/Los_Angeles"
EARLY = session("phone", "3 21:00", "4 03:00")
NAP = session("nap", "3 14:00", "3 14:40", **BED)
# why, sessions, the night and the two sessions that are compared
PAIRS: list[tuple[str, list[Row], tuple[Any, ...] | None]] = [
    ("each source's main sleep", [PHONE, IN_BED, NAP], BOTH),
    ("only the phone", [PHONE], None),
    ("only the bed", [IN_BED], None),
    ("a nap is no main sleep", [PHONE, NAP], None),
    ("half of the shorter is not more", [EARLY, session("bed", "4 00:00", "4 08:00", **BED)], None),
    ("a second more", [EARLY, session("bed", "3 23:59:59", "4 08:00", **BED)], BOTH),
    ("although nights has the bed's", [PHONE | NO_FIGURES, IN_BED], BOTH),
    ("one found no sleep", [PHONE | AWAKE, IN_BED], None),
    ("one was forgotten", [session("phone", "3 22:00", "5 04:00"), IN_BED], None),
    (
        "the night is the phone's where zones differ",
        [session("phone", "4 23:00", "5 07:00", SEOUL), session("bed", "4 05:50", "4 14:10", LA, **BED)],
        (date(2026, 11, 4), "phone", "bed"),
    ),
    (
        "of two of the bed's the one it shares most with",
        [
            session("phone", "4 00:00", "4 06:00", SEOUL),
            session("late", "4 02:00", "4 06:30", SEOUL, **BED),
            session("early", "3 03:00", "3 10:10", LA, **BED),
        ],
        (NIGHT, "phone", "late"),
    ),
]


def test_what_is_compared_is_one_night_of_two_sources() -> None:
    """Two sessions that share more than half of the shorter; every session with one other at most."""
    rows = [row | {"user_id": f"{number:02}"} for number, (_, of, _) in enumerate(PAIRS) for row in of]
    marts = marts_of(rows)
    found = {
        row["user_id"]: (row["night_of"], row["phone_session_id"], row["bed_session_id"])
        for row in marts.tables["source_agreement_nights"].to_pylist()
    }
    for number, (why, _, pair) in enumerate(PAIRS):
        assert found.get(f"{number:02}") == pair, why
    assert [check for check in marts.checks if not check.passed] == []


def agreement_of(differences: dict[str, list[int | None]]) -> dict[tuple[str, str], Row]:
    """The rows of ``source_agreement`` for these differences of total sleep time, a night each, by user and metric."""
    rows = []
    for user, of_user in differences.items():
        for number, difference in enumerate(of_user):
            day = 3 + number
            one = session(f"p{day}", f"{day} 23:00", f"{day + 1} 07:00", user_id=user, sleep_onset_latency_s=60)
            asleep_s = None if difference is None else 20_000 + difference
            bed = one | BED | {"session_id": f"b{day}", "total_sleep_time_s": asleep_s, "sleep_onset_latency_s": 600}
            rows += [one | {"total_sleep_time_s": 20_000}, bed]
    found = marts_of(rows).tables["source_agreement"].to_pylist()
    assert sorted({row["metric"] for row in found}) == sorted(AGREEMENT_METRICS)
    return {(row["user_id"], row["metric"]): row for row in found}


def test_bias_and_limits_of_a_table_counted_by_hand() -> None:
    """Differences of 0, 10 and 20 minutes have a mean of 10 and a deviation of 10; the limits are 19.6 away from it."""
    found = agreement_of({"ann": [0, 600, 1200], "ben": [600], "cid": [None]})
    row = found["ann", "total_sleep_time_s"]
    assert (row["nights"], row["users"], row["first_night"], row["last_night"]) == (
        3,
        1,
        date(2026, 11, 3),
        date(2026, 11, 5),
    )
    assert (row["bias_s"], row["difference_sd_s"]) == (600, 600)
    assert (row["lower_limit_s"], row["upper_limit_s"]) == (pytest.approx(-576), pytest.approx(1776))
    latency = found["ann", "sleep_onset_latency_s"]
    assert (latency["bias_s"], latency["difference_sd_s"], latency["upper_limit_s"]) == (540, 0, 540)
    everybody = found[EVERYBODY, "total_sleep_time_s"]
    assert (everybody["nights"], everybody["users"], everybody["bias_s"]) == (4, 2, 600)
    assert everybody["difference_sd_s"] == pytest.approx((720_000 / 3) ** 0.5)


def test_what_one_night_does_not_tell_is_null() -> None:
    """One night has a bias and no limits, a night without the figure has neither; without stages there is no kappa."""
    found = agreement_of({"ben": [600], "cid": [None]})
    one, none = found["ben", "total_sleep_time_s"], found["cid", "total_sleep_time_s"]
    assert (one["nights"], one["bias_s"], one["difference_sd_s"], one["lower_limit_s"]) == (1, 600, None, None)
    assert (none["nights"], none["users"], none["bias_s"], none["upper_limit_s"]) == (0, 0, None, None)
    for metric in ("sleep_wake", "stages"):
        row = found["ben", metric]
        assert (row["nights"], row["epochs"], row["kappa"], row["bias_s"]) == (0, None, None, None)
