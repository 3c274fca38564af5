"""Which typed error a FHIR server's answer to a whole request stands for, or none.

Only the status and the kind of body decide; the server's words are never passed on, because they may quote a resource.
What the entries of a Bundle came to is in ``answers``. Whether to ask again is decided in ``connectors.http``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from connectors.errors import (
    CutShort,
    Forbidden,
    InvalidRequest,
    KeyRefused,
    RateLimited,
    ServerFailed,
    UnreadableAnswer,
    VendorError,
)
from connectors.http import Reply, attempts_text

NO_ANSWER_BUT_MAYBE_LATER = frozenset({408, 500, 502, 503, 504})
"""Statuses of a request that has failed, although it may have been carried out."""


class LoginExpired(VendorError):
    """401 with a token that can be renewed: renewed once, then asked again."""

    kind: ClassVar[str] = "login_expired"


@dataclass(frozen=True)
class FhirJudge:
    """Judges the answers to one kind of request.

    ``wanted`` is the resource type of a good answer, None where any or no body will do. ``passed_on`` are the error
    statuses that the caller reads by itself, provided that the body is an OperationOutcome (``bare``: or empty); 413 in
    any words, because proxies give it too.
    ``renewable`` says that a 401 may be healed by another token.
    """

    what: str
    wanted: str | None
    passed_on: frozenset[int] = frozenset()
    bare: frozenset[int] = frozenset()
    renewable: bool = False

    def __call__(self, reply: Reply) -> VendorError | None:
        """The error ``reply`` stands for, or None when the caller can read it."""
        if 200 <= reply.status < 300:
            return self._success(reply)
        if self._is_passed_on(reply):
            return None
        match reply.status:
            case status if 300 <= status < 400:
                return VendorError(
                    f"The FHIR server answered the {self.what} with a redirect ({status}): "
                    "put the address it leads to into FHIR_BASE_URL."
                )
            case 401:
                return self._unauthorized()
            case 403:
                return Forbidden(f"The FHIR server forbids the {self.what} (403): check what the login may do there.")
            case 429:
                return RateLimited(
                    f"The FHIR server still refuses the {self.what} as one too many after "
                    f"{attempts_text(reply.attempts)} (429): send more slowly or start again later.",
                    reply.retry_after_s,
                )
            case status if status in NO_ANSWER_BUT_MAYBE_LATER:
                return ServerFailed(
                    f"The FHIR server fails the {self.what} after {attempts_text(reply.attempts)} ({status}): "
                    "start again later.",
                    reply.retry_after_s,
                )
            case 400 | 413 | 422:
                return InvalidRequest(
                    f"The FHIR server refused the {self.what} ({reply.status}): check FHIR_BASE_URL, and whether a "
                    "proxy limits what may be sent."
                )
        return VendorError(
            f"What answered the {self.what} is no FHIR server or not its address ({reply.status}): check FHIR_BASE_URL."
        )

    def _success(self, reply: Reply) -> VendorError | None:
        if self.wanted is None:
            return None
        try:
            document = orjson.loads(reply.body)
        except ValueError:
            kind: type[UnreadableAnswer] = CutShort
        else:
            if isinstance(document, dict) and document.get("resourceType") == self.wanted:
                return None
            kind = UnreadableAnswer
        return kind(
            f"The answer to the {self.what} is not the FHIR JSON it should be ({reply.status}, after "
            f"{attempts_text(reply.attempts)}): check FHIR_BASE_URL, then try again."
        )

    def _is_passed_on(self, reply: Reply) -> bool:
        if reply.status in self.bare and not reply.body.strip():
            return True
        if reply.status == 413 and 413 in self.passed_on:
            return True
        return reply.status in self.passed_on and document_of(reply).get("resourceType") == "OperationOutcome"

    def _unauthorized(self) -> VendorError:
        if self.renewable:
            return LoginExpired("The FHIR server no longer takes the access token (401): it is renewed.")
        return KeyRefused("The FHIR server refused the login (401): check FHIR_TOKEN or the SMART client's settings.")


def document_of(reply: Reply) -> Mapping[str, Any]:
    """The body as a JSON object, an empty one when it is none."""
    try:
        document = orjson.loads(reply.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
