"""Dagster's records of old runs: the log of a run goes after a time; that it was, and what it built last, stays.

Dagster's own retention is about ticks only, and a run deleted through it takes with it that anything was ever built: in
the UI every date that nobody has built since would look empty, and be backfilled. So the few bytes of a run's row stay,
as does the last entry of each partition and check in the index over all runs.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqliteEventLogStorage

MOST_AT_ONCE = 100
"""Runs forgotten at a time: a home that has years of them is not held up by it, and is done after some nights."""

_CURSOR = "nightshift/runs_forgotten_until"
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_BESIDE = ("", "-wal", "-shm", "-journal")

_OLD_EVENTS = """
run_id IN :runs AND (dagster_event_type IS NOT 'ASSET_MATERIALIZATION' OR EXISTS (
    SELECT 1 FROM event_logs AS newer
    WHERE newer.asset_key = event_logs.asset_key
      AND newer.dagster_event_type = 'ASSET_MATERIALIZATION'
      AND newer.partition IS event_logs.partition
      AND newer.id > event_logs.id
))
"""
_OLD_CHECKS = """
run_id IN :runs AND EXISTS (
    SELECT 1 FROM asset_check_executions AS newer
    WHERE newer.asset_key = asset_check_executions.asset_key
      AND newer.check_name = asset_check_executions.check_name
      AND newer.partition IS asset_check_executions.partition
      AND newer.id > asset_check_executions.id
)
"""
_FORGET = (
    f"DELETE FROM asset_event_tags WHERE event_id IN (SELECT id FROM event_logs WHERE {_OLD_EVENTS})",  # noqa: S608
    f"DELETE FROM event_logs WHERE {_OLD_EVENTS}",  # noqa: S608
    f"DELETE FROM asset_check_executions WHERE {_OLD_CHECKS}",  # noqa: S608
)


def forget_old_runs(instance: dg.DagsterInstance, now: datetime, days: int) -> int:
    """Forget what finished runs did in detail that were begun more than ``days`` days ago; 0 days forgets nothing.

    Takes up where the last call ended, and at most ``MOST_AT_ONCE`` runs; the number of them. Killed anywhere, the next
    call does it again. Raises: sqlalchemy.exc.StatementError, OSError.
    """
    events = instance.event_log_storage
    if days == 0 or not isinstance(events, SqliteEventLogStorage):
        return 0
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=_FINISHED,
            created_after=_reached(instance),
            created_before=now.astimezone(UTC) - timedelta(days=days),
        ),
        limit=MOST_AT_ONCE,
        order_by="create_timestamp",
        ascending=True,
    )
    if not records:
        return 0
    runs = [record.dagster_run.run_id for record in records]
    _forget_events(events, runs)
    for run_id in runs:
        for beside in _BESIDE:
            Path(events.path_for_shard(run_id) + beside).unlink(missing_ok=True)
    reached = records[-1].create_timestamp.astimezone(UTC).isoformat()
    instance.daemon_cursor_storage.set_cursor_values({_CURSOR: reached})
    return len(runs)


def _reached(instance: dg.DagsterInstance) -> datetime | None:
    """When the last run began that was forgotten. Runs are not looked at twice, although their rows stay."""
    text = instance.daemon_cursor_storage.get_cursor_values({_CURSOR}).get(_CURSOR)
    return datetime.fromisoformat(text) if text else None


def _forget_events(events: SqliteEventLogStorage, runs: Sequence[str]) -> None:
    with events.index_connection() as connection:
        for statement in _FORGET:
            bound = sa.text(statement).bindparams(sa.bindparam("runs", expanding=True))
            connection.execute(bound, {"runs": list(runs)})
