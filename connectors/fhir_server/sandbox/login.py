"""The sandbox's logins: a bearer token, or SMART backend services with assertions that are really verified.

https://hl7.org/fhir/smart-app-launch/backend-services.html; written on its own, without the client's signing.
"""

import base64
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from connectors.fhir_server.sandbox.world import World

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class NoToken(Exception):
    """A login that fails, with the word of OAuth for it."""

    def __init__(self, error: str, why: str) -> None:
        super().__init__(why)
        self.error = error


def is_let_in(world: World, authorization: str) -> bool:
    """Whether a request with this header may do anything."""
    if world.bearer is None and world.client_id is None:
        return True
    token = authorization.removeprefix("Bearer ")
    if world.bearer is not None and token == world.bearer:
        return True
    expires = world.tokens.get(token)
    return expires is not None and world.clock() < expires


def token_for(world: World, form: bytes, token_url: str) -> dict[str, Any]:
    """The answer to a token request. Raises NoToken."""
    sent = {name: values[0] for name, values in parse_qs(form.decode()).items()}
    if sent.get("grant_type") != "client_credentials":
        raise NoToken("unsupported_grant_type", "client_credentials is wanted")
    if sent.get("client_assertion_type") != ASSERTION_TYPE or not sent.get("scope"):
        raise NoToken("invalid_request", "an assertion and a scope are wanted")
    claims = _verified(world, sent.get("client_assertion", ""))
    now = world.clock().timestamp()
    right = {"iss": world.client_id, "sub": world.client_id, "aud": token_url}
    if any(claims.get(name) != value for name, value in right.items()):
        raise NoToken("invalid_client", "iss, sub or aud is wrong")
    if not now < claims.get("exp", 0) <= now + 300:
        raise NoToken("invalid_client", "exp is over or more than five minutes ahead")
    if not claims.get("jti") or claims["jti"] in world.assertions:
        raise NoToken("invalid_client", "jti is missing or was used before")
    world.assertions.add(claims["jti"])
    token = secrets.token_urlsafe(16)
    world.tokens[token] = world.clock() + timedelta(seconds=world.token_s)
    told = {} if world.told_s is None else {"expires_in": world.told_s}
    return {"access_token": token, "token_type": "bearer", "scope": sent["scope"], **told}


def _verified(world: World, assertion: str) -> Mapping[str, Any]:
    try:
        head, body, signature = assertion.split(".")
        header, claims = orjson.loads(_decoded(head)), orjson.loads(_decoded(body))
        key = next(key for key in world.jwks["keys"] if key["kid"] == header["kid"])
        signed = f"{head}.{body}".encode()
        if header["alg"] == "RS384" and key["kty"] == "RSA":
            of_rsa = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
            of_rsa.verify(_decoded(signature), signed, padding.PKCS1v15(), SHA384())
        elif header["alg"] == "ES384" and key["kty"] == "EC":
            raw = _decoded(signature)
            der = encode_dss_signature(int.from_bytes(raw[:48], "big"), int.from_bytes(raw[48:], "big"))
            point = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), ec.SECP384R1())
            point.public_key().verify(der, signed, ec.ECDSA(SHA384()))
        else:
            raise NoToken("invalid_client", "another algorithm")
    except (ValueError, KeyError, StopIteration, InvalidSignature) as error:
        raise NoToken("invalid_client", "the assertion is not signed by a key that is known") from error
    return claims if isinstance(claims, dict) else {}


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _number(part: str) -> int:
    return int.from_bytes(_decoded(part), "big")
