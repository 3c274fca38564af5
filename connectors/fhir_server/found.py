"""Resources as a server has them, read out of its answers: a resource, a search, a batch of reads. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import UnreadableAnswer
from connectors.fhir_server.bundles import Key, Resource, Write, WriteForm

_GONE = ("404", "410")


@dataclass(frozen=True)
class Found:
    """A resource as a server has it: its id there, its version (None where the server keeps none), what it says."""

    type: str
    id: str = field(repr=False)
    version: str | None = field(repr=False)
    resource: Resource = field(repr=False)


def found_of(document: Mapping[str, Any]) -> Found:
    """A resource out of an answer. Raises UnreadableAnswer: it has no type or no id."""
    match document:
        case {"resourceType": str(type), "id": str(id)}:
            meta = document.get("meta")
            version = meta.get("versionId") if isinstance(meta, Mapping) else None
            return Found(type, id, str(version) if version is not None else None, document)
    raise UnreadableAnswer("The FHIR server gave a resource without type or id: check FHIR_BASE_URL, then try again.")


def matches(bundle: Mapping[str, Any], type: str, key: Key) -> list[Found]:
    """The resources of a search's answer that are of this type and do have this key, whatever was searched for.

    A server that ignores a search parameter answers with everything it has. Raises UnreadableAnswer.
    """
    resources = (_mapping(entry.get("resource")) for entry in _objects(bundle.get("entry")))
    return [found_of(one) for one in resources if one.get("resourceType") == type and key in _keys(one)]


def reread_of(writes: Sequence[Write], form: WriteForm, entries: object) -> list[tuple[Found, ...] | None]:
    """What the entries of a batch of reads say of each write; None where they say nothing clear.

    What is there shows its id or identifier. What is not there has only its position, which is not believed when the
    number of entries is another, or something else than what was asked for stands anywhere.
    """
    if not isinstance(entries, list) or len(entries) != len(writes):
        return [None] * len(writes)
    read = [_read(write, form, _mapping(entry)) for write, entry in zip(writes, entries, strict=True)]
    if all(in_place for _, in_place in read):
        return [there for there, _ in read]
    return [there or None for there, _ in read]


def _read(write: Write, form: WriteForm, entry: Mapping[str, Any]) -> tuple[tuple[Found, ...] | None, bool]:
    """What an entry says of ``write``, and that it holds nothing else."""
    status = str(_mapping(entry.get("response")).get("status", "200"))
    resource = _mapping(entry.get("resource"))
    try:
        if form == "conditional":
            if not status.startswith("200") or resource.get("resourceType") != "Bundle":
                return None, True
            found = matches(resource, write.type, write.key)
            return tuple(found), len(found) == len(_objects(resource.get("entry")))
        if status.startswith(_GONE):
            return (), True
        one = found_of(resource)
    except UnreadableAnswer:
        return None, True
    return ((one,), True) if (one.type, one.id) == (write.type, write.id) else (None, False)


def _keys(resource: Mapping[str, Any]) -> Iterator[Key]:
    """Every key a resource can be found by."""
    for identifier in _objects(resource.get("identifier")):
        yield Key("identifier", str(identifier.get("system", "")), str(identifier.get("value", "")))
    for tag in _objects(_mapping(resource.get("meta")).get("tag")):
        yield Key("_tag", str(tag.get("system", "")), str(tag.get("code", "")))
    yield Key("url", "", str(resource.get("url", "")))


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _objects(found: object) -> list[Mapping[str, Any]]:
    return [part for part in found if isinstance(part, Mapping)] if isinstance(found, list) else []
