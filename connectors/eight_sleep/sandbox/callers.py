"""Who asks, about which bed or user of theirs, and with which body: what all endpoints of the sandbox look at first."""

from typing import Any

import orjson
from starlette.requests import Request

from connectors.eight_sleep.sandbox import refusals
from connectors.eight_sleep.sandbox.beds import Bed, Sleeper
from connectors.eight_sleep.sandbox.world import Token, World


def token_of(world: World, request: Request) -> Token:
    """The token of a request: a login's stands in both headers, an access token in the first alone; else 401."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    token = world.token(value)
    if token is None or scheme != "Bearer" or token.kind == "refresh":
        raise refusals.bad_credentials()
    if token.kind == "session" and request.headers.get("session-token") != value:
        raise refusals.bad_credentials()
    if world.now >= token.expires_at:
        raise refusals.token_expired(token.expires_at)
    return token


def bed_of(world: World, request: Request) -> Bed:
    """The bed of the path, if the one who asks has a side of it; else 404."""
    device_id = request.path_params["device_id"]
    for bed in world.beds_of(token_of(world, request).user_id):
        if bed.id == device_id:
            return bed
    raise refusals.no_device(device_id)


def sleeper_of(world: World, request: Request) -> Sleeper:
    """The user of the path: oneself or who shares a bed with one; 404 for somebody who is gone, else 403."""
    asker, user_id = token_of(world, request).user_id, request.path_params.get("user_id", "me")
    if user_id == "me":
        user_id = asker
    if user_id in world.forgotten:
        raise refusals.no_user()
    for bed in world.beds_of(asker):
        for sleeper in bed.sleepers():
            if sleeper.user_id == user_id:
                return sleeper
    raise refusals.bare(403)


async def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that was sent; 400 for anything else."""
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise refusals.bare(400)
    return body
