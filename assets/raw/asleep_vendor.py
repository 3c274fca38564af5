"""Asleep as a vendor of nights: sessions, statistics of the months touched, the user document.

Talks to the vendor and decides; writes nothing. What to keep and what to remember is handed back in ``UserPull``.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import msgspec

from assets.raw.months_of_user import owe_months_not_asked_for, pull_average_stats
from assets.raw.pulled import USER_DOCUMENT_AGE, UserPull, keep_if_new
from assets.raw.user_pull import pull_window_or_history, take_steps
from assets.raw.vendor import Listed, Listing, Look
from assets.sources import asleep
from assets.sources.source import SleepSource
from connectors.answer import Answer
from connectors.asleep.client import AsleepClient
from connectors.asleep.connection import AsleepConnection
from connectors.errors import UnreadableAnswer
from connectors.http import Calls
from connectors.state.roster import RosterUser
from connectors.state.vendor import VendorAccount
from schemas.asleep import COMPLETE, STATES, SessionDetail, SessionList, SessionRow
from schemas.canonical import row_hash, user_hash
from schemas.documents import USER
from schemas.nights import utc_date


class AsleepVendor:
    """An open client as what a pull asks (``assets.raw.vendor.Vendor``)."""

    def __init__(self, client: AsleepClient) -> None:
        self.client = client

    @property
    def source(self) -> SleepSource:
        """Asleep."""
        return asleep.SOURCE

    @property
    def calls(self) -> Calls:
        """Requests made so far."""
        return self.client.calls

    async def list_sessions(self, user: RosterUser, first: date, last: date) -> Listing:
        """The vendor's own filter goes by UTC dates of the start; every page may be kept."""
        pages: list[Answer[SessionList]] = []
        rows = self.client.iterate_sessions(user.asked_as, date_gte=first, date_lte=last, on_page=pages.append)
        sessions = {row.session_id: listed(row) async for row in rows}
        return Listing(list(sessions.values()), [(page, _on(page, sessions)) for page in pages])

    async def get_session(self, user: RosterUser, session_id: str) -> Answer[SessionDetail]:
        """The detail of a session."""
        return await self.client.get_session(user.asked_as, session_id)

    async def pull_user(self, look: Look, pull: UserPull, first: date, last: date) -> None:
        """Sessions, then the statistics of the months they touch, then the user document if it is due.

        Of a user whom the vendor has marked for deletion only the user document is asked for, and all else once the
        mark is taken back.
        """
        sessions = partial(pull_window_or_history, look, pull, first, last)
        months = partial(pull_average_stats, self.client, look, pull)
        document = partial(pull_user_document, self.client, look, pull)
        marked = pull.user.to_be_deleted
        await take_steps(pull, [document, sessions, months] if marked else [sessions, months, document])
        owe_months_not_asked_for(pull, look.now)


@dataclass(frozen=True)
class AsleepAccount:
    """An Asleep account as a pull reaches it."""

    connection: AsleepConnection

    def account(self) -> VendorAccount:
        """Which account it is. Raises: MissingKey."""
        return self.connection.account()

    @asynccontextmanager
    async def open(self, on_call: Callable[[str], None] | None = None) -> AsyncIterator[AsleepVendor]:
        """The account, opened. Raises: MissingKey, WrongUsage."""
        async with self.connection.open(on_call=on_call) as client:
            yield AsleepVendor(client)


def listed(row: SessionRow) -> Listed:
    """A row of the list; one of an unknown state is asked for, because it may be complete."""
    waiting = row.state in STATES - {COMPLETE}
    return Listed(row.session_id, row.session_start_time, waiting, row_hash(msgspec.to_builtins(row)), row=row)


def _on(page: Answer[SessionList], sessions: Mapping[str, Listed]) -> Sequence[Listed]:
    # Nearly always the very row that was listed: its mark need not be made twice.
    rows = ((row, sessions[row.session_id]) for row in page.result().sleep_session_list)
    return [found if found.row is row else listed(row) for row, found in rows]


async def pull_user_document(client: AsleepClient, look: Look, pull: UserPull) -> None:
    """Fetch the user's document if there is none, if it is older than ``USER_DOCUMENT_AGE``, or if it bears the mark.

    ``pull.user`` is then as the document says: marked for deletion or not.
    """
    before = look.known.documents.get((USER, pull.user.user_id))
    if before is not None and look.now - before.fetched_at < USER_DOCUMENT_AGE and not pull.user.to_be_deleted:
        return
    answer = await client.get_user(pull.user.asked_as)
    pull.heard = True
    day = utc_date(answer.fetched_at)
    if keep_if_new(pull, look.known, USER, pull.user.user_id, answer, user_hash(answer.body), day):
        pull.users_dirty = True
    try:
        pull.user = replace(pull.user, to_be_deleted=answer.result().to_be_deleted)
    except UnreadableAnswer:
        return  # the build says what is wrong with it; what was known of the mark stays known
    pull.to_be_deleted = pull.user.to_be_deleted
