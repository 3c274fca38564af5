"""The signed JWT with which a SMART backend service says who it is (RFC 7523, https://hl7.org/fhir/smart-app-launch).

Only signing: RS384 for an RSA key, ES384 for one on the curve P-384, the two algorithms that SMART asks for. That is a
header, a body and one signature; the libraries for it bring verification and a dozen algorithms that nobody here needs.
"""

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connectors.errors import WrongUsage

LIFETIME = timedelta(minutes=4)
"""How long an assertion holds; SMART allows five minutes, and clocks differ."""

_COORDINATE_BYTES = 48
_SMALLEST_RSA_BITS = 2048

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class SigningKey:
    """A private key in PEM without a password, known to the server as ``key_id``. Raises ``WrongUsage``."""

    def __init__(self, pem: str, key_id: str) -> None:
        self._key = _loaded(pem)
        self._key_id = key_id

    def __repr__(self) -> str:
        return "SigningKey(…)"

    @property
    def algorithm(self) -> str:
        """``RS384`` or ``ES384``."""
        return "RS384" if isinstance(self._key, rsa.RSAPrivateKey) else "ES384"

    def assertion(self, client_id: str, audience: str, now: datetime) -> str:
        """A JWT for ``audience`` (a token endpoint) that holds for ``LIFETIME`` from ``now``, with a jti of its own."""
        header = {"alg": self.algorithm, "kid": self._key_id, "typ": "JWT"}
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "exp": int((now + LIFETIME).timestamp()),
            "jti": secrets.token_urlsafe(24),
        }
        signed = f"{_encoded(orjson.dumps(header))}.{_encoded(orjson.dumps(claims))}"
        return f"{signed}.{_encoded(self._signature(signed.encode()))}"

    def public_jwks(self) -> dict[str, Any]:
        """The key set to register at the server: the public half only."""
        about = {"kid": self._key_id, "alg": self.algorithm, "use": "sig", "key_ops": ["verify"]}
        if isinstance(self._key, rsa.RSAPrivateKey):
            of_rsa = self._key.public_key().public_numbers()
            return {"keys": [{"kty": "RSA", "n": _number(of_rsa.n), "e": _number(of_rsa.e), **about}]}
        point = self._key.public_key().public_numbers()
        x, y = (_encoded(part.to_bytes(_COORDINATE_BYTES, "big")) for part in (point.x, point.y))
        return {"keys": [{"kty": "EC", "crv": "P-384", "x": x, "y": y, **about}]}

    def _signature(self, signed: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(signed, padding.PKCS1v15(), hashes.SHA384())
        # JWS wants the two numbers side by side (RFC 7518, 3.4), not the DER that the library gives.
        numbers = decode_dss_signature(self._key.sign(signed, ec.ECDSA(hashes.SHA384())))
        return b"".join(number.to_bytes(_COORDINATE_BYTES, "big") for number in numbers)


def _loaded(pem: str) -> _Key:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _SMALLEST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP384R1):
        return key
    raise WrongUsage(
        "The SMART client's private key cannot be used: give a PEM file without a password, with an RSA key of at "
        "least 2048 bits or one on the curve P-384."
    )


def _number(number: int) -> str:
    return _encoded(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
