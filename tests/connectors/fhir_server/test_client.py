"""The client against the hostile server: every fault on the wire becomes outcomes or one typed sentence."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from connectors.errors import (
    Forbidden,
    HostUnreachable,
    InvalidRequest,
    KeyRefused,
    NightshiftError,
    RateLimited,
    ServerFailed,
    UnreadableAnswer,
    VendorError,
    WrongUsage,
)
from connectors.fhir_server.auth import BearerToken, NoLogin
from connectors.fhir_server.bundles import Write
from connectors.fhir_server.capability import ServerUnfit
from connectors.fhir_server.client import FhirServer
from connectors.fhir_server.connection import FhirConnection
from connectors.fhir_server.sandbox import Fault
from connectors.patience import Patience, Retry
from tests.connectors.fhir_server.nights import SYSTEM, night, nights, one_bundle, opened, patient, sandbox
from tests.connectors.loopback import Loopback, Seen, Sent, answer

T = TypeVar("T")

Question = Callable[[FhirServer], Coroutine[Any, Any, T]]

QUESTIONS: dict[str, tuple[str, Question[Any]]] = {
    "metadata": ("metadata", lambda server: server.capability()),
    "read": ("read", lambda server: server.read("Observation", "n1")),
    "search": ("find", lambda server: server.find("Observation", f"{SYSTEM}session", "n1")),
    "count": ("search", lambda server: server.count("Observation")),
    "reread": ("reads", lambda server: server.reread([Write(night("n1"))], "by_id")),
}


def asked(
    question: Question[T], *faults: Fault, before: Sequence[dict[str, Any]] = (), **switches: Any
) -> tuple[T, dict[str, int]]:
    """What a client makes of a sandbox with these faults, and the versions that are there afterwards."""

    async def main(address: str) -> T:
        async with opened(address) as server:
            return await question(server)

    with sandbox(*faults, **switches) as there:
        for resource in before:
            there.world.store.write(resource, "PUT")
        return asyncio.run(main(there.address)), there.versions()


def kinds(count: int, *faults: Fault, **switches: Any) -> tuple[list[str], dict[str, int]]:
    """The kinds of outcome of so many nights in one batch, and the versions that are there."""
    outcomes, versions = asked(lambda server: server.send(one_bundle(nights(count))), *faults, **switches)
    assert [one.write.id for one in outcomes] == [f"n{number}" for number in range(count)]
    return [one.kind for one in outcomes], versions


def test_the_capability_of_the_server_is_read() -> None:
    """By id where it allows that, else by condition."""
    found, _ = asked(lambda server: server.capability())
    assert (found.software, found.write_form(["Observation"])) == ("Nightshift's FHIR sandbox", "by_id")
    found, _ = asked(lambda server: server.capability(), update_create=False)
    assert found.write_form(["Observation"]) == "conditional"
    with pytest.raises(ServerUnfit, match=r"5\.0\.0"):
        asked(lambda server: server.capability(), fhir_version="5.0.0")


def test_what_is_sent_is_there_and_can_be_found() -> None:
    """Written, read, found by identifier, counted, deleted with proof, and gone twice over."""

    async def question(server: FhirServer) -> None:
        await server.send(one_bundle([patient("p1")], kind="transaction"))
        (first,) = await server.send(one_bundle([night("n1")]))
        assert (first.kind, first.version, first.created) == ("accepted", "1", True)
        (second,) = await server.send(one_bundle([night("n1", minutes=1)]))
        assert (second.kind, second.version, second.created) == ("accepted", "2", False)
        read = await server.read("Observation", "n1")
        assert read is not None
        assert (read.version, read.resource["valueQuantity"]["value"]) == ("2", 1)
        assert await server.find("Observation", f"{SYSTEM}session", "n1") == [read]
        assert await server.find("Observation", f"{SYSTEM}session", "n2") == []
        assert await server.count("Observation") == 1
        assert await server.delete("Observation", "n1")
        assert await server.read("Observation", "n1") is None
        assert await server.delete("Observation", "n1")
        assert await server.delete("Observation", "never-was")
        assert await server.count("Observation") == 0
        assert server.calls.by_endpoint["bundle"] == 3

    asked(question)


def test_a_deletion_that_did_not_happen_is_told() -> None:
    """A server that checks references keeps a person whom nights refer to."""

    async def question(server: FhirServer) -> list[bool]:
        await server.send(one_bundle([patient("p1")]))
        await server.send(one_bundle([night("n1")]))
        return [await server.delete(*name) for name in (("Patient", "p1"), ("Observation", "n1"), ("Patient", "p1"))]

    assert asked(question, check_references=True)[0] == [False, True, True]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop", times=1, after=True),
        Fault("cut", times=1),
        Fault("xml", times=1),
        Fault("html", times=1, status=200, after=True),
        Fault("html", times=1, status=502, after=True),
        *(Fault("status", times=1, status=status, after=True) for status in (408, 500, 502, 503, 504)),
        Fault("missing", times=1),
        Fault("reordered", times=1),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_after_an_answer_that_cannot_be_trusted_nothing_is_claimed_and_nothing_sent_again(fault: Fault) -> None:
    """Everything was written once; what the answer does not prove is lost, not accepted, and not written twice."""
    found, versions = kinds(4, fault)
    assert "lost" in found
    assert set(found) <= {"lost", "accepted"}
    assert versions == {f"Observation/n{number}": 1 for number in range(4)}


def test_an_answer_that_never_comes_is_lost() -> None:
    """The server kept silent for longer than we wait, and may have done its work."""

    async def main(address: str) -> list[str]:
        async with opened(address, patience=Patience(Retry(base_s=0, jitter_s=0), answer_s=0.2)) as server:
            return [one.kind for one in await server.send(one_bundle(nights(2)))]

    with sandbox(Fault("slow", times=1)) as there:
        assert asyncio.run(main(there.address)) == ["lost", "lost"]


def test_answers_without_locations_are_believed_by_position() -> None:
    """R4 does not demand them."""
    assert kinds(3, Fault("unlocated", times=1))[0] == ["accepted"] * 3


@pytest.mark.parametrize("retry_after", ["", "seconds"])
def test_too_many_requests_are_waited_out(retry_after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 429 did nothing, so the Bundle is sent again, and is written once."""
    monkeypatch.setattr("connectors.fhir_server.sandbox.misbehaviour.WAIT_S", 0.05)
    fault = Fault("status", times=1, status=429, retry_after=retry_after)
    assert kinds(2, fault) == (["accepted"] * 2, {"Observation/n0": 1, "Observation/n1": 1})


