"""Exports in Dagster: their jobs, which runs bring a destination up to date, and the sensor that asks for them.

They are part of the definitions only when a destination is set.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from hashlib import sha256

import dagster as dg

from assets.builds import BACKFILL_DAYS
from assets.exports.fhir_files import DAYS, MONTHS, PEOPLE, mark_of, partitions
from assets.exports.fhir_server import outdated
from assets.exports.fhir_server_assets import SENT_AVERAGES, SENT_NIGHTS, SENT_PEOPLE
from connectors.fhir_server.connection import FhirConnection
from connectors.home import Home
from connectors.state.dirty import list_dirty
from pipelines.dirty_runs import BuildRun, runs_for
from pipelines.sensors import is_busy, run_request

_DAY = timedelta(days=1)

export_people = dg.define_asset_job(
    "export_people", selection=dg.AssetSelection.assets(SENT_PEOPLE), description="Sends patients and devices."
)
export_nights = dg.define_asset_job(
    "export_nights", selection=dg.AssetSelection.assets(SENT_NIGHTS), description="Sends Observations of nights."
)
export_averages = dg.define_asset_job(
    "export_averages", selection=dg.AssetSelection.assets(SENT_AVERAGES), description="Sends Observations of months."
)
EXPORT_JOBS = [export_people, export_nights, export_averages]


def export_runs(
    home: Home, connection: FhirConnection, first: date | None = None, last: date | None = None
) -> list[BuildRun]:
    """The runs that send what the server may lack, of the partitions that touch ``first``..``last`` (inclusive)."""
    names = outdated(home, connection, partitions(home, first, last))
    days = [date.fromisoformat(name.removeprefix(DAYS)) for name in names if name.startswith(DAYS)]
    months = [name.removeprefix(MONTHS) for name in names if name.startswith(MONTHS)]
    runs = [BuildRun(export_people.name, None, None, _mark(home, [PEOPLE]))] if PEOPLE in names else []
    for group in _contiguous(days):
        mark = _mark(home, (f"{DAYS}{day}" for day in group))
        runs.append(BuildRun(export_nights.name, group[0].isoformat(), group[-1].isoformat(), mark))
    runs += [BuildRun(export_averages.name, month, month, _mark(home, [MONTHS + month])) for month in months]
    return runs


@dg.sensor(
    jobs=EXPORT_JOBS,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends to the FHIR server what was built since it was sent last.",
)
def fhir_exports(
    context: dg.SensorEvaluationContext,
    home: dg.ResourceParam[Home],
    fhir_server: dg.ResourceParam[FhirConnection],
) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for one run a range once all that is sent is built; one that fails is asked for again within the hour."""
    with home.state.read() as connection:
        if runs_for(list_dirty(connection)):
            return dg.SkipReason("Something is still to be built.")
    runs = [run for run in export_runs(home, fhir_server) if not is_busy(context.instance, run.job)]
    if not runs:
        return dg.SkipReason("The server has everything, or an export is on its way.")
    return [run_request(run, home) for run in runs]


def _contiguous(days: Iterable[date]) -> Iterator[list[date]]:
    group: list[date] = []
    for day in sorted(days):
        if group and (day != group[-1] + _DAY or len(group) == BACKFILL_DAYS):
            yield group
            group = []
        group.append(day)
    if group:
        yield group


def _mark(home: Home, names: Iterable[str]) -> str:
    return sha256(" ".join(mark_of(home, name) for name in names).encode()).hexdigest()[:16]
