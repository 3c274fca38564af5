"""The OpenAPI document: the one in ``docs``, the one that is served and the receiver itself say the same."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.webhooks import LAYOUTS, inference_complete, session_complete
from connectors.asleep.webhooks.openapi import document
from connectors.asleep.webhooks.receiver import PATH
from schemas.asleep_webhook import UnreadableEvent, webhook_event
from tests.connectors.asleep.webhooks.posting import KEY, NOW, Post, event, is_complete, well

DOCS = Path(__file__).parents[4] / "docs"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
BEYOND_A_SCHEMA = ("ids_differ", "told_twice")
"""Why an event may make no sense although each of its values does."""

ASKED = [path for path in document()["paths"] if path != PATH]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    """A receiver in a home that is well, for all tests of this file."""
    with well(tmp_path_factory.mktemp("receiver")) as post:
        yield post


def operation(path: str, method: str) -> Any:
    """One thing that can be asked, as Schemathesis has it."""
    return schemathesis.openapi.from_dict(document())[path][method]


def posted(*modes: GenerationMode) -> st.SearchStrategy[Any]:
    """Requests to the webhook: those that fit the document, those that do not. Made when they are needed."""
    return st.deferred(lambda: st.one_of([operation(PATH, "POST").as_strategy(mode) for mode in modes]))


@given(case=posted(*GenerationMode))
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
def test_whatever_is_posted_is_answered_as_documented(served: Post, case: Any) -> None:
    """What fits the document and what does not: no server error, only documented statuses, types and shapes."""
    case.call_and_validate(base_url=served.base_url, headers={"x-api-key": KEY}, checks=CHECKS, timeout=60)


@given(case=posted(GenerationMode.POSITIVE))
@settings(max_examples=50, suppress_health_check=list(HealthCheck))
def test_whatever_fits_the_document_is_taken(served: Post, case: Any) -> None:
    """Posted as the user of the body it is answered 200, and is an event unless it says one thing in two ways."""
    headers = {"x-api-key": KEY, "x-user-id": told_user(json.dumps(case.body).encode()) or ""}
    answer = case.call_and_validate(base_url=served.base_url, headers=headers, checks=CHECKS, timeout=60)
    assert answer.status_code == 200


def told_user(body: bytes) -> str | None:
    """Whose event a body says it is; it may not fail for a reason that the document could have told."""
    try:
        return webhook_event(body).user_id
    except UnreadableEvent as unreadable:
        if unreadable.reason not in BEYOND_A_SCHEMA:
            raise
        return unreadable.about.user_id


@pytest.mark.parametrize("path", ASKED)
def test_whatever_is_asked_is_answered_as_documented(served: Post, path: str) -> None:
    """The same for whoever watches."""
    operation(path, "GET").Case().call_and_validate(base_url=served.base_url, checks=CHECKS, timeout=60)


def test_the_document_is_the_one_that_is_served(served: Post) -> None:
    """And the one in ``docs``, which ``python -m connectors.asleep.webhooks.openapi`` prints."""
    assert served.client.get("/openapi.json").json() == document()
    assert (DOCS / "openapi.json").read_text() == json.dumps(document(), indent=2) + "\n"


def test_answers_are_those_of_the_page() -> None:
    """``docs/webhooks.md`` has each documented status, and beside them only that of a method that is not there."""
    page = (DOCS / "webhooks.md").read_text()
    told = set(re.findall(r"^\| (\d{3})\b", page, flags=re.MULTILINE))
    assert told == document()["paths"][PATH]["post"]["responses"].keys() | {"405"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_documented_layout_fits(layout: str) -> None:
    """Real nights as the vendor would post them, batches and ends."""
    fits = validator()
    world = World(users=10, nights=3, now=NOW)
    complete = [(user, session) for user in world.users() for session in user.sessions if is_complete(session)]
    for user, session in complete:
        fits.validate(session_complete(user, session, NOW, layout))
    user, session = next(each for each in complete if len(each[1].recording.stages) >= 60)
    fits.validate(inference_complete(user, session, 4, layout))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event": "SESSION_COMPLETE"},
        {"event": "SESSION_COMPLETE", "data": {"session": {}}},
        event(session={"id": 1}),
        event(stat=3),
        {"event": "INFERENCE_COMPLETE", "data": {"user_id": "u", "session_id": "s"}},
        {"callback_event": "SESSION_COMPLETE", "data": event()["data"]},
        {"event": "user created", "data": {}},
    ],
)
def test_what_is_no_event_does_not_fit(body: object) -> None:
    """The document is worth something: it tells an event from what is none."""
    assert not validator().is_valid(body)


def validator() -> jsonschema_rs.Draft202012Validator:
    """Tells whether a body is an event of the document."""
    return jsonschema_rs.Draft202012Validator({**document(), "$ref": "#/components/schemas/Event"})
