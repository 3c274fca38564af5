"""Pseudonyms: the only names by which people, sessions and documents are known outside the house.

A keyed hash (HMAC-SHA256) of organisation, source, kind and id. Where the key is kept, and who may read it, is not
decided here. The encoding and the letters never change: every id already sent out depends on them.
"""

import hmac
from dataclasses import dataclass, field
from typing import Literal

from schemas.asleep import ASLEEP

Kind = Literal[
    "patient",
    "device",
    "session",
    "hypnogram",
    "stage-interval",
    "average-stats",
    "bed-night",
    "bed-series",
    "bed-sample",
    "bed-presence",
    "provenance",
]

KIND_LETTERS: dict[Kind, str] = {
    "patient": "p",
    "device": "d",
    "session": "s",
    "hypnogram": "h",
    "stage-interval": "i",
    "average-stats": "a",
    "bed-night": "n",
    "bed-series": "b",
    "bed-sample": "m",
    "bed-presence": "l",
    "provenance": "v",
}
"""First letter of a pseudonym: says what it names, and keeps an id from starting with a digit."""

PERSON = ASLEEP
"""In the place of the source for Patients: who is followed at several sources is one person, hence one Patient. It is
the name of the first source, so that the Patients of homes that began with it stay the same."""

SHORTEST_KEY_BYTES = 16
HEX_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Pseudonymizer:
    """Makes pseudonyms with one secret key; the key is in no repr.

    Raises ValueError for a key of less than 16 bytes: ids are guessable, so a hash without a real key hides nothing.
    """

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) < SHORTEST_KEY_BYTES:
            raise ValueError(f"the pseudonym key has less than {SHORTEST_KEY_BYTES} bytes")

    def of(self, kind: Kind, org_id: str, source: str, id: str) -> str:
        """Name something for the outside: the kind's letter and 40 hex digits (160 bits), a legal FHIR id."""
        digest = hmac.digest(self.key, _unambiguous(org_id, source, kind, id), "sha256")
        return KIND_LETTERS[kind] + digest.hex()[:HEX_DIGITS]


def _unambiguous(*parts: str) -> bytes:
    """Each part behind its length, so that no two different lists of parts give the same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
