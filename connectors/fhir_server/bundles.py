"""Resources cut into Bundles that every server takes: at most 100 entries and 5 MB, nobody twice in one. Pure.

Two forms of write (https://hl7.org/fhir/R4/http.html#update), never both for one destination:

- By id: ``PUT Observation/{our id}``, for servers with update-as-create. References are our own ids as they stand. With
  a version known the entry carries ``ifMatch``, so that a write that was overtaken, or comes twice, changes nothing.
- Conditional: ``PUT Observation?identifier=system%7Cvalue``, body without an id, for servers that give ids themselves.
  R4 resolves conditional references and ``urn:uuid`` in transactions only, and a transaction makes one bad night spoil
  the others, so references are rewritten here to ids that the server is known to have given. No ``ifMatch``: R4 does
  not define it beside a search; one writer for each patient takes its place.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal
from urllib.parse import quote

import orjson

from connectors.errors import NightshiftError

Resource = Mapping[str, Any]
"""A FHIR resource as plain structures ready for JSON; never changed here."""

WriteForm = Literal["by_id", "conditional"]
"""How a destination is written; chosen once for each, see ``capability``."""

BundleKind = Literal["transaction", "batch"]

_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_REFERENCE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}")
_SEARCH_CHARACTERS = re.compile(r"[|,$\\\s]")


class NotWritable(NightshiftError):
    """A resource that no server could be asked to keep: to quarantine with it. The text names its type only."""


@dataclass(frozen=True)
class Key:
    """What identifies a resource beside its id: the search ``parameter``, and the one token that finds it."""

    parameter: Literal["identifier", "url", "_tag"]
    system: str
    value: str

    @property
    def token(self) -> str:
        """``system|value``, or the bare value where there is no system; not encoded for a URL."""
        return f"{self.system}|{self.value}" if self.system else self.value


@dataclass(frozen=True)
class Write:
    """One resource to be written. It has a type, an id of ours, and one identifier (Provenance: one tag).

    ``version`` is the server's version it replaces, None when there is none or it is not known. Raises NotWritable.
    """

    resource: Resource = field(repr=False)
    version: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check type and id."""
        if not _REFERENCE.fullmatch(self.name):
            raise NotWritable("A resource has no type or no id that FHIR allows: it cannot be sent.")

    @property
    def type(self) -> str:
        """The resource type."""
        return str(self.resource.get("resourceType", ""))

    @property
    def id(self) -> str:
        """Our own id, also where the server gives another."""
        return str(self.resource.get("id", ""))

    @property
    def name(self) -> str:
        """``Type/id`` with our own id, as references write it."""
        return f"{self.type}/{self.id}"

    @cached_property
    def key(self) -> Key:
        """By what the resource is found on a server that gives ids itself. Raises NotWritable."""
        return key_of(self.resource)

    @cached_property
    def targets(self) -> frozenset[str]:
        """The names of what the resource refers to."""
        return frozenset(references(self.resource))


@dataclass(frozen=True)
class Entry:
    """One entry of a Bundle: the write, the resource as it is sent, the request's URL, and all of it as JSON."""

    write: Write
    resource: Resource = field(repr=False)
    url: str = field(repr=False)
    json: bytes = field(repr=False)


@dataclass(frozen=True)
class Bundle:
    """Entries that go in one request, in ``form``; a batch, or a transaction (all or nothing)."""

    kind: BundleKind
    form: WriteForm
    entries: tuple[Entry, ...]

    @property
    def body(self) -> bytes:
        """The request's body."""
        return _head(self.kind) + b",".join(entry.json for entry in self.entries) + _TAIL

    def only(self, entries: Sequence[Entry]) -> "Bundle":
        """The same with these entries."""
        return Bundle(self.kind, self.form, tuple(entries))


@dataclass(frozen=True)
class Limits:
    """The largest Bundle: entries, and bytes of its JSON."""

    entries: int = 100
    size: int = 5_000_000


