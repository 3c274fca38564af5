"""R4's interactions on a world: one request or one entry of a Bundle in, status and resource out.

https://hl7.org/fhir/R4/http.html. Conditional references and ``urn:uuid`` are not resolved, neither in transactions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connectors.fhir_server.sandbox.store import Document
from connectors.fhir_server.sandbox.world import World


@dataclass(frozen=True)
class Asked:
    """One interaction, from a request or from an entry."""

    method: str
    path: tuple[str, ...]
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    if_match: str | None = None
    if_none_exist: str | None = None

    @classmethod
    def of(cls, method: str, url: str, body: Any = None, **conditions: str | None) -> "Asked":
        """From a URL relative to the base."""
        parts = urlsplit(url)
        path = tuple(part for part in parts.path.split("/") if part)
        return cls(method, path, dict(parse_qsl(parts.query)), body, **conditions)


@dataclass(frozen=True)
class Answer:
    """What came of it; ``version`` of the resource at ``name`` (``Type/id``), where there is one."""

    status: int
    body: Document | None = None
    name: str | None = None
    version: int | None = None


class Refused(Exception):
    """An interaction that fails, with the OperationOutcome to answer."""

    def __init__(self, status: int, code: str, diagnostics: str) -> None:
        super().__init__(diagnostics)
        self.status = status
        self.outcome: Document = {
            "resourceType": "OperationOutcome",
            "issue": [
                {
                    "severity": "error",
                    "code": code,
                    "details": {"coding": [{"system": "http://sandbox.test/codes", "code": f"SAND-{status}"}]},
                    "diagnostics": diagnostics,
                }
            ],
        }


class Interactions:
    """The interactions of a world whose base address is ``base``."""

    def __init__(self, world: World, base: str) -> None:
        self._world = world
        self._store = world.store
        self._base = base

    def carry_out(self, asked: Asked) -> Answer:
        """Do it. Raises Refused."""
        match asked.method, asked.path:
            case "GET", (type,):
                return Answer(200, self._search(type, asked.query))
            case "GET", (type, id):
                return self._read(type, id)
            case "GET", (type, id, "_history"):
                return Answer(200, self._history(type, id))
            case "PUT", (type, id):
                return self._update(type, id, asked)
            case "PUT", (type,) if asked.query:
                return self._conditional_update(type, asked)
            case "POST", (type,):
                return self._create(type, asked)
            case "DELETE", (type, id):
                return self._delete(type, id)
        raise Refused(404, "not-supported", "no such interaction")

    def _read(self, type: str, id: str) -> Answer:
        version = self._store.current(type, id)
        if version is None:
            raise Refused(404, "not-found", f"{type}/{id} is not known")
        if version.resource is None:
            raise Refused(410, "deleted", f"{type}/{id} was deleted")
        return self._answer(200, version.resource)

    def _search(self, type: str, query: dict[str, str]) -> Document:
        found = self._matches(type, query) if self._condition(query) else list(self._store.all(type))
        if self._world.switches.stale_searches:
            self._world.switches.stale_searches -= 1
            found = []
        bundle: Document = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
        if query.get("_summary") != "count":
            most = int(query.get("_count", "20"))
            bundle["entry"] = [{"resource": self._shown(one), "search": {"mode": "match"}} for one in found[:most]]
        return bundle

    def _history(self, type: str, id: str) -> Document:
        versions = self._store.history(type, id)
        entries = [
            {
                **({"resource": self._shown(one.resource)} if one.resource else {}),
                "request": {"method": one.method, "url": f"{type}/{id}"},
                "response": {"status": "200", "etag": f'W/"{one.number}"'},
            }
            for one in reversed(versions)
        ]
        return {"resourceType": "Bundle", "type": "history", "total": len(versions), "entry": entries}

    def _update(self, type: str, id: str, asked: Asked) -> Answer:
        body = self._checked(type, asked.body)
        if body.get("id") != id:
            raise Refused(400, "invalid", "the id in the body is not the one in the URL")
        before = self._store.current(type, id)
        if asked.if_match is not None:
            number = before.number if before and before.resource is not None else None
            if asked.if_match.removeprefix("W/").strip('"') != str(number):
                raise Refused(412, "conflict", f"{type}/{id} is at version {number}")
        if before is None and not self._world.switches.update_create:
            raise Refused(405, "not-supported", "ids are given by the server")
        if before and before.resource is None and self._world.switches.gone_is_gone:
            raise Refused(410, "deleted", f"{type}/{id} was deleted")
        return self._written(body, "PUT", created=before is None or before.resource is None)

    def _conditional_update(self, type: str, asked: Asked) -> Answer:
        if not self._world.switches.conditional_update:
            raise Refused(405, "not-supported", "no conditional updates")
        body = self._checked(type, asked.body)
        found = self._matches(type, asked.query)
        if len(found) > 1:
            raise Refused(412, "multiple-matches", f"{len(found)} of {type} match")
        if found and body.get("id", found[0]["id"]) != found[0]["id"]:
            raise Refused(400, "invalid", "the id in the body is not the one found")
        id = found[0]["id"] if found else self._store.new_id()
        return self._written({**body, "id": id}, "PUT", created=not found)

    def _create(self, type: str, asked: Asked) -> Answer:
        body = self._checked(type, asked.body)
        if asked.if_none_exist:
            found = self._matches(type, dict(parse_qsl(asked.if_none_exist)))
            if len(found) > 1:
                raise Refused(412, "multiple-matches", f"{len(found)} of {type} match")
            if found:
                return self._answer(200, found[0])
        return self._written({**body, "id": self._store.new_id()}, "POST", created=True)

    def _delete(self, type: str, id: str) -> Answer:
        name = f"{type}/{id}"
        if self._world.switches.check_references:
            holders = (versions[-1].resource for *_, versions in self._store.names())
            if any(name in _references(holder) for holder in holders if holder):
                raise Refused(409, "conflict", f"{name} is referred to")
        self._store.delete(type, id)
        return Answer(204)

    def _written(self, body: Document, method: str, *, created: bool) -> Answer:
        if self._world.switches.check_references:
            for name in _references(body):
                target = self._store.current(*name.split("/", 1))
                if target is None or target.resource is None:
                    raise Refused(422, "not-found", f"{name} is referred to and is not there")
        if self._world.switches.adds_narrative:
            body = {**body, "text": {"status": "generated", "div": "<div>made by the server</div>"}}
        return self._answer(201 if created else 200, self._store.write(body, method))

    def _answer(self, status: int, resource: Document) -> Answer:
        name = f"{resource['resourceType']}/{resource['id']}"
        return Answer(status, self._shown(resource), name, int(resource["meta"]["versionId"]))

    def _checked(self, type: str, body: Any) -> Document:
        if not isinstance(body, dict) or body.get("resourceType") != type:
            raise Refused(400, "structure", "the body is not a resource of the type in the URL")
        if type == "Observation" and not isinstance(body.get("status"), str):
            raise Refused(422, "required", "Observation.status is required")
        values = {str(one.get("value")) for one in body.get("identifier", ())}
        if values & set(self._world.switches.poison):
            raise Refused(422, "business-rule", f"cannot be kept: {body}")
        return body

    @staticmethod
    def _condition(query: dict[str, str]) -> tuple[str, str] | None:
        return next(((name, query[name]) for name in ("identifier", "_tag", "url") if name in query), None)

    def _matches(self, type: str, query: dict[str, str]) -> list[Document]:
        condition = self._condition(query)
        if condition is None:
            raise Refused(412, "invalid", "a condition needs a search parameter that is known here")
        return self._store.matching(type, *condition)

    def _shown(self, resource: Document) -> Document:
        if not self._world.switches.absolute_references:
            return resource
        shown: Document = _absolute(resource, self._base)
        return shown


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str) and not node["reference"].startswith("#"):
            yield node["reference"]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _absolute(node: Any, base: str) -> Any:
    if isinstance(node, dict):
        changed = {name: _absolute(child, base) for name, child in node.items()}
        if isinstance(node.get("reference"), str) and not node["reference"].startswith("#"):
            changed["reference"] = f"{base}/{node['reference']}"
        return changed
    return [_absolute(child, base) for child in node] if isinstance(node, list) else node
