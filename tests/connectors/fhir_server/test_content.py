"""What counts as the same content: what servers add and rearrange does not, everything that says something does."""

import copy
import json
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.fhir_server.content import same_content
from tests.connectors.fhir_server.nights import night

COMPONENTS = [
    {
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": {"value": value, "unit": "min"},
    }
    for code, value in (("93830-8", 200), ("93831-6", 61.5), ("93829-0", 90.25))
]
SENT = {
    **night("n1", members=("n2", "n3")),
    "meta": {"tag": [{"system": "s", "code": "a"}, {"system": "s", "code": "b"}]},
    "component": COMPONENTS,
    "valueSampledData": {"origin": {"value": 0}, "period": 30000, "dimensions": 1, "data": "0 0 1 2 E 3"},
    "issued": "2026-03-29T06:00:00Z",
}


def shuffled(node: Any, chance: Random) -> Any:
    """The same with every list and the keys of every object in another order."""
    if isinstance(node, dict):
        names = chance.sample(sorted(node), len(node))
        return {name: shuffled(node[name], chance) for name in names}
    if isinstance(node, list):
        return [shuffled(part, chance) for part in chance.sample(node, len(node))]
    return node


@given(st.integers())
def test_order_and_what_the_server_keeps_books_with_do_not_count(seed: int) -> None:
    """Other orders, a version, a time stamp, tags of others, a narrative that we did not send."""
    found = shuffled(SENT, Random(seed))  # noqa: S311
    found["meta"] = {**found["meta"], "versionId": "3", "lastUpdated": "2026-03-29T09:00:00Z", "profile": ["http://x"]}
    found["meta"]["tag"] = [*found["meta"]["tag"], {"system": "server", "code": "c"}]
    found["text"] = {"status": "generated", "div": "<div/>"}
    assert same_content(SENT, found)


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a resource."""
    if isinstance(node, dict | list):
        for name, part in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(part, (*path, name))
    else:
        yield path


@pytest.mark.parametrize("path", list(leaves(SENT)), ids=lambda path: ".".join(map(str, path)))
def test_every_single_value_counts(path: tuple[Any, ...]) -> None:
    """Another value in any place, or none, is other content."""
    changed, lacking = copy.deepcopy(SENT), copy.deepcopy(SENT)
    inner, hollow = changed, lacking
    for step in path[:-1]:
        inner, hollow = inner[step], hollow[step]
    inner[path[-1]] = inner[path[-1]] + 1 if isinstance(inner[path[-1]], int | float) else f"{inner[path[-1]]}x"
    del hollow[path[-1]]
    assert not same_content(SENT, changed)
    assert not same_content(SENT, lacking)


@given(st.decimals(-10_000, 10_000, places=3), st.integers(0, 4))
def test_a_number_is_the_same_with_more_zeros(number: Decimal, zeros: int) -> None:
    """7.5 is 7.50, 7 is 7.0, 0 is -0.0."""
    longer = json.loads(f"{number}" + "0" * zeros)
    assert same_content({"value": float(number)}, {"value": longer})
    assert same_content({"value": number}, {"value": float(number)})
    assert not same_content({"value": float(number)}, {"value": float(number) + 0.01})
    assert same_content({"value": 0}, {"value": -0.0})


def test_a_number_is_no_word_and_no_truth() -> None:
    """1, "1" and true are three things."""
    assert not same_content({"value": 1}, {"value": True})
    assert not same_content({"value": 1}, {"value": "1"})


def test_a_moment_is_the_same_in_other_words_but_not_on_another_clock() -> None:
    """Z is +00:00 and .000 adds nothing; the same instant under another offset is another statement."""
    for same in ("2026-03-29T06:00:00+00:00", "2026-03-29T06:00:00.000Z"):
        assert same_content({"issued": "2026-03-29T06:00:00Z"}, {"issued": same})
    assert not same_content({"issued": "2026-03-29T06:00:00Z"}, {"issued": "2026-03-29T08:00:00+02:00"})
    assert same_content({"valueTime": "22:10:00"}, {"valueTime": "22:10:00.000"})


def test_a_reference_may_be_absolute_under_the_servers_own_address_only() -> None:
    """Patient/p1 there is ours; the one of another server is somebody else."""
    absolute = {**SENT, "subject": {"reference": "https://ehr.test/fhir/Patient/p1"}}
    assert same_content(SENT, absolute, "https://ehr.test/fhir")
    assert same_content(SENT, absolute, "https://ehr.test/fhir/")
    assert not same_content(SENT, absolute, "https://other.test/fhir")
    assert not same_content(SENT, absolute)


def test_an_id_counts_only_where_both_have_one() -> None:
    """A server that gives ids adds its own."""
    without = {name: part for name, part in SENT.items() if name != "id"}
    assert same_content(without, {**SENT, "id": "s7"})
    assert not same_content(SENT, {**SENT, "id": "s7"})


def test_the_order_of_given_names_counts() -> None:
    """It is part of a name."""
    names = {"name": [{"given": ["A", "B"]}]}
    assert not same_content(names, {"name": [{"given": ["B", "A"]}]})


def test_a_list_with_a_part_twice_is_not_one_with_it_once() -> None:
    """Order does not count, numbers do."""
    assert not same_content({"component": [1, 1, 2]}, {"component": [1, 2, 2]})
    assert not same_content({"component": [1, 1]}, {"component": [1]})
