"""Sessions that the vendor does not have any more: held back until the whole pull is over, and only then deleted.

A vendor that suddenly forgets a great deal is a fault, not a deletion; what it still has is pulled all the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256

from assets.raw.pulled import UserPull, time_after
from connectors.errors import NightshiftError
from connectors.lake.raw import NOT_FOUND, RawDocument
from connectors.state.ledger import DELETED, LedgerSession
from connectors.state.roster import RosterUser
from schemas import documents

FEW = 20
"""So many deletions in a run are never too many."""

SHARE = 0.01
"""Beyond ``FEW``, this share of all complete sessions is not too many either."""


class TooManyDeletions(NightshiftError):
    """The vendor misses more sessions than people delete; nothing was deleted here."""


@dataclass(frozen=True, slots=True)
class Vanished:
    """A session that was known, is listed no more, and whose detail answers 404 with ``body``."""

    user: RosterUser
    seen: LedgerSession
    body: bytes = field(repr=False)

    def __repr__(self) -> str:
        return "Vanished(…)"


@dataclass(slots=True)
class Brake:
    """Counts the vanished sessions of a run; beyond ``allowed`` (None: any number) nobody looks for more."""

    allowed: int | None
    vanished: list[Vanished] = field(default_factory=list)

    @classmethod
    def of(cls, complete_sessions: int, *, accept: bool) -> "Brake":
        """The brake of a home with so many complete sessions; ``accept`` takes it off."""
        return cls(None if accept else max(FEW, int(complete_sessions * SHARE)))

    @property
    def pulled(self) -> bool:
        """Whether more sessions have vanished than a run may delete."""
        return self.allowed is not None and len(self.vanished) > self.allowed

    def check(self) -> None:
        """Raises: TooManyDeletions if more sessions have vanished than a run may delete."""
        if self.pulled:
            raise TooManyDeletions(
                f"The vendor no longer knows more than {self.allowed} sessions that this home has: none was deleted. "
                "If that is right, run nightshift sync --accept-deletions; if not, ask the vendor first."
            )


def deletions_of(vanished: Iterable[Vanished], now: datetime) -> list[UserPull]:
    """The deletions of these sessions, one ``UserPull`` each: a tombstone in raw, the verdict, the day to build."""
    return [_deletion(gone, now) for gone in vanished]


def _deletion(gone: Vanished, now: datetime) -> UserPull:
    pull, seen = UserPull(gone.user), gone.seen
    pull.counts.deleted = 1
    deleted = replace(seen, verdict=DELETED, changed_at=time_after(seen, now))
    if seen.content_hash is not None:
        content_hash = f"tombstone:{sha256(gone.body).hexdigest()}"
        deleted = replace(deleted, content_hash=content_hash, revision=seen.revision + 1)
        pull.raw.append(_tombstone(gone, content_hash, deleted.changed_at))
        pull.dirty_days.add(seen.partition)
    pull.sessions.append(deleted)
    return pull


def _tombstone(gone: Vanished, content_hash: str, now: datetime) -> RawDocument:
    return RawDocument(
        org_id=gone.user.org_id,
        source=gone.user.source,
        document=documents.SESSION,
        user_id=gone.user.user_id,
        document_id=gone.seen.session_id,
        date=gone.seen.partition,
        status=NOT_FOUND,
        fetched_at=now,
        content_hash=content_hash,
        body=gone.body,
        reason=documents.DELETED,
    )
