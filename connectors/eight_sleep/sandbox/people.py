"""Invented personal data, of which the vendor's answers are full: nobody is meant, and nothing of it may be kept."""

from dataclasses import dataclass
from typing import Any

from connectors.eight_sleep.sandbox.seeding import hexadecimal, stream

_FIRST = ("Ottilie", "Ransome", "Ysolde", "Thaddeus", "Philippa", "Leander", "Wilhelmina", "Barnaby")
_LAST = ("Quillfeather", "Marblethwaite", "Oxenfroth", "Pennywhistle", "Dunderdale", "Snorrason")


@dataclass(frozen=True)
class Person:
    """Who somebody is; dates as the vendor writes them."""

    first_name: str
    last_name: str
    gender: str
    born: str
    zip_code: str

    def told(self) -> dict[str, str]:
        """As the vendor's fields."""
        return {
            "firstName": self.first_name,
            "lastName": self.last_name,
            "gender": self.gender,
            "dob": self.born,
            "zip": self.zip_code,
        }


def invented(seed: int, user_id: str) -> Person:
    """The person behind an account."""
    chance = stream(seed, "person", user_id)
    born = f"{chance.randrange(1950, 2004)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}T00:00:00.000Z"
    return Person(
        chance.choice(_FIRST),
        chance.choice(_LAST),
        chance.choice(("male", "female", "other", "na")),
        born,
        f"ZIP-{chance.randrange(10_000, 100_000)}",
    )


def network(seed: int, bed_id: str) -> dict[str, Any]:
    """Where a hub stands, and by which numbers it is known."""
    chance = stream(seed, "network", bed_id)
    mac = ":".join(f"{chance.randrange(256):02x}" for _ in range(6))
    return {
        "wifiInfo": {
            "ssid": f"home-of-{chance.choice(_LAST).lower()}",
            "ipAddr": f"192.0.2.{chance.randrange(1, 255)}",
            "macAddr": mac,
            "signalStrength": -chance.randrange(40, 80),
        },
        "location": f"loc-{hexadecimal(seed, 12, 'location', bed_id)}",
    }


def serial_number(seed: int, bed_id: str) -> str:
    """What is printed on a hub."""
    return f"20600-0003-F00-{stream(seed, 'serial', bed_id).randrange(10**8):08}"
