"""Controls of everything that goes wrong on purpose: faults, profiles, the vendor's limit, and the pace it has seen."""

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response

from connectors.asleep.sandbox.control.knobs import Knob, json_answer, one_sentence, read_body
from connectors.asleep.sandbox.faults import Faults
from connectors.asleep.sandbox.meter import WINDOW_S, Limit, Meter
from connectors.asleep.sandbox.profiles import PROFILES, profile
from connectors.asleep.sandbox.refusals import Refusal
from connectors.asleep.sandbox.rules import KINDS, Rule


class Misbehaving:
    """These controls; each method is one of them."""

    def __init__(self, faults: Faults, meter: Meter) -> None:
        self._faults = faults
        self._meter = meter

    def knobs(self) -> list[Knob]:
        """Each with its path, an example of its body, and its description."""
        return [
            Knob("GET", "/faults", None, "the rules in force, how often each has fired, and every kind", self.faults),
            Knob(
                "POST",
                "/faults",
                {"faults": [{"kind": "rate_limit", "endpoint": "detail", "times": 2}]},
                'replace all rules by these, or by a profile\'s with {"profile": "storm"}; counting begins anew',
                self.set_faults,
            ),
            Knob("DELETE", "/faults", None, "let everything go right again", self.clear_faults),
            Knob("GET", "/profiles", None, "sets of rules by name, with a sentence each", self.profiles),
            Knob("GET", "/limit", None, "the limit beyond which the vendor answers 403, if any", self.limit),
            Knob(
                "POST",
                "/limit",
                {"limit_per_s": 10, "window_s": 10},
                "answer 403 `Rate limit exceeded` to every request beyond limit_per_s times window_s in the last "
                "window_s seconds, refused ones counted; limit_per_s null: no limit",
                self.set_limit,
            ),
            Knob(
                "GET",
                "/rate",
                None,
                "requests with the right key since the last reset: how many, how many over the limit, when, the most "
                "in any 10 s, and for each busy stretch (no 10 s without a request) also the fewest",
                self.rate,
            ),
            Knob("POST", "/rate/reset", None, "forget all arrivals", self.reset_rate),
        ]

    async def faults(self, _: Request) -> Response:
        """The rules in force."""
        return json_answer(
            {
                "profile": self._faults.profile,
                "faults": [
                    rule.described() | {"fired": self._faults.fired[number]}
                    for number, rule in enumerate(self._faults.rules)
                ],
                "kinds": {name: kind.does for name, kind in KINDS.items()},
            }
        )

    async def set_faults(self, request: Request) -> Response:
        """Replace the rules."""
        body = await read_body(request, "profile", "faults")
        if len(body) != 1:
            raise Refusal(422, "Send either profile or faults.")
        with one_sentence():
            if "profile" in body:
                name = body["profile"]
                self._faults.set(profile(name).rules, name)
            else:
                self._faults.set(_rules(body["faults"]))
        return await self.faults(request)

    async def clear_faults(self, request: Request) -> Response:
        """No rules."""
        self._faults.set(())
        return await self.faults(request)

    async def profiles(self, _: Request) -> Response:
        """Every profile."""
        return json_answer(
            {
                name: {"does": kept.does, "heals": kept.heals, "faults": [rule.described() for rule in kept.rules]}
                for name, kept in PROFILES.items()
            }
        )

    async def limit(self, _: Request) -> Response:
        """The limit."""
        limit = self._meter.limit
        return json_answer(asdict(limit) if limit else {"limit_per_s": None, "window_s": WINDOW_S})

    async def set_limit(self, request: Request) -> Response:
        """Set or lift the limit."""
        body = await read_body(request, "limit_per_s", "window_s")
        if "limit_per_s" not in body:
            raise Refusal(422, "Send limit_per_s, null for no limit.")
        with one_sentence():
            self._meter.limit = Limit(**body) if body["limit_per_s"] is not None else None
        return await self.limit(request)

    async def rate(self, _: Request) -> Response:
        """The pace so far."""
        return json_answer(self._meter.rate())

    async def reset_rate(self, request: Request) -> Response:
        """Forget all arrivals."""
        self._meter.reset()
        return await self.rate(request)


def _rules(documents: object) -> list[Rule]:
    if not isinstance(documents, list):
        raise ValueError("faults must be a list of rules.")
    return [Rule.of(document) for document in documents]
