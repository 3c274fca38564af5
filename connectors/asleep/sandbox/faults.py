"""Which request meets which fault: chance that repeats itself, counts, and a record of what has happened.

Chance is drawn from the seed, the request and how often that very request was asked before, never from order or time:
the same requests meet the same faults, whatever else goes on beside them. What a fault sends is in ``misbehaviour``.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import parse_qsl

from connectors.asleep.sandbox.rules import Rule
from connectors.asleep.sandbox.seeding import stream

_REFUSALS = ("plan", "rate_limit", "quota", "forbidden", "too_many")
"""Kinds the vendor tells before it looks at anything else."""


_LONGEST_NUMBER = 9


class Asked(NamedTuple):
    """A request as far as faults go: its endpoint, whose data, in which zone, and the target as sent."""

    endpoint: str
    method: str
    path: str
    query: str
    user_id: str | None
    zone: str

    def number(self, name: str, default: int) -> int | None:
        """A whole number of the query, ``default`` when absent; None when it is no such number."""
        text = dict(parse_qsl(self.query, keep_blank_values=True)).get(name, str(default))
        return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else None

    def reading(self) -> "Asked":
        """The same for every page of one reading of a list."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        return self._replace(query="&".join(f"{n}={v}" for n, v in sorted(pairs) if n not in ("offset", "limit")))


class Chosen(NamedTuple):
    """The fault a request meets: its place in the list of rules, the rule, and how often this was asked before."""

    number: int
    rule: Rule
    asked_before: int


class Faults:
    """Rules in force, from ``seed``; of those that meet a request, refusals come first, then the order of the list."""

    def __init__(self, rules: Iterable[Rule] = (), seed: int = 1, profile: str | None = None) -> None:
        self._seed = seed
        self.set(rules, profile)

    def set(self, rules: Iterable[Rule], profile: str | None = None) -> None:
        """Replace all rules and forget what was counted; ``profile`` is only remembered."""
        self.rules = tuple(rules)
        self.profile = profile
        self.fired: Counter[int] = Counter()
        self._order = sorted(enumerate(self.rules), key=lambda item: item[1].kind not in _REFUSALS)
        self._concerned: Counter[int] = Counter()
        self._asked: Counter[Asked] = Counter()
        self._spoiled_in_a_row: Counter[Asked] = Counter()

    def choose(self, asked: Asked) -> Chosen | None:
        """The fault this request meets, or None; to be called once a request."""
        before = self._asked[asked]
        self._asked[asked] += 1
        met = [(number, rule) for number, rule in self._order if self._meets(number, rule, asked, before)]
        number, rule = met[0] if met else (0, None)
        if rule is not None and rule.spoils:
            self._spoiled_in_a_row[asked] += 1
        else:
            self._spoiled_in_a_row.pop(asked, None)
        return Chosen(number, rule, before) if rule else None

    def count(self, chosen: Chosen) -> None:
        """Remember that a fault really was carried out."""
        self.fired[chosen.number] += 1

    def _meets(self, number: int, rule: Rule, asked: Asked, before: int) -> bool:
        if not rule.concerns(asked.endpoint, asked.user_id) or (
            rule.kind == "shifting_rows" and not asked.number("offset", 0)
        ):
            return False
        self._concerned[number] += 1
        if rule.share is not None:
            return self._drawn(number, rule, asked, before)
        if rule.times is not None:
            return self._concerned[number] <= rule.times
        return (rule.from_request or 1) <= self._concerned[number] <= (rule.until_request or self._concerned[number])

    def _drawn(self, number: int, rule: Rule, asked: Asked, before: int) -> bool:
        if rule.spoils and self._spoiled_in_a_row[asked] >= rule.in_a_row:
            return False
        # Pages of one reading are duplicated together or not at all: otherwise their offsets would not fit together.
        name = (asked.reading(),) if rule.kind == "duplicated_rows" else (asked, before)
        return stream(self._seed, "fault", number, rule.kind, *name).random() < (rule.share or 0.0)
