"""Main sleep, naps and overlaps, reasoned by hand for every kind of night; the ledger names the same main sleep."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from assets.marts.build import Marts
from tests.assets.marts.recordings import (
    AWAKE,
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

SEOUL, BERLIN, NEW_YORK, LA = "Asia/Seoul", "Europe/Berlin", "America/New_York", "America/Los_Angeles"
FIRST, LAST = "Pacific/Kiritimati", "Pacific/Pago_Pago"


def at(hour: int, minute: int) -> datetime:
    """A moment of the 25th of October 2026 in UTC: at 01:00 Berlin's clocks go back from 03:00 to 02:00."""
    return datetime(2026, 10, 25, hour, minute, tzinfo=UTC)


NIGHT = session("night", "3 23:00", "4 07:00")

# why, sessions, what becomes of them by night
CASES: list[tuple[str, list[Row], dict[str, str]]] = [
    ("one night's sleep", [NIGHT], {"11-03": "main night"}),
    ("begun after midnight, it is the evening's before", [session("a", "4 00:40", "4 07:00")], {"11-03": "main a"}),
    ("an afternoon's nap", [session("b", "3 14:00", "3 14:45"), NIGHT], {"11-03": "main night, nap b"}),
    ("20 of 50 minutes after 21:00", [session("b", "3 20:30", "3 21:20"), NIGHT], {"11-03": "main night, nap b"}),
    ("half of it after 21:00 is not more", [session("b", "3 20:30", "3 21:30"), NIGHT], {"11-03": "main night, nap b"}),
    (
        "31 of 61 minutes after 21:00: no nap, a night's sleep that was interrupted",
        [session("b", "3 20:30", "3 21:31"), NIGHT],
        {"11-03": "main night, further b"},
    ),
    (
        "a nap before midnight lies at night, so it is a part of it",
        [session("b", "3 22:00", "3 22:40"), NIGHT],
        {"11-03": "main night, further b"},
    ),
    ("dozing before midnight is all there was", [session("b", "3 22:00", "3 22:40")], {"11-03": "main b"}),
    ("a nap after waking, before noon", [NIGHT, session("b", "4 09:30", "4 10:30")], {"11-03": "main night, nap b"}),
    (
        "a nap after noon is the next night's",
        [NIGHT, session("b", "4 12:30", "4 13:30")],
        {"11-03": "main night", "11-04": "nap b"},
    ),
    (
        "slept on after breakfast, 60 of 90 minutes before 09:00",
        [NIGHT, session("b", "4 08:00", "4 09:30")],
        {"11-03": "main night, further b"},
    ),
    ("at noon exactly the next night begins", [session("a", "4 12:00", "4 12:30")], {"11-04": "nap a"}),
    ("shift worker, in bed from 08:00", [session("a", "4 08:00", "4 15:00")], {"11-03": "main a"}),
    ("shift worker, in bed from 13:00", [session("a", "4 13:00", "4 20:00")], {"11-04": "main a"}),
    (
        "shift worker whose bedtime moves past noon: no night of the 4th",
        [session("a", "4 11:30", "4 17:00"), session("b", "5 12:30", "5 18:00")],
        {"11-03": "main a", "11-05": "main b"},
    ),
    (
        "shift worker with two sleeps from noon to noon: the longer is the main one",
        [session("a", "4 13:00", "4 18:00"), session("b", "5 06:00", "5 10:00")],
        {"11-04": "main a, further b"},
    ),
    ("three hours in the afternoon are a night's sleep", [session("a", "3 14:00", "3 17:00")], {"11-03": "main a"}),
    ("a second less is a nap", [session("a", "3 14:00", "3 16:59:59")], {"11-03": "nap a"}),
    (
        "split night, the longer part is the main one",
        [session("a", "3 23:00", "4 02:00"), session("b", "4 02:30", "4 06:30")],
        {"11-03": "main b, further a"},
    ),
    (
        "split in three, each under three hours",
        [session("a", "3 22:00", "4 00:30"), session("b", "4 01:00", "4 03:40"), session("c", "4 04:00", "4 06:00")],
        {"11-03": "main b, further a c"},
    ),
    (
        "ends that touch do not overlap",
        [session("a", "3 23:00", "4 03:00"), session("b", "4 03:00", "4 07:30")],
        {"11-03": "main b, further a"},
    ),
    (
        "bed and phone",
        [session("bed", "3 22:50", "4 07:10"), session("phone", "3 23:00", "4 07:00")],
        {"11-03": "main bed, overlapped phone"},
    ),
    (
        "phone restarted, ten minutes twice",
        [session("a", "3 23:00", "4 03:10"), session("b", "4 03:00", "4 07:00")],
        {"11-03": "main a, overlapped b"},
    ),
    (
        "the same night uploaded twice",
        [session("a", "3 23:00", "4 07:00"), session("b", "3 23:00", "4 07:00")],
        {"11-03": "main b, overlapped a"},
    ),
    (
        "two of one length: the id that sorts last, whatever came first",
        [session("b", "3 22:00", "4 02:00"), session("a", "4 03:00", "4 07:00")],
        {"11-03": "main b, further a"},
    ),
    (
        "a nap recorded while the night's recording ran on",
        [session("bed", "3 23:00", "4 09:00"), session("b", "4 08:00", "4 08:30")],
        {"11-03": "main bed, overlapped b"},
    ),
    (
        "what overlaps only an overlapped one counts",
        [session("a", "3 22:00", "4 02:00"), session("b", "4 01:00", "4 03:30"), session("c", "4 03:00", "4 05:00")],
        {"11-03": "main a, further c, overlapped b"},
    ),
    (
        "of naps that overlap the longest counts",
        [session("a", "3 13:00", "3 14:00"), session("b", "3 13:30", "3 14:50"), session("c", "3 14:40", "3 15:20")],
        {"11-03": "nap b, overlapped a c"},
    ),
    (
        "the same nap uploaded twice",
        [NIGHT, session("a", "3 14:00", "3 15:00"), session("b", "3 14:00", "3 15:00")],
        {"11-03": "main night, nap b, overlapped a"},
    ),
    (
        "a nap counts before the longer rest around it in which nobody slept",
        [session("a", "3 14:00", "3 15:00"), session("b", "3 13:30", "3 16:00", **AWAKE)],
        {"11-03": "nap a, overlapped b"},
    ),
    (
        "awake longer than asleep: the main sleep is slept",
        [session("a", "3 21:00", "4 08:00", **AWAKE), session("b", "4 00:00", "4 05:00")],
        {"11-03": "main b, overlapped a"},
    ),
    ("across noon it stays where it began", [session("a", "4 06:00", "4 13:30")], {"11-03": "main a"}),
    (
        "a nap after noon within the sleep that began before noon",
        [session("a", "4 06:00", "4 13:30"), session("b", "4 13:00", "4 14:00")],
        {"11-03": "main a", "11-04": "overlapped b"},
    ),
    (
        "forgotten for 30 hours: main sleep of its night, and the next night has its own",
        [session("a", "3 23:00", "5 05:00"), session("b", "4 23:30", "5 06:30")],
        {"11-03": "main a", "11-04": "main b"},
    ),
    (
        "forgotten for 30 hours beside the phone's true night: the longest is the main one, as in the ledger",
        [session("a", "3 22:00", "5 04:00"), session("b", "3 23:00", "4 07:00")],
        {"11-03": "main a, overlapped b"},
    ),
    ("never slept, by the figures", [session("a", "3 23:00", "4 07:00", **AWAKE)], {"11-03": "without a"}),
    ("never slept, by the remark alone", [session("a", "3 23:00", "4 07:00", **NEVER_SLEPT)], {"11-03": "without a"}),
    ("too short to analyse", [session("a", "3 23:00", "3 23:04", **TOO_SHORT)], {"11-03": "without a"}),
    (
        "too short by the remark, but figures with sleep",
        [session("a", "3 23:00", "4 01:00", peculiarities=["TOO_SHORT_FOR_ANALYSIS"])],
        {"11-03": "main a"},
    ),
    (
        "too short beside the night",
        [session("a", "3 22:40", "3 22:44", **TOO_SHORT), NIGHT],
        {"11-03": "main night, without a"},
    ),
    ("figures still missing", [session("a", "3 23:00", "4 07:00", **NO_FIGURES)], {"11-03": "main a"}),
    ("ended as it began", [session("a", "3 23:00", "3 23:00", **NO_FIGURES)], {"11-03": "nap a"}),
    (
        "clocks go forward: eight hours on the clock are seven, and less than 7:50 before",
        [
            session("a", "2026-03-28 23:00", "2026-03-29 07:00", BERLIN),
            session("b", "2026-03-28 15:00", "2026-03-28 22:50", BERLIN),
        ],
        {"03-28": "main b, further a"},
    ),
    (
        "clocks go back: the same clock times twice, an hour apart, do not overlap",
        [
            session_between("a", at(0, 10), at(0, 50), BERLIN),
            session_between("b", at(1, 10), at(1, 50), BERLIN),
        ],
        {"10-24": "main b, further a"},
    ),
    (
        "clocks go back: 00:30 to 02:30 in New York are three hours",
        [
            session("a", "2026-11-01 00:30", "2026-11-01 02:30", NEW_YORK),
            session("b", "2026-10-31 21:30", "2026-11-01 00:20", NEW_YORK),
        ],
        {"10-31": "main a, further b"},
    ),
    ("14 hours ahead: at 10:00 UTC the day is over", [session("a", "3 23:30", "4 07:00", FIRST)], {"11-03": "main a"}),
    ("11 hours behind: 10:30 UTC of the next date", [session("a", "3 23:30", "4 07:00", LAST)], {"11-03": "main a"}),
    (
        "flown east over the date line: the evening of the 3rd came twice",
        [session("a", "3 23:00", "4 06:00", SEOUL), session("b", "3 22:00", "4 06:00", LA)],
        {"11-03": "main b, further a"},
    ),
    (
        "flown west over the date line: there was no evening of the 4th",
        [session("a", "3 23:00", "4 06:00", "Pacific/Honolulu"), session("b", "5 22:00", "6 06:00", FIRST)],
        {"11-03": "main a", "11-05": "main b"},
    ),
    (
        "one sleep on two devices that tell different zones is the main sleep of two nights, as in the ledger",
        [session("a", "4 13:00", "4 21:00", SEOUL), session("b", "3 20:10", "4 04:00", LA)],
        {"11-03": "main b", "11-04": "main a"},
    ),
    (
        "two users with one session id are two people",
        [NIGHT, session("night", "3 23:00", "4 06:00", user_id="ben")],
        {"11-03": "main night", "11-03 ben": "main night"},
    ),
]  # fmt: skip


