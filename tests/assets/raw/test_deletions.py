"""Sessions that vanish: deleted after a 404 on their detail and never otherwise, and not very many at once."""

from datetime import UTC, date, datetime, timedelta

import pytest

from assets.raw.deletions import FEW, Brake, TooManyDeletions
from assets.raw.pulled import SessionCounts
from assets.raw.user_pull import SWEEP_AGE
from connectors.home import Home
from connectors.state.ledger import sessions_of
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP
from schemas.documents import DELETED, SESSION
from tests.assets.homes import StandingClock, follow
from tests.assets.raw.pulls import Puller, dirty, kept
from tests.assets.raw.scripted import Night, ScriptedVendor

PERSON = "G-20250301120000-kQmZrTbLwXcVnHjPdSfA"
NIGHT = "20261030140000_night"
START = datetime(2026, 10, 30, 14, 0, tzinfo=UTC)
RECENT = date(2026, 10, 20)
"""The first day of a window that holds the night."""


@pytest.fixture
def vendor() -> ScriptedVendor:
    """A vendor with one complete night."""
    return ScriptedVendor({NIGHT: Night(START)})


@pytest.fixture
def puller(home: Home, vendor: ScriptedVendor) -> Puller:
    """Pulls of one person in Seoul."""
    follow(home, RosterUser(ASLEEP, PERSON, timezone="Asia/Seoul"))
    return Puller(home, transport=vendor.transport)


def verdicts(home: Home) -> dict[str, str]:
    """What the ledger says of every session."""
    with home.state.read() as connection:
        return {session.session_id: session.verdict for session in sessions_of(connection, ASLEEP, [PERSON])[PERSON]}


