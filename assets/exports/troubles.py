"""What could not be exported, as entries of the quarantine: resources under their pseudonyms, with codes only."""

from collections.abc import Sequence
from datetime import datetime

from connectors.state.outbox import Sent
from connectors.state.quarantine import Quarantined

INVALID = "invalid_resource"
REFUSED = "refused_by_server"

_WORDS = {
    INVALID: "It breaks a rule of FHIR R4 and was not sent",
    REFUSED: "The FHIR server refused it",
}


def trouble(destination: str, row: Sent, reason: str, codes: Sequence[str], at: datetime) -> Quarantined:
    """The entry of a resource; ``row.sending_hash`` is of what was to be sent."""
    kind, _, pseudonym = row.name.partition("/")
    return Quarantined(
        asset=destination,
        partition=row.partition,
        source=destination,
        document=kind,
        user_id=row.patient or "",
        document_id=pseudonym,
        raw_sha256=row.sending_hash or row.refused_hash or "",
        reason=reason,
        path="",
        explanation=f"{_WORDS[reason]} ({', '.join(filter(None, codes)) or 'as before'}).",
        first_seen_at=at,
    )
