"""One token for all runs of a home: bought once, renewed in time, one login however many need it, none when refused."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.login import Credentials
from connectors.eight_sleep.refusals import LoginRefused, TokenExpired
from connectors.eight_sleep.sandbox import Fault
from connectors.errors import HostUnreachable, RateLimited, ServerFailed, VendorError, WrongUsage
from connectors.home import Home
from tests.connectors.eight_sleep.rig import NOBODY_LISTENS, Rig

LONG_LIMITS = {"auth": 5, "status": 1000, "temperature": 1000, "devices": 1000}


async def look(client: EightSleepClient) -> None:
    """Ask something that needs a token."""
    await client.get_devices()


def test_a_later_run_uses_the_token_of_the_one_before(rig: Rig) -> None:
    """It is read from the state, where nothing of it can be read."""
    rig.converse(look)
    rig.converse(look)
    rig.converse(EightSleepClient.authenticate)
    assert rig.calls == {"auth_login": 1, "devices": 2}
    with closing(sqlite3.connect(rig.root / "state.db")) as state:
        [(source, account, credentials, sealed)] = state.execute(
            "SELECT source, account, credentials, sealed FROM tokens"
        )
    assert source == "eight_sleep"
    told = f"{account} {credentials} {sealed!r}"
    assert not any(secret in told for secret in ("sandbox", "sleeper", rig.sleeper.password, rig.sleeper.user_id))
    assert (rig.root / "secret.key").stat().st_mode & 0o777 == 0o600


def test_a_token_is_renewed_before_it_expires(rig: Rig) -> None:
    """Two minutes before; nobody meets a refusal."""

    async def talk(client: EightSleepClient) -> None:
        await client.get_devices()
        rig.clock.forward(rig.world.token_life_s - 121)
        await client.get_devices()
        assert rig.calls["auth_login"] == 1
        rig.clock.forward(2)
        await client.get_devices()
        assert rig.calls["auth_login"] == 2

    rig.converse(talk)
    assert rig.calls["devices"] == 3


def test_a_token_that_expires_amid_a_hundred_calls_is_renewed_once(rig: Rig) -> None:
    """However many calls meet the refusal, one of them logs in, and all succeed."""
    rig.limits.most = LONG_LIMITS
    bed = rig.world.beds()[0].id

    async def talk(client: EightSleepClient) -> None:
        async def one(number: int) -> bool:
            if number == 50:
                rig.world.expire_tokens()
            return (await client.get_status(bed)).online

        await client.authenticate()
        assert await asyncio.gather(*map(one, range(100))) == [True] * 100

    rig.converse(talk, concurrency=32, seconds=_unlimited(rig))
    assert rig.calls["auth_login"] == 2
    assert 100 < rig.calls["status"] <= 132


def _unlimited(rig: Rig) -> Callable[[], float]:
    """A clock for budgets on which a minute goes by between two looks at it, so that they never bind."""
    state = {"now": rig.clock.seconds()}

    def seconds() -> float:
        state["now"] += 61.0
        return state["now"]

    return seconds


def test_runs_at_once_share_one_login(rig: Rig) -> None:
    """Two clients of two runs, a new home, many calls each."""

    async def main() -> None:
        first, second = rig.connection(), rig.connection(home=Home(rig.root, clock=rig.clock))
        async with first.open() as one, second.open() as other:
            await asyncio.gather(*(client.get_devices() for client in (one, other) for _ in range(5)))

    asyncio.run(main())
    assert rig.calls == {"auth_login": 1, "devices": 10}


CHILD = """
import asyncio, sys
from pathlib import Path
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.eight_sleep.login import Credentials
from connectors.home import Home

root, auth, client, email, password = sys.argv[1:]
connection = EightSleepConnection(Home(Path(root)), Credentials(email, password), auth, client)
print("ready", flush=True)
sys.stdin.readline()

async def main():
    async with connection.open() as client:
        await asyncio.gather(*(client.get_status() for _ in range(3)))

asyncio.run(main())
"""


def test_processes_at_once_share_one_login(rig: Rig) -> None:
    """Whoever gets the home's lock buys the token, the other one finds it."""
    rig.clock.now = datetime.now(UTC)
    words = [str(rig.root), rig.addresses.auth, rig.addresses.client, rig.sleeper.email, rig.sleeper.password]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [process.stdout.readline() for process in started if process.stdout] == ["ready\n"] * 2
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate()
    assert [process.returncode for process in started] == [0, 0]
    assert rig.calls == {"auth_login": 1, "devices": 2, "status": 6}


def test_a_wrong_password_is_tried_once(rig: Rig) -> None:
    """One call and one sentence, however many ask, in this run and later ones, until the settings change."""
    wrong = Credentials(rig.sleeper.email, "not-the-password")

    async def talk(client: EightSleepClient) -> None:
        refusals = await asyncio.gather(*(client.get_devices() for _ in range(20)), return_exceptions=True)
        assert {(type(error), str(error)) for error in refusals} == {
            (
                LoginRefused,
                "Eight Sleep refused the e-mail address or the password: correct EIGHT_SLEEP_EMAIL and "
                "EIGHT_SLEEP_PASSWORD; until they change nobody logs in again.",
            )
        }

    for _ in range(2):
        rig.converse(talk, credentials=wrong)
    assert rig.calls == {"auth_login": 1}
    rig.converse(look)
    assert rig.calls == {"auth_login": 2, "devices": 1}


