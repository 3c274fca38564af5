"""``bed_status``: one row a side of a bed and poll; levels are levels, never degrees."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg

from assets.builds import Built, build_partitions
from assets.lake.drift import DriftTally
from assets.lake.partition import quarantine, roster_of
from assets.partitions import BACKFILL, DAILY
from assets.results import (
    OWNERS,
    built,
    doubled_keys,
    drift_result,
    drift_spec,
    table_check_results,
    table_checks,
    table_metadata,
)
from assets.sources.decoding import Decoded, Refused, decode_tolerantly
from connectors.home import Home
from connectors.lake.raw import CurrentDocument
from connectors.state.roster import RosterUser
from schemas import documents
from schemas.bed_lineage import bed_lineage
from schemas.bed_tables import BED_STATUS
from schemas.eight_sleep import EIGHT_SLEEP, HIGHEST_LEVEL, LOWEST_LEVEL, BedStatus, SideStatus, unwrapped
from schemas.eight_sleep.reading import without_nothing
from schemas.nights import night_of, utc_date
from schemas.quirks import IMPOSSIBLE_VALUE, Notes

NAME = "bed_status"
KEY = dg.AssetKey(["lake", NAME])

_NEEDED = frozenset({"$", "$.deviceId", "$.left", "$.right"})
_SOLO = "solo"


def decode_status(current: CurrentDocument) -> Decoded[BedStatus]:
    """Type a poll. Raises: Refused."""
    return decode_tolerantly(current, BedStatus, _NEEDED, lambda document, _: without_nothing(unwrapped(document)))


def status_rows(decoded: Decoded[BedStatus], sleepers: Mapping[str, RosterUser]) -> Iterator[dict[str, Any]]:
    """The rows of a poll: one a side, or one on the left where a person has the whole bed.

    ``sleepers`` are the rostered users by the vendor's id. A level that cannot be is null and noted.
    """
    status, time = decoded.content, decoded.current.document.fetched_at
    solo = _is_solo(status)
    for name, side in (("left", status.left), *(() if solo else (("right", status.right),))):
        presence = side.presence or (solo and status.right.presence)
        user = sleepers.get(side.user_id or "")
        yield {
            "source": EIGHT_SLEEP,
            "bed_id": status.device_id,
            "side": name,
            "time": time,
            "utc_date": utc_date(time),
            "user_id": user.user_id if user and user.is_within(night_of(time, user.timezone)) else None,
            "online": status.online,
            "presence": presence if status.online else None,
            "target_level": _level(side.temp_target, f"$.{name}.tempTarget", decoded.notes) if status.online else None,
            "level": _level(side.temp_bed, f"$.{name}.tempBed", decoded.notes) if status.online else None,
            "solo": solo,
        }


def _is_solo(status: BedStatus) -> bool:
    sides: tuple[SideStatus, SideStatus] = (status.left, status.right)
    same = status.left.user_id is not None and status.left.user_id == status.right.user_id
    return same or any(side.side == _SOLO for side in sides)


def _level(level: float | None, path: str, notes: Notes) -> float | None:
    if level is not None and not LOWEST_LEVEL <= level <= HIGHEST_LEVEL:
        notes.add(IMPOSSIBLE_VALUE, path)
        return None
    return level


def sleepers_of(home: Home) -> dict[str, RosterUser]:
    """The users rostered at the bed's vendor by its ids for them; who was removed yields to who is followed."""
    users = [user for user in roster_of(home).values() if user.source == EIGHT_SLEEP]
    return {user.asked_as: user for user in sorted(users, key=lambda user: not user.removed)}


def build_bed_status(home: Home, partition: str) -> Built:
    """Build one UTC date of polls."""
    sleepers, drift = sleepers_of(home), DriftTally()
    polls = home.raw.current(EIGHT_SLEEP, documents.BED_STATUS, date.fromisoformat(partition))
    rows: list[dict[str, Any]] = []
    refused: list[tuple[CurrentDocument, Refused]] = []
    for current in polls:
        try:
            decoded = decode_status(current)
        except Refused as error:
            refused.append((current, error))
            continue
        rows += status_rows(decoded, sleepers)
        drift.add(current.document, decoded.notes.drift)
    quarantine(home, NAME, partition, refused)
    return Built(
        documents=len(polls),
        rows=len(polls) - len(refused),
        quarantined=len(refused),
        files=int(home.lake.replace(BED_STATUS, f"date={partition}", rows)),
        findings=doubled_keys(BED_STATUS, rows),
        drift=drift.told(),
    )


@dg.asset(
    key=KEY,
    partitions_def=DAILY,
    backfill_policy=BACKFILL,
    deps=[dg.AssetKey(["raw", "bed_status"])],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(BED_STATUS, bed_lineage(BED_STATUS)),
    check_specs=table_checks(KEY, drift_spec(KEY)),
)
def bed_status(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row a side of a bed and poll: whether somebody lies there, the level aimed at and the one reached."""
    report = build_partitions(home, NAME, context.partition_keys, lambda day: build_bed_status(home, day))
    return built(report, [*table_check_results(report), drift_result(home, documents.BED_STATUS, report)])
