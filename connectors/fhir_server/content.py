"""Whether a resource found on a server says what we sent, although servers may add and rearrange. Pure.

Used after an answer was lost: a resource that did arrive is not written again, for servers make a new version of equal
content too.
"""

import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from connectors.fhir_server.bundles import Resource

ORDERED = frozenset({"given", "prefix", "suffix", "line", "concept", "data"})
"""Lists whose order is part of what they say; of all others R4 gives order no meaning that our resources use."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_TIME = re.compile(r"(\d\d:\d\d:\d\d)(?:\.0+)?")


def same_content(sent: Resource, found: Resource, address: str = "") -> bool:
    """Whether ``found`` says the same as ``sent``; an id only counts where both have one.

    Ignored: ``meta`` (but tags and profiles that were sent must be there), a narrative that we did not send, the order
    of lists that have none, 7.50 for 7.5, Z for +00:00, references that the server made absolute under ``address``.
    """
    ours, theirs = dict(sent), dict(found)
    ignored = {"meta"} | ({"id"} - ours.keys() & theirs.keys()) | ({"text"} - ours.keys())
    if not _has_meta(ours.get("meta"), theirs.get("meta")):
        return False
    prefix = address.rstrip("/") + "/" if address else ""
    said, read = ({name: part for name, part in one.items() if name not in ignored} for one in (ours, theirs))
    return bool(_canonical(said, "", prefix) == _canonical(read, "", prefix))


def _has_meta(sent: object, found: object) -> bool:
    """Whether the tags and profiles of ``sent`` are in ``found``, which may have more of them."""
    if not isinstance(sent, Mapping):
        return True
    theirs = found if isinstance(found, Mapping) else {}
    for name in ("tag", "profile"):
        missing = Counter(_items(sent.get(name))) - Counter(_items(theirs.get(name)))
        if missing:
            return False
    return True


def _items(parts: object) -> list[str]:
    return [repr(_canonical(part, "", "")) for part in parts] if isinstance(parts, list | tuple) else []


def _canonical(node: Any, name: str, prefix: str) -> Any:
    """A form in which equal contents are equal; ``name`` is the element that holds the node."""
    match node:
        case bool() | None:
            return ("is", node)
        case int() | float() | Decimal():
            return ("number", str(Decimal(str(node)).normalize() + 0))
        case str():
            return ("text", _text(node, name, prefix))
        case Mapping():
            parts = {key: _canonical(part, key, prefix) for key, part in node.items() if part is not None}
            return ("object", tuple(sorted(parts.items())))
        case list() | tuple():
            members = [_canonical(part, name, prefix) for part in node]
            return ("list", tuple(members if name in ORDERED else sorted(members, key=repr)))
    return ("other", repr(node))


def _text(text: str, name: str, prefix: str) -> str:
    if name == "reference" and prefix and text.startswith(prefix):
        return text[len(prefix) :]
    if _MOMENT.fullmatch(text):
        # The offset stays, because it says which clock the person lived by.
        moment = datetime.fromisoformat(text)
        return moment.isoformat()
    if name == "valueTime" and (time := _TIME.fullmatch(text)):
        return time[1]
    return text
