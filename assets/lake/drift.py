"""Counting differences from the vendor's documentation over many documents, without telling whose they are."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from assets.builds import SourceDrift
from connectors.lake.raw import RawDocument
from schemas.documented_fields import untold
from schemas.quirks import UNKNOWN_FIELD, Drift


class DriftTally:
    """Documents by difference. The name of an unknown field is told only once two users' documents have it.

    A vendor may key an object by user, session or person; such a name is in the documents of one user alone.
    """

    def __init__(self) -> None:
        self._users: defaultdict[SourceDrift, set[str]] = defaultdict(set)
        self._documents: Counter[SourceDrift] = Counter()

    def add(self, document: RawDocument, found: Iterable[Drift]) -> None:
        """Count one document, by what was found in it."""
        for drift in found:
            self._users[document.source, drift].add(document.user_id)
            self._documents[document.source, drift] += 1

    def told(self) -> Counter[SourceDrift]:
        """Documents by source and difference, as it may be told."""
        counts: Counter[SourceDrift] = Counter()
        for (source, drift), count in self._documents.items():
            counts[source, drift if self._is_common(source, drift) else untold(drift)] += count
        return counts

    def _is_common(self, source: str, drift: Drift) -> bool:
        return drift.kind != UNKNOWN_FIELD or len(self._users[source, drift]) > 1
