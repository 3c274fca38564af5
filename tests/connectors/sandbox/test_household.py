"""Phones and beds of the same people: one truth seen twice, one origin, one time."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.asleep.sandbox import World, build_app
from connectors.asleep.sandbox.sessions import Session
from connectors.eight_sleep.sandbox import World as Beds
from connectors.eight_sleep.sandbox.nights import Told
from connectors.sandbox.household import MOST_BEDS, bed_roster, beds_of, going_on_from, together
from connectors.sandbox.server import running

NOW = datetime(2026, 11, 3, 6, 0, tzinfo=UTC)
MOST_APART = timedelta(minutes=7)


def worlds(users: int = 3, beds: int = 2, nights: int = 20) -> tuple[World, Beds]:
    """Phones, and beds in which the first of their people sleep, at one time."""
    phones = World(users=users, nights=nights, now=NOW)
    return phones, beds_of(phones, beds, lambda: phones.now)


def of_person(phones: World, beds: Beds, number: int) -> tuple[list[Session], list[Told]]:
    """What phone and bed tell of a person, since the bed knows of anything, oldest first."""
    person, bed = list(phones.users())[number], beds.beds()[number]
    nights = beds.nights_of(bed.sleepers()[0].user_id)
    told = nights.told(phones.now)
    return [session for session in person.sessions if session.end >= told[0].stay.start], told


@pytest.mark.parametrize("number", [0, 1])
def test_a_bed_sees_the_nights_of_the_phone(number: int) -> None:
    """Each of them and no other, some minutes off, in the zone of the person, also the one that is under way."""
    sessions, told = of_person(*worlds(), number)
    assert len(sessions) == len(told) > 15
    for session, one in zip(sessions, told, strict=True):
        assert abs(session.start - one.whole.start) <= MOST_APART
        assert abs(session.end - one.whole.end) <= MOST_APART
        assert one.whole.zone == session.timezone


def test_a_partner_sleeps_otherwise_in_the_same_place() -> None:
    """Who has no phone has invented nights, in the zone of the bed."""
    phones, beds = worlds()
    bed = beds.beds()[0]
    owner, partner = (beds.nights_of(sleeper.user_id).told(NOW) for sleeper in bed.sleepers())
    assert {one.whole.start for one in owner}.isdisjoint(one.whole.start for one in partner)
    assert {one.whole.zone for one in partner} == {next(phones.users()).person.timezone} == {bed.zone}


def test_a_night_that_is_added_to_the_phone_is_in_the_bed() -> None:
    """With the clock that both have."""
    phones, beds = worlds(beds=1)
    before = len(of_person(phones, beds, 0)[1])
    added = phones.add_nights(2, [next(phones.users())])
    sessions, told = of_person(phones, beds, 0)
    assert len(told) == before + 2
    assert [session.id for session in sessions[-2:]] == [session.id for session in added]


def test_the_roster_has_everybody_once_with_one_id_a_person() -> None:
    """Phone users under their own, others under one of the bed; more beds than people are beds of strangers."""
    phones, beds = worlds(users=1, beds=2)
    rows = [line.split(",") for line in bed_roster(phones, beds).splitlines()[1:]]
    assert [row[0] for row in rows] == [next(phones.users()).user_id, "bed-1-right", "bed-2-left", "bed-2-right"]
    assert [row[3] for row in rows] == [sleeper.user_id for sleeper in beds.accounts()]


def test_no_two_sleepers_of_the_most_beds_have_a_session_of_one_id() -> None:
    """So that what is compared with the truth is compared with the right night."""
    _, beds = worlds(users=24, beds=MOST_BEDS, nights=12)
    ids = [one.whole.id for sleeper in beds.accounts() for one in beds.nights_of(sleeper.user_id).told(NOW)]
    assert len(ids) == len(set(ids)) > 12 * MOST_BEDS


def test_both_vendors_answer_under_one_origin() -> None:
    """Each its own paths and controls, and what neither has is refused by the phone's."""
    phones, beds = worlds()
    owner = next(beds.accounts())
    with (
        running(together(build_app(phones), phones, beds)) as origin,
        httpx.Client(base_url=origin, trust_env=False) as client,
    ):
        login = {"email": owner.email, "password": owner.password}
        assert client.post("/client-api/v1/login", json=login).json()["session"]["userId"] == owner.user_id
        assert client.get("/client-api/v1/users/me").status_code == 401
        assert "Asleep" in client.get("/_control").json()["about"]
        assert "Eight Sleep" in client.get("/_control/bed").json()["about"]
        assert client.get("/_control/bed/users.csv").text == bed_roster(phones, beds)
        assert client.get("/data/v1/sessions").status_code == 401
        key = {"x-api-key": phones.api_key}
        assert client.get("/nothing", headers=key).status_code == client.get("/nowhere", headers=key).status_code == 404


def test_time_in_beds_goes_on_from_that_of_the_phones() -> None:
    """Never back, and with the phones' clock where that is moved."""
    phones = World(users=1, nights=1, now=NOW)
    clock = going_on_from(phones)
    moments = [clock() for _ in range(3)]
    assert moments == sorted(moments)
    assert moments[0] >= NOW
    phones.advance_to(NOW + timedelta(days=1))
    assert clock() >= NOW + timedelta(days=1)
