"""The sandbox's own endpoints under ``/_control/bed``: what is true in the world, how to move it, how to spoil it.

No token is needed. ``GET /_control/bed`` lists them. A body they cannot use gets 422 with one sentence and changes
nothing. The vendor's endpoints are in ``app``.
"""

from collections import Counter
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.eight_sleep.sandbox.control.changing import Changing
from connectors.eight_sleep.sandbox.control.knobs import CONTROL_PATH, Knob
from connectors.eight_sleep.sandbox.control.observing import Observing
from connectors.eight_sleep.sandbox.faults import Faults
from connectors.eight_sleep.sandbox.limits import Limits
from connectors.eight_sleep.sandbox.measurements import instant
from connectors.eight_sleep.sandbox.refusals import Refusal
from connectors.eight_sleep.sandbox.world import World

__all__ = ["CONTROL_PATH", "Control"]


class Control:
    """All controls of a world."""

    def __init__(self, world: World, faults: Faults, limits: Limits, calls: Counter[str]) -> None:
        self._world = world
        self._knobs = [
            Knob("GET", "", None, "this description", self.describe),
            *Observing(world, limits, calls).knobs(),
            *Changing(world, faults).knobs(),
        ]

    def routes(self) -> list[Route]:
        """Everything under ``/_control/bed``."""
        return [Route(CONTROL_PATH + knob.path, _answering(knob), methods=[knob.method]) for knob in self._knobs]

    async def describe(self, _: Request) -> dict[str, Any]:
        """The world in a few figures, and the list of controls."""
        return {
            "about": "a simulated Eight Sleep vendor; hosts under /auth-api, /client-api and /app-api",
            "seed": self._world.seed,
            "beds": len(self._world.beds()),
            "now": instant(self._world.now),
            "controls": [
                {"method": knob.method, "path": CONTROL_PATH + knob.path, "body": knob.body, "does": knob.does}
                for knob in self._knobs
            ],
        }


def _answering(knob: Knob) -> Any:
    async def answer(request: Request) -> Response:
        try:
            return Response(orjson.dumps(await knob.answer(request)), media_type="application/json")
        except Refusal as refusal:
            return refusal.response

    return answer
