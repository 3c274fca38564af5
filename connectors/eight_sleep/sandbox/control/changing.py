"""Controls that move the world on, spoil its answers, or do to its stays what happens behind a client's back."""

from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from starlette.requests import Request

from connectors.eight_sleep.sandbox.control.knobs import (
    Knob,
    bed_named,
    flag,
    moment,
    nights_of,
    one_sentence,
    read_body,
    side_of,
    told_of,
    whole,
    wrong,
)
from connectors.eight_sleep.sandbox.faults import ENDPOINTS, KINDS, Fault, Faults
from connectors.eight_sleep.sandbox.measurements import instant
from connectors.eight_sleep.sandbox.stays import EPOCH_S, STAGES, Stretch
from connectors.eight_sleep.sandbox.world import VARIANTS, World

_AGES_S = 10**10
"""More than the clock can be moved by."""

_STAY = {"user": "...", "interval": "..."}


class Changing:
    """These controls; each method is one of them."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults

    def knobs(self) -> list[Knob]:
        """Each with its path, an example of its body, and its description."""
        fault = {"kind": "rate_limit", "endpoint": "trends", "times": 2}
        added = {"user": "...", "start": "2026-11-22T13:00:00Z", "stages": [["awake", 300], ["light", 1800]]}
        return [
            Knob("POST", "/clock", {"advance_s": 3600}, "move the clock forward", self.clock),
            Knob("GET", "/faults", None, "the faults in force, and every kind and endpoint", self.faults),
            Knob("POST", "/faults", {"faults": [fault]}, "replace all faults; times null: for ever", self.set_faults),
            Knob("GET", "/variants", None, "other shapes of answers: known and in force", self.variants),
            Knob("POST", "/variants", {"variants": []}, "put these in force and no others", self.set_variants),
            Knob("POST", "/tokens", {"end": "access"}, "end all access (or refresh) tokens now", self.end_tokens),
            Knob("POST", "/presence", {"user": "...", "presence": True}, "null: as the nights say", self.presence),
            Knob("POST", "/away", {"user": "...", "away": True}, "let somebody be away from their bed", self.away),
            Knob("POST", "/online", {"bed": "...", "online": False}, "take a bed's hub off the network", self.online),
            Knob("POST", "/solo", {"bed": "..."}, "give the whole bed to who sleeps on the left", self.solo),
            Knob("POST", "/intervals", added, "add a stay", self.add),
            Knob("POST", "/intervals/delete", _STAY, "delete a stay, as in the app", self.delete),
            Knob("POST", "/intervals/reanalyse", _STAY, "analyse a final stay again", self.reanalyse),
            Knob("POST", "/intervals/score", {**_STAY, "by": 5}, "change the scores of its night", self.score),
            Knob("POST", "/intervals/late", {**_STAY, "until": "2026-11-25T00:00:00Z"}, "hide it till then", self.late),
            Knob("POST", "/skip", {"user": "...", "evening": "2026-11-22"}, "nobody slept there", self.skip),
            Knob("POST", "/forget", {"user": "..."}, "delete a user", self.forget),
        ]

    async def clock(self, request: Request) -> dict[str, Any]:
        """Move the clock forward."""
        seconds = whole((await read_body(request, "advance_s"))["advance_s"], "advance_s", 0)
        with one_sentence():
            self._world.advance(timedelta(seconds=min(seconds, _AGES_S)))
        return {"now": instant(self._world.now)}

    async def faults(self, _: Request) -> dict[str, Any]:
        """The faults in force."""
        described = [asdict(one) | {"fired": self._faults.fired[n]} for n, one in enumerate(self._faults.in_force)]
        return {"faults": described, "kinds": KINDS, "endpoints": ENDPOINTS}

    async def set_faults(self, request: Request) -> dict[str, Any]:
        """Replace them."""
        given = (await read_body(request, "faults"))["faults"]
        if not isinstance(given, list):
            raise wrong("faults must be a list of faults.")
        with one_sentence():
            self._faults.set(*(Fault.of(one) for one in given))
        return await self.faults(request)

    async def variants(self, _: Request) -> dict[str, Any]:
        """Known ones, and those in force."""
        return {"variants": sorted(self._world.variants), "known": VARIANTS}

    async def set_variants(self, request: Request) -> dict[str, Any]:
        """Choose those in force."""
        names = (await read_body(request, "variants"))["variants"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise wrong("variants must be a list of names.")
        with one_sentence():
            self._world.set_variants(*names)
        return await self.variants(request)

    async def end_tokens(self, request: Request) -> dict[str, Any]:
        """End tokens before their time."""
        match (await read_body(request, "end"))["end"]:
            case "access":
                self._world.expire_tokens()
            case "refresh":
                self._world.revoke_refresh_tokens()
            case _:
                raise wrong("end must be access or refresh.")
        return {}

    async def presence(self, request: Request) -> dict[str, Any]:
        """Put somebody into bed or out of it."""
        body = await read_body(request, "user", "presence")
        wish = body["presence"]
        side_of(self._world, body["user"]).presence = None if wish is None else flag(wish, "presence")
        return {}

    async def away(self, request: Request) -> dict[str, Any]:
        """Let somebody be away, or back."""
        body = await read_body(request, "user", "away")
        side_of(self._world, body["user"]).is_away = flag(body["away"], "away")
        return {}

    async def online(self, request: Request) -> dict[str, Any]:
        """Lose or find a hub."""
        body = await read_body(request, "bed", "online")
        bed_named(self._world, body["bed"]).online = flag(body["online"], "online")
        return {}

    async def solo(self, request: Request) -> dict[str, Any]:
        """Make a bed one sleeper's."""
        self._world.make_solo(bed_named(self._world, (await read_body(request, "bed"))["bed"]))
        return {}

    async def add(self, request: Request) -> dict[str, Any]:
        """Add a stay."""
        body = await read_body(request, "user", "start", "stages")
        nights, start = nights_of(self._world, body["user"]), moment(body["start"], "start")
        if start.timestamp() % EPOCH_S:
            raise wrong(f"start must be a multiple of {EPOCH_S} seconds.")
        with one_sentence():
            return {"added": nights.add(start, _stretches(body["stages"])).id}

    async def delete(self, request: Request) -> dict[str, Any]:
        """Delete a stay."""
        nights, told = told_of(self._world, await read_body(request, "user", "interval"))
        nights.delete(told.whole.id)
        return {}

    async def reanalyse(self, request: Request) -> dict[str, Any]:
        """Analyse a stay again."""
        nights, told = told_of(self._world, await read_body(request, "user", "interval"))
        with one_sentence():
            nights.analyse_again(told.whole.id, self._world.now)
        return {}

    async def score(self, request: Request) -> dict[str, Any]:
        """Change scores."""
        body = await read_body(request, "user", "interval", "by")
        nights, told = told_of(self._world, body)
        nights.change_score(told.whole.id, whole(body["by"], "by", -100))
        return {}

    async def late(self, request: Request) -> dict[str, Any]:
        """Hide a stay for a while."""
        body = await read_body(request, "user", "interval", "until")
        nights, told = told_of(self._world, body)
        nights.hold_back(told.whole.id, moment(body["until"], "until"))
        return {}

    async def skip(self, request: Request) -> dict[str, Any]:
        """Take a night away."""
        body = await read_body(request, "user", "evening")
        try:
            evening = date.fromisoformat(str(body["evening"]))
        except ValueError:
            evening = None
        if evening is None:
            raise wrong("evening must be a date such as 2026-11-22.")
        nights_of(self._world, body["user"]).skip(evening)
        return {}

    async def forget(self, request: Request) -> dict[str, Any]:
        """Delete a user."""
        user_id = (await read_body(request, "user"))["user"]
        nights_of(self._world, user_id)
        self._world.forget(user_id)
        return {}


def _stretches(given: Any) -> tuple[Stretch, ...]:
    """Stages and seconds as they were sent, or 422."""
    match given:
        case [_, *_] if all(map(_is_stretch, given)):
            return tuple((stage, seconds) for stage, seconds in given)
    raise wrong(f"stages must be a list of [{' or '.join(STAGES)}, seconds], in multiples of {EPOCH_S} seconds.")


def _is_stretch(given: Any) -> bool:
    match given:
        case [str() as stage, int() as seconds]:
            return stage in STAGES and 0 < seconds <= 86_400 and seconds % EPOCH_S == 0
    return False
