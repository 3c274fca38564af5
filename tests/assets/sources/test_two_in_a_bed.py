"""Whose nights they are: two in a bed, several accounts, one person with phone and bed, users whom nobody sees."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.builds import build_partitions
from assets.lake.sleep_hypnograms import build_sleep_hypnograms
from assets.lake.sleep_sessions import build_sleep_sessions
from assets.raw.eight_sleep_vendor import sleepers_of
from connectors.state.nights import note_answered, note_asked
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP
from schemas.documents import SESSION
from schemas.eight_sleep import EIGHT_SLEEP, Bed, BedUser
from schemas.tables import NIGHT_LEDGER, SESSION_HISTORY, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS
from tests.assets.engine.disk import unawaited_disk
from tests.assets.homes import follow
from tests.assets.sources.eight_sleep_documents import interval_document
from tests.assets.sources.households import PASSWORD, Household, household

Make = Callable[..., Household]


@dataclass
class Answered:
    """An answer with this content."""

    content: Any

    def result(self) -> Any:
        """The content."""
        return self.content


@pytest.fixture
def make(tmp_path: Path, empty: Path) -> Iterator[Make]:
    """Makes a household, once."""
    with ExitStack() as opened, unawaited_disk():
        yield lambda **options: opened.enter_context(household(tmp_path, empty, **options))


def slept(home: Household, number: int) -> set[str]:
    """The ids of a sleeper's final sessions at the vendor."""
    told = home.world.nights_of(home.sleepers[number].user_id).told(home.clock.now)
    return {one.stay.id for one in told if one.is_final}


def sessions(home: Household) -> list[tuple[str, str]]:
    """Whose sessions raw has, and their ids: those that are complete, for only they are kept."""
    return [(one.document.user_id, one.document.document_id) for one in home.kept(SESSION)]


def held(home: Household, user_id: str) -> set[str]:
    """The ids of a person's sessions."""
    return {session_id for theirs, session_id in sessions(home) if theirs == user_id}


def test_the_partner_is_seen_through_the_owner_s_account(make: Make) -> None:
    """One login, one look at the bed; each has their own nights under their own id."""
    home = make()
    home.follow(0, 1)
    assert home.pull().complete
    assert (held(home, "P-0"), held(home, "P-1")) == (slept(home, 0), slept(home, 1))
    assert (home.asked["auth_login"], home.asked["me"], home.asked["bed"]) == (1, 1, 1)


def test_only_who_is_rostered_is_asked_for(make: Make) -> None:
    """The other half of the bed is nobody's business."""
    home = make()
    home.follow(1)
    assert home.pull().complete
    assert {user_id for user_id, _ in sessions(home)} == {"P-1"}


def test_a_bed_for_one_has_one_sleeper(make: Make) -> None:
    """Whose id stands on both sides, and whose nights are there once."""
    home = make()
    home.world.make_solo(home.world.beds()[0])
    home.follow(0)
    assert home.pull().complete
    assert held(home, "P-0") == slept(home, 0)
    assert len(sessions(home)) == len(slept(home, 0))


def test_users_of_an_account_that_is_refused_fail_alone(make: Make) -> None:
    """The others are pulled; once the password is right the rest comes, as if nothing had been."""
    home = make(beds=2)
    home.follow(0, 1, 2, 3)
    other = home.sleepers[2]
    home.accounts.append((other.email, PASSWORD))
    report = home.pull()
    assert (report.complete, dict(report.failed)) == (False, {"account_refused": 2})
    assert home.left() == {"P-2": "account_refused", "P-3": "account_refused"}
    assert [held(home, f"P-{n}") for n in range(4)] == [slept(home, 0), slept(home, 1), set(), set()]
    assert home.gone() == []
    home.accounts[1] = (other.email, other.password)
    assert home.pull().complete
    assert [held(home, f"P-{n}") for n in range(4)] == [slept(home, n) for n in range(4)]


