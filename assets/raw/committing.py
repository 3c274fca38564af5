"""Making pulls durable: documents to raw, then one transaction of the state. A kill anywhere between does no harm."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

import sqlalchemy as sa

from assets.builds import mark_bed_days_dirty, mark_days_dirty, mark_months_dirty, mark_nights_around, mark_users_dirty
from assets.raw.pulled import USER_DOCUMENT_AGE, UserPull
from connectors.errors import UserNotFound
from connectors.failpoints import failpoint
from connectors.home import Home
from connectors.state.ledger import (
    OWED,
    PENDING,
    LedgerDocument,
    LedgerSession,
    clear_unpulled,
    put_documents,
    put_sessions,
    put_unpulled,
)
from connectors.state.nights import note_answered, note_asked
from connectors.state.roster import mark_gone, mark_to_be_deleted
from connectors.state.vendor import VendorAccount, remember_vendor
from schemas.documents import SESSION, SESSION_LIST
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.nights import utc_date


def commit(
    home: Home,
    account: VendorAccount | None,
    pulls: Sequence[UserPull],
    days: tuple[date, date] | None = None,
    began: datetime | None = None,
) -> None:
    """Keep what pulls of one source came to. ``account`` is the one that was asked, None if the vendor came by itself.

    ``days`` are those for which whoever is pulled now was to be pulled, ``began`` is when the first of them was asked.

    Raises: DiskUnavailable, StateUnavailable.
    """
    if not pulls:
        return
    _announce(home, pulls)
    home.raw.append(document for pulled in pulls for document in pulled.raw)
    failpoint("pull.raw_durable")
    with home.state.write() as connection:
        if account and any(pulled.heard for pulled in pulls):
            remember_vendor(connection, account)
        put_sessions(connection, (s for pulled in pulls for s in (*pulled.remembered.values(), *pulled.sessions)))
        put_documents(connection, (document for pulled in pulls for document in pulled.documents))
        mark_days_dirty(connection, (day.isoformat() for pulled in pulls for day in pulled.dirty_days))
        mark_months_dirty(connection, (f"{month:%Y-%m}" for pulled in pulls for month in pulled.dirty_months))
        beds = [pulled for pulled in pulls if pulled.user.source == EIGHT_SLEEP]
        mark_bed_days_dirty(connection, {d.isoformat() for bed in beds for d in bed.dirty_days | bed.scored_days})
        if any(pulled.users_dirty for pulled in pulls):
            mark_users_dirty(connection)
        if days and began:
            _note_who_is_pulled(connection, home, pulls, days)
            listed = [(pulled.user, pulled.listed) for pulled in pulls if pulled.listed]
            expected = note_asked(connection, listed)  # new only of a user whose mark was taken back meanwhile
            answered = note_answered(connection, listed, began)
            beyond = {day for day in answered if day < days[0]}  # the window's nights are looked at when all is pulled
            mark_nights_around(connection, expected | beyond, utc_date(home.clock()))
        started = {session.partition for pulled in pulls for session in pulled.sessions}
        mark_nights_around(connection, started, utc_date(home.clock()))
        _note_what_the_vendor_says_of(connection, pulls)
        failpoint("pull.before_commit")
    failpoint("pull.committed")


def _announce(home: Home, pulls: Sequence[UserPull]) -> None:
    """Enter what raw is about to have as waiting or owed, so that it is asked for again should this pull be killed.

    Otherwise a session that the vendor deletes before the next pull would be in raw, and nobody would know; and
    statistics that then are what they were before the pull would not look new, although raw has others since.
    """
    first, owed = list[LedgerSession](), list[LedgerDocument]()
    for pulled in pulls:
        kept = {document.document_id for document in pulled.raw if document.document == SESSION}
        first += [
            replace(session, fingerprint="", verdict=PENDING, content_hash=None, revision=0)
            for session in pulled.sessions
            if session.revision == 1 and session.session_id in kept
        ]
        owed += [
            LedgerDocument(d.source, d.document, d.user_id, d.document_id, OWED, d.fetched_at - USER_DOCUMENT_AGE)
            for d in pulled.raw
            if d.document not in (SESSION, SESSION_LIST)
        ]
    if first or owed:
        with home.state.write() as connection:
            put_sessions(connection, first)
            put_documents(connection, owed)
        failpoint("pull.announced")


def _note_who_is_pulled(
    connection: sa.Connection, home: Home, pulls: Sequence[UserPull], days: tuple[date, date]
) -> None:
    kinds = {pulled.user.user_id: pulled.failure.kind for pulled in pulls if pulled.failure}
    done = [pulled.user.user_id for pulled in pulls if pulled.failure is None or is_still_gone(pulled)]
    source = pulls[0].user.source
    put_unpulled(connection, source, kinds, home.clock(), days)
    clear_unpulled(connection, source, done, days)


def _note_what_the_vendor_says_of(connection: sa.Connection, pulls: Sequence[UserPull]) -> None:
    source = pulls[0].user.source
    marked = [pulled.user.user_id for pulled in pulls if pulled.to_be_deleted]
    unmarked = [pulled.user.user_id for pulled in pulls if pulled.to_be_deleted is False]
    mark_to_be_deleted(connection, source, marked=marked, unmarked=unmarked)
    gone = [pulled.user.user_id for pulled in pulls if isinstance(pulled.failure, UserNotFound)]
    back = [pulled.user.user_id for pulled in pulls if pulled.failure is None and pulled.heard]
    mark_gone(connection, source, gone=gone, back=back)


def is_still_gone(pulled: UserPull) -> bool:
    """Whether the vendor knows the user as little as the last time."""
    return pulled.user.gone and isinstance(pulled.failure, UserNotFound)
