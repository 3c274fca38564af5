"""Days on which the vendor is not well, by name: sets of rules to develop and test against.

The kinds of faults are in ``rules``. A profile that heals leaves a client that asks again, five times at most, with the
same data as a good day; the others stop it until somebody does something.
"""

from collections.abc import Mapping
from typing import NamedTuple

from connectors.asleep.sandbox.rules import ON_DATE, Rule


class Profile(NamedTuple):
    """A sentence and the rules; ``heals`` says that asking again is enough."""

    does: str
    rules: tuple[Rule, ...]
    heals: bool = True


def _some(kind: str, share: float, **options: object) -> Rule:
    return Rule.of({"kind": kind, "share": share} | options)


_TOO_MANY = tuple(
    _some("too_many", 0.04, retry_after=wish) for wish in (None, 1, 0, ON_DATE, 1_000_000_000, -5, "in a moment")
)
_SERVER_ERRORS = tuple(_some("server_error", 0.06, status=status) for status in (500, 502, 503, 504))
_FROM_REQUEST = 60

PROFILES: Mapping[str, Profile] = {
    "storm": Profile(
        "a bit of everything that heals, all at once",
        (
            _some("rate_limit", 0.03),
            *(_some("too_many", 0.01, retry_after=wish) for wish in (None, 1, ON_DATE, 1_000_000_000)),
            *(_some("server_error", 0.01, status=status) for status in (500, 502, 503, 504)),
            _some("no_envelope", 0.01, status=403),
            _some("truncated", 0.02),
            _some("wrong_length", 0.02),
            _some("reset", 0.02),
            _some("stall", 0.01, delay_s=1),
            _some("wrong_type", 0.015),
            _some("empty_body", 0.015),
            _some("shifting_rows", 0.1, in_a_row=1),
            _some("wrong_type", 0.05, how="json"),
            _some("duplicated_rows", 0.2),
            _some("slow", 0.05, delay_s=0.2),
            _some("gzip", 0.2),
            Rule(kind="odd_texts"),
        ),
    ),
    "rate_limited": Profile(
        "one request in five is refused with 403 `Rate limit exceeded`", (_some("rate_limit", 0.2),)
    ),
    "too_many_requests": Profile(
        "one request in four is refused with 429, and Retry-After is missing, a number, a date or absurd", _TOO_MANY
    ),
    "server_errors": Profile("one request in four fails with 500, 502, 503 or 504 and an HTML page", _SERVER_ERRORS),
    "truncated": Profile("one answer in five is cut in the middle of its JSON", (_some("truncated", 0.2),)),
    "wrong_length": Profile(
        "one answer in five promises more bytes than it has, and the connection is closed",
        (_some("wrong_length", 0.2),),
    ),
    "stalls": Profile(
        "one answer in fifty stops after its headers or never begins, and the connection stays open",
        (_some("stall", 0.01, how="headers", in_a_row=1), _some("stall", 0.01, how="silence", in_a_row=1)),
    ),
    "resets": Profile("one connection in five is reset in the middle of the answer", (_some("reset", 0.2),)),
    "wrong_type": Profile(
        "one answer in five is an HTML login page with 200, one in five the right JSON called text/html",
        (_some("wrong_type", 0.2, how="page"), _some("wrong_type", 0.2, how="json")),
    ),
    "empty": Profile("one good answer in five comes without its body", (_some("empty_body", 0.2),)),
    "no_envelope": Profile(
        "one request in five is refused with 403 `Rate limit exceeded` as plain text, and errors come without envelope",
        (_some("no_envelope", 0.2, status=403), Rule(kind="no_envelope", how="empty")),
    ),
    "odd_texts": Profile("every error comes in its other documented wordings", (Rule(kind="odd_texts"),)),
    "duplicates": Profile("session lists name every third session twice", (Rule(kind="duplicated_rows"),)),
    "shifting": Profile(
        "half of the later pages of session lists start a row too late or too early",
        (
            _some("shifting_rows", 0.25, how="disappears", in_a_row=1),
            _some("shifting_rows", 0.25, how="appears", in_a_row=1),
        ),
    ),
    "slow": Profile("every third answer takes a second longer", (_some("slow", 0.33, delay_s=1),)),
    "gzip": Profile("every answer is compressed for clients that accept it", (Rule(kind="gzip"),)),
    "quota": Profile(
        f"from the {_FROM_REQUEST}th request on the quota is used up",
        (Rule(kind="quota", from_request=_FROM_REQUEST),),
        heals=False,
    ),
    "plan": Profile(
        f"from the {_FROM_REQUEST}th request on the plan has expired",
        (Rule(kind="plan", from_request=_FROM_REQUEST),),
        heals=False,
    ),
    "outage": Profile(
        f"from the {_FROM_REQUEST}th request on everything is 503",
        (Rule(kind="server_error", from_request=_FROM_REQUEST),),
        heals=False,
    ),
    "forbidden": Profile(
        f"from the {_FROM_REQUEST}th request on everything is 403 with an unknown text",
        (Rule(kind="forbidden", from_request=_FROM_REQUEST),),
        heals=False,
    ),
}
"""Every profile."""


def profile(name: object) -> Profile:
    """The profile of this name. Raises: ValueError, with the known ones."""
    if not isinstance(name, str) or name not in PROFILES:
        raise ValueError(f"Unknown profile: there are {', '.join(PROFILES)}.")
    return PROFILES[name]
