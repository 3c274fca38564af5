"""Cutting writes into Bundles: sizes, order, nobody twice, and what an entry asks for in each form."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.fhir_server.bundles import Bundle, Limits, NotWritable, Write, WriteForm, bundles, references
from tests.connectors.fhir_server.nights import SYSTEM, night, patient

NAMES = st.text("abcdefgh0123456789-.", min_size=1, max_size=12)


@st.composite
def writes(draw: st.DrawFn) -> list[Write]:
    """Nights, some of them again, some large, some with versions."""
    ids = draw(st.lists(NAMES, max_size=40))
    notes = draw(st.lists(st.sampled_from([0, 10, 300]), min_size=len(ids), max_size=len(ids)))
    versions = draw(st.lists(st.sampled_from([None, "7"]), min_size=len(ids), max_size=len(ids)))
    return [
        Write({**night(id), "note": [{"text": "x" * size}]}, version)
        for id, size, version in zip(ids, notes, versions, strict=True)
    ]


def asked(bundle: Bundle) -> list[dict[str, Any]]:
    """The entries as a server reads them."""
    document = json.loads(bundle.body)
    assert document.keys() == {"resourceType", "type", "entry"}
    assert (document["resourceType"], document["type"]) == ("Bundle", bundle.kind)
    entries: list[dict[str, Any]] = document["entry"]
    return entries


@given(writes(), st.sampled_from(["by_id", "conditional"]), st.integers(1, 7), st.integers(900, 4000))
def test_bundles_hold_everything_once_in_order_within_the_limits(
    given: Sequence[Write], form: WriteForm, entries: int, size: int
) -> None:
    """Every write is in one Bundle, in order; none is too long or too large, and nobody is in one twice."""
    cut = list(bundles(given, form, ids={"Patient/p1": "s1"}, limits=Limits(entries, size)))
    assert [entry.write for bundle in cut for entry in bundle.entries] == list(given)
    for bundle in cut:
        assert 1 <= len(bundle.entries) <= entries
        assert len(bundle.body) <= size or len(bundle.entries) == 1
        found = [entry["resource"]["identifier"][0]["value"] for entry in asked(bundle)]
        assert len(set(found)) == len(found) == len(bundle.entries)


@given(writes())
def test_bundles_are_not_cut_without_need(given: Sequence[Write]) -> None:
    """Two neighbours could not have been one: too many, too large, or somebody twice."""
    limits = Limits(5, 3000)
    cut = list(bundles(given, "by_id", limits=limits))
    for left, right in pairwise(cut):
        grown = left.only([*left.entries, right.entries[0]])
        names = [entry.write.name for entry in grown.entries]
        assert len(names) > limits.entries or len(grown.body) > limits.size or len(set(names)) < len(names)


def test_the_usual_limits_are_those_that_every_server_takes() -> None:
    """100 entries and 5 MB."""
    many = [Write(night(f"n{number}")) for number in range(250)]
    assert [len(bundle.entries) for bundle in bundles(many, "by_id")] == [100, 100, 50]
    heavy = [Write({**night(f"n{number}"), "note": [{"text": "x" * 1_600_000}]}) for number in range(4)]
    assert [len(bundle.entries) for bundle in bundles(heavy, "by_id")] == [3, 1]


def test_by_id_an_entry_puts_the_resource_as_it_is_under_our_id() -> None:
    """References stay; the version that is replaced goes into ifMatch, if one is known."""
    resource = night("n1", members=("n2",))
    (bundle,) = bundles([Write(resource), Write(night("n2"), "4")], "by_id")
    first, second = asked(bundle)
    assert first == {"resource": resource, "request": {"method": "PUT", "url": "Observation/n1"}}
    assert second["request"] == {"method": "PUT", "url": "Observation/n2", "ifMatch": 'W/"4"'}


def test_conditionally_an_entry_searches_by_identifier_and_names_no_id_of_ours() -> None:
    """The search is encoded, the body has no id, references lead to the server's ids, no version is claimed."""
    (bundle,) = bundles(
        [Write(night("n1", members=("n2",)), "3")], "conditional", ids={"Patient/p1": "s1", "Observation/n2": "s9"}
    )
    (entry,) = asked(bundle)
    token = "https%3A%2F%2Fexample.org%2Ffhir%2Fidentifier%2Fasleep-session%7Cn1"
    assert entry["request"] == {"method": "PUT", "url": f"Observation?identifier={token}"}
    assert "id" not in entry["resource"]
    assert set(references(entry["resource"])) == {"Patient/s1", "Observation/s9"}
    assert {**entry["resource"], "id": "n1"}.keys() == night("n1", members=("n2",)).keys()


def test_conditionally_a_reference_to_what_the_server_does_not_have_is_not_sent() -> None:
    """Better no night than one that belongs to nobody."""
    with pytest.raises(NotWritable):
        list(bundles([Write(night("n1"))], "conditional", ids={}))


def test_what_has_no_identifier_is_found_by_its_tag_or_its_url() -> None:
    """Provenance has no identifier in R4, a CodeSystem is known by its url."""
    tag = {"system": f"{SYSTEM}provenance", "code": "v1"}
    provenance = {"resourceType": "Provenance", "id": "v1", "meta": {"tag": [tag]}}
    system = {"resourceType": "CodeSystem", "id": "c1", "url": "https://example.org/fhir/CodeSystem/x"}
    (bundle,) = bundles([Write(provenance), Write(system)], "conditional")
    urls = [entry["request"]["url"] for entry in asked(bundle)]
    assert urls[0].startswith("Provenance?_tag=https%3A")
    assert urls[0].endswith("%7Cv1")
    assert urls[1] == "CodeSystem?url=https%3A%2F%2Fexample.org%2Ffhir%2FCodeSystem%2Fx"


@pytest.mark.parametrize(
    "identifier",
    [
        [],
        [{"system": "s", "value": "a"}, {"system": "s", "value": "b"}],
        *([{"system": "s", "value": f"a{c}b"}] for c in "|,$\\ "),
    ],
    ids=str,
)
def test_an_identifier_that_a_search_would_misread_is_refused(identifier: list[dict[str, str]]) -> None:
    """None, two, or a character with a meaning in searches; the text does not show it."""
    write = Write({**patient("p1"), "identifier": identifier})
    with pytest.raises(NotWritable) as caught:
        list(bundles([write], "conditional"))
    assert "a|b" not in str(caught.value)


@pytest.mark.parametrize(
    "resource", [{}, {"resourceType": "Patient"}, {**patient("p1"), "id": "a/b"}, patient("x" * 65)]
)
def test_a_resource_without_a_proper_id_is_refused(resource: dict[str, Any]) -> None:
    """No URL can be made of it."""
    with pytest.raises(NotWritable):
        Write(resource)


def test_nothing_of_a_write_is_shown() -> None:
    """Neither ids nor contents are in what a log or a traceback would print."""
    (bundle,) = bundles([Write(night("secret-id"), "secret-version")], "by_id")
    assert "secret" not in repr(bundle)


@given(writes())
def test_the_resource_kept_beside_an_entry_is_the_one_sent(given: Sequence[Write]) -> None:
    """What a re-read is compared with is what was in the body."""
    for bundle in bundles(given, "conditional", ids={"Patient/p1": "s1"}):
        for entry, sent in zip(bundle.entries, asked(bundle), strict=True):
            assert orjson.loads(orjson.dumps(entry.resource)) == sent["resource"]
