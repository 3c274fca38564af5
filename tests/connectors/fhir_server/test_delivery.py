"""Delivering through every fault: in the end each resource is there exactly once, with exactly as many versions."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.fhir_server.answers import EntryOutcome
from connectors.fhir_server.bundles import Bundle, Write, WriteForm, bundles
from connectors.fhir_server.delivery import deliver
from connectors.fhir_server.sandbox import Fault
from connectors.patience import Patience, Retry
from tests.connectors.fhir_server.nights import AT_ONCE, Sandbox, night, nights, one_bundle, opened, patient, sandbox

FAULTS = [
    Fault("drop", times=2, after=True),
    Fault("drop", times=2),
    Fault("cut", times=2),
    Fault("html", times=2, status=502),
    Fault("html", times=2, status=200, after=True),
    Fault("xml", times=1),
    Fault("status", times=2, status=408),
    *(Fault("status", times=2, status=status, after=after) for status in (500, 503, 504) for after in (False, True)),
    Fault("status", times=2, status=429),
    Fault("status", times=1, status=409),
    Fault("status", times=1, status=412, after=True),
    Fault("reordered", times=2),
    Fault("missing", times=2),
    Fault("unlocated", times=2),
    *(Fault("entry", times=3, status=status, skip=1) for status in (409, 412, 429, 500, 503)),
    *(Fault("entry", times=3, status=status, skip=1, after=True) for status in (409, 412, 500, 504)),
]


def delivered(there: Sandbox, bundle: Bundle, **how: Any) -> list[EntryOutcome]:
    """The outcomes of a delivery without waits."""

    async def main() -> list[EntryOutcome]:
        async with opened(there.address) as server:
            return await deliver(server, bundle, **how)

    return asyncio.run(main())


@pytest.mark.parametrize("form", ["by_id", "conditional"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.status}-{'after' * fault.after}")
def test_through_every_fault_each_resource_is_written_exactly_once(fault: Fault, form: WriteForm) -> None:
    """Accepted, at the version that is there, and no version more than that."""
    with sandbox(fault, update_create=form == "by_id") as there:
        outcomes = delivered(there, one_bundle(nights(6), form))
        assert there.faults.fired
        assert {one.kind for one in outcomes} == {"accepted"}
        assert list(there.versions().values()) == [1] * 6
        kept = there.control("resources").values()
        assert sorted(one["identifier"][0]["value"] for one in kept) == [f"n{number}" for number in range(6)]
        assert {one.version for one in outcomes} <= {"1", None}


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3),
    st.sampled_from(["by_id", "conditional"]),
)
def test_through_several_faults_changes_are_written_exactly_once_too(faults: list[Fault], form: WriteForm) -> None:
    """A first export, then half of it changed: one version of each, and a second of each that changed."""
    patient_retry = Patience(Retry(attempts=12, refusals=20, base_s=0, jitter_s=0), answer_s=5)

    async def main(there: Sandbox) -> None:
        async with opened(there.address, patience=patient_retry) as server:
            first = await deliver(server, one_bundle(nights(6), form))
            versions = {one.write.id: one.version for one in first}
            changed = [Write(night(f"n{number}", minutes=1.0), versions[f"n{number}"]) for number in (1, 3, 5)]
            (bundle,) = bundles(changed, form, ids={"Patient/p1": "s1"})
            second = await deliver(server, bundle)
            assert {one.kind for one in [*first, *second]} == {"accepted"}

    with sandbox(*faults, update_create=form == "by_id") as there:
        asyncio.run(main(there))
        assert Counter(there.versions().values()) == {1: 3, 2: 3}


def test_what_a_dead_run_may_have_sent_is_looked_up_first() -> None:
    """Of a doubtful Bundle only what is missing or different is written."""
    with sandbox() as there:
        delivered(there, one_bundle([*nights(3), night("n3", minutes=1)]))
        outcomes = delivered(there, one_bundle(nights(5)), doubtful=True)
        assert [one.kind for one in outcomes] == ["accepted"] * 5
        assert list(there.versions().values()) == [1, 1, 1, 2, 1]


def test_nothing_is_sent_when_all_of_it_is_there() -> None:
    """Also when the server writes references and narratives in its own way."""
    with sandbox(absolute_references=True, adds_narrative=True) as there:
        delivered(there, one_bundle(nights(3)))
        asked = there.world.asked["bundle"]
        assert {one.kind for one in delivered(there, one_bundle(nights(3)), doubtful=True)} == {"accepted"}
        assert there.world.asked["bundle"] == asked


def test_a_resource_that_somebody_else_has_changed_or_deleted_becomes_ours_again() -> None:
    """The version we knew is over: what is there is read, and replaced by what should be."""
    with sandbox() as there:
        delivered(there, one_bundle(nights(3)))
        delivered(there, one_bundle([night("n1", minutes=3.0)]))
        there.world.store.delete("Observation", "n2")
        ours = [Write(night(f"n{number}", minutes=9.0), "1") for number in range(3)]
        (bundle,) = bundles(ours, "by_id")
        outcomes = delivered(there, bundle)
        assert [(one.kind, one.version) for one in outcomes] == [("accepted", version) for version in ("2", "3", "3")]
        assert [one.write.version for one in outcomes] == ["1"] * 3
        assert {one["valueQuantity"]["value"] for one in there.control("resources").values()} == {9.0}


@pytest.mark.parametrize("known", ["1", None])
def test_a_change_that_arrives_late_does_not_count_beside_the_second_attempt(known: str | None) -> None:
    """The second attempt carries the version that was read, known before or not: the server takes only one of them."""
    with sandbox(Fault("late", times=1, skip=1)) as there:
        delivered(there, one_bundle(nights(2)))
        (bundle,) = bundles([Write(night(f"n{number}", minutes=2.0), known) for number in range(2)], "by_id")
        assert [(one.kind, one.version) for one in delivered(there, bundle)] == [("accepted", "2")] * 2
        assert list(there.versions().values()) == [2, 2]


def test_one_identifier_with_two_resources_is_refused_not_guessed() -> None:
    """Somebody has made a double there: a person must decide."""
    with sandbox() as there:
        for one in (night("a"), {**night("a"), "id": "b"}, night("c")):
            there.world.store.write(one, "PUT")
        outcomes = delivered(there, one_bundle([night("a", minutes=1.0), night("c", minutes=1.0)], "conditional"))
        assert [one.kind for one in outcomes] == ["refused", "accepted"]
        assert outcomes[0].codes == ("multiple-matches",)
        assert there.versions() == {"Observation/a": 1, "Observation/b": 1, "Observation/c": 2}


def test_what_is_refused_is_not_sent_again() -> None:
    """Once for all, with its codes; the others are not written again for it."""
    with sandbox(Fault("entry", times=1, status=503), poison=["n2"]) as there:
        outcomes = delivered(there, one_bundle(nights(4)))
        assert [one.kind for one in outcomes] == ["accepted", "accepted", "refused", "accepted"]
        assert outcomes[2].codes == ("business-rule", "SAND-422")
        assert list(there.versions().values()) == [1, 1, 1]
        assert there.world.asked["bundle"] == 3, "all together, then one by one those that failed differently"


def test_exchanged_failures_write_nothing_twice_and_refuse_nobody_else() -> None:
    """One was done and told as a failure, one was not even tried, one is refused; the answer comes in reverse order."""
    done, put_off = Fault("entry", times=1, status=412, after=True), Fault("entry", times=1, status=503)
    with sandbox(Fault("reordered", times=1), done, put_off, poison=["n2"]) as there:
        outcomes = delivered(there, one_bundle(nights(3)))
        assert [one.kind for one in outcomes] == ["accepted", "accepted", "refused"]
        assert there.versions() == {"Observation/n0": 1, "Observation/n1": 1}


def test_a_transaction_that_was_undone_leaves_nothing_to_find() -> None:
    """Neither by its id nor by a search: the server answers, and the next attempt is the first."""
    with sandbox(Fault("entry", times=1, skip=1, status=500, after=True), update_create=False) as there:
        outcomes = delivered(there, one_bundle(nights(2), "conditional", "transaction"))
        assert [one.kind for one in outcomes] == ["accepted"] * 2
        assert set(there.versions().values()) == {1}


def test_a_failure_is_never_pinned_on_another_resource() -> None:
    """Conditionally only the order of the answer tells who failed; when it is wrong, nobody is refused for it."""
    for faults in (
        [],
        [Fault("reordered", times=99)],
        [Fault("entry", times=1, status=503), Fault("reordered", times=99)],
    ):
        with sandbox(*faults, update_create=False, poison=["n1"]) as there:
            outcomes = delivered(there, one_bundle(nights(5), "conditional"))
            assert [one.kind for one in outcomes] == ["accepted", "refused", "accepted", "accepted", "accepted"]
            assert list(there.versions().values()) == [1] * 4


def test_trouble_that_does_not_end_is_left_with_its_last_outcome() -> None:
    """After as many rounds as patience has attempts; waits follow the server's wish."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    with sandbox(Fault("entry", times=99, status=503), Fault("status", on="reads", times=0, status=500)) as there:
        outcomes = delivered(there, one_bundle(nights(2)), sleep=sleep)
        assert [one.kind for one in outcomes] == ["retry"] * 2
        assert there.versions() == {}
        assert there.world.asked["bundle"] == AT_ONCE.retry.attempts
        assert len(waits) == AT_ONCE.retry.attempts - 1
    wished = Fault("status", times=1, status=503, retry_after="seconds")
    with sandbox(wished) as there:
        waits.clear()
        assert delivered(there, one_bundle([patient("p1")]), sleep=sleep)[0].kind == "accepted"
        assert waits == [2.0]
