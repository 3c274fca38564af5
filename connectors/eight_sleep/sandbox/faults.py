"""What goes wrong on purpose, as switches: which endpoint, which way, how often. What is sent is in ``app``."""

from collections import Counter
from dataclasses import dataclass

KINDS = (
    "token_expired",
    "rate_limit",
    "rate_limit_with_wish",
    "throttled",
    "offline",
    "bad_gateway",
    "gateway_timeout",
    "failed",
    "not_there",
    "forbidden",
    "cut",
)
"""``rate_limit_with_wish`` comes with a Retry-After of 7 s, ``throttled`` in the shape community clients have seen;
``bad_gateway`` (502) and ``gateway_timeout`` (504) are HTML pages, ``failed`` is a 500 without a body, ``not_there`` a
404 without one, ``forbidden`` a 403 without one; ``cut`` ends the connection in the middle of the answer."""

ENDPOINTS = ("auth_login", "client_login", "tokens", "devices", "temperature", "status")


@dataclass(frozen=True)
class Fault:
    """One switch; ``endpoint`` None means all of them, ``times`` None for ever.

    Raises:
        ValueError: there is no such kind or endpoint.
    """

    kind: str
    endpoint: str | None = None
    times: int | None = 1

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
        self._faults = faults
        self.fired: Counter[int] = Counter()

    def next(self, endpoint: str) -> str | None:
        """The kind of fault this request meets, or None; to be called once a request."""
        for number, fault in enumerate(self._faults):
            if fault.endpoint in (None, endpoint) and (fault.times is None or self.fired[number] < fault.times):
                self.fired[number] += 1
                return fault.kind
        return None
