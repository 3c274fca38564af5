"""Rows of the lake for tests of the marts, written as somebody would tell a night: from when until when, and where."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from assets.marts.build import MART_INPUTS, Marts, build_marts
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.night_verdicts import NightFacts, NightSession, Standing, judge
from schemas.nights import local_date, night_of
from schemas.stages import EPOCH_S, STAGE_NAMES, stage_intervals

Row = dict[str, Any]
ENDED = datetime(2027, 1, 1, tzinfo=UTC)
KINDS = {
    "further": "further_session_ids",
    "nap": "nap_session_ids",
    "without": "without_sleep_session_ids",
    "overlapped": "overlapped_session_ids",
}


def instant(wall_clock: str, zone: str) -> datetime:
    """``3 23:00`` is a day of November 2026; a whole date and time is taken as it is."""
    text = wall_clock if wall_clock.count("-") else f"2026-11-{int(wall_clock.split()[0]):02} {wall_clock.split()[1]}"
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def session(name: str, start: str, end: str, zone: str = "UTC", **changes: Any) -> Row:
    """A session from and until these wall-clock times, all of it slept unless told otherwise."""
    return session_between(name, instant(start, zone), instant(end, zone), zone, **changes)


def session_between(name: str, start: datetime, end: datetime, zone: str, **changes: Any) -> Row:
    """A session between two instants."""
    tracked_s = int((end - start).total_seconds())
    row = {
        "org_id": "clinic",
        "source": ASLEEP,
        "user_id": "ann",
        "session_id": name,
        "start_time": start,
        "end_time": end,
        "sleep_onset": start,
        "final_wake": end,
        "timezone": zone,
        "night_of": night_of(start, zone),
        "wake_date": local_date(end, zone),
        "peculiarities": [],
        "has_stages": "none",
        "revision": 1,
        "content_hash": "hash",
        "fetched_at": ENDED,
        "time_in_bed_s": tracked_s,
        "total_sleep_time_s": tracked_s,
    }
    return row | changes


BED: Row = {"source": EIGHT_SLEEP}
AWAKE: Row = {"total_sleep_time_s": 0, "sleep_onset": None, "final_wake": None}
NO_FIGURES: Row = {"total_sleep_time_s": None, "time_in_bed_s": None, "sleep_onset": None, "final_wake": None}
TOO_SHORT: Row = NO_FIGURES | {"peculiarities": ["TOO_SHORT_FOR_ANALYSIS"]}
NEVER_SLEPT: Row = NO_FIGURES | {"peculiarities": ["NEVER_SLEPT"]}


def expected_night(night: date, verdict: str = "complete", main: str | None = None, **changes: Any) -> Row:
    """A row of the ledger."""
    row = {
        "org_id": "clinic",
        "source": ASLEEP,
        "user_id": "ann",
        "night_of": night,
        "verdict": verdict,
        "session_ids": [],
        "main_session_id": main,
        "revised": False,
    }
    return row | changes


def ledger_of(sessions: Iterable[Row]) -> list[Row]:
    """The ledger's rows of the nights of these sessions, judged as the ledger does; first seen as they are given."""
    nights: dict[tuple[str, str, date], list[Row]] = {}
    for row in sessions:
        nights.setdefault((row["source"], row["user_id"], row["night_of"]), []).append(row)
    rows = []
    for (source, user, night), of_night in nights.items():
        found = judge(NightFacts(ENDED, [_judged(row) for row in of_night], checked_at=ENDED, asked=True))
        rows.append(
            expected_night(night, found.verdict, found.main_session_id, source=source, user_id=user)
            | {"session_ids": found.session_ids, "reason": found.reason}
        )
    return rows


def _judged(row: Row) -> NightSession:
    asleep_s, remarks = row["total_sleep_time_s"], row["peculiarities"]
    slept = asleep_s > 0 if asleep_s is not None else (False if "NEVER_SLEPT" in remarks else None)
    return NightSession(
        row["session_id"],
        Standing.BUILT,
        row["fetched_at"],
        1,
        row["start_time"],
        row["end_time"],
        row["timezone"],
        slept,
        too_short="TOO_SHORT_FOR_ANALYSIS" in remarks and not slept,
    )


def stages_of(session: Row, codes: Iterable[int], begins: datetime | None = None) -> list[Row]:
    """The rows of ``sleep_stage_intervals`` of a session with these lake codes, an epoch each, from its start on."""
    start, epoch = begins or session["start_time"], timedelta(seconds=EPOCH_S)
    return [
        {
            **{name: session[name] for name in ("source", "user_id", "session_id")},
            "stage": STAGE_NAMES[run.stage],
            "start_time": start + run.first_epoch * epoch,
            "end_time": start + (run.first_epoch + run.epochs) * epoch,
            "first_epoch": run.first_epoch,
            "epochs": run.epochs,
        }
        for run in stage_intervals(list(codes))
    ]


def marts_of(
    sessions: Sequence[Row], ledger: Sequence[Row] = (), users: Sequence[Row] = (), stages: Sequence[Row] = ()
) -> Marts:
    """The marts over these rows of the lake; ``stages`` are those of ``sleep_stage_intervals``."""
    rows = {"sleep_sessions": sessions, "night_ledger": ledger, "users": users, "sleep_stage_intervals": stages}
    with duckdb.connect() as connection:
        for table in MART_INPUTS:
            connection.register(table.name, pa.Table.from_pylist(list(rows[table.name]), schema=table.schema))
        return build_marts(connection)


def told(night: Mapping[str, Any]) -> str:
    """What a row of ``nights`` makes of its sessions, as ``main a, nap b c``."""
    parts = [f"main {night['main_session_id']}"] if night["main_session_id"] else []
    parts += [f"{kind} {' '.join(night[column])}" for kind, column in KINDS.items() if night[column]]
    return ", ".join(parts)
