"""The client against a real FHIR server, and the sandbox beside it, which must answer alike."""

import asyncio
from typing import Any

import pytest

from connectors.fhir_server.auth import SmartClient
from connectors.fhir_server.bundles import Write, WriteForm, bundles
from connectors.fhir_server.delivery import deliver
from connectors.fhir_server.plan import plan
from tests.connectors.fhir_server.nights import CLIENT, SYSTEM, night, one_bundle, opened, patient, sandbox
from tests.connectors.fhir_server.test_auth import EC_KEY, RSA_KEY
from tests.fhir_server import RealFhirServer, running_fhir_server

TYPES = ("Patient", "Observation")


def people(name: str) -> list[dict[str, Any]]:
    """Three people with two nights each, a third that refers to both; ids begin with ``name``."""
    found = []
    for person in (f"{name}-p{number}" for number in range(3)):
        members = (f"{person}-a", f"{person}-b")
        found += [patient(person), night(f"{person}-all", person, members=members)]
        found += [night(member, person) for member in members]
    return found


@pytest.mark.parametrize("form", ["by_id", "conditional"])
def test_a_plan_delivered_twice_and_once_changed_gives_exact_versions(
    real_server: RealFhirServer, form: WriteForm
) -> None:
    """Everything is found by its identifier; what is there is not written again; what changed gets one version."""
    name = form.replace("_", "-")

    async def export(resources: list[dict[str, Any]], *, doubtful: bool) -> None:
        async with opened(real_server.address) as server:
            planned = plan([Write(one) for one in resources], lanes=2)
            for bundle in bundles(planned.first, form, "transaction"):
                assert all(one.is_done for one in await deliver(server, bundle, doubtful=doubtful))
            ids = await server.ids_of(planned.first, form)

            async def lane(waves: Any) -> None:
                known = dict(ids)
                for wave in waves:
                    for bundle in bundles(wave, form, ids=known):
                        assert all(one.is_done for one in await deliver(server, bundle, doubtful=doubtful))
                    known |= await server.ids_of(wave, form)

            await asyncio.gather(*map(lane, planned.lanes))

    async def versions() -> list[str | None]:
        async with opened(real_server.address) as server:
            found = await server.reread([Write(one) for one in people(name)], form)
            assert all(len(there) == 1 for there in found)
            assert all(there[0].id == one["id"] for there, one in zip(found, people(name), strict=True)) == (
                form == "by_id"
            )
            return [there[0].version for there in found]

    asyncio.run(export(people(name), doubtful=False))
    assert asyncio.run(versions()) == ["1"] * 12
    asyncio.run(export(people(name), doubtful=True))
    assert asyncio.run(versions()) == ["1"] * 12
    changed = people(name)
    changed[2]["valueQuantity"]["value"] = 1.25
    asyncio.run(export(changed, doubtful=True))
    assert asyncio.run(versions()) == ["1", "1", "2"] + ["1"] * 9
    for one in people(name):
        kept = real_server.get(one["resourceType"], identifier=f"{one['identifier'][0]['system']}|{one['id']}")
        assert kept["total"] == 1


def test_its_capability_allows_our_ids(real_server: RealFhirServer) -> None:
    """R4, batches and transactions, update-as-create."""

    async def main() -> None:
        async with opened(real_server.address) as server:
            found = await server.capability()
            assert (found.fhir_version, found.batch, found.transaction) == ("4.0.1", True, True)
            assert found.write_form([*TYPES, "Device", "Provenance"]) == "by_id"

    asyncio.run(main())


def test_what_it_refuses_leaves_only_codes(real_server: RealFhirServer) -> None:
    """Alone in a batch, and found by halving in a transaction that it refuses as a whole."""

    async def main() -> None:
        wrong = {**night("real-wrong"), "valueQuantity": {"value": "Jane Doe"}}
        async with opened(real_server.address) as server:
            for kind in ("batch", "transaction"):
                outcomes = await server.send(one_bundle([night("real-1"), wrong, night("real-2")], kind=kind))
                assert [one.kind for one in outcomes] == ["accepted", "refused", "accepted"]
                assert (outcomes[1].status, outcomes[1].codes) == (400, ("structure",))
                assert "Jane" not in repr(outcomes)

    asyncio.run(main())


def test_a_deletion_is_proven_and_a_wrong_version_is_a_conflict(real_server: RealFhirServer) -> None:
    """410 after DELETE; 412 where ifMatch names another version than it has."""

    async def main() -> None:
        async with opened(real_server.address) as server:
            await server.send(one_bundle([night("real-gone")]))
            assert await server.delete("Observation", "real-gone")
            assert await server.read("Observation", "real-gone") is None
            assert await server.find("Observation", f"{SYSTEM}session", "real-gone") == []
            (bundle,) = bundles([Write(night("real-gone"), "1")], "by_id")
            assert [one.kind for one in await server.send(bundle)] == ["conflict"]
            assert [(one.kind, one.version) for one in await deliver(server, bundle)] == [("accepted", "3")]

    asyncio.run(main())