def of_case(number: int) -> list[Row]:
    """The sessions of a case, of users of its own, so that one build tells them all."""
    return [row | {"user_id": f"{number} {row['user_id']}"} for row in CASES[number][1]]


@pytest.fixture(scope="module", params=["with ledger", "without"])
def built(request: pytest.FixtureRequest) -> Marts:
    """The marts over the sessions of every case."""
    sessions = [row for number in range(len(CASES)) for row in of_case(number)]
    return marts_of(sessions, ledger_of(sessions) if request.param == "with ledger" else [])


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_what_becomes_of_the_sessions_of_a_night(built: Marts, number: int) -> None:
    """As reasoned by hand, with the ledger and without."""
    users = {row["user_id"] for row in of_case(number)}
    nights = [night for night in built.tables["nights"].to_pylist() if night["user_id"] in users]
    assert {_name(night): told(night) for night in nights} == CASES[number][2]


def test_the_ledger_has_the_same_main_sleeps(built: Marts) -> None:
    """One of the checks, which all pass on the marts of all cases."""
    assert "main_is_the_ledgers" in {check.name for check in built.checks}
    assert [check for check in built.checks if not check.passed] == []


def nights_of(sessions: list[Row], ledger: list[Row] | None = None) -> dict[date, Row]:
    """The rows of ``nights`` by night."""
    rows = marts_of(sessions, ledger or []).tables["nights"].to_pylist()
    return {night["night_of"]: night for night in rows}


