"""Observations of what beds tell besides sessions: scored nights, and on request who lay in bed when."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from assets.builds import Built, build_partitions
from assets.fhir.sleep_observations import fhir_context
from assets.lake.bed_nights import KEY as BED_NIGHTS_KEY
from assets.lake.bed_nights import deleted_nights
from assets.lake.bed_presence import KEY as BED_PRESENCE_KEY
from assets.partitions import BACKFILL, DAILY
from assets.results import OWNERS, built
from connectors.home import Home
from schemas.bed_tables import BED_NIGHTS, BED_PRESENCE
from schemas.fhir import (
    FhirContext,
    Resource,
    bed_night_observation,
    ndjson,
    presence_observation,
    retracted_bed_night,
)

NAME = "fhir_bed_observations"
KEY = dg.AssetKey(["fhir", "bed_observations"])


def build_bed_observations(home: Home, context: FhirContext, partition: str) -> Built:
    """Build the NDJSON of one date: nights by the day they end on, stays by the UTC date of their polls."""
    folder = f"date={partition}"
    resources = list(_observations(home, context, partition))
    replaced = home.fhir.replace(f"Observation/{folder}/beds.ndjson", ndjson(resources))
    return Built(documents=len(resources), rows=len(resources), files=int(replaced))


def _observations(home: Home, context: FhirContext, partition: str) -> Iterator[Resource]:
    folder = f"date={partition}"
    for night in home.lake.read(BED_NIGHTS, folder).to_pylist():
        yield bed_night_observation(context, night)
    for night, deleted_at in deleted_nights(home, date.fromisoformat(partition)):
        yield retracted_bed_night(context, night, deleted_at)
    if context.bed_samples:
        for stay in home.lake.read(BED_PRESENCE, folder).to_pylist():
            if stay["user_id"] is not None:
                yield presence_observation(context, stay)


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[BED_NIGHTS_KEY, BED_PRESENCE_KEY],
    group_name="fhir",
    kinds={"fhir", "json"},
    owners=OWNERS,
)
def bed_observations(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """FHIR R4 Observations of scored nights and of stays in bed, under pseudonyms, as NDJSON."""
    mapping = fhir_context(home)
    report = build_partitions(
        home, NAME, context.partition_keys, lambda day: build_bed_observations(home, mapping, day)
    )
    return built(report)
