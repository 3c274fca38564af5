"""Polls of beds as raw documents: one a poll and bed, appended and never revised.

What is kept of an answer are the fields of the SmartBedAPI reference, as sent: what else a bed's vendor may put there,
such as names of networks, is nobody's business.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import dagster as dg
import msgspec

from assets.builds import mark_bed_polls_dirty
from assets.control.beds import open_beds
from assets.raw.eight_sleep_vendor import EightSleepAccounts
from assets.results import OWNERS
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.errors import NightshiftError
from connectors.failpoints import failpoint
from connectors.home import Home
from connectors.lake.raw import HTTP_OK, RawDocument
from connectors.state.ledger import LedgerDocument, put_documents
from connectors.state.roster import DEFAULT_ORG
from schemas.documents import BED_STATUS, FIRST_SEEN
from schemas.eight_sleep import EIGHT_SLEEP, BedStatus
from schemas.nights import utc_date

BED_STATUS_KEY = dg.AssetKey(["raw", "bed_status"])

NOBODY = ""
"""The user of a poll: it is of a bed, in which there may be two."""


class Polled(NamedTuple):
    """What a bed said of itself, and when (aware)."""

    status: BedStatus
    at: datetime

    def __repr__(self) -> str:
        return "Polled(…)"


def record_status(home: Home, polls: Iterable[Polled]) -> int:
    """Keep polls, and have what is made of their dates built again; how many. The same poll twice is one.

    Raises: DiskUnavailable, StateUnavailable.
    """
    documents = [_document(poll) for poll in polls]
    if not documents:
        return 0
    home.raw.append(documents)
    failpoint("bed_status.raw_durable")
    days = {document.date.isoformat(): document for document in documents}
    with home.state.write() as connection:
        # So that state knows on which dates there are polls, for a change of who is on the roster.
        put_documents(
            connection,
            (
                LedgerDocument(EIGHT_SLEEP, BED_STATUS, NOBODY, day, newest.content_hash, newest.fetched_at)
                for day, newest in days.items()
            ),
        )
        mark_bed_polls_dirty(connection, days)
    return len(documents)


def _document(poll: Polled) -> RawDocument:
    body = msgspec.json.encode(poll.status)
    return RawDocument(
        org_id=DEFAULT_ORG,
        source=EIGHT_SLEEP,
        document=BED_STATUS,
        user_id=NOBODY,
        document_id=sha256(f"{poll.status.device_id}\n{poll.at.isoformat()}".encode()).hexdigest()[:32],
        date=utc_date(poll.at),
        status=HTTP_OK,
        fetched_at=poll.at,
        content_hash=sha256(body).hexdigest(),
        body=body,
        reason=FIRST_SEEN,
    )


async def poll_beds(accounts: Sequence[EightSleepConnection]) -> tuple[list[Polled], list[NightshiftError]]:
    """Ask every bed of every account once, within the accounts' budgets; the answers, and what failed.

    Raises: WrongUsage when there is no account.
    """
    polls, failures = list[Polled](), list[NightshiftError]()
    async with open_beds(accounts) as beds:
        failures += beds.failures
        for bed in beds.found:
            try:
                status = await bed.status()
            except NightshiftError as error:
                failures.append(error)
            else:
                polls.append(Polled(status, bed.connection.home.clock()))
    return polls, failures


@dg.asset(key=BED_STATUS_KEY, group_name="raw", kinds={"python", "parquet"}, owners=OWNERS)
def bed_status(home: dg.ResourceParam[Home], eight_sleep: dg.ResourceParam[EightSleepAccounts]) -> dg.MaterializeResult:
    """One poll of every bed; fails when no bed at all could be asked. What it changed is built afterwards."""
    polls, failures = asyncio.run(poll_beds(eight_sleep.connections))
    recorded = record_status(home, polls)
    if failures and not recorded:
        raise failures[0]
    return dg.MaterializeResult(metadata={"beds_polled": recorded, "beds_or_accounts_failed": len(failures)})
