"""Observations of monthly averages, made from the lake's rows of the month."""

import dagster as dg

from assets.builds import Built, build_partitions
from assets.fhir.sleep_observations import fhir_context
from assets.lake.average_stats import KEY as AVERAGE_STATS_KEY
from assets.partitions import BACKFILL, MONTHLY
from assets.results import OWNERS, built
from connectors.home import Home
from schemas.fhir import FhirContext, average_stats_observation, ndjson
from schemas.tables import AVERAGE_STATS

NAME = "fhir_average_stats"
KEY = dg.AssetKey(["fhir", "average_stats_observations"])


def build_average_stats_observations(home: Home, context: FhirContext, partition: str) -> Built:
    """Build the NDJSON of one month (``YYYY-MM``)."""
    folder = f"month={partition}"
    rows = home.lake.read(AVERAGE_STATS, folder).to_pylist()
    resources = [average_stats_observation(context, row) for row in rows]
    replaced = home.fhir.replace(f"Observation/{folder}/average_stats.ndjson", ndjson(resources))
    return Built(documents=len(rows), rows=len(resources), files=int(replaced))


@dg.asset(
    key=KEY,
    partitions_def=MONTHLY,
    backfill_policy=BACKFILL,
    deps=[AVERAGE_STATS_KEY],
    group_name="fhir",
    kinds={"fhir", "json"},
    owners=OWNERS,
)
def average_stats_observations(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """FHIR R4 Observations of each user's monthly averages, under pseudonyms, as NDJSON."""
    mapping = fhir_context(home)
    report = build_partitions(
        home, NAME, context.partition_keys, lambda month: build_average_stats_observations(home, mapping, month)
    )
    return built(report)
