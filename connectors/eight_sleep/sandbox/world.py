"""The sandbox's world: its accounts, their beds and nights, the tokens that were given out, and one clock from outside.

JSON and HTTP are in ``app``, limits in ``limits``, what goes wrong in ``faults``.
"""

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import orjson

from connectors.eight_sleep.sandbox.beds import SIDES, Bed, Side, Sleeper
from connectors.eight_sleep.sandbox.nights import Nights
from connectors.eight_sleep.sandbox.noise import Truth
from connectors.eight_sleep.sandbox.seeding import hexadecimal, stream

VARIANTS = {
    "wrapped": "every success in {data, success}",
    "expiration_date": "the login's expiry as expirationDate",
    "no_expiry": "a login without expiry",
    "no_expires_in": "token answers without a lifetime",
    "no_refresh_token": "token answers without a refresh token",
    "no_user_id": "token answers that do not name the user",
    "of_2022": "intervals without the fields of 2026",
    "newer_fields": "the optional fields of 2026 as well",
    "text_none": "the text None for no value",
    "presence_without_out": "sessions that end as much too early as their sleeper was out of bed",
    "zero_heart_rates": "0 for lost heart beats",
    "unknown_stages": "names of stages nobody has documented",
    "garbage_interval": "members of a page that are no intervals",
    "unordered_pages": "pages in no order",
    "repeated_cursor": "from the second page on the cursor of the page before",
    "cursor_on_empty_page": "a cursor with the empty page as well",
    "cursor_only_if_more": "a cursor only where more follows",
    "placeholder_days": "empty days in trends for nights without data",
    "score_in_health": "the fitness score of trends in health",
}
"""Answers that differ from the usual ones, each with what they have."""

_LAST_YEAR = 2100