def test_who_is_seen_by_two_accounts_is_pulled_once(make: Make) -> None:
    """Both sleepers may have an account in the settings."""
    home = make()
    home.accounts.append((home.sleepers[1].email, home.sleepers[1].password))
    home.follow(0, 1)
    assert home.pull().complete
    assert len(sessions(home)) == len(slept(home, 0)) + len(slept(home, 1))
    assert home.asked["intervals"] == 4  # a page and the empty one that ends the list, for each


def test_a_user_whom_no_account_sees_is_gone_and_the_others_are_pulled(make: Make) -> None:
    """As a user whom the vendor has deleted; told as a failure once."""
    home = make(beds=2)
    home.follow(0, 2)
    report = home.pull()
    assert dict(report.failed) == {"user_not_found": 1}
    assert (home.gone(), held(home, "P-0")) == (["P-2"], slept(home, 0))
    assert home.pull().complete


def test_a_user_whom_the_vendor_forgets_keeps_their_nights(make: Make) -> None:
    """Gone is not deleted: what was recorded stays."""
    home = make()
    home.follow(0, 1)
    home.pull()
    before = held(home, "P-1")
    home.world.forget(home.sleepers[1].user_id)
    home.clock.advance(days=1)
    assert dict(home.pull().failed) == {"user_not_found": 1}
    assert home.gone() == ["P-1"]
    assert held(home, "P-1") == before


def test_one_person_with_phone_and_bed_has_a_row_a_night_of_either(make: Make) -> None:
    """Under one id; whether it was asked for and came is a question to each source."""
    home = make()
    home.follow(0)
    phone = RosterUser(ASLEEP, "P-0", "clinic", "Europe/Lisbon")
    follow(home.home, phone)
    with home.home.state.write() as connection:
        days = (home.today - timedelta(days=4), home.today)
        note_asked(connection, [(phone, days)])
        note_answered(connection, [(phone, days)], home.clock())
    home.run()
    rows = home.rows(NIGHT_LEDGER, "P-0")
    night = max(row["night_of"] for row in rows)
    assert {row["source"] for row in rows if row["night_of"] == night} == {ASLEEP, EIGHT_SLEEP}
    verdicts = {row["verdict"] for row in rows if row["source"] == ASLEEP and row["night_of"] == night}
    assert verdicts <= {"no_recording", "not_checked"}


def test_two_users_with_a_session_of_the_same_id_keep_both(make: Make) -> None:
    """Ids are moments: two people of two accounts may have gone to bed in the same second."""
    home = make()
    day = date(2026, 11, 1)
    changes: list[dict[str, Any]] = [{}, {"stages": [{"stage": "deep", "duration": 3600}]}]
    home.home.raw.append(interval_document(user_id=f"P-{n}", day=day, **changes[n]) for n in range(2))
    for name, build in (("sleep_sessions", build_sleep_sessions), ("sleep_hypnograms", build_sleep_hypnograms)):
        report = build_partitions(home.home, name, [day.isoformat()], lambda one, build=build: build(home.home, one))  # type: ignore[misc]
        assert (report.total.rows, report.total.quarantined) == (2, 0)
    home.loads = True
    home.rebuild()
    for table in (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SESSION_HISTORY):
        assert [(row["user_id"], row["session_id"]) for row in home.rows(table)] == [
            (f"P-{n}", home.rows(table)[0]["session_id"]) for n in range(2)
        ]
    assert {row["user_id"] for row in home.rows(SLEEP_STAGE_INTERVALS)} == {"P-0", "P-1"}
    assert home.pictures.warehouse_differences() == []


class _BedWithoutItsPartner:
    """An account whose bed says of one sleeper only that they are away."""

    async def get_me(self) -> Answered:
        return Answered(BedUser("owner", devices=("bed",)))

    async def get_bed(self, device_id: str) -> Answered:
        assert device_id == "bed"
        return Answered(Bed(left_user_id="owner", away_sides={"rightUserId": "partner"}))


def test_who_is_away_is_still_seen() -> None:
    """A sleeper on a journey is no user whom the vendor does not know."""
    account: Any = _BedWithoutItsPartner()
    assert set(asyncio.run(sleepers_of(account))) == {"owner", "partner"}
