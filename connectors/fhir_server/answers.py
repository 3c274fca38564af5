"""What became of every entry of a Bundle, read from the server's answer entry by entry. Pure.

A batch answers 200 while entries failed, and R4 ties answers to requests by position only
(https://hl7.org/fhir/R4/http.html#transaction-response); so the position is believed only while the number of entries
and every location agree with it. Failures have no location, and in the conditional form no location helps, since the
server chooses the ids: entries that only their position tells of are believed only when all of them fared alike, for
else a failure might be pinned on the wrong one. Of an OperationOutcome only codes are kept: its texts may quote the
resource.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Literal

from connectors.fhir_server.bundles import Bundle, Entry, Write, WriteForm

Kind = Literal["accepted", "unchanged", "retry", "conflict", "refused", "lost"]

PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of an entry that a later try may not meet."""

CONFLICTS = frozenset({409, 412})
"""Statuses that ask for a re-read: the server has another version than we thought, or several of one identifier."""

ISSUE_TYPES = frozenset(
    {
        *("invalid", "structure", "required", "value", "invariant"),
        *("security", "login", "unknown", "expired", "forbidden", "suppressed"),
        *("processing", "not-supported", "duplicate", "multiple-matches", "not-found", "deleted", "too-long"),
        *("code-invalid", "extension", "too-costly", "business-rule", "conflict"),
        *("transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled", "informational"),
    }
)
"""R4's issue types (https://hl7.org/fhir/R4/valueset-issue-type.html); another word there is no code."""

_DETAIL_CODE = re.compile(r"[A-Z]{2,12}(?:[_-](?:[A-Z]{1,20}|\d{1,5})){0,8}")
_MOST_CODES = 10
_STATUS = re.compile(r"([1-5]\d\d)(?:\s|$)")
_LOCATION = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/([A-Za-z0-9.-]{1,64}))?/?$")
_ETAG = re.compile(r'(?:W/)?"([^"]{1,64})"')


@dataclass(frozen=True)
class EntryOutcome:
    """What became of one write.

    - accepted: written, as ``version`` where the server said so; ``created`` tells 201 from 200.
    - unchanged: the server had this content already and kept its version.
    - retry: not written, may be later (``retry_after_s``: the server's wish).
    - conflict: not written, the server has something else (409, 412): re-read.
    - refused: not written and never will be; ``codes`` are OperationOutcome's, without texts.
    - lost: nobody knows; re-read and compare (``content.same_content``).

    ``status`` is the HTTP status of the entry, None when there was none; when lost, it is only what its position says.
    ``server_id`` and ``version`` are the answer's: in the conditional form only hints, because nothing would show two
    exchanged entries; for references and deletions ask ``FhirServer.ids_of``, which looks at identifiers.
    """

    write: Write
    kind: Kind
    status: int | None = None
    server_id: str | None = field(default=None, repr=False)
    version: str | None = field(default=None, repr=False)
    created: bool = False
    codes: tuple[str, ...] = ()
    retry_after_s: float | None = None

    @property
    def is_done(self) -> bool:
        """Whether the server has the content now."""
        return self.kind in ("accepted", "unchanged")


@dataclass(frozen=True)
class _Answered:
    """One entry of the answer, as far as it can be read."""

    status: int | None
    type: str | None
    id: str | None
    version: str | None
    codes: tuple[str, ...]


def outcomes(bundle: Bundle, document: Mapping[str, Any]) -> list[EntryOutcome]:
    """The outcome of every entry of ``bundle``, in its order; ``document`` is the answer, a Bundle."""
    answered = [_read(entry) for entry in _objects(document.get("entry"))]
    pairs = list(zip(bundle.entries, answered, strict=False))
    located = [_fits(entry, answer, bundle) for entry, answer in pairs]
    # Once one is out of place, a position says nothing of those that do not name their resource.
    in_order = len(answered) == len(bundle.entries) and False not in located and not _repeated(answered)
    judged = [
        _judged(entry.write, answer, bundle.form)
        if fits or (fits is None and in_order)
        else EntryOutcome(entry.write, "lost")
        for (entry, answer), fits in zip(pairs, located, strict=True)
    ]
    unplaced = [one for one, fits in zip(judged, located, strict=True) if not fits]
    judged += [EntryOutcome(entry.write, "lost") for entry in bundle.entries[len(pairs) :]]
    if len({_fate(one) for one in unplaced}) > 1:
        return [
            EntryOutcome(one.write, "lost", one.status) if not fits else one
            for one, fits in zip_longest(judged, located)
        ]
    return judged


