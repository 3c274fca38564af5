"""The doctor on the vendor: does it take the key, does it answer, does it want us to stop, and do the clocks agree.

Two calls at most, each tried once: one of the API for a user of the roster (or an invented one), and one of the bare
address, without key or id, whose ``Date`` header tells the vendor's time.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from connectors.asleep.client import AsleepClient
from connectors.breaker import Breaker
from connectors.errors import (
    Forbidden,
    HostUnreachable,
    InvalidUserId,
    KeyRefused,
    NightshiftError,
    PlanExpired,
    QuotaExceeded,
    RateLimited,
    UserNotFound,
    VendorError,
    WrongUsage,
)
from connectors.home import Home
from connectors.patience import Patience, Retry
from connectors.rate_limit import RateLimit
from connectors.state.vendor import OtherVendor, check_vendor
from connectors.transport import TRANSPORT_ERRORS, diagnosis, open_client, origin, parsed
from pipelines.command.doctor.findings import Finding
from pipelines.command.vendor.account import has_moved
from pipelines.resources import asleep_connection
from pipelines.settings import Settings

CLOCKS_APART_S = 60
"""Seconds by which our clock may differ from the vendor's."""

ANSWER_S = 10.0
"""How long an answer is waited for; a run waits longer."""

TURN_S = 2.0
"""How long a turn is waited for while other processes ask, or all are held back."""

NOBODY = "G-20000101000000-NightshiftDoctorAsks"
"""A user id of the documented form that no user has."""

KEY_ACCEPTED = (UserNotFound, InvalidUserId, PlanExpired, QuotaExceeded, Forbidden, RateLimited)
"""Refusals that are not about the key, which the vendor looks at first."""


class HeldBack(NightshiftError):
    """The home's budget gives no turn: the vendor has refused calls."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of the calls: ``error`` of the first, ``unreachable`` of the second, the two clocks at its answer.

    ``outage`` says that the breaker is open, ``per_second`` how many calls are allowed at present.
    """

    error: NightshiftError | None = None
    unreachable: HostUnreachable | None = None
    theirs: datetime | None = None
    ours: datetime | None = None
    outage: bool = False
    per_second: float = 0.0


def vendor_findings(settings: Settings, home: Home, user_id: str | None, *, writable: bool) -> Iterator[Finding]:
    """Key, vendor and clock, asked by way of ``user_id``, if there is a user whom the vendor should know."""
    try:
        parsed(settings.asleep_base_url, "ASLEEP_BASE_URL")
    except WrongUsage as error:
        yield key_finding(HeldBack(), has_key=settings.asleep_api_key is not None)
        yield Finding("vendor", False, str(error))
        yield clock_finding(None, None)
        return
    with tempfile.TemporaryDirectory() as elsewhere:
        locks = home.root / "locks" if writable else Path(elsewhere)
        answered = asyncio.run(_ask(settings, home, locks, user_id or NOBODY))
    yield key_finding(answered.error, has_key=settings.asleep_api_key is not None)
    yield vendor_finding(answered.unreachable or answered.error, asked_for_known_user=user_id is not None)
    yield from _pace_findings(answered, settings.asleep_requests_per_second)
    yield clock_finding(answered.ours, answered.theirs)


def account_finding(settings: Settings, home: Home, *, key_accepted: bool) -> Finding:
    """Whether the key and address are those this home was filled with. Raises: StateUnavailable, MissingKey.

    A key that the vendor has not accepted is nothing to go over to, so that is not advised.
    """
    account = asleep_connection(settings, home).account()
    try:
        check_vendor(home.state, account)
    except OtherVendor as other:
        if key_accepted or has_moved(home.state, account):
            return Finding("account", False, str(other))
        words = "This home was filled with another API key (ASLEEP_API_KEY has changed)."
        return Finding("account", False, words, "First a key that the vendor accepts: the old one, or a new one.")
    return Finding("account", True, "Address and key are no others than those this home was filled with.")


def key_finding(error: NightshiftError | None, *, has_key: bool) -> Finding:
    """What the first call says of the key."""
    if not has_key:
        words = "ASLEEP_API_KEY is not set: nothing can be pulled."
        return Finding("key", False, words, "Put the key of your Asleep account into .env or export it.")
    if isinstance(error, KeyRefused | WrongUsage):
        return Finding("key", False, str(error))
    if error is None or isinstance(error, KEY_ACCEPTED):
        return Finding("key", True, "The vendor accepts the key.")
    return Finding("key", None, "The vendor did not get as far as looking at it.")


