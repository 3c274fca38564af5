"""The sandbox's own endpoints under ``/_control``: what is true in the world, how to move it, how to spoil it.

No key is needed. ``GET /_control`` lists them. A body they cannot use gets 422 with one sentence and changes nothing.
The vendor's endpoints are in ``app``.
"""

from collections import Counter

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.asleep.sandbox.callback import Sender
from connectors.asleep.sandbox.control.changing import Changing
from connectors.asleep.sandbox.control.knobs import CONTROL_PATH, Knob, clock_of, json_answer
from connectors.asleep.sandbox.control.misbehaving import Misbehaving
from connectors.asleep.sandbox.control.observing import Observing
from connectors.asleep.sandbox.control.telling import Telling
from connectors.asleep.sandbox.faults import Faults
from connectors.asleep.sandbox.meter import Meter
from connectors.asleep.sandbox.world import World

__all__ = ["CONTROL_PATH", "Control"]


class Control:
    """All controls of a world."""

    def __init__(self, world: World, calls: Counter[str], faults: Faults, meter: Meter) -> None:
        self._world = world
        self._sender = Sender(world)
        self._knobs = [
            Knob("GET", "", None, "this description", self.describe),
            *Observing(world, calls).knobs(),
            *(self._telling(knob) for knob in Changing(world).knobs()),
            *Telling(self._sender, world.api_key).knobs(),
            *Misbehaving(faults, meter).knobs(),
        ]

    def routes(self) -> list[Route]:
        """Everything under ``/_control``."""
        return [Route(CONTROL_PATH + knob.path, knob.answer, methods=[knob.method]) for knob in self._knobs]

    def _telling(self, knob: Knob) -> Knob:
        """The same control, which posts webhooks about what it has changed before it answers."""

        async def answer(request: Request) -> Response:
            changed = await knob.answer(request)
            await self._sender.send()
            return changed

        return knob._replace(answer=answer)

    async def describe(self, _: Request) -> Response:
        """The world in a few figures, and the list of controls."""
        return json_answer(
            {
                "about": "a simulated Asleep vendor; the endpoints below need no key, the vendor's need x-api-key",
                "api_key": self._world.api_key,
                "seed": self._world.seed,
                "users": sum(1 for _ in self._world.users()),
                "analysis_s": self._world.analysis_s,
                "now": clock_of(self._world),
                "controls": [
                    {"method": knob.method, "path": CONTROL_PATH + knob.path, "body": knob.body, "does": knob.does}
                    for knob in self._knobs
                ],
            }
        )
