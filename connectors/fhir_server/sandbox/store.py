"""Resources with all their versions, in memory: what the sandbox really has. No HTTP here.

Every write makes a version, also of equal content, as servers do. A deleted resource leaves a tombstone, and its
versions go on when its id is written again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True)
class Version:
    """One version of a resource; ``resource`` None is a deletion."""

    number: int
    resource: Document | None
    method: str


class Store:
    """Versions by type and id; ``clock`` stamps them."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._histories: dict[tuple[str, str], list[Version]] = {}
        self._by_token: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        self._numbers = count(1)

    def history(self, type: str, id: str) -> list[Version]:
        """Every version, oldest first."""
        return list(self._histories.get((type, id), ()))

    def current(self, type: str, id: str) -> Version | None:
        """The newest version, which may be a tombstone."""
        versions = self._histories.get((type, id))
        return versions[-1] if versions else None

    def all(self, type: str) -> Iterator[Document]:
        """Every resource of a type that is not deleted."""
        for (found, _), versions in self._histories.items():
            if found == type and (resource := versions[-1].resource) is not None:
                yield resource

    def names(self) -> Iterator[tuple[str, str, list[Version]]]:
        """Type, id and versions of everything that ever was."""
        yield from ((type, id, versions) for (type, id), versions in self._histories.items())

    def matching(self, type: str, parameter: str, token: str) -> list[Document]:
        """What a search by ``identifier``, ``_tag`` or ``url`` finds."""
        ids = self._by_token.get((type, parameter, token), set())
        newest = (self.current(type, id) for id in sorted(ids))  # a transaction undone leaves ids that never were
        found = (version.resource for version in newest if version)
        return [one for one in found if one is not None and token in _tokens(one)[parameter]]

    def new_id(self) -> str:
        """An id as servers give them."""
        return f"s{next(self._numbers)}"

    def write(self, resource: Document, method: str) -> Document:
        """A new version of the resource of this type and id: the resource as it is kept."""
        type, id = resource["resourceType"], resource["id"]
        versions = self._histories.setdefault((type, id), [])
        number = len(versions) + 1
        meta = {**resource.get("meta", {}), "versionId": str(number), "lastUpdated": self._clock().isoformat()}
        kept = {**resource, "meta": meta}
        versions.append(Version(number, kept, method))
        for parameter, tokens in _tokens(resource).items():
            for token in tokens:
                self._by_token[type, parameter, token].add(id)
        return kept

    def delete(self, type: str, id: str) -> None:
        """A tombstone, unless there is nothing or one already."""
        versions = self._histories.get((type, id))
        if versions and versions[-1].resource is not None:
            versions.append(Version(len(versions) + 1, None, "DELETE"))

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """What is written in here is undone when it ends with an error."""
        before = {name: list(versions) for name, versions in self._histories.items()}
        try:
            yield
        except BaseException:
            self._histories = before
            raise


def _tokens(resource: Document) -> dict[str, set[str]]:
    identifiers = {f"{one.get('system', '')}|{one.get('value', '')}" for one in resource.get("identifier", ())}
    tags = {f"{one.get('system', '')}|{one.get('code', '')}" for one in resource.get("meta", {}).get("tag", ())}
    return {"identifier": identifiers, "_tag": tags, "url": {resource["url"]} if "url" in resource else set()}
