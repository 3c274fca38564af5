"""What a control is, and how controls read what they are sent (bodies, users, stays, beds), or answer 422."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

from connectors.eight_sleep.sandbox.beds import Bed, Side
from connectors.eight_sleep.sandbox.nights import Nights, Told
from connectors.eight_sleep.sandbox.refusals import Refusal
from connectors.eight_sleep.sandbox.world import World

CONTROL_PATH = "/_control/bed"


class Knob(NamedTuple):
    """One control: ``body`` is an example, ``path`` is below ``CONTROL_PATH``; ``answer`` returns its JSON document."""

    method: str
    path: str
    body: dict[str, Any] | None
    does: str
    answer: Callable[[Request], Awaitable[Any]]


def wrong(sentence: str) -> Refusal:
    """422 with one sentence."""
    return Refusal(Response(orjson.dumps({"detail": sentence}), 422, media_type="application/json"))


async def read_body(request: Request, *names: str) -> dict[str, Any]:
    """The JSON object sent; 422 unless it has exactly the fields ``names``."""
    try:
        body = orjson.loads(await request.body() or b"{}")
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict) or set(body) != set(names):
        raise wrong(f"The body must be a JSON object with {' and '.join(names)}.")
    return body


def nights_of(world: World, user_id: object) -> Nights:
    """The nights of the user of this id, or 422."""
    try:
        return world.nights_of(str(user_id))
    except KeyError:
        pass
    raise wrong(f"user must be an id from {CONTROL_PATH}/users.")


def side_of(world: World, user_id: object) -> Side:
    """The side on which the user of this id sleeps, or 422."""
    try:
        return world.place_of(str(user_id))[1]
    except KeyError:
        pass
    raise wrong(f"user must be an id from {CONTROL_PATH}/users.")


def told_of(world: World, body: dict[str, Any]) -> tuple[Nights, Told]:
    """The stay that ``interval`` of ``user`` names, or 422."""
    nights = nights_of(world, body["user"])
    if told := nights.find(str(body["interval"]), world.now):
        return nights, told
    raise wrong(f"interval must be the id of one of this user's, from {CONTROL_PATH}/truth.")


def bed_named(world: World, bed_id: object) -> Bed:
    """The bed of this id, or 422."""
    for bed in world.beds():
        if bed.id == bed_id:
            return bed
    raise wrong(f"bed must be an id from {CONTROL_PATH}/users.")


def moment(text: object, name: str) -> datetime:
    """A time with an offset, or 422."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise wrong(f"{name} must be a time such as 2026-11-22T06:00:00Z.")
    return found.astimezone(UTC)


def flag(value: object, name: str) -> bool:
    """True or false, or 422."""
    if not isinstance(value, bool):
        raise wrong(f"{name} must be true or false.")
    return value


def whole(value: object, name: str, least: int) -> int:
    """A whole number, or 422."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise wrong(f"{name} must be a whole number of at least {least}.")
    return value


@contextmanager
def one_sentence() -> Iterator[None]:
    """What the world refuses becomes 422 with its sentence."""
    try:
        yield
    except ValueError as error:
        sentence = str(error)
    else:
        return
    raise wrong(sentence)
