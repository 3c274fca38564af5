"""Reading a Bundle's answer entry by entry: statuses, positions, locations, and codes without texts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.fhir_server.answers import EntryOutcome, outcome_codes, outcomes
from connectors.fhir_server.bundles import Bundle, Write, WriteForm, bundles
from tests.connectors.fhir_server.nights import night, nights, one_bundle


def written(id: str, version: int = 1, status: str = "201 Created") -> dict[str, Any]:
    """The answer to an entry that was carried out."""
    location = f"https://ehr.test/fhir/Observation/{id}/_history/{version}"
    return {"response": {"status": status, "location": location, "etag": f'W/"{version}"'}}


def failed(status: str, outcome: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer to an entry that was not."""
    return {"response": {"status": status, **({"outcome": outcome} if outcome else {})}}


def judged(bundle: Bundle, entries: object) -> list[EntryOutcome]:
    """What an answer with these entries says."""
    return outcomes(bundle, {"resourceType": "Bundle", "type": "batch-response", "entry": entries})


def test_an_entry_that_was_carried_out_tells_its_version() -> None:
    """201 is created, 200 is not; the version is the ETag's, or that of the location."""
    bundle = one_bundle(nights(3))
    relative = {"response": {"status": "200", "location": "Observation/n2/_history/9"}}
    first, second, third = judged(bundle, [written("n0"), written("n1", 5, "200 OK"), relative])
    assert (first.kind, first.created, first.version, first.server_id) == ("accepted", True, "1", "n0")
    assert (second.kind, second.created, second.version, second.status) == ("accepted", False, "5", 200)
    assert (third.kind, third.version) == ("accepted", "9")


def test_the_version_we_knew_means_unchanged() -> None:
    """So says a server that makes no version of equal content; 304 says it too."""
    (bundle,) = bundles([Write(night("n0"), "5"), Write(night("n1"), "5"), Write(night("n2"), "5")], "by_id")
    answered = [written("n0", 5, "200 OK"), failed("304 Not Modified"), written("n2", 6, "200 OK")]
    assert [outcome.kind for outcome in judged(bundle, answered)] == ["unchanged", "unchanged", "accepted"]
    assert judged(bundle, answered)[1].version == "5"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, "retry") for status in (408, 429, 500, 502, 503, 504)),
        *((status, "conflict") for status in (409, 412)),
        *((status, "refused") for status in (400, 401, 403, 404, 405, 410, 413, 415, 422, 501)),
    ],
)
def test_every_error_status_has_one_meaning(status: int, kind: str) -> None:
    """Also when its neighbours succeeded and the whole answered 200."""
    first, second = judged(one_bundle(nights(2)), [failed(f"{status} Whatever"), written("n1")])
    assert (first.kind, first.status) == (kind, status)
    assert second.kind == "accepted"


@pytest.mark.parametrize("status", [None, "", "fine", "2", "2000", "99 Red Balloons", {"code": 200}])
def test_a_status_that_is_none_leaves_the_outcome_unknown(status: object) -> None:
    """Neither success nor failure."""
    first, second = judged(one_bundle(nights(2)), [{"response": {"status": status}}, written("n1")])
    assert (first.kind, second.kind) == ("lost", "accepted")


@given(st.permutations(range(5)))
def test_entries_out_of_place_are_lost_and_those_in_place_are_not(order: list[int]) -> None:
    """By id a location proves what is in place."""
    found = judged(one_bundle(nights(5)), [written(f"n{number}") for number in order])
    assert [one.kind for one in found] == ["accepted" if order[n] == n else "lost" for n in range(5)]
    assert all(one.server_id in (None, one.write.id) for one in found)


@given(st.permutations(range(5)), st.sets(st.integers(0, 4)))
def test_nobody_is_refused_for_an_entry_out_of_place(order: list[int], failing: set[int]) -> None:
    """What failed has no location; once one that has is out of place, positions tell nothing of failures."""
    answered = [failed("422 No") if number in failing else written(f"n{number}") for number in order]
    for number, one in enumerate(judged(one_bundle(nights(5)), answered)):
        assert one.kind != "refused" or number in failing
        assert one.kind != "accepted" or number not in failing


