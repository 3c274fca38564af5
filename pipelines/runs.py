"""Running jobs in this process, on the home's own Dagster instance, so that the UI shows what the command line did."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import dagster as dg

from assets.builds import mark_missing_layers_dirty
from assets.exports.fhir_report import ExportReport
from assets.exports.fhir_server_assets import ExportObserver
from assets.raw.documents import ACCEPT_DELETIONS_TAG, ONLY_UNPULLED_TAG, RECONCILE_TAG, PullObserver
from assets.raw.pull import PullReport
from assets.raw.pulled import SessionCounts
from connectors.asleep.connection import AsleepConnection
from connectors.errors import NightshiftError
from connectors.fhir_server.connection import FhirConnection
from connectors.home import Home
from connectors.http import Calls
from connectors.state.dirty import list_dirty
from connectors.warehouse.addresses import place
from connectors.warehouse.loading import WarehouseUnavailable
from pipelines.definitions import build_defs
from pipelines.dirty_runs import RANGE_END, RANGE_START, BuildRun, day_ranges, live_runs, marts_runs, runs_for
from pipelines.exports import export_runs
from pipelines.instance import dagster_instance, own_process_tags
from pipelines.jobs import PULL_JOBS
from pipelines.resources import open_warehouse
from pipelines.run_history import forget_old_runs
from pipelines.settings import Settings
from schemas.asleep import ASLEEP

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
LAKE_LAYER = "lake"


class Watched:
    """Hands everything on to another observer and remembers how the pulls ended."""

    def __init__(self, observer: PullObserver) -> None:
        self._observer = observer
        self._users: Counter[str] = Counter()
        self._pending: Counter[str] = Counter()
        self.report = PullReport()
        self.calls = Calls()

    def users(self, total: int) -> None:
        """The pull begins."""
        self._observer.users(total)

    def user_done(self, counts: SessionCounts) -> None:
        """One more user."""
        self._observer.user_done(counts)

    def call(self, endpoint: str) -> None:
        """One more request."""
        self._observer.call(endpoint)

    def ended(self, report: PullReport | None, calls: Calls) -> None:
        """A pull is over: count it in."""
        self.calls.by_endpoint.update(calls.by_endpoint)
        self.calls.retries += calls.retries
        if report is not None:
            self._users[report.source] = max(self._users[report.source], report.users)
            self._pending[report.source] = report.counts.pending  # every range meets the same ones
            self.report.users = self._users.total()
            self.report.counts.add(report.counts)
            self.report.counts.pending = self._pending.total()
            self.report.documents += report.documents
            self.report.failed |= report.failed
        self._observer.ended(report, calls)


@dataclass
class Runner:
    """Jobs of one home, run one after the other in this process, over ``sources``.

    ``files`` counts lake files replaced.
    """

    home: Home
    defs: dg.Definitions
    instance: dg.DagsterInstance
    watched: Watched
    exported: ExportObserver
    sources: Sequence[str] = (ASLEEP,)
    files: int = 0

    def pull(
        self,
        first: date,
        last: date,
        *,
        only_unpulled: bool = False,
        accept_deletions: bool = False,
        reconcile_days: int = 1,
    ) -> None:
        """Run the nightly job of every source over inclusive UTC start dates.

        Every user is listed once in ``reconcile_days``.

        Raises: what stopped the first pull that was stopped, once the others are over; users who failed alone are in
        ``watched.report``.
        """
        wanted = {ONLY_UNPULLED_TAG: only_unpulled, ACCEPT_DELETIONS_TAG: accept_deletions}
        tags = {tag: "true" for tag, on in wanted.items() if on} | {RECONCILE_TAG: str(reconcile_days)}
        self._pull_all([(PULL_JOBS[source].nightly.name, first, last, tags) for source in self.sources])

    def backfill(self, first: date, last: date) -> None:
        """Run the backfill job in ranges of at most ``BACKFILL_DAYS`` days. Raises: as ``pull``."""
        for start, end in day_ranges(first, last):
            self._pull_all([(PULL_JOBS[source].backfill.name, start, end, {}) for source in self.sources])

    def drain(self, tell: Callable[[BuildRun], None] | None = None) -> None:
        """Build every dirty partition, until none is left or the rest is being built by others, then the marts.

        ``tell`` is called after every run that ended well. What fails does not keep anything else from being built.

        Raises: the first error of a build, once everything else is built.
        """
        before: list[BuildRun] = []
        failed: dict[BuildRun, NightshiftError] = {}

        def run_all(runs: Iterable[BuildRun]) -> None:
            for run in runs:
                try:
                    self._run(run.job, run.tags)
                except NightshiftError as error:
                    failed[run] = error  # what else is dirty does not wait for it
                else:
                    if tell:
                        tell(run)

        while (runs := [run for run in runs_for(self._dirty()) if run not in failed]) and runs != before:
            run_all(runs)
            before = runs
        run_all([*live_runs(self._dirty()), *marts_runs(self._dirty())])
        if failed:
            raise next(iter(failed.values()))

    def export(self, destination: FhirConnection, first: date | None = None, last: date | None = None) -> ExportReport:
        """Send to the FHIR server what it lacks, of all dates or of these inclusive ones; what that came to.

        Raises: what stopped the export; what was accepted before is not sent again.
        """
        for run in export_runs(self.home, destination, first, last):
            self._run(run.job, run.tags)
        return self.exported.report

    def _dirty(self) -> dict[str, dict[str, str]]:
        with self.home.state.read() as connection:
            return list_dirty(connection)

    def _pull_all(self, pulls: Iterable[tuple[str, date, date, dict[str, str]]]) -> None:
        """Pull from one vendor after the other: one that is away keeps nobody from the next."""
        stopped: list[NightshiftError] = []
        for pull in pulls:
            try:
                self._run_pull(*pull)
            except NightshiftError as error:
                stopped.append(error)
        if stopped:
            raise stopped[0]

    def _run_pull(self, job: str, first: date, last: date, tags: dict[str, str]) -> None:
        try:
            self._run(job, {RANGE_START: first.isoformat(), RANGE_END: last.isoformat(), **tags})
        except dg.DagsterError:
            if self.watched.report.complete:
                raise

    def _run(self, job: str, tags: dict[str, str]) -> None:
        result = self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, tags={**tags, **own_process_tags(), "dagster/max_retries": "0"}, run_config=QUIET
        )
        replaced = {
            event.step_key: event.step_materialization_data.materialization.metadata
            for event in result.all_events
            if event.is_step_materialization and event.asset_key and event.asset_key.path[0] == LAKE_LAYER
        }
        self.files += sum(int(str(metadata["files_replaced"].value)) for metadata in replaced.values())


def _warehouse_exists(settings: Settings, home: Home) -> bool:
    """Whether it is there; of one that cannot be asked now nothing is concluded: its loads fail, and wait."""
    try:
        return open_warehouse(settings, home).exists()
    except WarehouseUnavailable:
        return True


@contextmanager
def open_runner(
    home: Home,
    settings: Settings,
    observer: PullObserver,
    asleep: AsleepConnection,
    sources: Sequence[str] = (ASLEEP,),
    **resources: object,
) -> Iterator[Runner]:
    """A runner on this home's instance; clears away what a killed run left, and has missing layers made again.

    ``resources`` take the places of those of the settings.
    """
    home.sweep()
    mark_missing_layers_dirty(
        home, warehouse_exists=_warehouse_exists(settings, home), warehouse=place(settings.nightshift_warehouse_url)
    )
    watched, exported = Watched(observer), ExportObserver()
    with dagster_instance(home) as instance:
        forget_old_runs(instance, home.clock(), settings.nightshift_run_history_days)
        defs = build_defs(settings, home=home, observer=watched, asleep=asleep, export_observer=exported, **resources)
        yield Runner(home, defs, instance, watched, exported, sources)
