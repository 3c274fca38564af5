"""What goes wrong on purpose, and which request or entry meets it: so many times, or by a chance that repeats itself.

What a fault looks like on the wire is in ``misbehaviour``; faults of single entries are carried out in ``bundling``.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any

KINDS = {
    "drop": "the answer breaks off (after: once the work is done)",
    "slow": "no answer comes until the client gives up; the work is done",
    "late": "the answer breaks off, and the work is done when the next Bundle of writes arrives (after: is done)",
    "cut": "the work is done, and the JSON of the answer ends too early",
    "html": "a proxy's page instead of the answer, with this status (after: once the work is done)",
    "xml": "the work is done, and the answer is XML",
    "status": "this status with an OperationOutcome, and retry_after (seconds, date or none)",
    "expired": "every token given so far is refused from here on",
    "entry": "single entries of a Bundle fail with this status (after: although the work is done)",
    "reordered": "the work is done, and the entries of the answer come in reverse order",
    "missing": "the work is done, and one entry of the answer is missing",
    "unlocated": "the work is done, and the answer's entries have neither location nor etag",
}
"""Every kind of fault, with what it does."""

RETRY_AFTER = ("", "seconds", "date")
"""Forms of Retry-After: none, a number, a date."""

ENDPOINTS = ("bundle", "reads", "read", "search", "write", "delete", "metadata", "token", "smart")
"""What a request may be for: ``bundle`` holds writes, ``reads`` is a Bundle of GETs."""


@dataclass(frozen=True)
class Fault:
    """One rule: what, on which endpoint, for whom. The first ``times`` that come, or each with chance ``share``.

    ``skip`` leaves that many out first. For the kind ``entry`` all three count entries. Raises ValueError.
    """

    kind: str
    on: str = "bundle"
    times: int | None = None
    share: float | None = None
    skip: int = 0
    status: int = 503
    after: bool = False
    retry_after: str = ""

    def __post_init__(self) -> None:
        """Check it."""
        if self.kind not in KINDS or self.on not in ENDPOINTS or self.retry_after not in RETRY_AFTER:
            raise ValueError("kind, on and retry_after must be words that GET /_control/faults lists.")
        if (self.times is None) == (self.share is None):
            raise ValueError("A fault has either times or share.")

    @classmethod
    def of(cls, document: object) -> "Fault":
        """From JSON. Raises ValueError."""
        known = {one.name for one in fields(cls)}
        if not isinstance(document, dict) or not set(document) <= known or "kind" not in document:
            raise ValueError(f"A fault is an object with kind and some of {', '.join(sorted(known))}.")
        return cls(**document)


class Faults:
    """Rules in force; of those that meet a request the first in the list is carried out. Chance comes from ``seed``."""

    def __init__(self, rules: Iterable[Fault] = (), seed: int = 1) -> None:
        self._seed = seed
        self.set(rules)

    def set(self, rules: Iterable[Fault]) -> None:
        """Replace all rules and forget what was counted."""
        self.rules = tuple(rules)
        self.fired: Counter[int] = Counter()
        self._concerned: Counter[int] = Counter()

    def choose(self, endpoint: str) -> Fault | None:
        """The fault that a request meets, or None; to be asked once a request."""
        return self._first(endpoint, entries=False)

    def choose_for_entry(self, endpoint: str) -> Fault | None:
        """The fault that an entry of a Bundle meets, or None."""
        return self._first(endpoint, entries=True)

    def described(self) -> list[dict[str, Any]]:
        """The rules and how often each was met."""
        return [asdict(rule) | {"fired": self.fired[number]} for number, rule in enumerate(self.rules)]

    def _first(self, endpoint: str, *, entries: bool) -> Fault | None:
        for number, rule in enumerate(self.rules):
            if rule.on == endpoint and (rule.kind == "entry") == entries and self._meets(number, rule):
                self.fired[number] += 1
                return rule
        return None

    def _meets(self, number: int, rule: Fault) -> bool:
        self._concerned[number] += 1
        nth = self._concerned[number] - rule.skip
        if nth <= 0:
            return False
        if rule.times is not None:
            return nth <= rule.times
        return Random(f"{self._seed} {number} {nth}").random() < (rule.share or 0.0)  # noqa: S311
