"""``session_history``: one row a version of a session, with the reason it is there and the time in which it counted.

``sleep_sessions`` is what counts now; these rows are also what counted before, and since when a session is gone. A
version that cannot be read or is not complete has no row, but ends the one before it, as it does in ``sleep_sessions``.
What cannot be read is only counted here: the version that counts is in quarantine with ``sleep_sessions``, and nobody
can do anything about one that has been replaced since.

A session that has moved to another UTC date has all its versions there, those of before too.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg

from assets.builds import Built, build_partitions, mark_days_dirty, mark_months_dirty
from assets.lake.partition import label_of, roster_of
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built, doubled_keys, table_check_results, table_checks, table_metadata
from assets.sources.decoding import Refused
from assets.sources.known import SOURCES
from connectors.home import Home
from connectors.lake.raw import CurrentDocument
from schemas.documents import SESSION
from schemas.nights import FIRST_DAY
from schemas.session_changes import reason_of
from schemas.tables import SESSION_HISTORY

NAME = "session_history"
KEY = dg.AssetKey(["lake", NAME])


def build_session_history(home: Home, partition: str) -> Built:
    """Build one UTC date from raw and roster; a document is a version, and a deletion is a row.

    When that changes anything, the dates from or to which its sessions have moved are built again too.
    """
    day = date.fromisoformat(partition)
    roster = roster_of(home)
    result = Built()
    rows: list[dict[str, Any]] = []
    for versions in _histories(home, day):
        result.documents += len(versions)
        for version, kept in zip(versions, _kept(versions, day), strict=True):
            org_id, zone = label_of(version.document, roster)
            try:
                figures = _figures(version, org_id, zone)
            except Refused:
                result.quarantined += 1
                continue
            if figures is None:
                result.waiting += 1
            else:
                rows.append({**figures, **kept, "org_id": org_id})
    result.rows = len(rows)
    result.files = int(home.lake.replace(SESSION_HISTORY, f"date={partition}", rows))
    result.findings = doubled_keys(SESSION_HISTORY, rows)
    if result.files:
        _have_dates_beside_built_again(home, day)
    return result


def _histories(home: Home, day: date) -> Iterator[Sequence[CurrentDocument]]:
    for source in SOURCES:
        yield from home.raw.versions(source, SESSION, day)


def _have_dates_beside_built_again(home: Home, day: date) -> None:
    """A session that has gone from here is elsewhere, and the other way round; a pull may have been killed before it
    could say so. The averages of the month are compared with what is left here.
    """
    beside = {other for source in SOURCES for other in home.raw.dates_beside(source, SESSION, day)}
    if beside:
        near = (max(FIRST_DAY, day - timedelta(days=1)), day + timedelta(days=1))
        with home.state.write() as connection:
            mark_days_dirty(connection, (other.isoformat() for other in beside))
            mark_months_dirty(connection, {f"{neighbour:%Y-%m}" for neighbour in near})


def _kept(versions: Sequence[CurrentDocument], day: date) -> Iterator[dict[str, Any]]:
    """What is known of each version of a session whatever is in it."""
    nexts = [*versions[1:], None]
    after_deletion = [False, *(version.deleted for version in versions[:-1])]
    for version, following, restored in zip(versions, nexts, after_deletion, strict=True):
        document = version.document
        yield {
            "source": document.source,
            "user_id": document.user_id,
            "session_id": document.document_id,
            "start_date": day,
            "revision": version.revision,
            "reason": reason_of(
                document.reason, revision=version.revision, deleted=version.deleted, after_deletion=restored
            ),
            "seen_at": version.fetched_at,
            "analysed_at": None,  # no answer with a session says it
            "valid_from": version.fetched_at,
            "valid_to": following.fetched_at if following else None,
            "content_hash": document.content_hash,
        }


def _figures(version: CurrentDocument, org_id: str, roster_zone: str) -> dict[str, Any] | None:
    """The row of ``sleep_sessions`` that a version makes: empty for a deletion, None while it is not complete.

    Raises: Refused.
    """
    if version.deleted:
        return {}
    source = SOURCES[version.document.source]
    decoded = source.decode(version)
    return source.normalise(decoded, org_id, roster_zone).row if source.is_complete(decoded) else None


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[dg.AssetKey(["raw", "sessions"])],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(SESSION_HISTORY),
    check_specs=table_checks(KEY),
)
def session_history(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row a version of a session: why it is there, when it counted, and its times and metrics."""
    report = build_partitions(home, NAME, context.partition_keys, lambda day: build_session_history(home, day))
    return built(report, table_check_results(report))