def test_a_night_tells_its_times_on_the_local_clocks() -> None:
    """Both dates, and clock times with the offset that counted at that moment: clocks go forward in this night."""
    row = session("a", "2026-03-28 23:30", "2026-03-29 07:00", BERLIN)
    onset, wake = row["start_time"] + timedelta(minutes=30), row["end_time"] - timedelta(minutes=30)
    night = nights_of([row | {"sleep_onset": onset, "final_wake": wake}])[date(2026, 3, 28)]
    assert (night["wake_date"], night["timezone"]) == (date(2026, 3, 29), BERLIN)
    assert [night[f"{name}_clock"] for name in ("bedtime", "sleep_onset", "mid_sleep", "final_wake", "out_of_bed")] == [
        time(23, 30),
        time(0),
        time(3, 45),  # halfway between 00:00 and 06:30, which are 5:30 apart
        time(6, 30),
        time(7),
    ]
    assert night["mid_sleep_after_noon_s"] == 15.75 * 3600
    assert night["main_tracked_s"] == night["recorded_s"] == 6.5 * 3600


def test_sums_count_what_is_counted_and_nothing_else() -> None:
    """Ten minutes recorded twice, a nap, a rest and a night's sleep in two parts."""
    night = nights_of(
        [
            session("a", "3 23:00", "4 03:10", total_sleep_time_s=12_000),
            session("b", "4 03:00", "4 05:00", total_sleep_time_s=7_000),
            session("c", "4 05:00", "4 08:00", total_sleep_time_s=9_000),
            session("d", "3 14:00", "3 14:30", total_sleep_time_s=1_500),
            session("e", "3 16:00", "3 16:30", **AWAKE),
        ]
    )[date(2026, 11, 3)]
    assert told(night) == "main a, further c, nap d, without e, overlapped b"
    assert night["recorded_s"] == 10 * 3600
    assert night["main_tracked_s"] == 15_000
    assert (night["further_sleeps"], night["further_tracked_s"], night["further_sleep_s"]) == (1, 10_800, 9_000)
    assert (night["naps"], night["nap_tracked_s"], night["nap_sleep_s"]) == (1, 1_800, 1_500)
    assert (night["without_sleep"], night["without_sleep_tracked_s"]) == (1, 1_800)
    assert (night["overlapped"], night["overlapped_only_s"]) == (1, 110 * 60)
    assert (night["total_sleep_time_s"], night["asleep_s"]) == (12_000, 12_000 + 9_000 + 1_500)


