"""What goes wrong on purpose, as switches: which endpoint, which way, how often. What is sent is in ``app``."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Self

KINDS = (
    "token_expired",
    "rate_limit",
    "rate_limit_with_wish",
    "throttled",
    "offline",
    "bad_gateway",
    "gateway_timeout",
    "failed",
    "unavailable",
    "not_there",
    "forbidden",
    "cut",
)
"""``rate_limit_with_wish`` comes with a Retry-After of 7 s, ``throttled`` in the shape community clients have seen;
``bad_gateway`` (502) and ``gateway_timeout`` (504) are HTML pages; ``failed`` is a 500, ``unavailable`` a 503,
``not_there`` a 404, ``forbidden`` a 403, all without a body; ``cut`` ends the connection in the middle of the answer. A
host that is down: ``failed`` or ``cut`` at ``auth_login``, for ever."""

ENDPOINTS = (
    *("auth_login", "client_login", "tokens", "devices", "temperature", "status"),
    *("me", "user", "bed", "intervals", "interval", "delete_interval", "trends"),
    *("user_temperature", "user_temperature_all", "set_user_temperature", "set_bed_temperature"),
)


@dataclass(frozen=True)
class Fault:
    """One switch; ``endpoint`` None means all of them, ``times`` None for ever.

    Raises:
        ValueError: there is no such kind or endpoint.
    """

    kind: str
    endpoint: str | None = None
    times: int | None = 1

    @classmethod
    def of(cls, document: Any) -> Self:
        """The fault that a JSON object describes.

        Raises:
            ValueError: it is none.
        """
        if not isinstance(document, dict) or not {"kind"} <= document.keys() <= {"kind", "endpoint", "times"}:
            raise ValueError("A fault is an object with kind, and maybe endpoint and times.")
        times = document.get("times", 1)
        if times is not None and (not isinstance(times, int) or times < 1):
            raise ValueError("times must be a whole number of at least 1, or null for ever.")
        return cls(document["kind"], document.get("endpoint"), times)

    def __post_init__(self) -> None:
        """Check the names."""
        if self.kind not in KINDS:
            raise ValueError(f"There is no fault {self.kind!r}; the faults are {', '.join(KINDS)}.")
        if self.endpoint not in (None, *ENDPOINTS):
            raise ValueError(f"There is no endpoint {self.endpoint!r}; the endpoints are {', '.join(ENDPOINTS)}.")


class Faults:
    """The switches that are on; the first one that concerns a request is carried out."""

    def __init__(self, *faults: Fault) -> None:
        self.set(*faults)

    def set(self, *faults: Fault) -> None:
        """Replace all switches and forget what was counted."""
        self.in_force = faults
        self.fired: Counter[int] = Counter()

    def next(self, endpoint: str) -> str | None:
        """The kind of fault this request meets, or None; to be called once a request."""
        for number, fault in enumerate(self.in_force):
            if fault.endpoint in (None, endpoint) and (fault.times is None or self.fired[number] < fault.times):
                self.fired[number] += 1
                return fault.kind
        return None
