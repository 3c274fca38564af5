"""Phone and bed tell of one night: whose main sleep it is, and that nothing counts twice, reasoned by hand."""

from datetime import UTC, date, datetime, time

import pytest

from assets.marts.build import Marts
from schemas.marts import NIGHTS
from tests.assets.marts.recordings import (
    AWAKE,
    BED,
    NEVER_SLEPT,
    NO_FIGURES,
    TOO_SHORT,
    Row,
    expected_night,
    ledger_of,
    marts_of,
    session,
    session_between,
    told,
)

SEOUL, BERLIN, LA = "Asia/Seoul", "Europe/Berlin", "America/Los_Angeles"
NIGHT = date(2026, 11, 3)
PHONE = session("phone", "3 23:00", "4 07:00")


def bed(name: str, start: str, end: str, zone: str = "UTC", **changes: object) -> Row:
    """A recording of the bed."""
    return session(name, start, end, zone, **(BED | changes))


def at(hour: int, minute: int) -> datetime:
    """A moment of the 25th of October 2026 in UTC: at 01:00 Berlin's clocks go back from 03:00 to 02:00."""
    return datetime(2026, 10, 25, hour, minute, tzinfo=UTC)


# why, sessions, what becomes of them by night with the source of the row
CASES: list[tuple[str, list[Row], dict[str, str]]] = [
    (
        "the phone comes before the bed, which recorded longer",
        [PHONE, bed("bed", "3 22:30", "4 07:40")],
        {"11-03 asleep": "main phone, overlapped bed"},
    ),
    ("only the bed", [bed("bed", "3 22:30", "4 07:40")], {"11-03 eight_sleep": "main bed"}),
    (
        "the bed saw two stretches of the phone's night",
        [PHONE, bed("b", "3 22:50", "4 02:00"), bed("c", "4 02:20", "4 07:10")],
        {"11-03 asleep": "main phone, overlapped b c"},
    ),
    (
        "the bed's night is split, and the phone was not there: the longer part, and the other beside it",
        [bed("b", "3 22:50", "4 02:00"), bed("c", "4 02:20", "4 07:10")],
        {"11-03 eight_sleep": "main c, further b"},
    ),
    (
        "the phone's night is split, the bed's is whole: the parts of the phone count",
        [session("a", "3 23:00", "4 03:00"), session("b", "4 03:30", "4 07:00"), bed("bed", "3 22:50", "4 07:10")],
        {"11-03 asleep": "main a, further b, overlapped bed"},
    ),
    (
        "a nap that only the bed saw",
        [PHONE, bed("nap", "3 14:00", "3 14:50"), bed("bed", "3 22:50", "4 07:10")],
        {"11-03 asleep": "main phone, nap nap, overlapped bed"},
    ),
    (
        "a nap that only the phone saw, and a night that only the bed saw",
        [session("nap", "3 14:00", "3 14:50"), bed("bed", "3 22:50", "4 07:10")],
        {"11-03 eight_sleep": "main bed, nap nap"},
    ),
    (
        "a nap that both saw counts once, the longer recording of it",
        [session("a", "3 14:00", "3 14:40"), bed("b", "3 13:50", "3 15:00")],
        {"11-03 asleep": "nap b, overlapped a"},
    ),
    (
        "a nap that both saw for one length is the phone's",
        [session("a", "3 14:00", "3 14:40"), bed("b", "3 14:00", "3 14:40")],
        {"11-03 asleep": "nap a, overlapped b"},
    ),
    (
        "a night's sleep that the phone saw as a nap: the bed's three hours",
        [session("a", "3 14:00", "3 14:40"), bed("b", "3 13:50", "3 17:00")],
        {"11-03 eight_sleep": "main b, overlapped a"},
    ),
    (
        "by the phone nobody slept",
        [PHONE | AWAKE, bed("bed", "3 22:50", "4 07:10")],
        {"11-03 eight_sleep": "main bed, overlapped phone"},
    ),
    (
        "by the phone's remark nobody slept, and the bed was left empty",
        [PHONE | NEVER_SLEPT],
        {"11-03 asleep": "without phone"},
    ),
    (
        "too short for the phone",
        [session("a", "3 23:00", "3 23:04", **TOO_SHORT), bed("bed", "3 23:10", "4 07:10")],
        {"11-03 eight_sleep": "main bed, without a"},
    ),
    (
        "the phone has no figures yet, the bed has",
        [PHONE | NO_FIGURES, bed("bed", "3 22:50", "4 07:10")],
        {"11-03 eight_sleep": "main bed, overlapped phone"},
    ),
    (
        "neither has figures",
        [PHONE | NO_FIGURES, bed("bed", "3 22:50", "4 07:10", **NO_FIGURES)],
        {"11-03 asleep": "main phone, overlapped bed"},
    ),
    (
        "the phone was forgotten for 30 hours",
        [session("a", "3 22:00", "5 04:00"), bed("bed", "3 22:50", "4 07:10")],
        {"11-03 eight_sleep": "main bed, overlapped a"},
    ),
    (
        "the bed was never left for 30 hours",
        [PHONE, bed("b", "3 22:00", "5 04:00")],
        {"11-03 asleep": "main phone, overlapped b"},
    ),
    (
        "the phone's recording broke off after forty minutes: a fragment does not stand for the night",
        [session("a", "3 22:00", "3 22:40"), bed("bed", "3 21:50", "4 06:30")],
        {"11-03 eight_sleep": "main bed, overlapped a"},
    ),
    (
        "both recorded less than three hours of it: the phone's",
        [session("a", "3 22:00", "3 22:40"), bed("bed", "3 22:00", "4 00:30")],
        {"11-03 asleep": "main a, overlapped bed"},
    ),
    (
        "from three hours on the phone's is a night",
        [session("a", "3 22:00", "4 01:00"), bed("bed", "3 21:50", "4 06:30")],
        {"11-03 asleep": "main a, overlapped bed"},
    ),
    (
        "the phone for the first half of the night, the bed of the guest room for the second",
        [session("a", "3 22:00", "4 02:00"), bed("b", "4 02:10", "4 07:00")],
        {"11-03 asleep": "main a, further b"},
    ),
    (
        "clocks go back in the night: 02:30 of both are the same moment or an hour apart, as they were recorded",
        [
            session_between("a", at(0, 10), at(0, 50), BERLIN),
            session_between("b", at(1, 10), at(1, 50), BERLIN) | BED,
            session_between("c", at(1, 20), at(5, 20), BERLIN),
        ],
        {"10-24 asleep": "main c, further a, overlapped b"},
    ),
    (
        "clocks go forward in the night that both recorded",
        [
            session("a", "2026-03-28 23:00", "2026-03-29 07:00", BERLIN),
            bed("b", "2026-03-28 22:30", "2026-03-29 07:30", BERLIN),
        ],
        {"03-28 asleep": "main a, overlapped b"},
    ),
    (
        "the bed tells another zone, but the same evening",
        [session("a", "3 23:00", "4 07:00", SEOUL), bed("b", "3 14:50", "3 23:10", BERLIN)],
        {"11-03 asleep": "main a, overlapped b"},
    ),
    (
        "the bed tells a zone where it is the evening before: main sleep of that night, but counted in no mean",
        [session("a", "4 23:00", "5 07:00", SEOUL), bed("b", "4 05:50", "4 14:10", LA)],
        {"11-03 eight_sleep": "main b", "11-04 asleep": "main a"},
    ),
    (
        "the same, and the phone has that night too: the bed's recording is overlapped there",
        [
            session("z", "3 23:00", "4 07:00", SEOUL),
            session("a", "4 23:00", "5 07:00", SEOUL),
            bed("b", "4 05:50", "4 14:10", LA),
        ],
        {"11-03 asleep": "main z, overlapped b", "11-04 asleep": "main a"},
    ),
    (
        "one id at both is two recordings",
        [PHONE, bed("phone", "3 14:00", "3 14:40")],
        {"11-03 asleep": "main phone, nap phone"},
    ),
    (
        "a source that nobody ranked comes last",
        [session("a", "3 22:00", "4 08:00", source="a_watch"), bed("bed", "3 22:50", "4 07:10")],
        {"11-03 eight_sleep": "main bed, overlapped a"},
    ),
    (
        "the bed of another person is another person's",
        [PHONE, bed("bed", "3 22:30", "4 07:40", user_id="ben")],
        {"11-03 asleep": "main phone", "11-03 eight_sleep": "main bed"},
    ),
]


