"""The doctor on key, vendor, clock and account: each trouble in its own words, from a real server's answers."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from connectors.asleep.sandbox import World
from connectors.breaker import Breaker
from connectors.patience import BreakerTimes
from connectors.rate_limit import RateLimit
from connectors.state.roster import remove_user
from pipelines.command.doctor import vendor
from pipelines.command.doctor.vendor import NOBODY, clock_finding
from schemas.asleep import ASLEEP
from tests.connectors.virtual_time import run_virtually
from tests.pipelines.doctored import KEY, Patient, healthy
from tests.system.faults import FaultySandbox, answer, faulty_sandbox

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[FaultySandbox]:
    """A world whose clock is this machine's."""
    with faulty_sandbox(World(users=2, nights=1, api_key=KEY)) as sandbox:
        yield sandbox


@pytest.fixture
def patient(sandbox: FaultySandbox, tmp_path: Path) -> Iterator[Patient]:
    """A home that is well."""
    sandbox.requests.clear()
    with healthy(tmp_path / "home", sandbox) as patient:
        yield patient


def detail(text: str) -> str:
    """A refusal as the vendor words it."""
    return json.dumps({"detail": text})


@pytest.mark.parametrize(
    ("status", "body", "what", "words"),
    [
        (401, detail("Unauthorized"), "key", "Asleep refused the API key (401): check ASLEEP_API_KEY"),
        (403, detail("Plan is expired"), "vendor", "The Asleep plan has expired (403): renew it"),
        (403, detail("Quota exceeded"), "vendor", "Asleep's quota is used up (403): have it raised"),
        (403, detail("No"), "vendor", "Asleep forbids this call (403)"),
        (404, detail("user does not exist"), "vendor", "does not know a user of the roster"),
        (401, detail("user_id is invalid"), "vendor", "Asleep calls a user id malformed (401)"),
        (503, "<html>down</html>", "vendor", "Asleep still fails after 1 attempt (503)"),
        (200, "<html>welcome</html>", "vendor", "is not the documented JSON (200"),
    ],
)
def test_each_refusal_is_told_in_its_own_words(patient: Patient, status: int, body: str, what: str, words: str) -> None:
    """One complaint, of the key or of the vendor; only a call that got so far says anything of the key."""
    patient.sandbox.fault = answer(status, body, path="/v1/users")
    found = patient.complaints()
    assert set(found) == {what}
    assert words in found[what].words
    expected = {"key": False}.get(what, None if status in (503, 200) else True)
    assert patient.examine()["key"].fine is expected


@pytest.mark.parametrize(("status", "body"), [(429, ""), (403, detail("Rate limit exceeded"))])
def test_a_rate_limit(patient: Patient, status: int, body: str) -> None:
    """The refusal is told at once, without a wait, and so is the pace that runs keep to since."""
    patient.sandbox.fault = answer(status, body, path="/v1/users")
    found = patient.complaints()
    assert "rate limit is still exceeded" in found["vendor"].words
    assert "a second instead of 1000" in found["rate limit"].words
    assert found["rate limit"].do


def test_no_key_at_all(patient: Patient) -> None:
    """That is the one complaint; the vendor is reached all the same, and the clocks are compared."""
    patient.with_settings(asleep_api_key=None)
    found = patient.complaints()
    assert set(found) == {"key"}
    assert "ASLEEP_API_KEY is not set" in found["key"].words
    assert patient.examine()["clock"].fine


def test_a_key_that_cannot_be_sent(patient: Patient) -> None:
    """A line end that was copied along: the key is to blame, not the vendor."""
    patient.with_settings(asleep_api_key=SecretStr(f"{KEY}\n"))
    found = patient.complaints()
    assert "not a usable key" in found["key"].words
    assert "vendor" not in found


def test_nobody_answers(patient: Patient) -> None:
    """Of key and clock nothing can be said then, and nothing is."""
    patient.with_settings(asleep_base_url="http://127.0.0.1:9")
    found = patient.examine()
    assert "No answer from http://127.0.0.1:9 after 1 attempt (connection refused)" in found["vendor"].words
    assert (found["key"].fine, found["clock"].fine) == (None, None)
    assert "ASLEEP_BASE_URL has changed" in found["account"].words
    patient.with_settings(asleep_api_key=None)
    assert "No answer from http://127.0.0.1:9" in patient.examine()["vendor"].words


