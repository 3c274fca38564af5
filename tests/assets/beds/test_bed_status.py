"""Polls of beds: kept as they came, one row a side, stays that no gap is bridged in."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from assets.lake.bed_presence import build_bed_presence
from assets.lake.bed_status import build_bed_status
from connectors.home import Home
from connectors.state.dirty import list_dirty
from schemas.bed_tables import BED_PRESENCE, BED_STATUS
from schemas.documents import BED_STATUS as POLL
from schemas.eight_sleep import EIGHT_SLEEP, BedStatus
from schemas.quirks import IMPOSSIBLE_VALUE, Drift
from tests.assets.beds.documents import ANNA, BED, VENDOR_ID, poll, status
from tests.assets.homes import follow

DAY = date(2026, 11, 3)
FOUR = datetime(2026, 11, 3, 4, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OUT_OF_RANGE = 101


def rows_of(home: Home, *polls: tuple[datetime, BedStatus]) -> list[dict[str, Any]]:
    """The rows of ``bed_status`` of these polls."""
    poll(home, polls)
    assert build_bed_status(home, DAY.isoformat()).conserved
    rows: list[dict[str, Any]] = home.lake.read(BED_STATUS, f"date={DAY}").to_pylist()
    return rows


def stays_of(home: Home, *polls: tuple[datetime, BedStatus]) -> list[dict[str, Any]]:
    """The rows of ``bed_presence`` of these polls."""
    rows_of(home, *polls)
    assert build_bed_presence(home, DAY.isoformat()).conserved
    rows: list[dict[str, Any]] = home.lake.read(BED_PRESENCE, f"date={DAY}").to_pylist()
    return rows


def test_a_poll_is_a_row_a_side(home: Home) -> None:
    """With the rostered user, the levels as levels, and the partner, whom nobody rostered, without a name."""
    left, right = rows_of(home, (FOUR, status(left=True, tempTarget=-50, tempBed=-45)))
    assert left == {
        "source": EIGHT_SLEEP,
        "bed_id": BED,
        "side": "left",
        "time": FOUR,
        "utc_date": DAY,
        "user_id": "anna",
        "online": True,
        "presence": True,
        "target_level": -50,
        "level": -45,
        "solo": False,
    }
    assert (right["side"], right["user_id"], right["presence"], right["level"]) == ("right", None, False, 2)


def test_levels_are_never_degrees() -> None:
    """Neither by their name nor by their unit."""
    for name in ("target_level", "level"):
        assert BED_STATUS.unit(name) == "level"
        assert "Not degrees." in BED_STATUS.description(name)


def test_of_a_bed_that_is_not_heard_nothing_is_known(home: Home) -> None:
    """What its answer says of the sides means nothing."""
    for row in rows_of(home, (FOUR, status(left=True, online=False, tempTarget=-50, tempBed=0))):
        assert row["online"] is False
        assert row["presence"] is row["level"] is row["target_level"] is None


@pytest.mark.parametrize("told", [status(right=True, right_user=VENDOR_ID), status(right=True, side="solo")])
def test_who_sleeps_alone_stands_on_the_left(home: Home, told: BedStatus) -> None:
    """One row, and presence on either side is theirs."""
    (row,) = rows_of(home, (FOUR, told))
    assert (row["side"], row["solo"], row["presence"], row["user_id"]) == ("left", True, True, "anna")


def test_a_level_that_cannot_be_is_null_and_noted(home: Home) -> None:
    """The poll stays."""
    poll(home, [(FOUR, status(tempTarget=OUT_OF_RANGE))])
    built = build_bed_status(home, DAY.isoformat())
    assert built.drift == {(EIGHT_SLEEP, Drift(IMPOSSIBLE_VALUE, "$.left.tempTarget")): 1}
    assert home.lake.read(BED_STATUS, f"date={DAY}").to_pylist()[0]["target_level"] is None


def test_polls_are_appended_and_the_same_twice_is_one(home: Home) -> None:
    """Raw has them under an id that tells nothing, and what is made of them is dirty."""
    poll(home, [(FOUR, status())])
    poll(home, [(FOUR, status()), (FOUR + MINUTE, status())])
    kept = home.raw.current(EIGHT_SLEEP, POLL, DAY)
    assert [one.revision for one in kept] == [1, 1]
    assert not any(part in one.document.document_id for one in kept for part in (BED, "2026"))
    with home.state.read() as connection:
        assert list_dirty(connection).keys() == {
            "bed_status",
            "bed_presence",
            "fhir_bed_observations",
            "warehouse_beds",
        }
    assert len(rows_of(home)) == 4


def test_nobody_is_named_for_nights_in_which_they_are_not_followed(home: Home) -> None:
    """A person's consent has a beginning."""
    follow(home, replace(ANNA, active_from=date(2026, 11, 4)))
    assert {row["user_id"] for row in rows_of(home, (FOUR, status(left=True)))} == {None}


def test_a_stay_is_from_the_first_poll_that_saw_it_to_the_first_that_did_not(home: Home) -> None:
    """Of the user whose side it is, in the zone of the roster."""
    seen = [status(), status(left=True), status(left=True), status()]
    (stay,) = stays_of(home, *((FOUR + 5 * number * MINUTE, told) for number, told in enumerate(seen)))
    assert stay == {
        "org_id": "clinic",
        "source": EIGHT_SLEEP,
        "bed_id": BED,
        "side": "left",
        "start_time": FOUR + 5 * MINUTE,
        "end_time": FOUR + 15 * MINUTE,
        "utc_date": DAY,
        "user_id": "anna",
        "timezone": ANNA.timezone,
        "starts_unseen": False,
        "ends_unseen": False,
        "polls": 2,
    }


def test_a_gap_is_not_bridged(home: Home) -> None:
    """Eleven minutes without a poll that knew anything are two stays, and each says what nobody saw."""
    first, second = stays_of(
        home,
        (FOUR, status(left=True)),
        (FOUR + 5 * MINUTE, status(left=True, online=False)),
        (FOUR + 11 * MINUTE, status(left=True)),
    )
    assert (first["start_time"], first["end_time"], first["ends_unseen"]) == (FOUR, FOUR, True)
    assert (second["start_time"], second["starts_unseen"]) == (FOUR + 11 * MINUTE, True)


def test_a_stay_over_midnight_is_one_a_date_open_at_its_ends(home: Home) -> None:
    """Each date is made from its own polls."""
    midnight = datetime(2026, 11, 4, tzinfo=UTC)
    (before,) = stays_of(home, *((midnight + n * MINUTE, status(left=True)) for n in (-5, -1, 4, 9)))
    build_bed_status(home, "2026-11-04")
    build_bed_presence(home, "2026-11-04")
    (after,) = home.lake.read(BED_PRESENCE, "date=2026-11-04").to_pylist()
    assert (before["end_time"], before["ends_unseen"]) == (midnight - MINUTE, True)
    assert (after["start_time"], after["starts_unseen"]) == (midnight + 4 * MINUTE, True)


def test_another_person_on_a_side_begins_another_stay(home: Home) -> None:
    """They cannot both have lain there."""
    first, second = stays_of(home, (FOUR, status(left=True)), (FOUR + MINUTE, status(left=True, left_user="somebody")))
    assert (first["user_id"], first["end_time"], first["ends_unseen"]) == ("anna", FOUR + MINUTE, False)
    assert (second["user_id"], second["org_id"], second["starts_unseen"]) == (None, None, False)
