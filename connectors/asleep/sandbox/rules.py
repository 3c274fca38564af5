"""The kinds of trouble the sandbox can make, and the rules that say when, where and for whom.

A rule is data: typed, checked when it is made, the same in Python and in JSON. Whether a request meets one is decided
in ``faults``, what is then sent in ``misbehaviour``.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

ENDPOINTS = ("list", "detail", "stats", "user", "create_user", "update_user", "delete_user", "delete_session")
"""Names of the vendor's endpoints, as the counters of ``/_control/calls`` use them."""

ON_DATE = "date"
"""A ``retry_after`` that is sent as an HTTP date."""

_ASK_LATER = frozenset({"retry_after"})
_MOST_REQUESTS = 10**9
_LONGEST_DELAY_S = 3600
_LONGEST_HEADER = 200


class Kind(NamedTuple):
    """A kind of fault; of each tuple of choices the first is what happens when a rule does not say."""

    does: str
    options: frozenset[str] = frozenset()
    hows: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    endpoints: tuple[str, ...] = ENDPOINTS
    spoils: bool = True


KINDS: Mapping[str, Kind] = {
    "rate_limit": Kind("403 `Rate limit exceeded`; with retry_after also a Retry-After header", _ASK_LATER),
    "quota": Kind("403 `Quota exceeded`"),
    "plan": Kind("403 `Plan is expired`"),
    "forbidden": Kind("403 with a text nobody has documented"),
    "too_many": Kind("429, with the Retry-After header that retry_after says, or none", _ASK_LATER),
    "server_error": Kind(
        "500, 502, 503 or 504 with an HTML page",
        frozenset({"status", "retry_after"}),
        statuses=(503, 500, 502, 504),
    ),
    "truncated": Kind("good headers, but the JSON is cut in the middle; Content-Length is that of the cut"),
    "wrong_length": Kind("Content-Length promises more than the body has, then the connection is closed"),
    "stall": Kind(
        "headers and then nothing (how: headers), or no answer at all (how: silence), until the client goes away; with "
        "delay_s the connection is closed after that long",
        frozenset({"how", "delay_s"}),
        hows=("headers", "silence"),
    ),
    "reset": Kind("the connection is reset (TCP RST) in the middle of the body, or before an answer that has none"),
    "wrong_type": Kind(
        "200 with an HTML login page (how: page), or the right JSON called text/html (how: json): a good answer",
        frozenset({"how"}),
        hows=("page", "json"),
    ),
    "empty_body": Kind("a good status without the body that belongs to it"),
    "user_refused": Kind(
        "401 that is about the user id, not about the key", endpoints=tuple(e for e in ENDPOINTS if e != "create_user")
    ),
    "no_envelope": Kind(
        "an error outside of the documented envelope, as plain text (how: text) or without a body (how: empty): status "
        "403 is a rate limit, 404 unknown; without status, whatever error the request has earned",
        frozenset({"how", "status"}),
        hows=("text", "empty"),
        statuses=(403, 404),
    ),
    "odd_texts": Kind(
        "errors that the request has earned come in the other wordings that are documented", spoils=False
    ),
    "duplicated_rows": Kind(
        "the session list names every third session twice, pages and offsets included",
        endpoints=("list",),
        spoils=False,
    ),
    "shifting_rows": Kind(
        "a page after the first is read as if a row before it had just gone (how: disappears) or come (how: appears), "
        "so that it starts one row too late or too early",
        frozenset({"how"}),
        hows=("disappears", "appears"),
        endpoints=("list",),
    ),
    "slow": Kind("the right answer, delay_s seconds later (default 1)", frozenset({"delay_s"}), spoils=False),
    "gzip": Kind("the right answer with Content-Encoding gzip, for clients that accept it", spoils=False),
}
"""Every kind of fault with what it does."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a kind of fault happens; without ``share``, ``times`` and the two requests, always.

    Raises ``ValueError`` with one sentence for a rule that cannot be.
    """

    kind: str
    endpoint: str | None = None
    """The only endpoint it concerns; None for all."""
    users: tuple[str, ...] | None = None
    """The only user ids it concerns, in header or path; None for all."""
    share: float | None = None
    """Share of the requests, 0 to 1, drawn for each request by itself."""
    times: int | None = None
    """Only the first so many requests that it concerns."""
    from_request: int | None = None
    """From the n-th request that it concerns, counted from 1."""
    until_request: int | None = None
    """Up to and with the n-th."""
    in_a_row: int = field(default=2)
    """With ``share``: a request that was spoiled so many times running is left alone once."""
    retry_after: int | float | str | None = None
    """Retry-After: a number as it is, ``date`` for an HTTP date two seconds ahead, any other text as it is."""
    status: int | None = None
    delay_s: float | None = None
    how: str | None = None

    def __post_init__(self) -> None:
        """Check everything, and take what the kind says for what the rule does not."""
        kind = _known("kind", self.kind, KINDS)
        given = KINDS[kind]
        if self.endpoint is not None:
            _known(f"endpoint of {kind}", self.endpoint, given.endpoints)
        object.__setattr__(self, "users", _users(self.users))
        self._check_when()
        for name in ("retry_after", "status", "delay_s", "how"):
            if getattr(self, name) is not None and name not in given.options:
                raise ValueError(f"{kind} takes no {name}.")
        _check_retry_after(self.retry_after)
        if self.delay_s is not None and not 0 <= _number("delay_s", self.delay_s) <= _LONGEST_DELAY_S:
            raise ValueError(f"delay_s must be between 0 and {_LONGEST_DELAY_S} seconds.")
        if self.status is not None:
            _known(f"status of {kind}", self.status, given.statuses)
        if self.how is not None:
            _known(f"how of {kind}", self.how, given.hows)

    @classmethod
    def of(cls, document: object) -> "Rule":
        """The rule a JSON object describes. Raises: ValueError."""
        if not isinstance(document, Mapping):
            raise ValueError('A fault must be an object such as {"kind": "rate_limit", "share": 0.2}.')
        names = [part.name for part in fields(cls)]
        for name in document:
            _known("field of a fault", name, names)
        if "kind" not in document:
            raise ValueError(f"A fault needs a kind: {_list(KINDS)}.")
        return cls(**document)

    def described(self) -> dict[str, Any]:
        """The rule as JSON object, without what was not said."""
        said = {part.name: getattr(self, part.name) for part in fields(self)}
        if self.share is None:
            del said["in_a_row"]
        return {name: value for name, value in said.items() if value is not None}

    @property
    def way(self) -> str | None:
        """``how``, or the usual one of the kind."""
        return self.how or next(iter(KINDS[self.kind].hows), None)

    @property
    def spoils(self) -> bool:
        """Whether it leaves the client without what it asked for; only then ``in_a_row`` counts."""
        harmless = self.way == "json" or (self.kind == "no_envelope" and self.status is None)
        return KINDS[self.kind].spoils and not harmless

    def concerns(self, endpoint: str, user_id: str | None) -> bool:
        """Whether a request of this endpoint and user is one that the rule is about."""
        return (
            endpoint in KINDS[self.kind].endpoints
            and self.endpoint in (None, endpoint)
            and (self.users is None or user_id in self.users)
        )

    def _check_when(self) -> None:
        for name in ("times", "from_request", "until_request", "in_a_row"):
            _check_count(name, getattr(self, name), or_none=name != "in_a_row")
        if self.share is not None and not 0 <= _number("share", self.share) <= 1:
            raise ValueError("share must be between 0 and 1.")
        ranged = self.from_request is not None or self.until_request is not None
        if (self.share is not None) + (self.times is not None) + ranged > 1:
            raise ValueError("Give share, times, or from_request and until_request, not several of them.")
        if self.until_request is not None and (self.from_request or 1) > self.until_request:
            raise ValueError("until_request must not be smaller than from_request.")


def _known(what: str, value: Any, names: Collection[Any]) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int) or value not in names:
        raise ValueError(f"Unknown {what}: there are {_list(names)}.")
    return value


def _list(names: Collection[Any]) -> str:
    return ", ".join(map(str, names))


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a number.")
    return value


def _check_count(name: str, value: object, or_none: bool) -> None:
    if value is None and or_none:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_REQUESTS:
        raise ValueError(f"{name} must be a whole number of at least 1.")


def _users(users: object) -> tuple[str, ...] | None:
    if users is None:
        return None
    if not isinstance(users, list | tuple) or not users or not all(isinstance(user, str) for user in users):
        raise ValueError("users must be null or a list of user ids.")
    return tuple(users)


def _check_retry_after(wish: object) -> None:
    if wish is None:
        return
    if not isinstance(wish, str):
        _number("retry_after", wish)
    elif len(wish) > _LONGEST_HEADER or not wish.isascii() or not wish.isprintable():
        raise ValueError(f"retry_after must be a number, {ON_DATE!r}, or a text that fits into a header.")
