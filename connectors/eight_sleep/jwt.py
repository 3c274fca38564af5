"""Whose an access token is, as it says itself; whether that is true is for the vendor, who gave it to us."""

import base64

import msgspec


class _Claims(msgspec.Struct, frozen=True):
    sub: str


def subject_of(token: str) -> str | None:
    """The ``sub`` claim of a JWT; None when it is none, or names nobody."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), type=_Claims)
    except (ValueError, RecursionError):  # also what base64 and msgspec raise
        return None
    return claims.sub or None