def many(count: int, start: datetime = START) -> dict[str, Night]:
    """So many nights, an hour apart, all within a week."""
    nights = [start + timedelta(hours=number % 24, minutes=number // 24) for number in range(count)]
    return {f"{night:%Y%m%d%H%M%S}_many{number}": Night(night) for number, night in enumerate(nights)}


def test_a_complete_session_that_is_gone_is_deleted(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """Not listed, 404 on its detail: a tombstone in raw, its day and months made again; once.

    Of the session only the UTC date is known: on 30 October it may be within a day of November in Seoul.
    """
    puller.pull(RECENT)
    clock.advance(days=1)
    vendor.nights.clear()
    report = puller.pull(RECENT)
    assert report.counts == SessionCounts(deleted=1)
    assert puller.calls == {"list": 1, "detail": 1, "stats": 2}
    assert [(d.document.status, d.document.reason, d.deleted) for d in kept(home, SESSION)] == [(404, DELETED, True)]
    assert (verdicts(home), dirty(home, "sleep_sessions")) == ({NIGHT: "deleted"}, ["2026-10-30"])
    assert puller.pull(RECENT).counts == SessionCounts()
    assert puller.calls == {"list": 1}


def test_a_session_that_is_only_not_listed_is_not_deleted(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """Its detail still answers: it stays, and nothing is built."""
    puller.pull(RECENT)
    clock.advance(days=1)
    vendor.unlisted = {NIGHT}
    assert puller.pull(RECENT).counts == SessionCounts(unchanged=1)
    assert verdicts(home) == {NIGHT: "complete"}
    assert [document.deleted for document in kept(home, SESSION)] == [False]


def test_a_session_outside_of_the_window_is_not_missed(puller: Puller, home: Home, vendor: ScriptedVendor) -> None:
    """A list of other dates says nothing about it."""
    puller.pull(RECENT)
    vendor.nights.clear()
    assert puller.pull(date(2026, 11, 1)).counts == SessionCounts()
    assert verdicts(home) == {NIGHT: "complete"}


def test_a_user_whom_the_vendor_does_not_know_loses_nothing(puller: Puller, home: Home, vendor: ScriptedVendor) -> None:
    """404 on the user is not 404 on the sessions."""
    puller.pull(RECENT)
    vendor.knows = False
    assert puller.pull(RECENT).failed == {"user_not_found": 1}
    assert verdicts(home) == {NIGHT: "complete"}


def test_a_session_that_comes_back_is_there_again(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """As a new revision after its tombstone."""
    puller.pull(RECENT)
    night = vendor.nights.pop(NIGHT)
    clock.advance(days=1)
    puller.pull(RECENT)
    vendor.nights[NIGHT] = night
    clock.advance(days=1)
    assert puller.pull(RECENT).counts == SessionCounts(changed=1)
    assert [(document.deleted, document.revision) for document in kept(home, SESSION)] == [(False, 3)]


def test_a_vendor_that_forgets_everything_is_a_fault(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """Nothing is deleted, what is new is pulled, the run is told to stop; accepted, everything goes."""
    vendor.nights = many(FEW + 15)
    puller.pull(RECENT)
    clock.advance(days=1)
    vendor.nights = {NIGHT: Night(START + timedelta(days=3))}
    with pytest.raises(TooManyDeletions, match="--accept-deletions") as stopped:
        puller.pull(RECENT)
    assert stopped.value.exit_code == 1
    assert puller.calls["detail"] <= FEW + 1 + 1 + puller.concurrency, "nobody looks for all of them"
    assert sorted(verdicts(home).values()) == ["complete"] * (FEW + 16)
    assert puller.pull(RECENT, accept_deletions=True).counts == SessionCounts(deleted=FEW + 15, unchanged=1)
    assert sorted(verdicts(home).values()) == ["complete", *["deleted"] * (FEW + 15)]


def test_statistics_of_a_vendor_that_had_forgotten_are_asked_for_again(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """What it said of months whose sessions it did not know would stay for ever: nothing changes in them any more."""
    remembered = many(FEW + 15)
    vendor.nights = dict(remembered)
    puller.pull(RECENT)
    clock.advance(days=1)
    puller.pull(RECENT)
    assert not puller.calls["stats"]
    vendor.nights.clear()
    with pytest.raises(TooManyDeletions):
        puller.pull(RECENT)
    vendor.nights = dict(remembered)
    puller.pull(RECENT)
    assert puller.calls["stats"] > 0
    puller.pull(RECENT)
    assert not puller.calls["stats"]


def test_a_few_may_go_at_once(puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock) -> None:
    """Up to twenty, whatever the size of the home."""
    vendor.nights = many(FEW)
    puller.pull(RECENT)
    clock.advance(days=1)
    vendor.nights.clear()
    assert puller.pull(RECENT).counts == SessionCounts(deleted=FEW)


@pytest.mark.parametrize(("complete", "allowed"), [(0, 20), (2_000, 20), (2_100, 21), (1_000_000, 10_000)])
def test_one_percent_of_a_large_home_may_go(complete: int, allowed: int) -> None:
    """Or any number when it is accepted."""
    assert Brake.of(complete, accept=False).allowed == allowed
    assert Brake.of(complete, accept=True).allowed is None


def test_the_whole_history_is_looked_through_once_a_month(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """A deletion and a late upload beyond the look-back are found within thirty days, by one list call in place."""
    puller.pull(RECENT)
    vendor.nights = {"20261101140000_late1": Night(START + timedelta(days=2))}
    found: list[int] = []
    for day in range(SWEEP_AGE.days * 2 + 1):
        clock.advance(days=1)
        report = puller.pull(clock().date() - timedelta(days=1), clock().date())
        assert puller.calls["list"] == 1
        if report.counts.deleted:
            assert report.counts == SessionCounts(new=1, deleted=1)
            found.append(day)
    assert len(found) == 1
    assert found[0] <= SWEEP_AGE.days
    assert verdicts(home) == {NIGHT: "deleted", "20261101140000_late1": "complete"}


def test_a_sweep_asks_for_no_history_that_was_never_asked_for(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """What the vendor has from before the first known session is left to a backfill."""
    vendor.nights["20250101140000_older"] = Night(datetime(2025, 1, 1, 14, 0, tzinfo=UTC))
    for _ in range(SWEEP_AGE.days + 1):
        puller.pull(RECENT, clock().date())
        clock.advance(days=1)
    assert verdicts(home) == {NIGHT: "complete"}


def test_statistics_that_lag_behind_are_asked_for_once_more(
    puller: Puller, home: Home, vendor: ScriptedVendor, clock: StandingClock
) -> None:
    """They do not name the new night yet; the next pull asks again, and then it is good."""
    vendor.not_averaged = {NIGHT}
    puller.pull(RECENT)
    vendor.not_averaged = set()
    clock.advance(days=1)
    puller.pull(RECENT)
    assert puller.calls == {"list": 1, "stats": 1}
    puller.pull(RECENT)
    assert puller.calls == {"list": 1}
