"""The doctor on Eight Sleep: can each account be used, are the beds connected, and is everybody in one of them.

A call for the account and one for each of its beds, each tried once, with the login that is kept; where none holds any
more there is one login, which is kept for the runs.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from connectors.eight_sleep.connection import EightSleepConnection
from connectors.errors import NightshiftError
from connectors.home import Home
from connectors.patience import Patience, Retry
from connectors.state.roster import RosterUser
from connectors.state.vendor import check_vendor
from pipelines.command.doctor.findings import Finding
from pipelines.settings import Settings
from schemas.nights import utc_date

ANSWER_S = 10.0
"""How long an answer is waited for; a run waits longer."""

TURN_S = 30.0
"""How long an account is waited for in all, while other processes use up its calls of the minute."""

_PATIENCE = Patience(retry=Retry(attempts=1, refusals=1), answer_s=ANSWER_S)


@dataclass(slots=True)
class Seen:
    """What one account has told: its beds and their sleepers by the vendor's ids, or why it has told nothing."""

    beds: dict[str, bool] = field(default_factory=dict)
    sleepers: set[str] = field(default_factory=set)
    error: NightshiftError | None = None


class NoTurn(NightshiftError):
    """The account's calls of this minute are used up by others."""


def bed_findings(settings: Settings, home: Home, rostered: Sequence[RosterUser]) -> Iterator[Finding]:
    """Accounts, beds and those who are ``rostered`` at Eight Sleep. Raises: WrongUsage, StateUnavailable."""
    from assets.raw.eight_sleep_vendor import EightSleepAccounts
    from pipelines.resources import eight_sleep_accounts

    connections = eight_sleep_accounts(settings, home)
    if not connections:
        yield Finding(
            "Eight Sleep",
            False,
            f"{len(rostered)} user(s) are rostered at eight_sleep, but no account is set: their nights are not pulled.",
            "Set EIGHT_SLEEP_EMAIL and EIGHT_SLEEP_PASSWORD, or EIGHT_SLEEP_ACCOUNTS_FILE.",
        )
        return
    check_vendor(home.state, EightSleepAccounts(lambda: connections).account())
    seen = asyncio.run(_look_at(connections))
    beds = {bed: connected for each in seen for bed, connected in each.beds.items()}
    yield from _accounts(seen)
    if beds:
        yield _beds(beds)
    if rostered:
        yield _sleepers(home, rostered, seen)


def _accounts(seen: Sequence[Seen]) -> Iterator[Finding]:
    failed = [(number, each.error) for number, each in enumerate(seen, 1) if each.error]
    if not failed:
        yield Finding("Eight Sleep", True, f"{len(seen)} account(s) can be used.")
    for number, error in failed:
        what = "Eight Sleep" if len(seen) == 1 else f"Eight Sleep account {number}"
        held_back = isinstance(error, NoTurn)
        yield Finding(what, None if held_back else False, str(error))


def _beds(beds: dict[str, bool]) -> Finding:
    offline = sum(not connected for connected in beds.values())
    if not offline:
        return Finding("beds", True, f"{len(beds)} bed(s), connected to the vendor.")
    words = f"{offline} of {len(beds)} bed(s) is not connected to the vendor, so its nights are missing or come late."
    return Finding("beds", False, words, "See to the hub's power and network: nightshift bed status says which.")


def _sleepers(home: Home, rostered: Sequence[RosterUser], seen: Sequence[Seen]) -> Finding:
    today = utc_date(home.clock())
    followed = [user for user in rostered if user.active_to is None or user.active_to >= today]
    unseen = sum(all(user.asked_as not in each.sleepers for each in seen) for user in followed)
    if not unseen:
        return Finding("sleepers", True, f"All {len(followed)} followed user(s) sleep in a bed that an account sees.")
    if any(each.error for each in seen):
        words = f"{unseen} followed user(s) may be in beds of an account that could not be used."
        return Finding("sleepers", None, words)
    return Finding(
        "sleepers",
        False,
        f"{unseen} of {len(followed)} followed user(s) sleep in no bed that an account sees.",
        "Check vendor_user_id in the roster against nightshift bed users, or set the account that has the bed.",
    )


async def _look_at(connections: Sequence[EightSleepConnection]) -> list[Seen]:
    return list(await asyncio.gather(*(_seen_by(replace(one, patience=_PATIENCE)) for one in connections)))


async def _seen_by(connection: EightSleepConnection) -> Seen:
    seen = Seen()
    try:
        async with asyncio.timeout(TURN_S), connection.open() as client:
            me = (await client.get_me()).result()
            seen.sleepers.add(me.user_id)
            for device_id in me.devices:
                bed = (await client.get_bed(device_id)).result()
                seen.beds[device_id] = bed.sensor_info.connected is not False
                seen.sleepers |= {user_id for user_id in (bed.left_user_id, bed.right_user_id) if user_id}
    except TimeoutError:
        seen.error = NoTurn("It was not asked: its calls of this minute are used up, or it does not answer.")
    except NightshiftError as error:
        seen.error = error
    return seen
