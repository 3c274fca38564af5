"""OAuth as another way to a token: chosen by the settings, refreshed while that goes, one password however it ends."""

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.jwt import subject_of
from connectors.eight_sleep.login import Credentials
from connectors.eight_sleep.refusals import LoginRefused
from connectors.errors import HostUnreachable, UnreadableAnswer
from tests.connectors.eight_sleep.rig import NOBODY_LISTENS, Rig
from tests.connectors.loopback import Loopback, Seen, Sent, answer


def credentials(rig: Rig, **changes: Any) -> Credentials:
    """With an application's id and secret."""
    usual = {"email": rig.sleeper.email, "password": rig.sleeper.password, "client_id": "c", "client_secret": "s"}
    return Credentials(**{**usual, **changes})


async def look(client: EightSleepClient) -> None:
    """Ask something that needs a token and its user."""
    await client.get_devices()


@pytest.mark.parametrize(
    ("changes", "way"),
    [
        ({}, "tokens"),
        ({"client_secret": None}, "auth_login"),
        ({"client_id": None}, "auth_login"),
        ({"client_id": "", "client_secret": ""}, "auth_login"),
    ],
)
def test_the_settings_choose_the_way(rig: Rig, changes: dict[str, Any], way: str) -> None:
    """An application's id and secret together mean OAuth, anything less the login."""
    rig.converse(look, credentials=credentials(rig, **changes))
    assert rig.calls == {way: 1, "devices": 1}


def test_the_token_is_kept_sealed_and_shared(rig: Rig) -> None:
    """As a login's is."""
    for _ in range(2):
        rig.converse(look, credentials=credentials(rig))
    assert rig.calls == {"tokens": 1, "devices": 2}
    stored = (rig.root / "state.db").read_bytes()
    assert b"sandbox" not in stored
    assert rig.sleeper.user_id.encode() not in stored


def exchange(rig: Rig, replies: dict[str, Any], asks: int = 1) -> list[Seen]:
    """What goes over the wire of a few calls; ``replies`` are token answers by grant type."""

    def reply(seen: Seen) -> Sent:
        if seen.target == "/v1/tokens":
            told = replies[json.loads(seen.body)["grant_type"]]
            return told if isinstance(told, Sent) else answer(200, told)
        return answer(200, [])

    async def main() -> list[Seen]:
        async with Loopback(reply) as server:
            for _ in range(asks):
                run = rig.connection(auth_url=server.url, client_url=server.url, credentials=credentials(rig))
                async with run.open() as client:
                    await client.get_devices()
                rig.clock.forward(4000)
            return list(server.seen)

    return asyncio.run(main())


def bodies(seen: list[Seen]) -> list[dict[str, Any]]:
    """What was sent to get tokens."""
    return [json.loads(one.body) for one in seen if one.target == "/v1/tokens"]


def test_only_the_bearer_is_sent(rig: Rig) -> None:
    """And the grant holds what is documented."""
    seen = exchange(rig, {"password": {"access_token": "a", "expires_in": 72000, "userId": "u1"}})
    assert bodies(seen) == [
        {
            "grant_type": "password",
            "client_id": "c",
            "client_secret": "s",
            "username": rig.sleeper.email,
            "password": rig.sleeper.password,
        }
    ]
    [asked] = [one for one in seen if one.method == "GET"]
    assert asked.target == "/v1/users/u1/devices"
    assert asked.headers["authorization"] == "Bearer a"
    assert "session-token" not in asked.headers


def jwt(**claims: Any) -> str:
    """A token that says something of itself."""
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}.sig"


def test_a_user_who_is_not_named_is_the_subject_of_the_token(rig: Rig) -> None:
    """The ``sub`` claim."""
    seen = exchange(rig, {"password": {"access_token": jwt(sub="u7")}})
    assert seen[-1].target == "/v1/users/u7/devices"


def test_a_user_who_is_named_nowhere_stays_the_one_of_before(rig: Rig) -> None:
    """A refresh need not say it; a first token must."""
    replies = {
        "password": {"access_token": "a", "refresh_token": "r", "userId": "u1"},
        "refresh_token": {"access_token": "b"},
    }
    seen = exchange(rig, replies, asks=3)
    assert [one.target for one in seen if one.method == "GET"] == ["/v1/users/u1/devices"] * 3
    # The answer to the refresh brought no other refresh token, and the old one is good for ever.
    assert [body.get("refresh_token") for body in bodies(seen)] == [None, "r", "r"]
    with pytest.raises(UnreadableAnswer):
        exchange(rig, {"password": {"access_token": "z"}, "refresh_token": answer(400, {})}, asks=1)


@pytest.mark.parametrize("told", [{}, {"expires_in": None}, {"expires_in": 0}, {"expires_in": -5}])
def test_a_lifetime_that_is_not_told_is_an_hour(rig: Rig, told: dict[str, Any]) -> None:
    """The clock goes on by more than that between two runs."""
    given = {"access_token": "a", "userId": "u", **told}
    assert len(bodies(exchange(rig, {"password": given}, asks=2))) == 2