@given(st.sets(st.integers(0, 5), min_size=1), st.sets(st.integers(0, 5)))
def test_no_failure_is_pinned_on_another_entry_when_some_are_missing(missing: set[int], failing: set[int]) -> None:
    """Without a location and without its neighbours an entry says nothing: lost, never accepted or refused."""
    answered = [
        failed("422 No") if number in failing else written(f"n{number}") for number in range(6) if number not in missing
    ]
    for number, one in enumerate(judged(one_bundle(nights(6)), answered)):
        assert one.write.id == f"n{number}"
        assert one.kind in ("accepted", "lost")
        assert one.kind == "lost" or number not in missing | failing


@pytest.mark.parametrize("form", ["by_id", "conditional"])
@pytest.mark.parametrize(
    "entries", [None, [], {}, "x", [None, 3, "x"], [{}, {"response": None}, {"response": []}]], ids=str
)
def test_an_answer_that_cannot_be_read_leaves_everything_unknown(entries: object, form: WriteForm) -> None:
    """Whatever stands where the entries should be."""
    assert {one.kind for one in judged(one_bundle(nights(3), form), entries)} == {"lost"}


@given(
    st.lists(
        st.one_of(st.none(), st.integers(), st.dictionaries(st.text(), st.text()), st.just(written("n1"))), max_size=6
    )
)
def test_any_answer_gives_every_entry_one_outcome(entries: list[Any]) -> None:
    """As many as were sent, in their order, whatever comes back."""
    bundle = one_bundle(nights(4))
    assert [one.write for one in judged(bundle, entries)] == [entry.write for entry in bundle.entries]


def test_conditionally_all_that_makes_positions_doubtful_makes_everything_lost() -> None:
    """There only position tells; nothing may contradict it, and all must have fared alike."""
    bundle = one_bundle(nights(2), "conditional")
    mixed = judged(bundle, [written("s7"), failed("422 No")])
    assert [(one.kind, one.status) for one in mixed] == [("lost", 201), ("lost", 422)]
    assert {one.kind for one in judged(bundle, [failed("422 No"), failed("400 No")])} == {"refused"}
    assert [one.kind for one in judged(bundle, [written("s7"), written("s8")])] == ["accepted", "accepted"]
    other = {"response": {"status": "201", "location": "Patient/s9/_history/1"}}
    for answered in ([written("s7")], [written("s7"), written("s7")], [written("s7"), other], [written("s7")] * 3):
        assert {one.kind for one in judged(bundle, answered)} == {"lost"}


def test_only_codes_of_an_outcome_are_kept() -> None:
    """Issue types of R4 and codes of details; no diagnostics, no text, no word that only looks like a code."""
    issue = {
        "severity": "error",
        "code": "business-rule",
        "diagnostics": "Jane Doe, born 1970",
        "details": {
            "text": "Jane Doe",
            "coding": [{"code": "MSG_PARAM_INVALID", "display": "Jane"}, {"code": "HAPI-0389"}, {"code": "jane doe"}],
        },
        "expression": ["Patient.name[0].where(family='Doe')"],
    }
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [issue, {"code": "Jane"}, {"code": "structure"}, "x", issue],
    }
    (refused,) = judged(one_bundle(nights(1)), [failed("422 Unprocessable Entity", outcome)])
    assert refused.codes == ("business-rule", "MSG_PARAM_INVALID", "HAPI-0389", "structure")
    assert "Doe" not in repr(refused)
    assert outcome_codes({**outcome, "resourceType": "Patient"}) == ()


def test_an_outcome_in_place_of_the_resource_counts_too() -> None:
    """Some servers put it there."""
    entry = {
        "response": {"status": "400"},
        "resource": {"resourceType": "OperationOutcome", "issue": [{"code": "value"}]},
    }
    (refused,) = judged(one_bundle(nights(1)), [entry])
    assert refused.codes == ("value",)