def test_an_address_that_is_none(patient: Patient) -> None:
    """Told once of the settings and once of the vendor; what stands in it before the host is not shown."""
    patient.with_settings(asleep_base_url="http://canary:secret@example.invalid")
    found = patient.complaints()
    assert "ASLEEP_BASE_URL is not an address" in found["settings"].words
    assert set(found) == {"settings", "vendor", "account"}
    assert "canary" not in " ".join(finding.words for finding in found.values())


def test_another_account_than_this_homes(patient: Patient) -> None:
    """The key may be good, but not here: what to do is told."""
    patient.sandbox.fault = answer(200, json.dumps({"detail": "success", "result": {"user_id": "u"}}), path="/v1/users")
    patient.with_settings(asleep_api_key=SecretStr("another-key"))
    found = patient.complaints()
    assert set(found) == {"account"}
    assert "rotate-key" in found["account"].words


@pytest.mark.parametrize("status", [401, 503])
def test_a_key_that_is_not_accepted_is_nothing_to_go_over_to(patient: Patient, status: int) -> None:
    """Refused, or not looked at: that the key has changed is said, but not to believe it."""
    patient.sandbox.fault = answer(status, detail("Unauthorized"), path="/v1/users")
    patient.with_settings(asleep_api_key=SecretStr("another-key"))
    found = patient.complaints()
    assert set(found) == {"account", "key" if status == 401 else "vendor"}
    assert "ASLEEP_API_KEY has changed" in found["account"].words
    assert "rotate-key" not in found["account"].words + found["account"].do


def test_an_empty_roster_asks_for_nobody(patient: Patient) -> None:
    """The key is tried with an id that no user has; the bare call carries neither key nor id."""
    with patient.home.state.write() as connection:
        for user_id in patient.user_ids:
            remove_user(connection, ASLEEP, user_id)
    seen: list[tuple[str, str, bool]] = []

    def watch(request: Request) -> Response | None:
        seen.append((request.method, request.url.path, "x-api-key" in request.headers))
        return None

    patient.sandbox.fault = watch
    found = patient.complaints()
    assert set(found) == {"roster"}
    assert seen == [("GET", f"/ai/v1/users/{NOBODY}", True), ("HEAD", "/", False)]


@pytest.mark.parametrize(
    ("off", "words"),
    [
        (timedelta(minutes=-5), "5 min behind the vendor"),
        (timedelta(minutes=90), "90 min ahead of the vendor"),
        (timedelta(hours=9), "9 h ahead of the vendor"),
        (timedelta(days=-400), "400 days behind the vendor"),
    ],
)
def test_a_clock_that_is_wrong(patient: Patient, off: timedelta, words: str) -> None:
    """Against the vendor's own time; how far, which way, and what to do."""
    patient.clock_off = off
    clock = patient.examine()["clock"]
    assert (clock.fine, words in clock.words, "timedatectl" in clock.do) == (False, True, True)


@pytest.mark.parametrize(("apart_s", "fine"), [(0, True), (60, True), (-60, True), (61, False), (-61, False)])
def test_clocks_may_differ_by_a_minute(apart_s: int, fine: bool) -> None:
    """A minute either way is no trouble; without the vendor's time nothing is said."""
    assert clock_finding(NOON + timedelta(seconds=apart_s), NOON).fine is fine
    assert clock_finding(NOON, None).fine is None


def test_a_breaker_that_is_open(patient: Patient) -> None:
    """Runs hold their calls back; the doctor asks once all the same and says both."""
    breaker = Breaker(patient.root / "locks" / "asleep.breaker", "Asleep", BreakerTimes(calls=1))

    async def fail() -> None:
        entry = await breaker.enter(1.0)
        assert entry is not None
        await breaker.failed(entry, b"a call")

    run_virtually(fail)
    found = patient.complaints()
    assert set(found) == {"breaker"}
    assert "hold calls back" in found["breaker"].words


def test_a_pause_that_the_vendor_wished(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits minutes for the doctor: it is said that the home waits."""
    monkeypatch.setattr(vendor, "TURN_S", 0.1)
    budget = RateLimit(patient.root / "locks" / "asleep.budget", 1000)

    async def refuse() -> None:
        slot = await budget.acquire()
        await budget.refused(slot, 250.0, (1.0, 60.0))

    run_virtually(refuse)
    found = patient.complaints()
    assert "has refused calls lately" in found["vendor"].words
    assert "rate limit" in found
