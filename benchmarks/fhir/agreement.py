"""Whether two JSON texts of a resource say the same, field by field; numbers digit by digit, as they are written.

One thing may be written in two ways: the offset of UTC, which ``fhir.resources`` always writes as ``Z``.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_AT_OFFSET_ZERO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|\+00:00)")

_ABSENT = object()
"""In the place of a field that is not there, which is something else than null."""


class _Number(NamedTuple):
    digits: str


@dataclass(slots=True)
class Agreement:
    """What was compared so far: resources, those that differ, fields that differ (by path, with how many)."""

    compared: int = 0
    differing: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    other_offsets: int = 0
    """Times that are the same but for the way their offset of zero is written."""

    def compare(self, ours: bytes, theirs: str) -> None:
        """Count a resource in."""
        differing = list(self._differences(_read(ours), _read(theirs), ""))
        self.compared += 1
        self.differing += bool(differing)
        self.fields.update(differing)

    def _differences(self, ours: Any, theirs: Any, path: str) -> Iterator[str]:
        if isinstance(ours, dict) and isinstance(theirs, dict):
            for name in ours.keys() | theirs.keys():
                yield from self._differences(ours.get(name, _ABSENT), theirs.get(name, _ABSENT), f"{path}.{name}")
        elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
            for mine, other in zip(ours, theirs, strict=True):
                yield from self._differences(mine, other, path)
        elif ours != theirs:
            if _same_instant(ours, theirs):
                self.other_offsets += 1
            else:
                yield path


def _read(text: bytes | str) -> Any:
    return json.loads(text, parse_float=_Number, parse_int=_Number)


def _same_instant(ours: Any, theirs: Any) -> bool:
    found = [_AT_OFFSET_ZERO.fullmatch(text) if isinstance(text, str) else None for text in (ours, theirs)]
    return all(found) and len({match[1] for match in found if match}) == 1