@pytest.mark.parametrize(("retry_after", "wishes_s"), [("", [0]), ("seconds", [2]), ("date", [1, 2])])
def test_the_wish_of_a_server_is_handed_on(retry_after: str, wishes_s: list[int]) -> None:
    """In both forms of Retry-After; whoever sends decides whether to wait for it."""
    fault = Fault("status", times=1, status=503, retry_after=retry_after)
    outcomes, _ = asked(lambda server: server.send(one_bundle(nights(2))), fault)
    assert {round(one.retry_after_s or 0) for one in outcomes} <= set(wishes_s)
    assert {one.kind for one in outcomes} == {"lost"}


def test_too_many_requests_for_too_long_are_left_for_later() -> None:
    """After all attempts: nothing was written, everything may be later."""
    assert kinds(2, Fault("status", times=999, status=429)) == (["retry"] * 2, {})


@pytest.mark.parametrize(
    ("status", "kind"), [(409, "conflict"), (412, "conflict"), (429, "retry"), (422, "refused"), (503, "retry")]
)
def test_entries_fail_one_by_one(status: int, kind: str) -> None:
    """A batch answers 200, and each entry has its own fate."""
    found, versions = kinds(4, Fault("entry", times=2, status=status))
    assert found == [kind, kind, "accepted", "accepted"]
    assert versions == {"Observation/n2": 1, "Observation/n3": 1}


def test_different_failures_are_not_believed() -> None:
    """Nothing but their order would tell which entry was refused and which one was only put off."""
    faults = [Fault("entry", times=1, status=status) for status in (409, 412, 429, 422, 503)]
    found, versions = kinds(6, *faults)
    assert found == ["lost"] * 5 + ["accepted"]
    assert versions == {"Observation/n5": 1}


