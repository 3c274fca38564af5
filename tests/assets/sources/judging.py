"""What a home holds of a source after a run, and everything in it that is not as the vendor has it."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

from connectors.lake.raw import HTTP_OK, RawDocument, RawStore, read_file
from schemas.documents import AVERAGE_STATS as AVERAGES
from schemas.documents import SESSION_LIST
from schemas.tables import (
    AVERAGE_STATS,
    LAKE_TABLES,
    NIGHT_LEDGER,
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    SLEEP_STAGE_INTERVALS,
)
from tests.assets.engine.findings import broken_order, histories, key_of
from tests.assets.engine.pictures import Row
from tests.assets.sources.source_rig import SourceRig

FETCHED = frozenset(
    {
        *("fetched_at", "seen_at", "valid_from", "valid_to", "revision", "reason"),
        *("first_seen_at", "late_days", "checked_at"),
    }
)
"""Columns that say when and how often something came, or was asked for, not what it was."""


def published(root: Path, *layers: str) -> dict[str, bytes]:
    """Every file of these layers."""
    files = (path for layer in layers for path in (root / layer).rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def raw_documents(root: Path) -> Counter[RawDocument]:
    """The documents of raw, in whichever files they lie.

    Not pages of lists, which are kept as they happened to be, nor statistics, which are kept again whenever a pull that
    failed cannot be sure of them, nor the words in which a session was said to be gone.
    """
    folders = RawStore(root / "raw").folders()
    documents = (one for folder in folders for path in folder.files() for one in read_file(path, folder.date))
    return Counter(
        document if document.status == HTTP_OK else replace(document, body=b"", content_hash="")
        for document in documents
        if document.document not in (SESSION_LIST, AVERAGES)
    )


def unlike(rig: SourceRig, root: Path, *, raw_files: bool = True) -> list[str]:
    """The files in which the rig's home is not the one at ``root``; tables whose rows in the warehouse are others.

    Without ``raw_files`` the same documents may lie in other files of raw.
    """
    layers = ("raw", "lake", "fhir") if raw_files else ("lake", "fhir")
    mine, theirs = published(rig.root, *layers), published(root, *layers)
    found = sorted(name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name))
    found += ["raw documents"] if raw_documents(rig.root) != raw_documents(root) else []
    return [*found, *_wrong_warehouse(rig)]


def rows_without(rig: SourceRig, left_out: Collection[str] = FETCHED) -> dict[str, list[Row]]:
    """The rows of all tables of sessions and nights but the history, without some columns."""
    tables = (table for table in LAKE_TABLES if table not in (SESSION_HISTORY, AVERAGE_STATS))
    return {
        table.name: [{name: row[name] for name in row if name not in left_out} for row in rig.pictures.rows(table)]
        for table in tables
    }


def everything_wrong(rig: SourceRig) -> list[str]:
    """One line for each thing that is not as the simulator has it now."""
    return [*_wrong_sessions(rig), *_wrong_history(rig), *_wrong_nights(rig), *_wrong_warehouse(rig)]


def _wrong_sessions(rig: SourceRig) -> Iterator[str]:
    truth, rows = rig.truth(), rig.pictures.rows(SLEEP_SESSIONS)
    held = {key_of(row): row for row in rows}
    if len(held) != len(rows):
        yield "a session has two rows"
    if missing := truth.keys() - held.keys():
        yield f"{len(missing)} session(s) are lost"
    if more := held.keys() - truth.keys():
        yield f"{len(more)} session(s) are there that must not be"
    stages = {key_of(row): row["sleep_stages"] for row in rig.pictures.rows(SLEEP_HYPNOGRAMS)}
    for key in truth.keys() & held.keys():
        if (held[key]["start_time"], held[key]["end_time"]) != (truth[key].start, truth[key].end):
            yield "a session has other times"
        if stages.get(key) != truth[key].stages:
            yield "a session has other stages"
    for table in (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS):
        yield from _wrong_places(rig, table, held)


def _wrong_places(rig: SourceRig, table: Any, held: dict[tuple[str, str], Row]) -> Iterator[str]:
    places = defaultdict(set)
    for folder, part in rig.pictures.partitions(table):
        for row in part:
            places[key_of(row)].add(folder)
    for key, folders in places.items():
        if key not in held:
            yield f"{table.name} has a session that sleep_sessions does not have"
        elif folders != {f"date={held[key]['start_time'].astimezone(UTC).date()}"}:
            yield f"{table.name} has a session under another date than that of its start"


def _wrong_history(rig: SourceRig) -> Iterator[str]:
    versions = histories(rig.pictures.rows(SESSION_HISTORY))
    held = {key_of(row): row for row in rig.pictures.rows(SLEEP_SESSIONS)}
    if held.keys() - versions.keys():
        yield "a session has a row and no history"
    for key, rows in versions.items():
        yield from broken_order(rows)
        counts = rows[-1]["content_hash"] if rows[-1]["reason"] != "deleted" else None
        if counts != held.get(key, {}).get("content_hash"):
            yield "the version that counts is not the current row"


def _wrong_nights(rig: SourceRig) -> Iterator[str]:
    rows = rig.pictures.rows(NIGHT_LEDGER)
    nights = {(row["source"], row["user_id"], row["night_of"]): row["verdict"] for row in rows}
    if len(nights) != len(rows):
        yield "a night has two rows"
    slept = {(row["source"], row["user_id"], row["night_of"]) for row in rig.pictures.rows(SLEEP_SESSIONS)}
    if {key for key, verdict in nights.items() if verdict == "complete"} - slept:
        yield "a night is complete without a session"


def _wrong_warehouse(rig: SourceRig) -> Iterator[str]:
    if rig.loads:
        yield from (f"the warehouse has another {name}" for name in rig.pictures.warehouse_differences())
