"""Logins against the sandbox, which verifies every assertion: bought once, renewed in time, and once at a 401."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.errors import KeyRefused, RateLimited, ServerFailed, UnreadableAnswer, VendorError, WrongUsage
from connectors.fhir_server.assertion import SigningKey
from connectors.fhir_server.auth import BearerToken, SmartClient
from connectors.fhir_server.sandbox import Fault, World
from tests.connectors.fhir_server.nights import Sandbox, nights, one_bundle, opened, patient, sandbox


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """A private key as a file holds it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


RSA_KEY = SigningKey(pem(rsa.generate_private_key(65537, 2048)), "k1")
EC_KEY = SigningKey(pem(ec.generate_private_key(ec.SECP384R1())), "k2")


def smart_world(key: SigningKey = EC_KEY) -> World:
    """A world that knows this key."""
    return World(client_id="nightshift", jwks=key.public_jwks())


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY], ids=["RS384", "ES384"])
def test_a_signed_assertion_buys_a_token(key: SigningKey) -> None:
    """Found through the server's smart-configuration; one token serves many calls."""

    async def main(there: Sandbox) -> None:
        async with opened(there.address, SmartClient("nightshift", key)) as server:
            await server.capability()
            assert "token" not in there.control("requests")
            assert await server.count("Patient") == 0
            assert await server.count("Observation") == 0

    with sandbox(world=smart_world(key)) as there:
        asyncio.run(main(there))
        asked = there.control("requests")
        assert (asked["token"], asked["smart"]) == (1, 1)


def test_an_assertion_holds_for_less_than_five_minutes_and_is_never_the_same() -> None:
    """Issuer and subject are the client, the audience is the token endpoint."""
    now = datetime(2026, 3, 29, 4, tzinfo=UTC)
    parts = [RSA_KEY.assertion("us", "https://ehr.test/token", now).split(".") for _ in range(2)]
    header, claims = (json.loads(base64.urlsafe_b64decode(part + "===")) for part in parts[0][:2])
    assert header == {"alg": "RS384", "kid": "k1", "typ": "JWT"}
    assert 0 < claims["exp"] - now.timestamp() <= 300
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("us", "us", "https://ehr.test/token")
    assert parts[0][1] != parts[1][1]


def test_the_public_keys_hold_nothing_private() -> None:
    """Only what verifies."""
    assert RSA_KEY.public_jwks()["keys"][0].keys() == {"kty", "n", "e", "kid", "alg", "use", "key_ops"}
    assert EC_KEY.public_jwks()["keys"][0].keys() == {"kty", "crv", "x", "y", "kid", "alg", "use", "key_ops"}


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "not a key",
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - that is what is wrong with it
        pem(ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["none", "nonsense", "short", "other curve"],
)
def test_a_key_that_no_server_takes_is_refused_before_anything_is_asked(wrong: str) -> None:
    """One sentence, without the key."""
    with pytest.raises(WrongUsage) as caught:
        SigningKey(wrong, "k")
    assert not wrong or wrong[:20] not in str(caught.value)


def test_another_key_is_refused() -> None:
    """The sandbox does verify; the reason is OAuth's own word."""

    async def main(there: Sandbox) -> None:
        async with opened(there.address, SmartClient("nightshift", RSA_KEY)) as server:
            with pytest.raises(KeyRefused, match="invalid_client, 401"):
                await server.count("Patient")

    with sandbox(world=World(client_id="nightshift", jwks=EC_KEY.public_jwks())) as there:
        asyncio.run(main(there))


def test_a_refused_token_is_renewed_once_for_all_who_had_it() -> None:
    """However many calls meet the 401 at once, one of them buys and all go on."""

    async def main(there: Sandbox) -> None:
        async with opened(there.address, SmartClient("nightshift", EC_KEY), concurrency=16) as server:
            await server.count("Patient")
            there.world.tokens.clear()
            assert await asyncio.gather(*(server.count("Patient") for _ in range(16))) == [0] * 16

    with sandbox(world=smart_world()) as there:
        asyncio.run(main(there))
        assert there.control("requests")["token"] == 2


def test_a_bundle_whose_token_has_expired_is_sent_again_with_another() -> None:
    """A 401 did nothing, so this is no second write."""

    async def main(there: Sandbox) -> None:
        async with opened(there.address, SmartClient("nightshift", EC_KEY)) as server:
            await server.count("Patient")
            outcomes = await server.send(one_bundle(nights(3)))
            assert {one.kind for one in outcomes} == {"accepted"}

    with sandbox(Fault("expired", times=1), world=smart_world()) as there:
        asyncio.run(main(there))
        assert set(there.versions().values()) == {1}