def vendor_finding(error: NightshiftError | None, *, asked_for_known_user: bool) -> Finding:
    """Whether the vendor works for us."""
    match error:
        case None | KeyRefused() | WrongUsage():
            return Finding("vendor", True, "It answers.")
        case UserNotFound() | InvalidUserId() if not asked_for_known_user:
            return Finding("vendor", True, "It answers.")
        case UserNotFound():
            return Finding(
                "vendor",
                False,
                "It answers, but does not know a user of the roster.",
                "nightshift sync tells how many; if all, ASLEEP_BASE_URL or the key is of another account.",
            )
    return Finding("vendor", False, str(error))


def _pace_findings(answered: Answered, per_second: float) -> Iterator[Finding]:
    """What runs have learnt of the vendor lately and keep to."""
    if answered.outage:
        words = "Many calls in a row have failed, so runs hold calls back at the moment."
        yield Finding("breaker", False, words, "Nothing, if the vendor answers again: nightshift sync tries by itself.")
    if answered.per_second < per_second:
        yield Finding(
            "rate limit",
            False,
            f"The vendor refused calls, so runs make {answered.per_second:.2g} a second instead of {per_second:g}.",
            "It recovers within half an hour; if it comes back, lower ASLEEP_REQUESTS_PER_SECOND.",
        )


def clock_finding(ours: datetime | None, theirs: datetime | None) -> Finding:
    """Our clock against the vendor's (aware times of one moment)."""
    if ours is None or theirs is None:
        return Finding("clock", None, "It was not compared: the vendor told no time.")
    apart_s = (ours - theirs).total_seconds()
    if abs(apart_s) <= CLOCKS_APART_S:
        return Finding("clock", True, f"It agrees with the vendor's within {CLOCKS_APART_S} s.")
    way = "ahead of" if apart_s > 0 else "behind"
    return Finding(
        "clock",
        False,
        f"This machine is {_span(abs(apart_s))} {way} the vendor, so nights near midnight may be missed or refused.",
        "Set the clock by a time server (timedatectl set-ntp true), then nightshift sync.",
    )


async def _ask(settings: Settings, home: Home, locks: Path, user_id: str) -> Answered:
    budget = RateLimit(locks / "asleep.budget", settings.asleep_requests_per_second)
    outage = await _is_open(Breaker(locks / "asleep.breaker", "Asleep"))
    error = await _error_of_a_call(settings, home, budget, user_id) if settings.asleep_api_key else None
    theirs: datetime | HostUnreachable | None = None
    if not isinstance(error, HostUnreachable | HeldBack):
        theirs = await _vendor_time(parsed(settings.asleep_base_url, "ASLEEP_BASE_URL"), budget)
    return Answered(
        error=error,
        unreachable=theirs if isinstance(theirs, HostUnreachable) else None,
        theirs=theirs if isinstance(theirs, datetime) else None,
        ours=home.clock(),
        outage=outage,
        per_second=await budget.per_second(),
    )


async def _is_open(breaker: Breaker) -> bool:
    try:
        async with asyncio.timeout(0.1):
            await breaker.wait()
    except TimeoutError:
        return True
    return False


async def _error_of_a_call(settings: Settings, home: Home, budget: RateLimit, user_id: str) -> NightshiftError | None:
    key = settings.asleep_api_key.get_secret_value() if settings.asleep_api_key else ""
    patience = Patience(retry=Retry(attempts=1, refusals=1), answer_s=ANSWER_S)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(TURN_S) as turn:
            client = AsleepClient(
                settings.asleep_base_url,
                key,
                rate_limit=budget,
                clock=home.clock,
                concurrency=1,
                patience=patience,
                on_call=lambda _: turn.reschedule(loop.time() + 2 * ANSWER_S),  # its turn has come
            )
            async with client:
                (await client.get_user(user_id)).result()
    except (VendorError, WrongUsage) as error:
        return error
    except TimeoutError:
        return HeldBack("It was not asked: it has refused calls lately, and this home waits before it asks again.")
    return None


async def _vendor_time(url: httpx.URL, budget: RateLimit) -> datetime | HostUnreachable | None:
    """The ``Date`` header of an answer of the bare address, or why there was no answer."""
    try:
        async with asyncio.timeout(TURN_S):
            await budget.acquire()
    except TimeoutError:
        return None
    try:
        async with asyncio.timeout(ANSWER_S), open_client(url, {}, 1, answer_s=ANSWER_S) as client:
            response = await client.head("/")
    except TRANSPORT_ERRORS as error:
        reason, _ = diagnosis(error)
        return HostUnreachable(f"No answer from {origin(url)} ({reason}): check ASLEEP_BASE_URL and the network.")
    return _time_of(response.headers.get("date", ""))


def _time_of(header: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _span(seconds: float) -> str:
    minutes, hours = round(seconds / 60), seconds / 3600
    if minutes < 120:
        return f"{minutes} min"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