def _fate(outcome: EntryOutcome) -> object:
    """What must not be exchanged: nobody is hurt when two entries that were refused get each other's codes."""
    return outcome.is_done or (outcome.kind if outcome.kind == "refused" else outcome.status)


def outcome_of_status(
    write: Write, status: int, codes: Sequence[str] = (), retry_after_s: float | None = None
) -> EntryOutcome:
    """The outcome that an error status stands for."""
    kind: Kind = "retry" if status in PASSING else "conflict" if status in CONFLICTS else "refused"
    return EntryOutcome(write, kind, status, codes=tuple(codes), retry_after_s=retry_after_s)


def outcome_codes(document: object) -> tuple[str, ...]:
    """The codes of an OperationOutcome, each once, in order: issue types and the codes of details; no texts."""
    if not isinstance(document, Mapping) or document.get("resourceType") != "OperationOutcome":
        return ()
    return tuple(dict.fromkeys(_codes(document)))[:_MOST_CODES]


def _codes(outcome: Mapping[str, Any]) -> Iterator[str]:
    for issue in _objects(outcome.get("issue")):
        if issue.get("code") in ISSUE_TYPES:
            yield str(issue["code"])
        details = issue.get("details")
        for coding in _objects(details.get("coding") if isinstance(details, Mapping) else None):
            code = coding.get("code")
            if isinstance(code, str) and _DETAIL_CODE.fullmatch(code):
                yield code


def _objects(found: object) -> list[Mapping[str, Any]]:
    """The list as one of objects; what is none becomes an empty one, so that positions stay."""
    return [part if isinstance(part, Mapping) else {} for part in found] if isinstance(found, list) else []


def _read(entry: Mapping[str, Any]) -> _Answered:
    response = entry.get("response")
    response = response if isinstance(response, Mapping) else {}
    status = _STATUS.match(str(response.get("status", "")))
    location = _LOCATION.search(str(response.get("location", "")))
    etag = _ETAG.fullmatch(str(response.get("etag", "")))
    type, id, version = location.groups() if location else (None, None, None)
    return _Answered(
        int(status[1]) if status else None,
        type,
        id,
        etag[1] if etag else version,
        outcome_codes(response.get("outcome")) or outcome_codes(entry.get("resource")),
    )


def _fits(entry: Entry, answer: _Answered, bundle: Bundle) -> bool | None:
    """Whether the answer names the entry's resource; None when it names none, or one of an id that is not ours."""
    if answer.type is None:
        return None
    if bundle.form == "conditional":
        return None if answer.type == entry.write.type else False
    return (answer.type, answer.id) == (entry.write.type, entry.write.id)


def _repeated(answered: Sequence[_Answered]) -> bool:
    named = [(answer.type, answer.id) for answer in answered if answer.type]
    return len(named) != len(set(named))


def _judged(write: Write, answer: _Answered, form: WriteForm) -> EntryOutcome:
    match answer.status:
        case None:
            return EntryOutcome(write, "lost")
        case 304:
            return EntryOutcome(write, "unchanged", 304, answer.id, answer.version or write.version)
        case status if 200 <= status < 300:
            same = form == "by_id" and write.version is not None and answer.version == write.version
            kind: Kind = "unchanged" if same else "accepted"
            return EntryOutcome(write, kind, status, answer.id, answer.version, created=status == 201)
        case status:
            return outcome_of_status(write, status, answer.codes)
