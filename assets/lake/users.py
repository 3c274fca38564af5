"""``users``: one row a rostered user, with what the vendor knows of the person."""

from typing import Any

import dagster as dg

from assets.builds import ALL_USERS, Built, build_partitions
from assets.lake.drift import DriftTally
from assets.lake.partition import quarantine, roster_of
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
from assets.sources.asleep_documents import decode_user
from assets.sources.decoding import Decoded, Refused
from connectors.home import Home
from connectors.lake.raw import CurrentDocument
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP, User, UserMetadata
from schemas.documents import USER
from schemas.quirks import Notes, possible, whole_number
from schemas.tables import USERS

NAME = "users"
KEY = dg.AssetKey(["lake", NAME])
LATEST_BIRTH_YEAR = 2100
TALLEST_CM = 300
HEAVIEST_KG = 1000

_METADATA = "$.result.metadata"


def user_row(user: RosterUser, vendor: Decoded[User] | None) -> dict[str, Any]:
    """The row of a rostered user; what the vendor did not send, or was not asked for yet, is null."""
    notes = vendor.notes if vendor else Notes()
    person = (vendor.content.metadata if vendor else None) or UserMetadata()
    return {
        "org_id": user.org_id,
        "source": user.source,
        "user_id": user.user_id,
        "timezone": user.timezone,
        "birth_year": whole_number(person.birth_year, LATEST_BIRTH_YEAR, f"{_METADATA}.birth_year", notes),
        "birth_month": whole_number(person.birth_month, 12, f"{_METADATA}.birth_month", notes),
        "birth_day": whole_number(person.birth_day, 31, f"{_METADATA}.birth_day", notes),
        "gender": person.gender,
        "height_cm": possible(person.height, TALLEST_CM, f"{_METADATA}.height", notes),
        "weight_kg": possible(person.weight, HEAVIEST_KG, f"{_METADATA}.weight", notes),
        "to_be_deleted": vendor.content.to_be_deleted if vendor else None,
        "active_from": user.active_from,
        "active_to": user.active_to,
    }


def build_users(home: Home) -> Built:
    """Build the table from the roster and the newest user documents; a refused document leaves the row without it."""
    vendor_users: dict[tuple[str, str], Decoded[User]] = {}
    refused_documents: list[tuple[CurrentDocument, Refused]] = []
    roster = roster_of(home)
    for current in home.raw.current_of_all_dates(ASLEEP, USER):
        key = (current.document.source, current.document.user_id)
        if key not in roster:
            continue
        try:
            vendor_users[key] = decode_user(current)
        except Refused as refused:
            refused_documents.append((current, refused))
    quarantine(home, NAME, ALL_USERS, refused_documents)
    rows = [user_row(user, vendor_users.get(user.key)) for user in roster.values()]
    drift = DriftTally()
    for vendor in vendor_users.values():
        drift.add(vendor.current.document, vendor.notes.drift)
    return Built(
        documents=len(rows) + len(refused_documents),
        rows=len(rows),
        quarantined=len(refused_documents),
        files=int(home.lake.replace(USERS, "", rows)),
        findings=doubled_keys(USERS, rows),
        drift=drift.told(),
    )


@dg.asset(
    key=KEY,
    deps=[dg.AssetKey(["raw", "users"])],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(USERS),
    check_specs=table_checks(KEY, drift_spec(KEY)),
)
def users(home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row a rostered user: zone, dates of birth parts, gender, height and weight where the vendor has them."""
    report = build_partitions(home, NAME, [ALL_USERS], lambda _: build_users(home))
    return built(report, [*table_check_results(report), drift_result(home, USER, report)])