def test_an_unknown_figure_is_not_zero() -> None:
    """Naps without figures have no sleep that is known, and neither has the night as a whole."""
    nap = session("b", "3 14:00", "3 14:30", **NO_FIGURES)
    night = nights_of([NIGHT, nap, session("c", "3 16:00", "3 16:20")])[date(2026, 11, 3)]
    assert (night["naps"], night["nap_tracked_s"]) == (2, 3_000)
    assert night["nap_sleep_s"] is None
    assert night["asleep_s"] is None
    assert night["further_sleep_s"] == 0


def test_means_use_neither_a_forgotten_recording_nor_one_sleep_twice() -> None:
    """24 hours are the most; a night beside a forgotten recording counts; of a sleep in two nights the longer does."""
    forgotten = [session("a", "3 23:00", "5 05:00"), session("b", "4 23:30", "5 06:30")]
    twice = [session("a", "4 13:00", "4 21:00", SEOUL), session("b", "3 20:10", "4 04:00", LA)]
    cases = [
        (forgotten, [False, True]),
        (twice, [False, True]),
        ([session("a", "3 23:00", "4 23:00")], [True]),
        ([session("a", "4 08:00", "4 14:00"), session("b", "4 13:00", "4 17:00")], [True, True]),
        ([session("a", "3 14:00", "3 15:00")], [False]),
    ]
    sessions = [row | {"user_id": str(number)} for number, (rows, _) in enumerate(cases) for row in rows]
    nights = marts_of(sessions).tables["nights"].to_pylist()
    for number, (_, counted) in enumerate(cases):
        assert [night["in_means"] for night in nights if night["user_id"] == str(number)] == counted


def test_of_two_of_one_length_the_ledger_decides() -> None:
    """It knows which was seen last; a ledger that names a shorter one, or one that is gone, is not asked."""
    pair = [session("a", "3 22:00", "4 02:00"), session("b", "4 03:00", "4 07:00"), session("c", "4 08:00", "4 08:30")]
    named = {"ann": "a", "ben": "b", "cid": "c", "dan": "gone", "eve": None}
    sessions = [row | {"user_id": user} for user in named for row in pair]
    ledger = [expected_night(date(2026, 11, 3), main=main, user_id=user) for user, main in named.items()]
    nights = marts_of(sessions, ledger).tables["nights"].to_pylist()
    assert [night["main_session_id"] for night in nights] == ["a", "b", "b", "b", "b"]


def test_nights_without_data_keep_their_verdict() -> None:
    """Nobody loses a night: pending, deleted or not asked for, they are there with zero sessions and no figures."""
    first = date(2026, 11, 3)
    verdicts = ["no_recording", "pending", "deleted", "quarantined", "not_checked", "user_gone", "inactive"]
    ledger = [
        expected_night(first + timedelta(number), verdict, reason="because", revised=verdict == "deleted")
        for number, verdict in enumerate(verdicts)
    ]
    user = {"org_id": "clinic", "source": "asleep", "user_id": "ann", "timezone": BERLIN}
    marts = marts_of([], ledger, [user])
    nights = marts.tables["nights"].to_pylist()
    assert [night["verdict"] for night in nights] == verdicts
    assert [night["revised"] for night in nights] == [verdict == "deleted" for verdict in verdicts]
    for night in nights:
        assert (night["timezone"], night["wake_date"], night["total_sleep_time_s"]) == (BERLIN, None, None)
        assert (night["sessions"], night["recorded_s"], night["in_means"]) == (0, 0, False)
        assert told(night) == ""
    assert all(check.passed for check in marts.checks)


def test_late_and_revised_are_the_ledgers() -> None:
    """And unknown where the night is not in it yet."""
    night = date(2026, 11, 3)
    late = nights_of([NIGHT], [expected_night(night, main="night", late_days=4, revised=True)])[night]
    assert (late["verdict"], late["late_days"], late["revised"]) == ("complete", 4, True)
    early = nights_of([NIGHT])[night]
    assert (early["verdict"], early["late_days"], early["revised"]) == (None, None, None)


def _name(night: Row) -> str:
    user = night["user_id"].split()[-1]
    return f"{night['night_of']:%m-%d}" + ("" if user == "ann" else f" {user}")
