"""The sandbox's world: its accounts, their beds, the tokens that were given out, and one clock from outside.

JSON and HTTP are in ``app``, limits in ``limits``, what goes wrong in ``faults``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from connectors.eight_sleep.sandbox.beds import SIDES, Bed, Side, Sleeper
from connectors.eight_sleep.sandbox.seeding import hexadecimal, stream

VARIANTS = ("wrapped", "expiration_date", "no_expiry", "no_expires_in", "no_refresh_token")
"""Answers that differ from the documented ones: every success in ``{data, success}``, the login's expiry under another
name or not told at all, token answers without a lifetime or without a refresh token."""

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

    Tokens live ``token_life_s`` seconds of ``clock`` (aware); a refresh token lives for ever.
    """

    def __init__(
        self,
        beds: int = 1,
        seed: int = 1,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        token_life_s: int = 72_000,
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.token_life_s = token_life_s
        self.variants: frozenset[str] = frozenset()
        self._beds = [_bed(seed, number) for number in range(beds)]
        self._tokens: dict[str, Token] = {}

    @property
    def now(self) -> datetime:
        """The world's time, UTC."""
        return self.clock().astimezone(UTC)

    def set_variants(self, *names: str) -> None:
        """Answer with exactly these variants from now on.

        Raises:
            ValueError: there is no variant of that name.
        """
        if unknown := set(names) - set(VARIANTS):
            raise ValueError(f"There is no variant {sorted(unknown)[0]!r}; the variants are {', '.join(VARIANTS)}.")
        self.variants = frozenset(names)

    def beds(self) -> list[Bed]:
        """All beds, in order."""
        return list(self._beds)

    def accounts(self) -> Iterator[Sleeper]:
        """Every account, bed by bed, left before right."""
        for bed in self._beds:
            yield from bed.sleepers()

    def beds_of(self, user_id: str) -> list[Bed]:
        """The beds in which this user has a side."""
        return [bed for bed in self._beds if any(sleeper.user_id == user_id for sleeper in bed.sleepers())]

    def share(self, bed: Bed, sleeper: Sleeper) -> None:
        """Give the left side of ``bed`` to ``sleeper``, so that one account has several beds."""
        bed.sides["left"].sleeper = sleeper

    def account(self, email: object, password: object) -> Sleeper | None:
        """Who logs in with these credentials, or None."""
        return next((one for one in self.accounts() if (one.email, one.password) == (email, password)), None)

    def give_token(self, user_id: str, kind: str) -> Token:
        """A new token; those given before stay as they are."""
        number = len(self._tokens)
        name = hexadecimal(self.seed, 32, "token", number)
        life = timedelta(seconds=self.token_life_s) if kind != "refresh" else timedelta(days=36_500)
        token = Token(f"sandbox.{kind}.{name}-{number:04}", kind, user_id, self.now + life)
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


def _bed(seed: int, number: int) -> Bed:
    chance = stream(seed, "bed", number)
    sides = {}
    for name in SIDES:
        sleeper = Sleeper(
            hexadecimal(seed, 32, "user", number, name),
            f"{name}.sleeper{number}@example.com",
            f"sandbox-{hexadecimal(seed, 12, 'password', number, name)}",
            seed,
        )
        sides[name] = Side(name, sleeper)
    return Bed(
        hexadecimal(seed, 16, "device", number),
        f"POD{chance.randrange(10_000, 100_000)}",
        chance.choice(_MODELS),
        f"{chance.randrange(1, 4)}.{chance.randrange(10)}.{chance.randrange(10)}",
        sides,
    )