@pytest.fixture(scope="module", params=["with ledger", "without"])
def built(request: pytest.FixtureRequest) -> Marts:
    """The marts over the sessions of every case, each with users of its own."""
    sessions = [row | {"user_id": f"{n} {row['user_id']}"} for n, case in enumerate(CASES) for row in case[1]]
    return marts_of(sessions, ledger_of(sessions) if request.param == "with ledger" else [])


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_what_becomes_of_the_sessions_of_two_sources(built: Marts, number: int) -> None:
    """As reasoned by hand, with the ledger and without; the row is the main sleep's source's."""
    of_case = [night for night in built.tables["nights"].to_pylist() if night["user_id"].split()[0] == str(number)]
    assert {f"{night['night_of']:%m-%d} {night['source']}": told(night) for night in of_case} == CASES[number][2]


def test_every_check_passes_on_all_of_them(built: Marts) -> None:
    """Every session once, and the main sleeps those of the ledger of their source."""
    assert [check for check in built.checks if not check.passed] == []


def nights_of(sessions: list[Row], ledger: list[Row]) -> dict[date, Row]:
    """The rows of ``nights`` by night."""
    return {night["night_of"]: night for night in marts_of(sessions, ledger).tables["nights"].to_pylist()}


def test_a_row_is_of_one_session_and_names_every_source() -> None:
    """Nothing of the bed's figures is in a row of the phone, not even where the phone has none; nor its clocks."""
    phone = PHONE | {"rem_sleep_s": None, "timezone": BERLIN, "missing_data_ratio": 0.25}
    other = bed("bed", "3 22:30", "4 07:40", rem_sleep_s=5_000, snoring_s=60, timezone=SEOUL)
    night = nights_of([phone, other], ledger_of([phone, other]))[NIGHT]
    assert (night["source"], night["sources"]) == ("asleep", ["asleep", "eight_sleep"])
    assert (night["total_sleep_time_s"], night["rem_sleep_s"], night["snoring_s"]) == (28_800, None, None)
    assert (night["timezone"], night["bedtime_clock"], night["missing_data_ratio"]) == (BERLIN, time(0), 0.25)
    assert (night["asleep_s"], night["sessions"], night["overlapped"]) == (28_800, 2, 1)
    assert (night["recorded_s"], night["overlapped_only_s"]) == (33_000, 4_200)


