"""``nightshift bed users``: who sleeps in the beds, as lines of a roster file."""

import asyncio
import csv
import sys
from typing import TYPE_CHECKING

from pipelines.command.bed.options import Account, BedName, bed_name, end, open_accounts
from pipelines.command.console import note
from schemas.eight_sleep import EIGHT_SLEEP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assets.control.beds import Bed
    from connectors.eight_sleep.connection import EightSleepConnection
    from connectors.errors import NightshiftError
    from schemas.eight_sleep import BedStatus

COLUMNS = ("user_id", "timezone", "source", "vendor_user_id")

HINT = (
    "Put your own user_id of each person in place of the vendor's (who is followed by phone, too, has one user_id "
    "for both), then: nightshift users import FILE.csv"
)
NO_ZONE = "Some time zones are not known: fill them in, or the nights count in UTC."


def users(bed: BedName = None, account: Account = None) -> None:
    """Print both sleepers of each bed as CSV for nightshift users import; who is rostered keeps user_id and zone."""
    from connectors.state.roster import list_users

    name = bed_name(bed)
    _, home, accounts = open_accounts()
    sleepers, failures = asyncio.run(_sleepers(accounts, account, name))
    with home.state.read() as connection:
        rostered = {user.asked_as: user for user in list_users(connection, EIGHT_SLEEP)}
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(COLUMNS)
    for vendor_id, zone in sleepers.items():
        known = rostered.get(vendor_id)
        user_id, zone = (known.user_id, known.timezone) if known else (vendor_id, zone)
        lines.writerow((user_id, zone, EIGHT_SLEEP, vendor_id))
    if sleepers:
        note(HINT)
    if not all(zone or vendor_id in rostered for vendor_id, zone in sleepers.items()):
        note(NO_ZONE)
    end(failures, len(sleepers))


async def _sleepers(
    accounts: "Sequence[EightSleepConnection]", account: int | None, name: str | None
) -> "tuple[dict[str, str], list[NightshiftError]]":
    """The vendor's ids of all sleepers, each once, with the zone of the bed or an empty text."""
    from assets.control.beds import open_beds
    from connectors.errors import NightshiftError

    found: dict[str, str] = {}
    async with open_beds(accounts, account) as beds:
        failures = list(beds.failures)
        for bed in beds.named(name):
            try:
                status = await bed.status()
            except NightshiftError as error:
                failures.append(error)
                continue
            zone = await _zone(bed)
            for vendor_id in _ids(status):
                found[vendor_id] = found.get(vendor_id) or zone
    return found, failures


def _ids(status: "BedStatus") -> list[str]:
    """Whose the sides are; an offline bed knows that, too."""
    return [side.user_id for side in (status.left, status.right) if side.user_id]


async def _zone(bed: "Bed") -> str:
    """The zone of the bed, which only the community clients' API tells; empty if it does not."""
    from connectors.errors import VendorError
    from schemas.nights import is_iana_zone

    try:
        zone = (await bed.client.get_bed(bed.device.id)).result().timezone
    except VendorError:
        return ""
    return zone if zone and is_iana_zone(zone) else ""
