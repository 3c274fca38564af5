"""The doctor where people sleep in beds: accounts, beds, who is in them, and the pulls of that source."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connectors.state.ledger import put_unpulled
from connectors.state.roster import put_users
from connectors.state.vendor import remember_complete_pull, remember_vendor
from pipelines.command.doctor import examine
from pipelines.command.doctor.findings import Finding
from pipelines.command.doctor.schedule import Daemon, daemon_findings
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP
from tests.pipelines.household import Household, household


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Household]:
    """A person with phone and bed, and the partner; nothing pulled yet."""
    with household(tmp_path / "home", nights=1) as people:
        yield people


def examined(people: Household, **settings: Any) -> dict[str, Finding]:
    """What the doctor finds, by what it looked at; nobody, no bed and no account is named."""
    findings = examine(people.settings.model_copy(update=settings), people.home)
    told = " ".join(f"{finding.words} {finding.do}" for finding in findings)
    names = [user.asked_as for user in people.sleepers] + [people.both] + [bed.id for bed in people.beds.beds()]
    names += [text for sleeper in people.beds.accounts() for text in (sleeper.email, sleeper.password)]
    assert [name for name in names if name in told] == []
    found = {finding.what: finding for finding in findings}
    assert len(found) == len(findings)
    return found


def logins(people: Household) -> int:
    """How often the bed's account was logged in to."""
    told = httpx.get(f"{people.base_url}/_control/bed/calls", trust_env=False).json()
    return int(told["calls"].get("auth_login", 0))


def test_all_is_well_with_one_login(people: Household) -> None:
    """The account, its beds and everybody in them; the second look uses the token that the first has bought."""
    for _ in range(2):
        found = examined(people)
        assert [found[what].fine for what in ("Eight Sleep", "beds", "sleepers")] == [True] * 3
        assert "2 followed user(s) sleep in a bed" in found["sleepers"].words
        assert "2 user(s), 2 of them followed today. 2 of them by a bed." in found["roster"].words
    assert logins(people) == 1


def test_a_wrong_password_is_told_once_and_tried_once(people: Household) -> None:
    """One clear finding; who sleeps where is then not known, and no further login is made."""
    for _ in range(2):
        found = examined(people, eight_sleep_password=SecretStr("canary-wrong"))
        assert (found["Eight Sleep"].fine, found["sleepers"].fine) == (False, None)
        assert "EIGHT_SLEEP_PASSWORD" in found["Eight Sleep"].words
        assert "canary" not in found["Eight Sleep"].words
        assert "beds" not in found
    assert logins(people) == 1


def test_a_bed_without_its_hub_and_a_user_in_no_bed(people: Household) -> None:
    """Each is a complaint with what to do."""
    people.beds.beds()[0].online = False
    partner = next(user for user in people.sleepers if user.user_id != people.both)
    with people.home.state.write() as connection:
        put_users(connection, [replace(partner, vendor_user_id="canary-nobody")])
    found = examined(people)
    assert found["Eight Sleep"].fine is True
    assert found["beds"].words.startswith("1 of 1 bed(s) is not connected")
    assert found["sleepers"].words == "1 of 2 followed user(s) sleep in no bed that an account sees."
    assert "nightshift bed users" in found["sleepers"].do


def test_a_roster_of_beds_without_an_account(people: Household) -> None:
    """Nothing is asked; the settings to set are named. Without anybody there and an account nothing is said at all."""
    none = {"eight_sleep_email": None, "eight_sleep_password": None}
    assert (
        "2 user(s) are rostered at eight_sleep, but no account is set" in examined(people, **none)["Eight Sleep"].words
    )
    with people.home.state.write() as connection:
        connection.exec_driver_sql("DELETE FROM roster WHERE source = 'eight_sleep'")
    assert examined(people, **none).keys().isdisjoint({"Eight Sleep", "beds", "sleepers", "schedule of beds"})


def test_a_home_of_beds_alone_is_not_asked_for_a_key(people: Household) -> None:
    """Nobody has a phone and no key is set: Asleep is not looked at, and its schedule is not missed."""
    with people.home.state.write() as connection:
        connection.exec_driver_sql("DELETE FROM roster WHERE source = 'asleep'")
    found = examined(people, asleep_api_key=None)
    assert found.keys().isdisjoint({"key", "vendor", "clock", "account", "schedule"})
    assert found["schedule of beds"].words == "Not all users of beds were ever pulled in one run."


def test_another_address_than_that_of_before(people: Household) -> None:
    """The home was filled from another one: it is said, and no login is tried there."""
    before = replace(people.accounts.account(), base_url="https://client-api.elsewhere.test")
    with people.home.state.write() as connection:
        remember_vendor(connection, before)
    found = examined(people)["Eight Sleep"]
    assert found.fine is False
    assert "EIGHT_SLEEP_CLIENT_URL has changed" in found.words
    assert logins(people) == 0


def test_pulls_of_beds_are_told_apart(people: Household) -> None:
    """When everybody was pulled last and who is left over, source by source."""
    now = people.clock()
    days = (now.date() - timedelta(days=35), now.date())
    with people.home.state.write() as connection:
        remember_vendor(connection, people.accounts.account())
        put_unpulled(connection, ASLEEP, {people.both: "unreachable"}, now, days)
        put_unpulled(connection, EIGHT_SLEEP, {user.user_id: "not_asked" for user in people.sleepers}, now, days)
        put_users(connection, [replace(people.sleepers[0], active_from=days[0])])
        connection.exec_driver_sql("UPDATE roster SET gone = 1 WHERE source = 'eight_sleep'")
    remember_complete_pull(people.home.state, EIGHT_SLEEP, now)
    found = examined(people)
    phones, beds = found["users not pulled"].words.splitlines()
    assert phones.startswith("1 user(s) (1 unreachable), last tried")
    assert beds.startswith("2 user(s) of beds (2 not asked yet), last tried")
    assert found["schedule of beds"].fine is True
    assert found["schedule"].fine is False
    assert "users at the vendor" not in found
    assert found["sleepers at the vendor"].words.startswith("2 followed user(s) were seen by no Eight Sleep account")


@pytest.mark.parametrize(
    ("on", "overdue", "fine", "words"),
    [
        (["nightly", "nightly_beds"], False, True, "the schedules nightly and nightly_beds are switched on"),
        (["nightly"], False, True, "the schedule nightly_beds is switched off"),
        (["nightly"], True, False, "the schedule nightly_beds is switched off"),
        ([], True, False, "the schedules nightly and nightly_beds are switched off"),
    ],
)
def test_both_schedules_are_to_be_on(on: list[str], overdue: bool, fine: bool, words: str) -> None:
    """Where people are followed at both sources; what is off is trouble once a pull is overdue."""
    found, *_ = daemon_findings(Daemon(alive=True, pulls=on), [ASLEEP, EIGHT_SLEEP], overdue=overdue)
    assert (found.fine, words in found.words) == (fine, True)
