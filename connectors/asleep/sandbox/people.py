"""Who lives in the sandbox: invented people with a zone, habits and metadata, each drawn from (seed, index) alone.

When they sleep is in ``schedule``; how they sleep is in ``hypnogram``.
"""

import string
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from connectors.asleep.sandbox.seeding import stream, word

Metadata = dict[str, int | float | str | None]
"""``birth_year``, ``birth_month``, ``birth_day``, ``gender``, ``height`` in cm, ``weight`` in kg; all keys present."""

ZONES = (
    "Asia/Seoul",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Pacific/Auckland",
    "UTC",
    "America/Los_Angeles",
    "Africa/Cairo",
)
"""Zones of people 0, 1, 2 ... in turn: whole, half and quarter hours, with and without daylight saving time."""

GENDERS = ("male", "female", "non_binary", "other", "prefer_not_to_say")

_FIRST_DAY = datetime(2021, 1, 1, tzinfo=UTC)
_SIGN_UP_DAYS = 1000


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """Habits of one person. Two thirds have breathing analysis, a third snores, every fourth likes naps."""

    index: int
    user_id: str
    timezone: str
    breathing: bool
    bedtime: timedelta
    """Usual local wall-clock bedtime, counted from noon."""
    time_in_bed: timedelta
    nap_chance: float
    lies_awake: bool
    """Has a rest without any sleep once a month."""
    snoring_share: float
    unstable_per_hour: float


def inhabitant(seed: int, index: int) -> Person:
    """The person with this number in the default population."""
    rng = stream(seed, index, "sign-up")
    signed_up = _FIRST_DAY + timedelta(days=rng.randrange(_SIGN_UP_DAYS), seconds=rng.randrange(86_400))
    return _person(seed, index, _user_id(rng, signed_up))


def newcomer(seed: int, index: int, now: datetime) -> Person:
    """A person who signs up at ``now``; ``index`` must be free."""
    return _person(seed, index, _user_id(stream(seed, index, "newcomer"), now))


def metadata_of(seed: int, index: int) -> Metadata | None:
    """What the app told the vendor about a person; every seventh told nothing, a few left something out."""
    if index % 7 == 6:
        return None
    rng = stream(seed, index, "metadata")
    gender = rng.choices(GENDERS, (46, 46, 3, 2, 3))[0]
    facts: Metadata = {
        "birth_year": rng.randint(1945, 2004),
        "birth_month": rng.randint(1, 12),
        "birth_day": rng.randint(1, 28),
        "gender": gender,
        "height": round(rng.gauss(177 if gender == "male" else 166, 7), 1),
        "weight": round(rng.gauss(80 if gender == "male" else 67, 10), 1),
    }
    return {name: None if rng.random() < 0.06 else value for name, value in facts.items()}


def _person(seed: int, index: int, user_id: str) -> Person:
    rng = stream(seed, index, "habits")
    return Person(
        index=index,
        user_id=user_id,
        timezone=ZONES[index % len(ZONES)],
        breathing=index % 3 != 2,
        bedtime=timedelta(minutes=rng.triangular(610, 760, 675)),
        time_in_bed=timedelta(minutes=rng.triangular(410, 530, 470)),
        nap_chance=0.25 if index % 4 == 1 else 0.02,
        lies_awake=index % 4 == 0,
        snoring_share=_snoring_share(rng),
        unstable_per_hour=rng.triangular(0.2, 4.5, 0.8),
    )


def _snoring_share(rng: Random) -> float:
    kind = rng.random()
    if kind < 0.35:
        return 0.0
    return rng.uniform(0.01, 0.06) if kind < 0.7 else rng.uniform(0.08, 0.25)


def _user_id(rng: Random, signed_up: datetime) -> str:
    return f"G-{signed_up:%Y%m%d%H%M%S}-{word(rng, string.ascii_letters, 20)}"
