"""Observations of nights: one a session, one a hypnogram, those of stages on request, made from the lake's rows."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

import dagster as dg

from assets.builds import Built, build_partitions
from assets.lake.session_history import KEY as HISTORY_KEY
from assets.lake.sleep_hypnograms import KEY as HYPNOGRAMS_KEY
from assets.lake.sleep_sessions import KEY as SESSIONS_KEY
from assets.lake.sleep_stage_intervals import KEY as INTERVALS_KEY
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built
from connectors.home import Home
from schemas.documents import DELETED
from schemas.fhir import FhirContext, Pseudonymizer, ndjson, retracted_observations, session_observations
from schemas.tables import SESSION_HISTORY, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS

NAME = "fhir_sleep_observations"
KEY = dg.AssetKey(["fhir", "sleep_observations"])

Row = dict[str, Any]
Key = tuple[str, str, str]
"""Source, user id and session id."""


def fhir_context(home: Home) -> FhirContext:
    """The mapping's setting, with this home's pseudonyms."""
    return FhirContext(Pseudonymizer(home.secret_for_pseudonyms()), home.fhir_base, home.fhir_stage_intervals)


def build_sleep_observations(home: Home, context: FhirContext, partition: str) -> Built:
    """Build the NDJSON of one UTC date: what its sessions say now, and that what was deleted was entered in error."""
    folder = f"date={partition}"
    sessions = home.lake.read(SLEEP_SESSIONS, folder).to_pylist()
    hypnograms = _by_session(home.lake.read(SLEEP_HYPNOGRAMS, folder).to_pylist())
    intervals = _by_session(
        home.lake.read(SLEEP_STAGE_INTERVALS, folder).to_pylist() if context.stage_intervals else ()
    )
    resources = [
        resource
        for session in sessions
        for resource in session_observations(
            context, session, next(iter(hypnograms[_key(session)]), None), intervals[_key(session)]
        )
    ]
    history = home.lake.read(SESSION_HISTORY, folder).to_pylist()
    there = {_key(session) for session in sessions}  # one table may have been built before the other
    deleted = [(session, at) for session, at in _deleted_sessions(history) if _key(session) not in there]
    for session, deleted_at in deleted:
        resources += retracted_observations(context, session, deleted_at)
    replaced = home.fhir.replace(f"Observation/{folder}/sleep.ndjson", ndjson(resources))
    return Built(
        documents=len(sessions),
        rows=len(sessions),
        files=int(replaced),
        findings={"observations": len(resources), "entered_in_error": len(deleted)},
    )


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
    deps=[SESSIONS_KEY, HYPNOGRAMS_KEY, INTERVALS_KEY, HISTORY_KEY],
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