def test_a_login_that_is_refused_again_after_renewal_ends_everything() -> None:
    """Two refusals in a row are not about the token's age; nothing more leaves."""

    async def main(there: Sandbox) -> None:
        async with opened(there.address, SmartClient("nightshift", EC_KEY)) as server:
            await server.count("Patient")
            there.world.token_s = -1  # what is bought from here on has expired already
            with pytest.raises(KeyRefused):
                await server.count("Patient")
            before = there.control("requests")
            with pytest.raises(KeyRefused):
                await server.count("Patient")
            assert there.control("requests")["search"] == before["search"]

    with sandbox(Fault("expired", on="search", times=1, skip=1), world=smart_world()) as there:
        asyncio.run(main(there))


@pytest.mark.parametrize(("told_s", "holds_s"), [(300.0, 240), (50.0, 40), (None, 240), (3600.0, 3540)])
def test_a_token_is_renewed_before_it_expires(told_s: float | None, holds_s: int) -> None:
    """A minute before, or a fifth of a short life; five minutes where the server does not say."""
    now = datetime(2026, 3, 29, 4, tzinfo=UTC)
    passed = timedelta()
    world = smart_world()
    world.clock, world.token_s, world.told_s = lambda: now + passed, told_s or 300.0, told_s

    async def main(there: Sandbox) -> None:
        nonlocal passed
        async with opened(there.address, SmartClient("nightshift", EC_KEY), clock=world.clock) as server:
            for seconds, tokens in ((0, 1), (holds_s - 1, 1), (holds_s, 2)):
                passed = timedelta(seconds=seconds)
                await server.count("Patient")
                assert there.world.asked["token"] == tokens

    with sandbox(world=world) as there:
        asyncio.run(main(there))


def test_a_token_endpoint_in_trouble_is_asked_again_with_a_new_assertion() -> None:
    """A lost answer and two failures; a server takes each assertion once, so none is sent twice."""

    async def main(there: Sandbox) -> None:
        async with opened(there.address, SmartClient("nightshift", EC_KEY)) as server:
            assert await server.count("Patient") == 0

    faults = [
        Fault("drop", on="token", times=1, after=True),
        Fault("status", on="token", times=1, status=503, after=True),
        Fault("cut", on="token", times=1),
    ]
    with sandbox(*faults, world=smart_world()) as there:
        asyncio.run(main(there))
        assert len(there.world.assertions) == there.control("requests")["token"] == 4


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", on="token", times=99, status=500), ServerFailed),
        (Fault("status", on="token", times=99, status=429), RateLimited),
        (Fault("html", on="token", times=99, status=200), UnreadableAnswer),
        (Fault("status", on="token", times=99, status=400), KeyRefused),
        (Fault("html", on="smart", times=99, status=200), WrongUsage),
        (Fault("html", on="smart", times=99, status=404), VendorError),
    ],
    ids=str,
)
def test_a_login_that_does_not_work_ends_in_a_sentence(fault: Fault, error: type[Exception]) -> None:
    """A typed error that says nothing of the server's words."""

    async def main(there: Sandbox) -> None:
        async with opened(there.address, SmartClient("nightshift", EC_KEY)) as server:
            with pytest.raises(error) as caught:
                await server.count("Patient")
            assert "Jane" not in str(caught.value)
            assert str(caught.value).endswith(".")

    with sandbox(fault, world=smart_world()) as there:
        asyncio.run(main(there))


def test_a_bearer_token_is_used_as_it_is_and_its_refusal_is_final() -> None:
    """Nobody can renew it."""

    async def main(there: Sandbox) -> None:
        async with opened(there.address, BearerToken("right")) as server:
            assert [one.kind for one in await server.send(one_bundle([patient("p1")]))] == ["accepted"]
        async with opened(there.address, BearerToken("wrong")) as server:
            with pytest.raises(KeyRefused, match="FHIR_TOKEN"):
                await server.count("Patient")
        assert "right" not in repr(BearerToken("right"))

    with sandbox(world=World(bearer="right")) as there:
        asyncio.run(main(there))


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ünlesbar"])
def test_a_token_that_no_header_holds_is_refused(token: str) -> None:
    """Before anything is asked, and without showing it."""
    with pytest.raises(WrongUsage) as caught:
        BearerToken(token)
    assert not token or token not in str(caught.value)
