"""Counting differences from the vendor's documentation over many documents, without telling whose they are."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from schemas.documented_fields import untold
from schemas.quirks import UNKNOWN_FIELD, Drift


class DriftTally:
    """Documents by difference. The name of an unknown field is told only once two users' documents have it.

    A vendor may key an object by user, session or person; such a name is in the documents of one user alone.
    """

    def __init__(self) -> None:
        self._users: defaultdict[Drift, set[str]] = defaultdict(set)
        self._documents: Counter[Drift] = Counter()

    def add(self, user_id: str, found: Iterable[Drift]) -> None:
        """Count one document of a user."""
        for drift in found:
            self._users[drift].add(user_id)
            self._documents[drift] += 1

    def told(self) -> Counter[Drift]:
        """Documents by difference, as it may be told."""
        counts: Counter[Drift] = Counter()
        for drift, count in self._documents.items():
            counts[drift if self._is_common(drift) else untold(drift)] += count
        return counts

    def _is_common(self, drift: Drift) -> bool:
        return drift.kind != UNKNOWN_FIELD or len(self._users[drift]) > 1