def test_one_poisoned_resource_does_not_stop_the_others() -> None:
    """Refused by its codes, without the diagnostics that quote it: in a batch, and wherever it spoils the whole."""
    for kind, strict in (("batch", False), ("batch", True), ("transaction", False)):
        send = partial(FhirServer.send, bundle=one_bundle(nights(9), kind=kind))
        outcomes, versions = asked(send, poison=["n4"], strict=strict)
        assert [one.kind for one in outcomes] == ["accepted"] * 4 + ["refused"] + ["accepted"] * 4
        refused = outcomes[4]
        assert refused.codes[0] in ("business-rule", "structure")
        assert "n4" not in repr(refused)
        assert versions == {f"Observation/n{number}": 1 for number in range(9) if number != 4}


def test_a_bundle_that_is_too_large_for_the_server_is_cut() -> None:
    """Bytes or entries, told by the server or by a proxy before it; a resource too large by itself is refused."""
    assert kinds(8, largest_body=2000)[0] == ["accepted"] * 8
    assert kinds(8, most_entries=3)[0] == ["accepted"] * 8
    assert kinds(4, Fault("html", times=1, status=413))[0] == ["accepted"] * 4
    assert kinds(2, largest_body=100)[0] == ["refused"] * 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", times=99, status=401), KeyRefused),
        (Fault("status", times=99, status=403), Forbidden),
        (Fault("html", times=99, status=404), VendorError),
        (Fault("html", times=99, status=400), InvalidRequest),
        (Fault("html", times=99, status=302), VendorError),
        (Fault("status", times=99, status=405), VendorError),
        (Fault("status", times=99, status=501), VendorError),
    ],
    ids=lambda value: value.status if isinstance(value, Fault) else "",
)
def test_what_concerns_the_server_as_a_whole_is_an_error(fault: Fault, error: type[Exception]) -> None:
    """Not the fault of any entry: one sentence, nothing written."""
    with pytest.raises(error) as caught:
        kinds(3, fault)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


FAILURES = [
    (Fault("html", times=99, status=502), ServerFailed),
    (Fault("status", times=99, status=503), ServerFailed),
    (Fault("status", times=99, status=429), RateLimited),
    (Fault("html", times=99, status=200), UnreadableAnswer),
    (Fault("xml", times=99), UnreadableAnswer),
    (Fault("cut", times=99), UnreadableAnswer),
    (Fault("drop", times=99), HostUnreachable),
    (Fault("html", times=99, status=404), VendorError),
    (Fault("status", times=99, status=403), Forbidden),
]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(("fault", "error"), FAILURES, ids=[f"{f.kind}-{f.status}" for f, _ in FAILURES])
def test_questions_end_in_one_sentence_that_names_nobody(question: str, fault: Fault, error: type[Exception]) -> None:
    """HTML, XML, broken JSON, refusals: a typed error without ids, addresses or the server's words."""
    on, ask = QUESTIONS[question]
    fault = Fault(fault.kind, {"find": "search"}.get(on, on), fault.times, status=fault.status)
    with pytest.raises(error) as caught:
        asked(ask, fault, before=[night("n1")])
    text = str(caught.value)
    assert isinstance(caught.value, NightshiftError)
    assert text.count(". ") == 0
    assert text.endswith(".")
    assert not any(word in text for word in ("n1", "Jane", "nginx", "/fhir", "identifier"))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("question", QUESTIONS)
def test_questions_are_repeated_when_it_helps(question: str) -> None:
    """Reading twice does no harm."""
    on, ask = QUESTIONS[question]
    faults = [Fault(kind, {"find": "search"}.get(on, on), 1, status=503) for kind in ("drop", "status", "html", "cut")]
    asked(ask, *faults, before=[night("n1")])


def test_a_404_without_an_outcome_proves_nothing() -> None:
    """A wrong address or a proxy says it too, so it is no proof that a resource is gone."""

    async def main(sent: Sent) -> None:
        async with Loopback(lambda _: sent) as server, opened(server.url) as client:
            await client.read("Patient", "p1")

    for sent in (
        answer(404),
        answer(404, {"detail": "Not Found"}),
        Sent(b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"),
    ):
        with pytest.raises(VendorError):
            asyncio.run(main(sent))
    asyncio.run(main(answer(410)))
    asyncio.run(main(answer(404, {"resourceType": "OperationOutcome"})))


def test_a_server_that_ignores_the_search_finds_nothing_of_somebody_else() -> None:
    """What is found was seen to have the identifier."""
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": night("n2")}, {"resource": patient("n1")}, {}, {"resource": 3}],
    }

    async def main() -> None:
        async with Loopback(lambda _: answer(200, bundle)) as server, opened(server.url) as client:
            assert await client.find("Observation", f"{SYSTEM}session", "n1") == []
            (found,) = await client.find("Observation", f"{SYSTEM}session", "n2")
            assert found.id == "n2"

    asyncio.run(main())


