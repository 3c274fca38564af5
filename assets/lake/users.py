"""``users``: one row a rostered user, with what the vendor knows of the person."""

from typing import Any

import dagster as dg

from assets.builds import ALL_USERS, Built, build_partitions
from assets.lake.normalise import Refused, decode_user
from assets.lake.partition import quarantine, roster_of
from assets.results import OWNERS, built, doubled_keys, table_check_results, table_checks, table_metadata
from connectors.home import Home
from connectors.lake.raw import CurrentDocument
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP, User, UserMetadata
from schemas.documents import USER
from schemas.tables import USERS

NAME = "users"
KEY = dg.AssetKey(["lake", NAME])


def user_row(user: RosterUser, vendor: User | None) -> dict[str, Any]:
    """The row of a rostered user; what the vendor did not send, or was not asked for yet, is null."""
    person = (vendor.metadata if vendor else None) or UserMetadata()
    return {
        "org_id": user.org_id,
        "source": user.source,
        "user_id": user.user_id,
        "timezone": user.timezone,
        "birth_year": person.birth_year,
        "birth_month": person.birth_month,
        "birth_day": person.birth_day,
        "gender": person.gender,
        "height_cm": person.height,
        "weight_kg": person.weight,
        "to_be_deleted": vendor.to_be_deleted if vendor else None,
        "active_from": user.active_from,
        "active_to": user.active_to,
    }


def build_users(home: Home) -> Built:
    """Build the table from the roster and the newest user documents; a refused document leaves the row without it."""
    vendor_users: dict[str, User] = {}
    refused_documents: list[tuple[CurrentDocument, Refused]] = []
    roster = roster_of(home)
    for current in home.raw.current_of_all_dates(ASLEEP, USER):
        if current.document.user_id not in roster:
            continue
        try:
            vendor_users[current.document.user_id] = decode_user(current).content
        except Refused as refused:
            refused_documents.append((current, refused))
    quarantine(home, NAME, ALL_USERS, refused_documents)
    rows = [user_row(user, vendor_users.get(user.user_id)) for user in roster.values()]
    return Built(
        documents=len(rows) + len(refused_documents),
        rows=len(rows),
        quarantined=len(refused_documents),
        files=int(home.lake.replace(USERS, "", rows)),
        findings=doubled_keys(USERS, rows),
    )


@dg.asset(
    key=KEY,
    deps=[dg.AssetKey(["raw", "users"])],
    group_name="lake",
    kinds={"parquet"},
    owners=OWNERS,
    metadata=table_metadata(USERS),
    check_specs=table_checks(KEY),
)
def users(home: dg.ResourceParam[Home]) -> dg.MaterializeResult:
    """One row a rostered user: zone, dates of birth parts, gender, height and weight where the vendor has them."""
    report = build_partitions(home, NAME, [ALL_USERS], lambda _: build_users(home))
    return built(report, table_check_results(report))
