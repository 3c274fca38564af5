"""Who writes what: no patient with two writers, nothing lost, targets before those that refer to them."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.fhir_server.bundles import Write, references
from connectors.fhir_server.plan import patient_of, plan, waves
from tests.connectors.fhir_server.nights import night, patient


@st.composite
def a_month(draw: st.DrawFn) -> list[Write]:
    """People, their nights in any order, some of which refer to others, and Provenance of all."""
    people = draw(st.lists(st.integers(0, 30), max_size=8, unique=True))
    found = [patient(f"p{person}") for person in people]
    for person in people:
        for number in range(draw(st.integers(0, 4))):
            members = tuple(f"n{person}-{member}" for member in range(number) if draw(st.booleans()))
            found.append(night(f"n{person}-{number}", f"p{person}", members=members))
    targets = [{"reference": f"{one['resourceType']}/{one['id']}"} for one in found]
    found += [{"resourceType": "Device", "id": "d"}, {"resourceType": "Provenance", "id": "v", "target": targets}]
    return [Write(one) for one in draw(st.permutations(found))]


@given(a_month(), st.integers(1, 6))
def test_every_write_is_planned_once_and_no_patient_twice(month: Sequence[Write], lanes: int) -> None:
    """People and devices first, each person's nights in one lane, what concerns nobody alone last."""
    planned = plan(month, lanes)
    parts = [planned.first, *(wave for lane in planned.lanes for wave in lane), *planned.last]
    assert sorted(write.name for part in parts for write in part) == sorted(write.name for write in month)
    assert {write.type for write in planned.first} <= {"Patient", "Device"}
    assert {write.type for wave in planned.last for write in wave} == {"Provenance"}
    assert len(planned.lanes) <= lanes
    patients = [{patient_of(write) for wave in lane for write in wave} for lane in planned.lanes]
    assert sum(map(len, patients)) == len(set().union(*patients))


@given(a_month(), st.integers(1, 6))
def test_what_is_referred_to_comes_earlier(month: Sequence[Write], lanes: int) -> None:
    """Of what is in the same lane nothing refers to its own wave or a later one."""
    for lane in plan(month, lanes).lanes:
        to_come = {write.name for wave in lane for write in wave}
        for wave in lane:
            assert not any(set(references(write.resource)) & to_come for write in wave)
            to_come -= {write.name for write in wave}


@settings(max_examples=40)
@given(a_month())
def test_a_patient_keeps_the_lane_whatever_else_is_written(month: Sequence[Write]) -> None:
    """Two processes that plan different writes with as many lanes agree on them."""
    for write in month:
        if (who := patient_of(write)) and write.type == "Observation":
            (alone,) = plan([write], 3).lanes
            together = [lane for lane in plan(month, 3).lanes if any(write in wave for wave in lane)]
            assert alone[0] == (write,)
            assert len(together) == 1
            assert who in {patient_of(other) for wave in together[0] for other in wave}


def test_a_circle_of_references_is_written_all_the_same() -> None:
    """Two that refer to each other come together; what they lean on comes before, who leans on them with them."""
    circle = [Write(night("a", members=("b",))), Write(night("b", members=("a", "c"))), Write(night("c"))]
    assert [[write.id for write in wave] for wave in waves(circle)] == [["c"], ["a", "b"]]


def test_one_that_refers_to_itself_waits_for_nobody() -> None:
    """Its own name is no obstacle."""
    (wave,) = waves([Write(night("a", members=("a",)))])
    assert [write.id for write in wave] == ["a"]
