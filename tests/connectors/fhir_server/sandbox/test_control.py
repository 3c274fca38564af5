"""The sandbox's controls: what is true in it, how it behaves, what goes wrong; and nothing else changes it."""

from typing import Any

import pytest

from connectors.fhir_server.sandbox import Fault, Faults, World
from connectors.fhir_server.sandbox.faults import KINDS
from tests.connectors.fhir_server.nights import CLIENT, Sandbox, night, patient, sandbox


def control(there: Sandbox, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and document of a control."""
    answer = CLIENT.request(method, there.address.removesuffix("fhir") + f"_control{path}", json=body)
    return answer.status_code, answer.json()


def write(there: Sandbox, resource: dict[str, Any]) -> int:
    """PUT it; the status."""
    return CLIENT.put(f"{there.address}/{resource['resourceType']}/{resource['id']}", json=resource).status_code


def test_the_truth_is_told() -> None:
    """Counts, versions, resources and requests, as they are."""
    with sandbox() as there:
        assert [write(there, one) for one in (patient("p"), night("n"), night("n"))] == [201, 201, 200]
        CLIENT.delete(f"{there.address}/Patient/p")
        assert there.control("counts") == {"Observation": 1}
        assert there.control("versions") == {"Patient/p": 2, "Observation/n": 2}
        assert set(there.control("resources")) == {"Observation/n"}
        assert there.control("requests") == {"write": 3, "delete": 1}


def test_everything_there_is_to_control_is_listed() -> None:
    """Each with its path, and none of them needs a login."""
    with sandbox(world=World(bearer="x")) as there:
        status, listed = control(there, "GET", "")
        assert status == 200
        for knob in listed["controls"]:
            if knob["method"] == "GET":
                assert control(there, "GET", knob["path"].removeprefix("/_control"))[0] == 200
        assert write(there, patient("p")) == 401


def test_faults_are_set_counted_and_lifted() -> None:
    """The first of them that meets a request is carried out, as often as it was told to."""
    with sandbox() as there:
        rules = [{"kind": "status", "on": "write", "times": 2, "status": 500}]
        assert control(there, "POST", "/faults", {"faults": rules})[0] == 200
        assert [write(there, patient("p")) for _ in range(3)] == [500, 500, 201]
        assert control(there, "GET", "/faults")[1]["faults"][0]["fired"] == 2
        assert (
            control(there, "POST", "/faults", {"faults": [{"kind": "status", "on": "write", "share": 1.0}]})[0] == 200
        )
        assert write(there, patient("p")) == 503
        assert control(there, "DELETE", "/faults")[1]["faults"] == []
        assert write(there, patient("p")) == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/faults", None),
        ("/faults", {"faults": "all"}),
        ("/faults", {"faults": [{"kind": "earthquake", "times": 1}]}),
        ("/faults", {"faults": [{"kind": "drop"}]}),
        ("/faults", {"faults": [{"kind": "drop", "times": 1, "share": 0.5}]}),
        ("/faults", {"faults": [{"kind": "drop", "times": 1, "of": 3}]}),
        ("/switches", ["update_create"]),
        ("/switches", {"update_create": "no"}),
        ("/switches", {"update_create": False, "gravity": False}),
    ],
    ids=str,
)
def test_a_control_that_cannot_be_used_changes_nothing(path: str, body: Any) -> None:
    """422 with one sentence."""
    with sandbox() as there:
        before = control(there, "GET", path)
        status, answer = control(there, "POST", path, body)
        assert status == 422
        assert answer["error"].endswith(".")
        assert control(there, "GET", path) == before


def test_switches_change_what_the_server_says_and_does() -> None:
    """Its statement and its deeds agree."""
    with sandbox() as there:
        assert control(there, "POST", "/switches", {"update_create": False})[0] == 200
        statement = CLIENT.get(f"{there.address}/metadata").json()
        assert {one["updateCreate"] for one in statement["rest"][0]["resource"]} == {False}
        assert write(there, patient("p")) == 405


def test_chance_repeats_itself() -> None:
    """The same seed meets the same requests, another seed others; a share is about kept."""

    def met(seed: int) -> list[bool]:
        faults = Faults([Fault("drop", share=0.3)], seed)
        return [faults.choose("bundle") is not None for _ in range(1000)]

    assert met(1) == met(1) != met(2)
    assert 200 < sum(met(1)) < 400


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_fault_can_be_seen(kind: str) -> None:
    """An answer to a Bundle is another one with it than without."""

    def answers(there: Sandbox, wait_s: float = 30) -> tuple[int, str, list[str]] | str:
        entries = [
            {"resource": night(id), "request": {"method": "PUT", "url": f"Observation/{id}"}} for id in ("a", "b", "c")
        ]
        body = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        try:
            answer = CLIENT.post(there.address, json=body, headers={"authorization": "Bearer t"}, timeout=wait_s)
        except Exception as error:
            return type(error).__name__
        try:
            found = [str(entry["response"]) for entry in answer.json().get("entry", [])]
        except ValueError:
            found = []
        return answer.status_code, answer.headers["content-type"], found

    def world() -> World:
        made = World(client_id="c")
        made.tokens["t"] = made.clock().replace(year=9999)
        return made

    with sandbox(world=world()) as right:
        expected = answers(right)
    with sandbox(Fault(kind, times=1), world=world()) as there:
        assert answers(there, 0.5 if kind == "slow" else 30) != expected
        if kind != "expired":
            assert answers(there)[0] == 200
