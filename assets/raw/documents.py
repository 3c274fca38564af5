"""The raw assets: session details, average statistics and user documents, as the vendor sent them.

Materialising one of them is a pull. A pull of sessions also brings the statistics and user documents that are due, and
says so in the event log.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from typing import Protocol, TypeVar

import dagster as dg

from assets.partitions import BACKFILL, DAILY, MONTHLY
from assets.raw.asleep_vendor import AsleepAccount
from assets.raw.eight_sleep_vendor import EightSleepAccounts
from assets.raw.pull import Progress, PullReport, Window, pull, pull_average_stats, pull_user_documents
from assets.raw.vendor import Vendor, VendorConnection
from assets.results import OWNERS
from connectors.asleep.connection import AsleepConnection
from connectors.home import Home
from connectors.http import Calls
from connectors.state.vendor import VendorAccount

SESSIONS_KEY = dg.AssetKey(["raw", "sessions"])
BED_SESSIONS_KEY = dg.AssetKey(["raw", "bed_sessions"])
AVERAGE_STATS_KEY = dg.AssetKey(["raw", "average_stats"])
USERS_KEY = dg.AssetKey(["raw", "users"])
PULL_COMPLETE = "pull_complete"
ONLY_UNPULLED_TAG = "nightshift/only_unpulled"

ACCEPT_DELETIONS_TAG = "nightshift/accept_deletions"
"""A run with this tag deletes what the vendor does not have any more, however much that is."""

RECONCILE_TAG = "nightshift/reconcile_days"
"""In how many days every user is listed once; without the tag everybody is listed."""


class PullObserver(Progress, Protocol):
    """Who watches pulls: their progress, their calls, and how they ended."""

    def call(self, endpoint: str) -> None:
        """A request is sent to an endpoint."""

    def ended(self, report: PullReport | None, calls: Calls) -> None:
        """A pull is over; no report means that an error stopped it."""


class Unwatched:
    """Nobody watches."""

    def users(self, total: int) -> None:
        """Show nothing."""

    def user_done(self, counts: object) -> None:
        """Show nothing."""

    def call(self, endpoint: str) -> None:
        """Show nothing."""

    def ended(self, report: PullReport | None, calls: Calls) -> None:
        """Show nothing."""


VendorT = TypeVar("VendorT", bound=Vendor)


def _run(
    connection: VendorConnection[VendorT],
    observer: PullObserver,
    ask: Callable[[VendorT, VendorAccount], Awaitable[PullReport]],
) -> tuple[PullReport, Calls]:
    async def run() -> tuple[PullReport, Calls]:
        account = connection.account()
        async with connection.open(on_call=observer.call) as vendor:
            report = None
            try:
                report = await ask(vendor, account)
            finally:
                observer.ended(report, vendor.calls)
            return report, vendor.calls

    return asyncio.run(run())


def _check(key: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        PULL_COMPLETE,
        asset=key,
        blocking=True,
        description="Every user was pulled. If not, re-execute the failed run: it asks only for the users left.",
    )


def _result(report: PullReport, calls: Calls) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        metadata={
            "users": report.users,
            "documents_kept": report.documents,
            **{f"sessions_{name}": getattr(report.counts, name) for name in report.counts.__slots__},
            **{f"calls_{endpoint}": count for endpoint, count in sorted(calls.by_endpoint.items())},
            "calls_retried": calls.retries,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=PULL_COMPLETE,
                passed=report.complete,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={
                    "users_failed": report.failed.total(),
                    **{f"failed_{k}": n for k, n in report.failed.items()},
                },
            )
        ],
    )


def _window(context: dg.AssetExecutionContext) -> Window:
    days = context.partition_keys
    return Window(
        date.fromisoformat(min(days)),
        date.fromisoformat(max(days)),
        only_unpulled=_asks_only_unpulled(context),
        accept_deletions=_accepts_deletions(context),
    )


def _accepts_deletions(context: dg.AssetExecutionContext) -> bool:
    return ACCEPT_DELETIONS_TAG in context.run.tags


def _asks_only_unpulled(context: dg.AssetExecutionContext) -> bool:
    # A run that Dagster, or a person, executes again goes on where the first one failed.
    return context.run.parent_run_id is not None or ONLY_UNPULLED_TAG in context.run.tags


@dg.asset(
    key=SESSIONS_KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    group_name="raw",
    kinds={"python", "parquet"},
    owners=OWNERS,
    check_specs=[_check(SESSIONS_KEY)],
)
def sessions(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    asleep: dg.ResourceParam[AsleepConnection],
    observer: dg.ResourceParam[PullObserver],
) -> dg.MaterializeResult:
    """Session details as received: a pull of these dates for every rostered user, and of everything pending."""
    window = replace(_window(context), reconcile_days=int(context.run.tags.get(RECONCILE_TAG, "1")))
    report, calls = _run(
        AsleepAccount(asleep), observer, lambda vendor, account: pull(home, vendor, account, window, observer)
    )
    for month in sorted(report.dirty_months):
        context.log_event(dg.AssetMaterialization(AVERAGE_STATS_KEY, partition=f"{month:%Y-%m}"))
    if report.users_changed:
        context.log_event(dg.AssetMaterialization(USERS_KEY))
    return _result(report, calls)


@dg.asset(
    key=BED_SESSIONS_KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    group_name="raw",
    kinds={"python", "parquet"},
    owners=OWNERS,
    check_specs=[_check(BED_SESSIONS_KEY)],
)
def bed_sessions(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    eight_sleep: dg.ResourceParam[EightSleepAccounts],
    observer: dg.ResourceParam[PullObserver],
) -> dg.MaterializeResult:
    """Sleep sessions and scored nights of beds as received: these dates for every user rostered at Eight Sleep."""
    window = _window(context)
    report, calls = _run(eight_sleep, observer, lambda vendor, account: pull(home, vendor, account, window, observer))
    return _result(report, calls)


@dg.asset(
    key=AVERAGE_STATS_KEY,
    partitions_def=MONTHLY,
    backfill_policy=BACKFILL,
    group_name="raw",
    kinds={"python", "parquet"},
    owners=OWNERS,
    check_specs=[_check(AVERAGE_STATS_KEY)],
)
def average_stats(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    asleep: dg.ResourceParam[AsleepConnection],
    observer: dg.ResourceParam[PullObserver],
) -> dg.MaterializeResult:
    """Average statistics as received: a pull of these months for every user followed in them."""
    months = [date.fromisoformat(f"{month}-01") for month in context.partition_keys]
    report, calls = _run(
        AsleepAccount(asleep),
        observer,
        lambda vendor, account: pull_average_stats(home, vendor, account, months, observer),
    )
    return _result(report, calls)


@dg.asset(
    key=USERS_KEY,
    group_name="raw",
    kinds={"python", "parquet"},
    owners=OWNERS,
    check_specs=[_check(USERS_KEY)],
)
def users(
    home: dg.ResourceParam[Home],
    asleep: dg.ResourceParam[AsleepConnection],
    observer: dg.ResourceParam[PullObserver],
) -> dg.MaterializeResult:
    """User documents as received: a pull of those that are missing or older than a week."""
    report, calls = _run(
        AsleepAccount(asleep), observer, lambda vendor, account: pull_user_documents(home, vendor, account, observer)
    )
    return _result(report, calls)