def test_requests_are_in_the_words_of_fhir() -> None:
    """Media types, Prefer, and the base itself, without a slash added, for a Bundle."""

    def reply(_: Seen) -> Sent:
        return answer(200, {"resourceType": "Bundle", "entry": [{"response": {"status": "201"}}]})

    async def main() -> list[Seen]:
        async with Loopback(reply) as server, opened(f"{server.url}/r4/") as client:
            await client.send(one_bundle([patient("p1")]))
            await client.find("Patient", "a system", "v|1")
            return server.seen

    sent, found = asyncio.run(main())
    assert (sent.method, sent.target) == ("POST", "/r4")
    assert sent.headers["content-type"] == "application/fhir+json; charset=utf-8"
    assert (sent.headers["accept"], sent.headers["prefer"]) == ("application/fhir+json", "return=minimal")
    assert found.headers["cache-control"] == "no-cache"
    assert found.target in (
        "/r4/Patient?identifier=a%20system%7Cv%7C1&_count=10",
        "/r4/Patient?identifier=a+system%7Cv%7C1&_count=10",
    )


def test_reading_again_says_what_is_there_in_both_forms() -> None:
    """Nothing, one or two of an identifier, in the order asked; one by one where batches are not understood."""

    async def question(server: FhirServer) -> None:
        writes = [Write(night(id)) for id in ("n3", "n2", "n1")]
        assert [len(found) for found in await server.reread(writes, "by_id")] == [1, 0, 1]
        assert [len(found) for found in await server.reread(writes, "conditional")] == [1, 0, 2]
        assert await server.ids_of(writes, "conditional") == {"Observation/n3": "n3"}

    before = [night("n1"), night("n3"), {**night("n1"), "id": "double"}]
    asked(question, before=before)
    asked(question, Fault("reordered", on="reads", times=9), before=before)
    asked(question, Fault("missing", on="reads", times=9), before=before)
    asked(question, Fault("status", on="reads", times=9, status=400), before=before)


def test_nothing_that_was_asked_or_answered_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """No library writes addresses, and addresses hold ids."""

    async def question(server: FhirServer) -> None:
        await server.send(one_bundle([night("a-secret")]))
        await server.read("Observation", "a-secret")
        await server.find("Observation", f"{SYSTEM}session", "a-secret")
        await server.delete("Observation", "a-secret")

    with caplog.at_level(0):
        asked(question, Fault("status", on="read", times=1, status=500))
    assert "a-secret" not in caplog.text
    assert SYSTEM not in caplog.text


def test_a_connection_opens_a_client_that_remembers_nothing_in_its_repr(tmp_path: Path) -> None:
    """Budget and breaker are in files beside each other, the login is not shown."""

    async def main(address: str) -> None:
        connection = FhirConnection(address, tmp_path / "fhir.budget", BearerToken("a-token"))
        assert "a-token" not in repr(connection)
        asked_for: list[str] = []
        async with connection.open(asked_for.append) as server:
            assert await server.count("Patient") == 0
            assert repr(server) == f"<FhirServer {address.removesuffix('/fhir')}>"
        assert asked_for == ["count"]

    with sandbox() as there:
        asyncio.run(main(there.address))
    assert {path.name for path in tmp_path.iterdir()} == {"fhir.budget", "fhir.breaker"}


def test_nobody_listening_is_told_with_the_setting() -> None:
    """Nothing was sent, so nothing is lost."""

    async def main() -> None:
        async with opened("http://127.0.0.1:9") as server:
            with pytest.raises(HostUnreachable, match="FHIR_BASE_URL"):
                await server.send(one_bundle(nights(1)))

    asyncio.run(main())
    with pytest.raises(WrongUsage, match="FHIR_BASE_URL"):
        FhirServer("not an address", NoLogin(), rate_limit=None, clock=None)  # type: ignore[arg-type]
