"""Controls of the webhooks that are posted: where to, how badly, and how they were answered."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connectors.asleep.sandbox.callback import EVENTS, Callback, Sender
from connectors.asleep.sandbox.control.knobs import Knob, json_answer, read_body
from connectors.asleep.sandbox.refusals import Refusal
from connectors.asleep.sandbox.webhooks import LAYOUTS

_EXAMPLE = {"url": "http://127.0.0.1:8787/asleep-webhook", "layouts": ["v3"], "twice": 0.1, "late": 0.1, "lost": 0.02}
_DOES = (
    "post webhooks to an address on this machine about all that happens from now on; a control that moves the world "
    "answers once they are posted. key: the API key unless given; events: both unless given; layouts: v3, v2, flat, "
    "drawn anew for each; twice, late, lost, wrong_key: shares from 0 to 1"
)
_TOLD = "how posted webhooks were answered, and how many wait to be posted again"
_SHARES = ("twice", "late", "lost", "wrong_key")


class Telling:
    """These controls; each method is one of them."""

    def __init__(self, sender: Sender, api_key: str) -> None:
        self._sender = sender
        self._api_key = api_key

    def knobs(self) -> list[Knob]:
        """Each with its path, an example of its body, and its description."""
        return [
            Knob("POST", "/callback", _EXAMPLE, _DOES, self.call_back),
            Knob("GET", "/callback", None, _TOLD, self.told),
            Knob("POST", "/callback/send", None, "post again what was not taken", self.send_again),
            Knob("DELETE", "/callback", None, "post no more webhooks", self.stop),
        ]

    async def call_back(self, request: Request) -> Response:
        """Post from now on."""
        body = await read_body(request, "url", "key", "events", "layouts", *_SHARES)
        url, key = body.get("url"), body.get("key", self._api_key)
        if not isinstance(url, str) or not url.startswith(("http://127.0.0.1:", "http://localhost:", "http://[::1]:")):
            raise Refusal(422, "url must be an address on this machine, such as http://127.0.0.1:8787/asleep-webhook.")
        if not isinstance(key, str) or not key.isascii() or not key.isprintable():
            raise Refusal(422, "key must be a text that a header can hold.")
        shares = {name: body.get(name, 0.0) for name in _SHARES}
        if not all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares.values()):
            raise Refusal(422, f"{', '.join(_SHARES[:-1])} and {_SHARES[-1]} are shares from 0 to 1.")
        events = _some_of(body.get("events", list(EVENTS)), EVENTS, "events")
        layouts = _some_of(body.get("layouts", ["v3"]), tuple(LAYOUTS), "layouts")
        self._sender.call_back(Callback(url, key, events, layouts, **shares))
        return await self.told(request)

    async def told(self, _: Request) -> Response:
        """The counts."""
        is_on = self._sender.callback is not None
        return json_answer({"on": is_on, "answers": dict(self._sender.counts), "waiting": self._sender.waiting})

    async def send_again(self, request: Request) -> Response:
        """Post what waits."""
        await self._sender.send()
        return await self.told(request)

    async def stop(self, request: Request) -> Response:
        """Post no more."""
        self._sender.call_back(None)
        return await self.told(request)


def _some_of(given: Any, known: tuple[str, ...], name: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not given or not all(one in known for one in given):
        raise Refusal(422, f"{name} must be a list of one or more of {', '.join(known)}.")
    return tuple(given)
