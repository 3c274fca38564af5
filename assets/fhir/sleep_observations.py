"""Observations of nights: one a session, one a hypnogram, those of stages on request, made from the lake's rows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

import dagster as dg
import pyarrow as pa

from assets.builds import Built, build_partitions
from assets.lake.bed_samples import KEY as SAMPLES_KEY
from assets.lake.session_history import KEY as HISTORY_KEY
from assets.lake.sleep_hypnograms import KEY as HYPNOGRAMS_KEY
from assets.lake.sleep_sessions import KEY as SESSIONS_KEY
from assets.lake.sleep_stage_intervals import KEY as INTERVALS_KEY
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built
from connectors.home import Home
from schemas.bed_tables import BED_SAMPLES
from schemas.documents import DELETED
from schemas.fhir import FhirContext, Pseudonymizer, Resource, ndjson, retracted_observations, session_observations
from schemas.stages import UNKNOWN
from schemas.tables import SESSION_HISTORY, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS, STAGES

NAME = "fhir_sleep_observations"
KEY = dg.AssetKey(["fhir", "sleep_observations"])

Row = dict[str, Any]
Key = tuple[str, str, str]
"""Source, user id and session id."""


class Nights(NamedTuple):
    """The rows of a UTC date: its sessions, and what else there is of them by session; stages are bytes, as packed."""

    sessions: list[Row]
    hypnograms: dict[Key, Row]
    intervals: Mapping[Key, list[Row]]
    samples: Mapping[Key, list[Row]]


def fhir_context(home: Home) -> FhirContext:
    """The mapping's setting, with this home's pseudonyms."""
    return FhirContext(
        Pseudonymizer(home.secret_for_pseudonyms()), home.fhir_base, home.fhir_stage_intervals, home.fhir_bed_samples
    )


def build_sleep_observations(home: Home, context: FhirContext, partition: str) -> Built:
    """Build the NDJSON of one UTC date: what its sessions say now, and that what was deleted was entered in error."""
    folder = f"date={partition}"
    nights = read_nights(home, context, folder)
    history = home.lake.read(SESSION_HISTORY, folder).to_pylist()
    there = {_key(session) for session in nights.sessions}  # one table may have been built before the other
    deleted = [(session, at) for session, at in _deleted_sessions(history) if _key(session) not in there]
    content = ndjson(observations(context, nights, deleted))
    replaced = home.fhir.replace(file_name(folder), content)
    return Built(
        documents=len(nights.sessions),
        rows=len(nights.sessions),
        files=int(replaced),
        findings={"observations": content.count(b"\n"), "entered_in_error": len(deleted)},
    )


def file_name(folder: str) -> str:
    """The file of a partition's nights."""
    return f"Observation/{folder}/sleep.ndjson"


def read_nights(home: Home, context: FhirContext, folder: str) -> Nights:
    """The rows of a partition that its Observations are made of. Raises: LakeDamaged, DiskUnavailable."""
    hypnograms = home.lake.read(SLEEP_HYPNOGRAMS, folder)
    for number, column in enumerate(hypnograms.columns):
        if column.type == STAGES:
            hypnograms = hypnograms.set_column(number, hypnograms.column_names[number], _packed(column))
    return Nights(
        home.lake.read(SLEEP_SESSIONS, folder).to_pylist(),
        {_key(row): row for row in reversed(hypnograms.to_pylist())},
        _by_session(home.lake.read(SLEEP_STAGE_INTERVALS, folder).to_pylist() if context.stage_intervals else ()),
        _by_session(home.lake.read(BED_SAMPLES, folder).to_pylist() if context.bed_samples else ()),
    )


def observations(
    context: FhirContext, nights: Nights, deleted: Iterable[tuple[Row, datetime]] = ()
) -> Iterator[Resource]:
    """The Observations of nights and of deleted sessions, one by one: as Python objects a thousand fill the memory."""
    for session in nights.sessions:
        key = _key(session)
        yield from session_observations(
            context, session, nights.hypnograms.get(key), nights.intervals.get(key, ()), nights.samples.get(key, ())
        )
    for session, deleted_at in deleted:
        yield from retracted_observations(context, session, deleted_at)


def _packed(epochs: pa.ChunkedArray) -> pa.Array:
    """A column of stages as bytes, one an epoch: Arrow keeps lists of int8 as it keeps bytes, and a list is slow."""
    lists = epochs.combine_chunks()
    validity, offsets = lists.buffers()[:2]
    codes = pa.py_buffer(lists.values.fill_null(UNKNOWN).to_numpy())
    return pa.Array.from_buffers(pa.binary(), len(lists), [validity, offsets, codes], offset=lists.offset)


def _deleted_sessions(history: Sequence[Row]) -> Iterator[tuple[Row, datetime]]:
    """The sessions that are deleted now: their last version that had content, and when they were found gone."""
    for versions in _by_session(history).values():
        last = max(versions, key=itemgetter("revision"))
        with_content = [version for version in versions if version["reason"] != DELETED]
        if last["reason"] == DELETED and last["valid_to"] is None and with_content:
            yield max(with_content, key=itemgetter("revision")), last["seen_at"]


def _by_session(rows: Iterable[Row]) -> defaultdict[Key, list[Row]]:
    found: defaultdict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        found[_key(row)].append(row)
    return found


def _key(row: Row) -> Key:
    return row["source"], row["user_id"], row["session_id"]


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[SESSIONS_KEY, HYPNOGRAMS_KEY, INTERVALS_KEY, HISTORY_KEY, SAMPLES_KEY],
    group_name="fhir",
    kinds={"fhir", "json"},
    owners=OWNERS,
)
def sleep_observations(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """FHIR R4 Observations of each session and its hypnogram, under pseudonyms, as NDJSON."""
    mapping = fhir_context(home)
    report = build_partitions(
        home, NAME, context.partition_keys, lambda day: build_sleep_observations(home, mapping, day)
    )
    return built(report)
