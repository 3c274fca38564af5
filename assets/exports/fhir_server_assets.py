"""The export to a FHIR server in Dagster: people, nights by date, averages by month; there only if a server is set."""

import asyncio
from collections.abc import Sequence

import dagster as dg

from assets.exports.fhir_files import DAYS, MONTHS, PEOPLE
from assets.exports.fhir_report import ExportReport, ExportSettings
from assets.exports.fhir_server import ASSET, export, outdated
from assets.fhir.average_stats_observations import KEY as AVERAGES_KEY
from assets.fhir.people import KEY as PEOPLE_KEY
from assets.fhir.sleep_observations import KEY as NIGHTS_KEY
from assets.partitions import BACKFILL, DAILY, MONTHLY
from assets.results import OWNERS
from connectors.fhir_server.connection import FhirConnection
from connectors.home import Home

SENT_PEOPLE = dg.AssetKey([ASSET, "people"])
SENT_NIGHTS = dg.AssetKey([ASSET, "sleep_observations"])
SENT_AVERAGES = dg.AssetKey([ASSET, "average_stats_observations"])

WANTED_IS_ACCEPTED = "wanted_is_accepted"


class ExportObserver:
    """Adds up what the exports of a process came to."""

    def __init__(self) -> None:
        self.report = ExportReport()

    def ended(self, report: ExportReport) -> None:
        """An export is over: count it in."""
        self.report.add(report)


def _check(key: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        WANTED_IS_ACCEPTED,
        asset=key,
        description="The server has every resource it should have, in the version it should have.",
    )


def _sent(
    key: dg.AssetKey,
    home: Home,
    connection: FhirConnection,
    settings: ExportSettings,
    observer: ExportObserver,
    partitions: Sequence[str],
) -> dg.MaterializeResult:
    report = asyncio.run(export(home, connection, partitions, settings))
    observer.ended(report)
    counts = report.counts()
    check = dg.AssetCheckResult(
        asset_key=key,
        check_name=WANTED_IS_ACCEPTED,
        passed=report.accounted_for and report.complete and not report.refused and not report.invalid,
        severity=dg.AssetCheckSeverity.ERROR if report.left else dg.AssetCheckSeverity.WARN,
        metadata=counts,
    )
    return dg.MaterializeResult(asset_key=key, metadata=counts, check_results=[check])


@dg.asset(
    key=SENT_PEOPLE,
    deps=[PEOPLE_KEY],
    group_name=ASSET,
    kinds={"fhir"},
    owners=OWNERS,
    check_specs=[_check(SENT_PEOPLE)],
)
def sent_people(
    home: dg.ResourceParam[Home],
    fhir_server: dg.ResourceParam[FhirConnection],
    export_settings: dg.ResourceParam[ExportSettings],
    export_observer: dg.ResourceParam[ExportObserver],
) -> dg.MaterializeResult:
    """Patients, devices and the code system, as the FHIR server has them."""
    return _sent(SENT_PEOPLE, home, fhir_server, export_settings, export_observer, [PEOPLE])


@dg.asset(
    key=SENT_NIGHTS,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[NIGHTS_KEY, SENT_PEOPLE],
    group_name=ASSET,
    kinds={"fhir"},
    owners=OWNERS,
    check_specs=[_check(SENT_NIGHTS)],
)
def sent_nights(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    fhir_server: dg.ResourceParam[FhirConnection],
    export_settings: dg.ResourceParam[ExportSettings],
    export_observer: dg.ResourceParam[ExportObserver],
) -> dg.MaterializeResult:
    """The Observations of nights, as the FHIR server has them; people go first if the server lacks any."""
    partitions = [*outdated(home, fhir_server, [PEOPLE]), *(DAYS + day for day in context.partition_keys)]
    return _sent(SENT_NIGHTS, home, fhir_server, export_settings, export_observer, partitions)


@dg.asset(
    key=SENT_AVERAGES,
    partitions_def=MONTHLY,
    backfill_policy=BACKFILL,
    deps=[AVERAGES_KEY, SENT_PEOPLE],
    group_name=ASSET,
    kinds={"fhir"},
    owners=OWNERS,
    check_specs=[_check(SENT_AVERAGES)],
)
def sent_averages(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    fhir_server: dg.ResourceParam[FhirConnection],
    export_settings: dg.ResourceParam[ExportSettings],
    export_observer: dg.ResourceParam[ExportObserver],
) -> dg.MaterializeResult:
    """The Observations of months, as the FHIR server has them; people go first if the server lacks any."""
    partitions = [*outdated(home, fhir_server, [PEOPLE]), *(MONTHS + month for month in context.partition_keys)]
    return _sent(SENT_AVERAGES, home, fhir_server, export_settings, export_observer, partitions)


SENT = [sent_people, sent_nights, sent_averages]
"""The assets of the export."""