def test_a_password_that_was_changed_is_checked_although_a_token_holds(rig: Rig) -> None:
    """The token belongs to the credentials that bought it."""
    rig.converse(look)
    with pytest.raises(LoginRefused):
        rig.converse(look, credentials=Credentials(rig.sleeper.email, "another"))
    assert rig.calls["auth_login"] == 2


def test_a_token_sealed_with_another_secret_is_bought_anew(rig: Rig) -> None:
    """Who loses the secret loses a login, nothing else."""
    rig.converse(look)
    (rig.root / "secret.key").write_bytes(os.urandom(32))
    rig.converse(look)
    assert rig.calls["auth_login"] == 2


def test_a_renewal_that_fails_leaves_the_token_in_use_as_long_as_it_holds(rig: Rig) -> None:
    """And is tried again a minute later, not at every call."""

    async def talk(client: EightSleepClient) -> None:
        await client.get_devices()
        rig.faults.set(Fault("failed", "auth_login", None), Fault("failed", "client_login", None))
        rig.clock.forward(rig.world.token_life_s - 119)
        for _ in range(3):
            await client.get_devices()
        assert rig.calls == {"auth_login": 3, "client_login": 2, "devices": 4}
        rig.faults.set()
        rig.clock.forward(61)
        await client.get_devices()
        assert rig.calls["auth_login"] == 4

    rig.converse(talk)


def test_a_token_the_vendor_refuses_is_not_used_on(rig: Rig) -> None:
    """However long it would hold, when no other is to be had: the reason for that is told."""

    async def talk(client: EightSleepClient) -> None:
        await client.get_devices()
        rig.world.expire_tokens()
        rig.faults.set(Fault("failed", "auth_login", None), Fault("failed", "client_login", None))
        with pytest.raises(ServerFailed):
            await client.get_devices()

    rig.converse(talk)
    assert rig.calls["devices"] == 2


def test_a_token_that_is_refused_as_soon_as_it_is_given_ends_the_call(rig: Rig) -> None:
    """One login, one repetition, then the error."""
    rig.faults.set(Fault("token_expired", "devices", None))
    with pytest.raises(TokenExpired, match="refuses a token it has just given"):
        rig.converse(look)
    assert rig.calls == {"auth_login": 2, "devices": 2}


@pytest.mark.parametrize("kind", ["not_there", "failed", "bad_gateway", "gateway_timeout", "cut"])
def test_the_other_host_logs_in_where_the_first_cannot(rig: Rig, kind: str) -> None:
    """404, 5xx and an answer that breaks off."""
    rig.faults.set(Fault(kind, "auth_login"))
    rig.converse(look)
    assert rig.calls == {"auth_login": 1, "client_login": 1, "devices": 1}


def test_the_other_host_logs_in_where_the_first_cannot_be_reached(rig: Rig) -> None:
    """Nobody listens there."""
    rig.converse(look, auth_url=NOBODY_LISTENS)
    assert rig.calls == {"client_login": 1, "devices": 1}


@pytest.mark.parametrize("kind", ["rate_limit", "throttled", "rate_limit_with_wish"])
def test_a_login_that_comes_too_soon_waits_at_the_same_host(rig: Rig, kind: str) -> None:
    """429 is no reason to ask the other one; the vendor's wish is kept."""
    rig.faults.set(Fault(kind, "auth_login"))
    before = rig.clock.now
    rig.converse(look)
    assert rig.calls == {"auth_login": 2, "devices": 1}
    assert kind != "rate_limit_with_wish" or rig.clock.now - before >= timedelta(seconds=7)


def test_a_forbidden_login_is_not_tried_elsewhere(rig: Rig) -> None:
    """Nor again."""
    rig.faults.set(Fault("forbidden", "auth_login", None))
    with pytest.raises(VendorError):
        rig.converse(look)
    assert rig.calls == {"auth_login": 1}


@pytest.mark.parametrize(
    ("faults", "addresses", "error"),
    [
        (["auth_login", "client_login"], {}, ServerFailed),
        (["client_login"], {"auth_url": NOBODY_LISTENS}, HostUnreachable),
    ],
)
def test_the_first_hosts_trouble_is_told_when_both_fail(
    rig: Rig, faults: list[str], addresses: dict[str, str], error: type[VendorError]
) -> None:
    """After both were tried twice."""
    rig.faults.set(*(Fault("failed", name, None) for name in faults))
    with pytest.raises(error):
        rig.converse(look, **addresses)
    assert rig.calls == dict.fromkeys(faults, 2)


def test_no_minute_has_more_than_five_logins(rig: Rig) -> None:
    """By the count of the vendor, over both hosts, even when every token dies at once."""

    async def talk(client: EightSleepClient) -> None:
        for _ in range(12):
            await client.get_devices()
            rig.world.expire_tokens()

    rig.converse(talk)
    assert rig.calls["auth_login"] == 12
    assert (rig.limits.most_in_a_window("auth"), rig.limits.refused) == (5, 0)


def test_a_vendor_that_lets_nobody_log_in_is_given_up(rig: Rig) -> None:
    """After as many refusals as a call may meet."""
    rig.faults.set(Fault("rate_limit", "auth_login", None))
    with pytest.raises(RateLimited, match="rate limit is still exceeded"):
        rig.converse(look)
    assert "client_login" not in rig.calls


@pytest.mark.parametrize("words", [{"email": "", "password": "p"}, {"email": "e", "password": ""}])
def test_half_a_login_is_wrong_usage(words: dict[str, Any]) -> None:
    """Both settings are named."""
    with pytest.raises(WrongUsage, match="EIGHT_SLEEP_EMAIL and EIGHT_SLEEP_PASSWORD are not both set"):
        Credentials(**words)
