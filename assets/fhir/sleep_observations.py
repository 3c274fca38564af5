"""Observations of nights: one a session, one a hypnogram, made from the lake's rows of the date."""

import dagster as dg

from assets.builds import Built, build_partitions
from assets.lake.sleep_hypnograms import KEY as HYPNOGRAMS_KEY
from assets.lake.sleep_sessions import KEY as SESSIONS_KEY
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built
from connectors.home import Home
from schemas.fhir import FhirContext, Pseudonymizer, ndjson, session_observations
from schemas.tables import SLEEP_HYPNOGRAMS, SLEEP_SESSIONS

NAME = "fhir_sleep_observations"
KEY = dg.AssetKey(["fhir", "sleep_observations"])


def fhir_context(home: Home) -> FhirContext:
    """The mapping's setting with this home's pseudonyms."""
    return FhirContext(Pseudonymizer(home.secret_for_pseudonyms()))


def build_sleep_observations(home: Home, context: FhirContext, partition: str) -> Built:
    """Build the NDJSON of one UTC date."""
    folder = f"date={partition}"
    sessions = home.lake.read(SLEEP_SESSIONS, folder).to_pylist()
    hypnograms = {
        (row["source"], row["user_id"], row["session_id"]): row
        for row in home.lake.read(SLEEP_HYPNOGRAMS, folder).to_pylist()
    }
    resources = [
        resource
        for session in sessions
        for resource in session_observations(
            context, session, hypnograms.get((session["source"], session["user_id"], session["session_id"]))
        )
    ]
    replaced = home.fhir.replace(f"Observation/{folder}/sleep.ndjson", ndjson(resources))
    return Built(
        documents=len(sessions), rows=len(sessions), files=int(replaced), findings={"observations": len(resources)}
    )


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[SESSIONS_KEY, HYPNOGRAMS_KEY],
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
