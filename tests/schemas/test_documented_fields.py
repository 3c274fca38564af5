"""Which fields are news: none of the documented variants, every other name, at every level, once."""

import json
from typing import Any

import pytest

from schemas.documented_fields import note_unknown_fields
from schemas.documents import AVERAGE_STATS, SESSION, USER
from schemas.quirks import UNKNOWN_FIELD, Drift, Notes
from tests.schemas import samples
from tests.schemas.samples import changed

DOCUMENTS = {
    SESSION: [samples.SESSION, samples.SESSION_ENDED_LATE, samples.SESSION_OPEN],
    AVERAGE_STATS: [samples.AVERAGE_STATS],
    USER: [samples.USER],
}
EACH = [(kind, body) for kind, bodies in DOCUMENTS.items() for body in bodies]


def unknown(kind: str, body: bytes) -> set[str]:
    """The paths that are noted."""
    notes = Notes()
    note_unknown_fields(kind, json.loads(body), notes)
    assert {drift.kind for drift in notes.drift} <= {UNKNOWN_FIELD}
    return {drift.path for drift in notes.drift}


@pytest.mark.parametrize(("kind", "body"), EACH)
def test_the_documented_answers_have_no_unknown_field(kind: str, body: bytes) -> None:
    """The samples are what the documentation shows."""
    assert unknown(kind, body) == set()


@pytest.mark.parametrize(
    ("kind", "body", "changes"),
    [
        (
            SESSION,
            samples.SESSION,
            {"result.session.timezone": "Asia/Seoul", "result.stat.sleep_cycle": [{"order": 1}]},
        ),
        (SESSION, samples.SESSION, {"result.user_id": "G-1"}),
        (AVERAGE_STATS, samples.AVERAGE_STATS, {"result.period.days": 31}),
        (AVERAGE_STATS, samples.AVERAGE_STATS, {"result.slept_sessions": [{"session_id": 1, "session_start_time": 1}]}),
        (USER, samples.USER, {"result.last_session_info": {"session_start_time": 1, "session_end_time": 2}}),
    ],
)
def test_a_documented_variant_is_no_news(kind: str, body: bytes, changes: dict[str, Any]) -> None:
    """Both shapes of whatever has two."""
    assert unknown(kind, changed(body, changes)) == set()


@pytest.mark.parametrize("value", [1, "text", None, [1], {"below": {"it": 1}}, True])
@pytest.mark.parametrize(
    ("kind", "body", "place", "path"),
    [
        (SESSION, samples.SESSION, "tomorrow", "$.tomorrow"),
        (SESSION, samples.SESSION, "result.tomorrow", "$.result.tomorrow"),
        (SESSION, samples.SESSION, "result.session.tomorrow", "$.result.session.tomorrow"),
        (SESSION, samples.SESSION, "result.stat.tomorrow", "$.result.stat.tomorrow"),
        (AVERAGE_STATS, samples.AVERAGE_STATS, "result.period.tomorrow", "$.result.period.tomorrow"),
        (USER, samples.USER, "result.metadata.tomorrow", "$.result.metadata.tomorrow"),
    ],
)
def test_any_other_field_is_named_where_it_stands(kind: str, body: bytes, place: str, path: str, value: Any) -> None:
    """Of any type; what is below it is not looked at."""
    assert unknown(kind, changed(body, {place: value})) == {path}


def test_a_field_of_all_members_of_a_list_is_named_once() -> None:
    """A path has no index."""
    rows = [{"id": "a", "tomorrow": 1}, {"id": "b", "tomorrow": 2}]
    body = changed(samples.AVERAGE_STATS, {"result.slept_sessions": rows})
    assert unknown(AVERAGE_STATS, body) == {"$.result.slept_sessions[].tomorrow"}


@pytest.mark.parametrize(
    "name",
    [
        "G-20250301120000-kQmZrTbLwXcVnHjPdSfA",
        "20250310141208_h3k9q",
        "anna@example.org",
        "x" * 41,
        "",
        "a b",
        "u20250310",
    ],
)
def test_a_name_that_may_be_somebodys_is_not_told(name: str) -> None:
    """Vendors key objects by id."""
    body = json.dumps({"result": {"metadata": {name: 1}}}).encode()
    assert unknown(USER, body) == {"$.result.metadata.(a name that is not told)"}


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'{"result": []}', b'{"result": {"session": 7, "stat": [1]}}'])
def test_documents_of_any_shape_can_be_asked(body: bytes) -> None:
    """Whether they can be used is decided elsewhere."""
    assert unknown(SESSION, body) == set()


def test_a_difference_is_a_kind_and_a_path() -> None:
    """Nothing of the content."""
    assert Drift._fields == ("kind", "path")
