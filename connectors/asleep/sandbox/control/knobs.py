"""What a control is, and how controls read what they are sent (bodies, users, sessions), or answer 422."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

from connectors.asleep.sandbox.refusals import Refusal
from connectors.asleep.sandbox.world import Session, User, World

CONTROL_PATH = "/_control"


class Knob(NamedTuple):
    """One control: ``body`` is an example, ``path`` lies under ``/_control``."""

    method: str
    path: str
    body: dict[str, Any] | None
    does: str
    answer: Callable[[Request], Awaitable[Response]]


def json_answer(body: Any) -> Response:
    """200 with JSON."""
    return Response(orjson.dumps(body), media_type="application/json")


def clock_of(world: World) -> str:
    """The world's time as the vendor would write it."""
    return f"{world.now:%Y-%m-%dT%H:%M:%SZ}"


def is_whole(value: object) -> bool:
    """Whether a JSON value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


async def read_body(request: Request, *names: str) -> dict[str, Any]:
    """The JSON object sent, empty without a body; 422 for anything else or a field that is not one of ``names``."""
    content = await request.body()
    try:
        body = orjson.loads(content) if content.strip() else {}
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(422, "The body must be a JSON object.")
    check_names("body", body, names)
    return body


def check_names(what: str, given: dict[str, Any], names: tuple[str, ...]) -> None:
    """422 unless all of ``given`` are among ``names``."""
    if not set(given) <= set(names):
        listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
        raise Refusal(422, f"The {what} may hold only {listed}.")


def find_user(world: World, user_id: object) -> User:
    """The user of this id, or 422."""
    user = world.user(user_id) if isinstance(user_id, str) else None
    if user is None:
        raise Refusal(422, f"user must be an id from {CONTROL_PATH}/users.")
    return user


def find_session(user: User, session_id: object) -> Session:
    """The session of ``user`` with this id, or 422."""
    session = user.session(session_id) if isinstance(session_id, str) else None
    if session is None:
        raise Refusal(422, f"session must be the id of a session of this user, from {CONTROL_PATH}/truth.")
    return session


def last_complete(world: World, user: User) -> Session | None:
    """The last session of ``user`` that is COMPLETE."""
    return next((session for session in reversed(user.sessions) if session.state(world.now) == "COMPLETE"), None)


@contextmanager
def one_sentence() -> Iterator[None]:
    """What the world refuses becomes 422 with its sentence."""
    try:
        yield
    except ValueError as error:
        sentence = str(error)
    else:
        return
    raise Refusal(422, sentence)