def test_one_sleep_under_two_nights_is_in_the_means_once() -> None:
    """That of the phone, although the bed recorded longer."""
    rows = [session("a", "4 23:00", "5 07:00", SEOUL), bed("b", "4 05:50", "4 14:10", LA)]
    nights = nights_of(rows, ledger_of(rows))
    assert {night: row["in_means"] for night, row in nights.items()} == {NIGHT: False, date(2026, 11, 4): True}
    longer = [rows[0], bed("b", "4 05:50", "4 22:50", LA)]  # of which the phone's is less than half
    nights = nights_of(longer, ledger_of(longer))
    assert {night: row["in_means"] for night, row in nights.items()} == {NIGHT: False, date(2026, 11, 4): True}
    rows[0] |= NO_FIGURES
    nights = nights_of(rows, ledger_of(rows))
    assert {night: row["in_means"] for night, row in nights.items()} == {NIGHT: True, date(2026, 11, 4): False}


def test_the_verdict_is_that_of_the_main_sleeps_source() -> None:
    """Whatever the other says; its lateness with it, and that anything was changed from both.

    The phone's night is complete as well, but without figures, so that the bed's is the main sleep.
    """
    rows = [PHONE | NO_FIGURES, bed("bed", "3 22:30", "4 07:40")]
    ledger = [
        expected_night(NIGHT, "complete", "phone", late_days=0, revised=True),
        expected_night(NIGHT, "complete", "bed", late_days=3, **BED),
    ]
    night = nights_of(rows, ledger)[NIGHT]
    assert (night["source"], night["verdict"], night["reason"]) == ("eight_sleep", "complete", None)
    assert (night["late_days"], night["revised"]) == (3, True)


