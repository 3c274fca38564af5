"""NDJSON: one resource a line, ordered by id, the same bytes every time."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.fhir import device, ndjson, patient
from tests.schemas.fhir.rows import CONTEXT, user

RESOURCES = [device(CONTEXT, "asleep"), *(patient(CONTEXT, user(user_id=f"G-{number}")) for number in range(5))]


@given(st.permutations(RESOURCES))
def test_any_order_gives_the_same_bytes(resources: list[dict[str, object]]) -> None:
    """The file depends on what is in it, not on the order in which it was made."""
    assert ndjson(resources) == ndjson(RESOURCES)


def test_lines_are_ordered_by_id() -> None:
    """Each line is one whole resource, ended by a line feed."""
    content = ndjson(iter(RESOURCES))
    assert content.endswith(b"\n")
    read = [orjson.loads(line) for line in content.splitlines()]
    assert [resource["id"] for resource in read] == sorted(resource["id"] for resource in RESOURCES)
    assert all(resource in RESOURCES for resource in read)


def test_nothing_gives_no_bytes() -> None:
    """An empty file, not an empty line."""
    assert ndjson([]) == b""
