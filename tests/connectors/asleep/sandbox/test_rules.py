"""Rules, and which request meets which: what may be said, and chance that depends on the request alone."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.asleep.sandbox import PROFILES, Faults, Rule
from connectors.asleep.sandbox.faults import Asked
from connectors.asleep.sandbox.rules import KINDS

USERS = ["G-one", "G-two", "G-three"]
SPOILING = [name for name, kind in KINDS.items() if kind.spoils and name not in ("no_envelope", "shifting_rows")]
SHARES = st.lists(
    st.builds(
        lambda kind, share, in_a_row: Rule(kind=kind, share=share, in_a_row=in_a_row),
        st.sampled_from(SPOILING),
        st.floats(0, 1),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=6,
)


def asked(number: int = 0, endpoint: str = "detail", user: str | None = "G-one", query: str = "") -> Asked:
    """A request for one of many things."""
    return Asked(endpoint, "GET", f"/data/v3/sessions/{number}", query, user, "UTC")


def kinds_met(faults: Faults, requests: list[Asked]) -> list[str | None]:
    """The kind of fault each request meets, in turn."""
    chosen = [faults.choose(request) for request in requests]
    return [found.rule.kind if found else None for found in chosen]


@given(SHARES, st.integers(0, 99))
def test_nobody_is_spoiled_too_often_in_a_row(rules: list[Rule], seed: int) -> None:
    """However many rules there are, a request asked again gets through after the most that any of them allows."""
    met = kinds_met(Faults(rules, seed), [asked()] * 40)
    longest = max(rule.in_a_row for rule in rules)
    assert all(None in met[start : start + longest + 1] for start in range(40 - longest))


@given(SHARES, st.integers(0, 99), st.randoms(use_true_random=False))
def test_chance_knows_no_order(rules: list[Rule], seed: int, shuffler: Random) -> None:
    """Each request meets the same faults in turn, whatever is asked before and in between."""
    requests = [asked(number, user=user) for number in range(4) for user in USERS for _ in range(5)]
    mixed = requests.copy()
    shuffler.shuffle(mixed)
    orderly, chaotic = Faults(rules, seed), Faults(rules, seed)
    met: list[dict[Asked, list[str | None]]] = [{}, {}]
    for faults, order, by_request in ((orderly, requests, met[0]), (chaotic, mixed, met[1])):
        for request in order:
            by_request.setdefault(request, []).extend(kinds_met(faults, [request]))
    assert met[0] == met[1]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_a_share_is_a_share(share: float) -> None:
    """Of a thousand requests asked once."""
    met = kinds_met(Faults([Rule(kind="reset", share=share)]), [asked(number) for number in range(1000)])
    assert abs(met.count("reset") / 1000 - share) <= 0.03


def test_another_seed_is_another_day() -> None:
    """Same rules, same requests, other faults."""
    requests = [asked(number) for number in range(200)]
    rule = Rule(kind="reset", share=0.5)
    assert kinds_met(Faults([rule], 1), requests) != kinds_met(Faults([rule], 2), requests)


def test_times_and_ranges_count_what_the_rule_concerns() -> None:
    """Other endpoints and users do not count."""
    first_two = Rule(kind="reset", endpoint="detail", times=2)
    assert kinds_met(Faults([first_two]), [asked(), asked(endpoint="list"), asked(), asked()]) == [
        "reset",
        None,
        "reset",
        None,
    ]
    ranged = Rule(kind="quota", users=("G-two",), from_request=2, until_request=3)
    requests = [asked(user=user) for user in ("G-two", "G-one", "G-two", "G-two", "G-two")]
    assert kinds_met(Faults([ranged]), requests) == [None, None, "quota", "quota", None]
    assert kinds_met(Faults([Rule(kind="plan", until_request=1)]), [asked()] * 2) == ["plan", None]
    assert kinds_met(Faults([Rule(kind="plan", from_request=2)]), [asked()] * 3) == [None, "plan", "plan"]


def test_one_fault_at_a_time_and_refusals_first() -> None:
    """The documented order of checks, then the order of the list."""
    rules = [Rule(kind="reset"), Rule(kind="slow"), Rule(kind="quota", times=1)]
    assert kinds_met(Faults(rules), [asked()] * 2) == ["quota", "reset"]


def test_only_what_spoils_is_held_back() -> None:
    """A delay or a compressed answer may happen every time."""
    for harmless in (
        Rule(kind="slow", share=1),
        Rule(kind="gzip", share=1),
        Rule(kind="wrong_type", how="json", share=1),
    ):
        assert None not in kinds_met(Faults([harmless]), [asked()] * 9)


def test_pages_of_one_reading_are_repeated_together() -> None:
    """Offset and limit do not enter the chance of repetition; the user does."""
    faults = Faults([Rule(kind="duplicated_rows", share=0.5)])
    met: Counter[str | None] = Counter()
    for number in range(60):
        pages = [
            Asked("list", "GET", "/data/v1/sessions", f"offset={offset}&limit=9", f"G-{number}", "UTC")
            for offset in (0, 9, 18)
        ]
        (kind,) = set(kinds_met(faults, pages))
        met[kind] += 1
    assert min(met["duplicated_rows"], met[None]) > 15


def test_new_rules_begin_to_count_anew() -> None:
    """What was asked and carried out before is forgotten."""
    faults = Faults([Rule(kind="plan", times=1)])
    chosen = faults.choose(asked())
    assert chosen
    faults.count(chosen)
    faults.set(faults.rules)
    assert faults.fired == {}
    assert kinds_met(faults, [asked()] * 2) == ["plan", None]


@pytest.mark.parametrize("rule", [rule for profile in PROFILES.values() for rule in profile.rules], ids=str)
def test_a_rule_is_the_same_in_json(rule: Rule) -> None:
    """Described and read again."""
    assert Rule.of(rule.described()) == rule


NO_USERS: list[Any] = ["G-one", [], [1], {}]
NO_WISHES: list[Any] = [[], True, "a\r\nb", "ü"]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("storm", 'A fault must be an object such as {"kind": "rate_limit", "share": 0.2}.'),
        ({}, "A fault needs a kind: rate_limit, "),
        ({"kind": "earthquake"}, "Unknown kind: there are rate_limit, "),
        ({"kind": None}, "Unknown kind: there are rate_limit, "),
        ({"kind": "quota", "colour": 1}, "Unknown field of a fault: there are kind, endpoint, "),
        ({"kind": "quota", "endpoint": "webhook"}, "Unknown endpoint of quota: there are list, detail, "),
        ({"kind": "shifting_rows", "endpoint": "detail"}, "Unknown endpoint of shifting_rows: there are list."),
        ({"kind": "user_refused", "endpoint": "create_user"}, "Unknown endpoint of user_refused: there are list, "),
        *(({"kind": "quota", "users": users}, "users must be null or a list of user ids.") for users in NO_USERS),
        *(({"kind": "quota", "share": share}, "share must be ") for share in (-0.1, 1.1, "half", True, float("nan"))),
        *(
            ({"kind": "quota", name: value}, f"{name} must be a whole number of at least 1.")
            for name in ("times", "from_request", "until_request", "in_a_row")
            for value in (0, -1, 1.5, "2", True, 10**12)
        ),
        ({"kind": "quota", "in_a_row": None}, "in_a_row must be a whole number of at least 1."),
        ({"kind": "quota", "share": 0.5, "times": 2}, "Give share, times, or from_request and until_request, not "),
        (
            {"kind": "quota", "times": 1, "until_request": 2},
            "Give share, times, or from_request and until_request, not ",
        ),
        ({"kind": "quota", "from_request": 3, "until_request": 2}, "until_request must not be smaller than "),
        ({"kind": "quota", "retry_after": 1}, "quota takes no retry_after."),
        ({"kind": "gzip", "delay_s": 1}, "gzip takes no delay_s."),
        ({"kind": "slow", "delay_s": -1}, "delay_s must be between 0 and 3600 seconds."),
        ({"kind": "slow", "delay_s": "long"}, "delay_s must be a number."),
        ({"kind": "server_error", "status": 200}, "Unknown status of server_error: there are 503, 500, 502, 504."),
        ({"kind": "stall", "how": "loudly"}, "Unknown how of stall: there are headers, silence."),
        *(({"kind": "too_many", "retry_after": wish}, "retry_after must be ") for wish in NO_WISHES),
    ],
)
def test_a_rule_that_cannot_be(document: Any, sentence: str) -> None:
    """One sentence says what is wrong."""
    with pytest.raises(ValueError, match=r"\.$") as caught:
        Rule.of(document)
    assert str(caught.value).startswith(sentence)