def test_its_smart_login_takes_our_assertions(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Verified by other people's code, with both kinds of key; a wrong client is refused."""
    clients = [
        {"client_id": name, "jwks": key.public_jwks(), "scopes": "system/*.cruds"}
        for name, key in (("of-rsa", RSA_KEY), ("of-ec", EC_KEY))
    ]
    settings = {"server_auth": {"types": ["smart"], "smart_clients": clients}}

    async def main(address: str) -> None:
        for name, key in (("of-rsa", RSA_KEY), ("of-ec", EC_KEY)):
            async with opened(address, SmartClient(name, key)) as server:
                assert (await server.capability()).software
                assert [one.kind for one in await server.send(one_bundle([patient(name)]))] == ["accepted"]

    with running_fhir_server(tmp_path_factory.mktemp("smart"), settings) as server:
        asyncio.run(main(server.address))


def exchanges(address: str) -> list[Any]:
    """Status, ETag and number of matches of everything that a writer does, in one order, at one server."""
    seen: list[Any] = []
    headers = {"content-type": "application/fhir+json", "prefer": "return=minimal"}

    def ask(method: str, path: str, document: Any = None, **more: str) -> None:
        answer = CLIENT.request(method, f"{address}{path}", json=document, headers={**headers, **more}, timeout=30)
        body = answer.json() if answer.content else {}
        seen.append((answer.status_code, answer.headers.get("etag"), body.get("total")))

    def post(kind: str, *entries: dict[str, Any]) -> None:
        answer = CLIENT.post(address, json={"resourceType": "Bundle", "type": kind, "entry": entries}, headers=headers)
        parts = [entry["response"] for entry in answer.json().get("entry", [])]
        seen.append((answer.status_code, [(part["status"][:3], part.get("etag")) for part in parts]))

    def put(resource: dict[str, Any], **request: str) -> dict[str, Any]:
        return {"resource": resource, "request": {"method": "PUT", "url": f"Observation/{resource['id']}", **request}}

    def by_identifier(resource: dict[str, Any]) -> dict[str, Any]:
        body = {name: part for name, part in resource.items() if name != "id"}
        token = f"{SYSTEM}session%7C{resource['id']}"
        return {"resource": body, "request": {"method": "PUT", "url": f"Observation?identifier={token}"}}

    wrong = {name: part for name, part in night("w").items() if name != "resourceType"}
    post("batch", put(night("a")), put(night("b")))
    post("batch", put(night("a")), put(night("b"), ifMatch='W/"7"'), put(wrong))
    post("batch", put(night("a"), ifMatch='W/"2"'), put(night("new"), ifMatch='W/"1"'))
    post("transaction", put(night("t")), put(wrong))
    ask("GET", "/Observation/t")
    post("transaction", put(night("t")), put(night("u")))
    post("batch", by_identifier(night("c")))
    post("batch", by_identifier(night("c")), by_identifier(night("a")))
    post("transaction", by_identifier(night("c")))
    ask("GET", f"/Observation?identifier={SYSTEM}session%7Cc")
    ask("GET", f"/Observation?identifier={SYSTEM}session%7Cnobody")
    ask("GET", "/Observation?_summary=count")
    post("batch", put({**night("double"), "identifier": night("a")["identifier"]}), by_identifier(night("a")))
    ask("GET", "/Observation/a")
    ask("GET", "/Observation/nobody")
    ask("PUT", "/Observation/a", night("a"), **{"if-match": 'W/"1"'})
    ask("PUT", "/Observation/a", night("b"))
    CLIENT.delete(f"{address}/Observation/a")
    ask("GET", "/Observation/a")
    ask("GET", "/Observation/a/_history")
    post("batch", put(night("a"), ifMatch='W/"4"'), {"request": {"method": "GET", "url": "Observation/a"}})
    post("batch", put(night("a")), put(night("a")))
    ask("GET", "/Observation/a")
    ask("POST", "", {"resourceType": "Patient"})
    return seen


def test_the_sandbox_answers_as_the_real_server_does(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Both get the same exchanges, right and wrong ones, and answer with the same statuses and versions."""
    with running_fhir_server(tmp_path_factory.mktemp("alike")) as server, sandbox() as there:
        assert exchanges(there.address) == exchanges(server.address)