@pytest.mark.parametrize("told", [{"expires_in": 72_000}, {"expires_in": "86400"}, {"expires_in": 1e300}])
def test_a_lifetime_is_believed(rig: Rig, told: dict[str, Any]) -> None:
    """Also as a text, and beyond all measure."""
    given = {"access_token": "a", "userId": "u", **told}
    assert len(bodies(exchange(rig, {"password": given}, asks=2))) == 1


def test_a_token_is_refreshed_without_the_password(rig: Rig) -> None:
    """Before it expires, by the token kept for that; over and over."""

    async def talk(client: EightSleepClient) -> None:
        for _ in range(4):
            await client.get_devices()
            rig.clock.forward(rig.world.token_life_s - 60)

    rig.converse(talk, credentials=credentials(rig))
    assert rig.calls == {"tokens": 4, "devices": 4}


def test_a_refresh_that_is_refused_costs_one_password(rig: Rig) -> None:
    """And nobody is told of it."""
    rig.converse(look, credentials=credentials(rig))
    rig.world.revoke_refresh_tokens()
    rig.clock.forward(rig.world.token_life_s)
    rig.converse(look, credentials=credentials(rig))
    assert rig.calls == {"tokens": 3, "devices": 2}


def test_a_token_refused_before_its_time_is_refreshed_once(rig: Rig) -> None:
    """However many calls meet the refusal."""

    async def talk(client: EightSleepClient) -> None:
        await client.get_devices()
        rig.world.expire_tokens()
        await asyncio.gather(*(client.get_devices() for _ in range(4)))

    rig.converse(talk, credentials=credentials(rig))
    assert rig.calls["tokens"] == 2


def test_a_wrong_password_is_tried_once(rig: Rig) -> None:
    """400 ``invalid_grant`` is the same clear message as the login's 401, in this run and later ones."""
    wrong = credentials(rig, password="not-it")

    async def talk(client: EightSleepClient) -> None:
        refusals = await asyncio.gather(*(client.get_devices() for _ in range(8)), return_exceptions=True)
        assert {type(error) for error in refusals} == {LoginRefused}
        assert "until they change nobody logs in again" in str(refusals[0])

    for _ in range(2):
        rig.converse(talk, credentials=wrong)
    assert rig.calls == {"tokens": 1}
    rig.converse(look, credentials=credentials(rig))
    assert rig.calls == {"tokens": 2, "devices": 1}


def test_a_password_that_changed_meanwhile_is_told_at_the_renewal(rig: Rig) -> None:
    """The refresh is refused, then the password; then nobody asks again."""
    rig.converse(look, credentials=credentials(rig))
    rig.world.revoke_refresh_tokens()
    rig.sleeper.password = "another"
    rig.clock.forward(rig.world.token_life_s)
    old = Credentials(rig.sleeper.email, _before(rig), "c", "s")
    for _ in range(2):
        with pytest.raises(LoginRefused):
            rig.converse(look, credentials=old)
    assert rig.calls == {"tokens": 3, "devices": 1}


def _before(rig: Rig) -> str:
    return next(type(rig.world)(beds=2, clock=rig.clock).accounts()).password


@pytest.mark.parametrize("variant", ["no_expires_in", "no_refresh_token", "no_user_id", "wrapped"])
def test_other_forms_of_the_answer_are_read(rig: Rig, variant: str) -> None:
    """As they are told by other clients."""
    rig.world.set_variants(variant)
    rig.converse(look, credentials=credentials(rig))
    rig.clock.forward(timedelta(hours=2).total_seconds())
    rig.converse(look, credentials=credentials(rig))
    assert rig.calls["tokens"] == (2 if variant == "no_expires_in" else 1)


def test_the_client_host_is_not_asked_for_grants(rig: Rig) -> None:
    """It knows none, also when the authentication host cannot be reached."""

    async def main() -> None:
        async with Loopback(lambda _: answer(200, {"access_token": "a", "userId": "u"})) as server:
            run = rig.connection(auth_url=NOBODY_LISTENS, client_url=server.url, credentials=credentials(rig))
            async with run.open() as client:
                with pytest.raises(HostUnreachable, match="EIGHT_SLEEP_AUTH_URL"):
                    await client.get_devices()
            assert server.seen == []

    asyncio.run(main())


def test_no_minute_has_more_than_five_grants(rig: Rig) -> None:
    """Refreshes count as logins do."""

    async def talk(client: EightSleepClient) -> None:
        for _ in range(9):
            await client.get_devices()
            rig.world.expire_tokens()
            rig.world.revoke_refresh_tokens()

    rig.converse(talk, credentials=credentials(rig))
    assert rig.calls["tokens"] == 17
    assert rig.limits.refused == 0


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_=-]*\.[A-Za-z0-9_=-]*\.[A-Za-z0-9_=-]*", fullmatch=True)))
def test_a_token_that_says_nothing_names_nobody(token: str) -> None:
    """Whatever it is made of."""
    assert subject_of(token) is None


def test_a_token_that_names_somebody_names_them() -> None:
    """With and without the padding that base64 wants; an empty name is none."""
    assert [subject_of(jwt(sub=name)) for name in ("u", "us", "use", "user", "")] == ["u", "us", "use", "user", None]