VERDICTS = [
    ("no_recording", "not_checked", "bed"),  # it may still hold a sleep
    ("provider_error", "no_recording", "phone"),
    ("no_recording", "nap_only", "bed"),
    ("never_slept", "nap_only", "phone"),
    ("no_recording", "pending", "bed"),
    ("quarantined", "pending", "bed"),
    ("user_gone", "no_recording", "bed"),  # the phone was given up, the bed is slept in
    ("inactive", "never_slept", "bed"),
    ("not_checked", "user_gone", "phone"),
    ("deleted", "no_recording", "phone"),
    ("no_recording", "no_recording", "phone"),
    ("complete", "complete", "phone"),  # and neither is in the lake yet
]


def test_without_a_main_sleep_the_verdict_that_tells_most() -> None:
    """What may still come before what is known, that before nothing, and last a source that is not followed."""
    ledger = [
        expected_night(NIGHT, verdict, reason=reason, user_id=f"{number:02}", source=source)
        for number, (phone, beds, _) in enumerate(VERDICTS)
        for source, verdict, reason in (("asleep", phone, "phone"), ("eight_sleep", beds, "bed"))
    ]
    marts = marts_of([], ledger)
    for night, (phone, beds, first) in zip(marts.tables["nights"].to_pylist(), VERDICTS, strict=True):
        verdict = {"phone": (phone, "asleep"), "bed": (beds, "eight_sleep")}[first]
        assert (night["reason"], night["verdict"], night["source"]) == (first, *verdict)
        assert (night["sources"], night["sessions"]) == ([], 0)
    assert [check for check in marts.checks if not check.passed] == []


def test_weeks_and_cohorts_count_a_person_once() -> None:
    """A night with two recordings and two rows of the ledger is one night of one user."""
    rows = [PHONE, bed("bed", "3 22:30", "4 07:40"), bed("next", "4 22:30", "5 06:30")]
    ledger = [*ledger_of(rows), expected_night(date(2026, 11, 4), "no_recording")]
    marts = marts_of(rows, ledger)
    (week,) = marts.tables["user_weeks"].to_pylist()
    assert (week["nights_expected"], week["nights_complete"], week["nights_in_means"]) == (2, 2, 2)
    assert week["total_sleep_time_s_mean"] == 28_800
    days = marts.tables["cohort_days"].to_pylist()
    assert [(day["users_expected"], day["users_complete"], day["users_in_means"]) for day in days] == [(1, 1, 1)] * 2
    assert "source" not in {*week, *days[0]}


def test_a_person_with_one_source_has_the_same_figures_whichever_it_is() -> None:
    """Only the source's name is another; so nothing of the merging reaches a night of one source."""
    rows = [
        PHONE,
        session("nap", "3 14:00", "3 14:30"),
        session("again", "4 06:30", "4 08:30"),
        session("short", "4 22:00", "4 22:30"),
        session("late", "5 03:00", "5 05:00", **NO_FIGURES),
    ]
    of_bed = [row | BED for row in rows]
    one, other = (marts_of(each, ledger_of(each)).tables for each in (rows, of_bed))
    for name, table in one.items():
        of_both = [column for column in table.column_names if column not in ("source", "sources")]
        assert table.select(of_both).equals(other[name].select(of_both)), name
    assert set(other[NIGHTS.name]["source"].to_pylist()) == {"eight_sleep"}