ZONES = ("Europe/Lisbon", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/Berlin", "Asia/Tokyo")

_MODELS = ("pod-pro", "pod-3", "pod-4")


@dataclass(frozen=True)
class Token:
    """A token that was given out: ``kind`` is ``session`` (of a login), ``access`` or ``refresh``."""

    value: str
    kind: str
    user_id: str
    expires_at: datetime


class World:
    """``beds`` beds with two sleepers each, who have an account each, all drawn from ``seed``.

    Tokens live ``token_life_s`` seconds of ``clock`` (aware); a refresh token lives for ever. Everybody has nights
    since ``nights`` evenings before the world was made, and new ones as the clock goes on; each is final ``analysis_s``
    after its end. ``truth`` may give sleepers nights of their own (``noise``). The beds stand in ``zones``, in turn.
    """

    def __init__(
        self,
        beds: int = 1,
        seed: int = 1,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        token_life_s: int = 72_000,
        nights: int = 30,
        truth: Truth | None = None,
        analysis_s: int = 1800,
        zones: Sequence[str] = ZONES,
    ) -> None:
        self.seed = seed
        self._clock = clock
        self._ahead = timedelta(0)
        self.token_life_s = token_life_s
        self.variants: frozenset[str] = frozenset()
        self.forgotten: set[str] = set()
        self._beds = [_bed(seed, number, zones[number % len(zones)]) for number in range(beds)]
        self._tokens: dict[str, Token] = {}
        self._given = 0
        self._nights: dict[str, Nights] = {}
        first, analysis = (self.now - timedelta(days=nights)).date(), timedelta(seconds=analysis_s)
        for number, sleeper in enumerate(self.accounts()):
            zone = self.place_of(sleeper.user_id)[0].zone
            told = Nights(seed, number, sleeper.user_id, zone, first, analysis, truth)
            self._nights[sleeper.user_id] = told
            sleeper.is_in_bed = told.is_in_bed

    def clock(self) -> datetime:
        """The world's time: that of the clock it was given, and by how far it was moved."""
        return self._clock() + self._ahead

    def advance(self, by: timedelta) -> None:
        """Move the clock forward.

        Raises:
            ValueError: the time would end.
        """
        if self.now.year + by.days // 365 > _LAST_YEAR:
            raise ValueError(f"The clock stops with the year {_LAST_YEAR}.")
        self._ahead += by

    @property
    def now(self) -> datetime:
        """The world's time, UTC."""
        return self.clock().astimezone(UTC)

    def set_variants(self, *names: str) -> None:
        """Answer with exactly these variants from now on.

        Raises:
            ValueError: there is no variant of that name.
        """
        if unknown := set(names) - VARIANTS.keys():
            raise ValueError(f"There is no variant {sorted(unknown)[0]!r}; the variants are {', '.join(VARIANTS)}.")
        self.variants = frozenset(names)

    def nights_of(self, user_id: str) -> Nights:
        """What there is to tell of a sleeper's nights.

        Raises:
            KeyError: there is no such sleeper.
        """
        return self._nights[user_id]

    def place_of(self, user_id: str) -> tuple[Bed, Side]:
        """The first bed of a sleeper, and the side of it.

        Raises:
            KeyError: there is no such sleeper.
        """
        for bed in self._beds:
            for side in bed.sides.values():
                if side.sleeper.user_id == user_id:
                    return bed, side
        raise KeyError("no such sleeper")

    def beds(self) -> list[Bed]:
        """All beds, in order."""
        return list(self._beds)

    def accounts(self) -> Iterator[Sleeper]:
        """Every account once, bed by bed, left before right."""
        yield from {sleeper.user_id: sleeper for bed in self._beds for sleeper in bed.sleepers()}.values()

    def beds_of(self, user_id: str) -> list[Bed]:
        """The beds in which this user has a side."""
        return [bed for bed in self._beds if any(sleeper.user_id == user_id for sleeper in bed.sleepers())]

    def share(self, bed: Bed, sleeper: Sleeper) -> None:
        """Give the left side of ``bed`` to ``sleeper``, so that one account has several beds."""
        bed.sides["left"].sleeper = sleeper

    def make_solo(self, bed: Bed) -> None:
        """Let who sleeps on the left have the whole bed."""
        bed.sides["right"].sleeper = bed.sides["left"].sleeper

    def forget(self, user_id: str) -> None:
        """Delete an account's user: nothing about them is known any more."""
        self.forgotten.add(user_id)

    def account(self, email: object, password: object) -> Sleeper | None:
        """Who logs in with these credentials, or None."""
        return next((one for one in self.accounts() if (one.email, one.password) == (email, password)), None)

    def give_token(self, user_id: str, kind: str) -> Token:
        """A new token; those given before stay as they are."""
        number = self._given
        self._given += 1
        name = hexadecimal(self.seed, 32, "token", number)
        life = timedelta(seconds=self.token_life_s) if kind != "refresh" else timedelta(days=36_500)
        token = Token(_written(kind, f"{name}-{number:04}", user_id), kind, user_id, self.now + life)
        self._tokens[token.value] = token
        return token

    def token(self, value: str) -> Token | None:
        """The token of this text, whether it still holds or not."""
        return self._tokens.get(value)

    def expire_tokens(self) -> None:
        """End every session and access token now, long before anybody expects it."""
        for token in self._tokens.values():
            if token.kind != "refresh":
                self._tokens[token.value] = replace(token, expires_at=self.now)

    def revoke_refresh_tokens(self) -> None:
        """Let every refresh token be refused from now on."""
        self._tokens = {value: token for value, token in self._tokens.items() if token.kind != "refresh"}


def _written(kind: str, name: str, user_id: str) -> str:
    """The text of a token: an access token is a JWT that names the user, the others say nothing."""
    if kind != "access":
        return f"sandbox.{kind}.{name}"
    parts = ({"alg": "none"}, {"sub": user_id, "jti": name})
    header, claims = (base64.urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in parts)
    return f"{header}.{claims}.sandbox"


def _bed(seed: int, number: int, zone: str) -> Bed:
    chance = stream(seed, "bed", number)
    sides = {}
    for name in SIDES:
        sleeper = Sleeper(
            hexadecimal(seed, 32, "user", number, name),
            f"{name}.sleeper{number}@example.com",
            f"sandbox-{hexadecimal(seed, 12, 'password', number, name)}",
        )
        sides[name] = Side(name, sleeper)
    return Bed(
        hexadecimal(seed, 16, "device", number),
        f"POD{chance.randrange(10_000, 100_000)}",
        chance.choice(_MODELS),
        f"{chance.randrange(1, 4)}.{chance.randrange(10)}.{chance.randrange(10)}",
        sides,
        zone=zone,
    )
