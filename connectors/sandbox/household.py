"""Phones and beds of the same people: both simulators at one time, under one origin.

A bed knows what really happened in it from the phone's world, and sees it with noise of its own.
"""

import csv
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.asleep.sandbox import World as Phones
from connectors.asleep.sandbox.sessions import User
from connectors.eight_sleep.sandbox import Limits, TrueNight, build_app
from connectors.eight_sleep.sandbox import World as Beds
from connectors.eight_sleep.sandbox.control import CONTROL_PATH
from connectors.eight_sleep.sandbox.world import ZONES

BED_PATHS = ("/auth-api/", "/client-api/", "/app-api/", f"{CONTROL_PATH}/")

MOST_BEDS = 15
"""Of more sleepers two could have intervals of one id."""

_NOON = timedelta(hours=12)


def beds_of(phones: Phones, count: int, clock: Callable[[], datetime]) -> Beds:
    """Beds in which the first people of ``phones`` sleep on the left, and on the right partners without a phone.

    A bed stands where its person lives. Beyond the last person both sides are of people without a phone. ``clock`` is
    the beds' time.
    """
    people = list(phones.users())[:count]
    zones = [person.person.timezone for person in people] + list(ZONES)
    slept: dict[str, Callable[[date], list[TrueNight]]] = {}

    def truth(user_id: str, evening: date) -> list[TrueNight] | None:
        return slept[user_id](evening) if user_id in slept else None

    beds = Beds(count, phones.seed, clock, nights=phones.nights, truth=truth, zones=zones)
    for bed, person in zip(beds.beds(), people, strict=False):
        slept[bed.sleepers()[0].user_id] = true_nights(person)
    return beds


def going_on_from(phones: Phones) -> Callable[[], datetime]:
    """The phones' time, which stands still until it is moved, going on in real time as well."""
    opened = time.monotonic()
    return lambda: phones.now + timedelta(seconds=time.monotonic() - opened)


def true_nights(person: User) -> Callable[[date], list[TrueNight]]:
    """What a person's phone has recorded, and will have, from noon of a date on to the next noon at home."""
    home = ZoneInfo(person.person.timezone)

    def of(evening: date) -> list[TrueNight]:
        return [
            TrueNight(session.start, session.end, session.recording.stages, session.timezone)
            for session in person.sessions
            if (session.start.astimezone(home).replace(tzinfo=None) - _NOON).date() == evening
        ]

    return of


def bed_roster(phones: Phones, beds: Beds) -> str:
    """Everybody who sleeps in a bed as a roster file: who has a phone, too, under the phone's user id."""
    people = list(phones.users())
    text = StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("user_id", "timezone", "source", "vendor_user_id"))
    for number, bed in enumerate(beds.beds()):
        for name, side in bed.sides.items():
            has_phone = name == "left" and number < len(people)
            user_id = people[number].user_id if has_phone else f"bed-{number + 1}-{name}"
            lines.writerow((user_id, bed.zone, "eight_sleep", side.sleeper.user_id))
    return text.getvalue()


def together(phone_app: ASGIApp, phones: Phones, beds: Beds) -> ASGIApp:
    """Both vendors as one application: the bed's hosts and controls by their paths, everything else is the phone's.

    The documented limits of beds hold, in minutes of real time, so that a world whose clock stands still answers for
    ever. What community clients use has none.
    """
    bed_app = build_app(beds, limits=Limits(lambda: datetime.now(UTC)))
    tables = {"users.csv": lambda: bed_roster(phones, beds), "accounts.csv": lambda: "\n".join(_accounts(beds)) + "\n"}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        name = path.removeprefix(f"{CONTROL_PATH}/")
        if name in tables and Request(scope).method == "GET":
            await Response(tables[name](), media_type="text/csv")(scope, receive, send)
        elif path == CONTROL_PATH or path.startswith(BED_PATHS):
            await bed_app(scope, receive, send)
        else:
            await phone_app(scope, receive, send)

    return app


def _accounts(beds: Beds) -> Iterator[str]:
    """An account of every bed, as EIGHT_SLEEP_ACCOUNTS_FILE wants it: that of who sleeps on the left."""
    yield "email,password"
    for bed in beds.beds():
        owner = bed.sleepers()[0]
        yield f"{owner.email},{owner.password}"