def bundles(
    writes: Iterable[Write],
    form: WriteForm,
    kind: BundleKind = "batch",
    *,
    ids: Mapping[str, str] | None = None,
    limits: Limits = Limits(),
) -> Iterator[Bundle]:
    """Cut ``writes`` into Bundles, in their order; no id and no key is twice in one.

    ``ids`` is only for the conditional form: the server's id by our ``Type/id`` of everything that is referred to. A
    resource that is larger than the limit by itself has a Bundle of its own, for the server to judge.
    Raises NotWritable: also, in the conditional form, for a reference whose target has no known id.
    """
    entries: list[Entry] = []
    taken: set[object] = set()
    size = 0
    for write in writes:
        entry = entry_of(write, form, ids or {})
        names = {write.name} if form == "by_id" and not _has_key(write) else {write.name, (write.type, write.key)}
        full = len(entries) >= limits.entries or _frame(kind) + size + len(entry.json) > limits.size
        if entries and (full or taken & names):
            yield Bundle(kind, form, tuple(entries))
            entries, taken, size = [], set(), 0
        entries.append(entry)
        taken |= names
        size += len(entry.json) + 1
    if entries:
        yield Bundle(kind, form, tuple(entries))


def entry_of(write: Write, form: WriteForm, ids: Mapping[str, str]) -> Entry:
    """The entry that writes ``write``. Raises NotWritable."""
    request: dict[str, str] = {"method": "PUT"}
    if form == "by_id":
        resource, url = write.resource, write.name
        if write.version is not None:
            request["ifMatch"] = f'W/"{write.version}"'
    else:
        resource, url = with_server_ids(write.resource, ids), search_url(write.type, write.key)
    request["url"] = url
    return Entry(write, resource, url, orjson.dumps({"resource": resource, "request": request}))


def search_url(type: str, key: Key) -> str:
    """The search for a resource by its key, relative to the server's address."""
    return f"{type}?{key.parameter}={quote(key.token, safe='')}"


def key_of(resource: Resource) -> Key:
    """The single identifier; the url of a resource that is known by it; else the single tag (Provenance has no other).

    Raises NotWritable: there is none or more than one, or it holds a character that searches give a meaning.
    """
    type = resource.get("resourceType")
    match resource:
        case {"identifier": [{"system": str(system), "value": str(value)}]}:
            key = Key("identifier", system, value)
        case {"url": str(url)}:
            key = Key("url", "", url)
        case {"meta": {"tag": [{"system": str(system), "code": str(code)}]}}:
            key = Key("_tag", system, code)
        case _:
            raise NotWritable(f"A resource of type {type} has not exactly one identifier: it cannot be sent.")
    if _SEARCH_CHARACTERS.search(key.system + key.value):
        raise NotWritable(f"The identifier of a {type} holds a character that searches give a meaning: change it.")
    return key


def references(node: Any) -> Iterator[str]:
    """Every literal reference of the form ``Type/id`` in a resource."""
    if isinstance(node, Mapping):
        reference = node.get("reference")
        if isinstance(reference, str) and _REFERENCE.fullmatch(reference):
            yield reference
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from references(child)


def with_server_ids(resource: Resource, ids: Mapping[str, str]) -> Resource:
    """The resource without its id, its references by the ids that the server has given. Raises NotWritable."""
    return {name: _rewritten(child, ids) for name, child in resource.items() if name != "id"}


def _rewritten(node: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(node, Mapping):
        changed = {name: _rewritten(child, ids) for name, child in node.items()}
        reference = node.get("reference")
        if isinstance(reference, str) and _REFERENCE.fullmatch(reference):
            if reference not in ids:
                raise NotWritable("A resource refers to one that the server does not have yet: send that one first.")
            changed["reference"] = f"{reference.partition('/')[0]}/{ids[reference]}"
        return changed
    if isinstance(node, list | tuple):
        return [_rewritten(child, ids) for child in node]
    return node


def _has_key(write: Write) -> bool:
    try:
        return bool(write.key)
    except NotWritable:
        return False


def _head(kind: BundleKind) -> bytes:
    return b'{"resourceType":"Bundle","type":"%s","entry":[' % kind.encode()


_TAIL = b"]}"


def _frame(kind: BundleKind) -> int:
    return len(_head(kind)) + len(_TAIL)
