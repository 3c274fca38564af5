"""The doctor on the vendor's documentation: every difference met so far, as news and not as an error."""

from collections.abc import Iterator, Sequence

from connectors.state.drift import SeenDrift
from pipelines.command.doctor.findings import Finding
from pipelines.command.vendor.words import plain
from schemas.asleep import ASLEEP
from schemas.quirks import QUIRKS


def drift_findings(drift: Sequence[SeenDrift]) -> Iterator[Finding]:
    """One finding with a line for each difference; none if the vendor has kept to its documentation."""
    if not drift:
        return
    count = f"{len(drift)} difference(s) from the vendors' documentation met so far; each is read as said here."
    yield Finding("documentation", True, "\n".join([count, *map(_line, drift)]))


def _line(seen: SeenDrift) -> str:
    """Date (UTC) of the first sighting, source unless it is Asleep, document, kind and path, and the rule for it."""
    document = seen.document if seen.source == ASLEEP else f"{seen.source} {seen.document}"
    rule = QUIRKS.get(seen.kind, "A kind that this version does not know.")
    return f"{seen.first_seen_at:%Y-%m-%d} {document}: {seen.kind} {plain(seen.path)}. {rule}"
