"""Documents as a vendor could send them some day: a sample with members dropped, nulled, retyped and added."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from tests.schemas.samples import ABSENT

CANARY = "canary-7351"
"""Part of every text that is put in and is no time; it must turn up in no explanation."""

_TIMES = (
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00-14:00",
    "9999-12-31T23:59:59-14:00",
    "9998-12-31T23:59:59-23:59",
    "2025-03-10T14:12:08",
    "2025-03-10T14:12:08.123456789Z",
    "20250310T141208Z",
    "2025-03-10",
    "2025-W11-1",
    "14:12:08",
    "24:00:00",
)
_TEXTS = st.sampled_from(_TIMES) | st.text(max_size=6).map(lambda text: CANARY + text)
_NUMBERS = (
    st.integers(-3, 40_000)
    | st.sampled_from((2**31, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**40))
    | st.floats(-9, 9)
)
_ANYTHING = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=2),
    max_leaves=4,
)

Change = Callable[[Any], None]


def _values(old: Any) -> st.SearchStrategy[Any]:
    """What may stand in place of a member: mostly something of its own kind."""
    if isinstance(old, str):
        return st.just(ABSENT) | _TEXTS | _TEXTS | _ANYTHING
    if isinstance(old, int | float):
        return st.just(ABSENT) | _NUMBERS | _NUMBERS | _ANYTHING
    return st.just(ABSENT) | _ANYTHING


def _places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all members of a document; of a list only to the first."""
    if way:
        yield way
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _places(member, (*way, name))
    elif isinstance(value, list) and value:
        yield from _places(value[0], (*way, 0))


def _at(document: Any, way: tuple[Any, ...]) -> Any:
    """A member, or None if an earlier change has taken it away."""
    for name in way:
        try:
            document = document[name]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def _put(document: Any, way: tuple[Any, ...], value: Any) -> None:
    """Change a member, unless an earlier change has taken away what it was in."""
    document = _at(document, way[:-1])
    if isinstance(document, dict):
        document[way[-1]] = value
        if value is ABSENT:
            del document[way[-1]]
    elif isinstance(document, list) and document and value is not ABSENT:
        document[0] = value


@st.composite
def any_document(draw: st.DrawFn, sample: bytes) -> bytes:
    """The sample with up to three members changed and perhaps one added."""
    document = json.loads(sample)
    places = list(_places(document))
    for way in draw(st.lists(st.sampled_from(places), max_size=3)):
        _put(document, way, draw(_values(_at(document, way))))
    if draw(st.booleans()):
        _put(document, (*draw(st.sampled_from(places))[:-1], "a_field_of_tomorrow"), draw(_ANYTHING))
    return json.dumps(document).encode()


@st.composite
def any_bytes(draw: st.DrawFn, sample: bytes) -> bytes:
    """The sample cut off somewhere, with some other bytes at its end or in its midst."""
    start, rest = draw(st.integers(0, len(sample))), draw(st.integers(0, len(sample)))
    return sample[:start] + draw(st.binary(max_size=3)) + draw(st.sampled_from((b"", sample[rest:])))
