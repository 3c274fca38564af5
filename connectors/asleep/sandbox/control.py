"""The sandbox's own endpoints under ``/_control``: what is true in the world, and how to move it. No key is needed.

``GET /_control`` lists them. A body they cannot use gets 422 with one sentence and changes nothing. The vendor's
endpoints are in ``app``.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.asleep.sandbox import answers
from connectors.asleep.sandbox.refusals import Refusal
from connectors.asleep.sandbox.world import Session, User, World

CONTROL_PATH = "/_control"

CALL_NAMES = (
    "list",
    "detail",
    "stats",
    "user",
    "create_user",
    "update_user",
    "delete_user",
    "delete_session",
    "refused",
)
"""Counters: requests that reached an endpoint with the right key, whatever the answer; ``refused``: the wrong key."""

_UTC = ZoneInfo("UTC")
_MOST_NIGHTS = 400
_END_OF_TIME = datetime(2100, 1, 1, tzinfo=UTC)

_CONTROLS = (
    ("GET", "", None, "this description"),
    ("GET", "/users", None, "every user: user_id and timezone"),
    ("GET", "/users.csv", None, "the same as CSV, ready for `nightshift users import`"),
    ("GET", "/truth", None, "every session of every user with the figures the vendor would send in UTC"),
    ("GET", "/calls", None, "requests so far, by endpoint; refused counts wrong or missing keys"),
    ("POST", "/calls/reset", None, "set the counters to zero"),
    (
        "POST",
        "/nights",
        {"count": 1, "users": None},
        "add the next COMPLETE nights after each user's last one (users: a list of ids, null for all); "
        "a night that would end after now moves the clock to just after its analysis",
    ),
    (
        "POST",
        "/clock",
        {"advance_s": 3600},
        'move the clock forward by seconds, or to a time with {"now": "2026-11-22T06:00:00Z"}; OPEN sessions become '
        "CLOSED at their end and COMPLETE analysis_s later; no new session begins",
    ),
)


class Control:
    """The control endpoints; each method is one of them."""

    def __init__(self, world: World, calls: Counter[str]) -> None:
        self._world = world
        self._calls = calls

    def routes(self) -> list[Route]:
        """Everything under ``/_control``."""
        endpoints = {
            ("GET", ""): self.describe,
            ("GET", "/users"): self.users,
            ("GET", "/users.csv"): self.users_csv,
            ("GET", "/truth"): self.truth,
            ("GET", "/calls"): self.calls,
            ("POST", "/calls/reset"): self.reset_calls,
            ("POST", "/nights"): self.nights,
            ("POST", "/clock"): self.clock,
        }
        return [
            Route(CONTROL_PATH + path, endpoint, methods=[method]) for (method, path), endpoint in endpoints.items()
        ]

    async def describe(self, _: Request) -> Response:
        """The world in a few figures, and the list of controls."""
        return _json(
            {
                "about": "a simulated Asleep vendor; the endpoints below need no key, the vendor's need x-api-key",
                "api_key": self._world.api_key,
                "seed": self._world.seed,
                "users": sum(1 for _ in self._world.users()),
                "analysis_s": self._world.analysis_s,
                "now": self._now(),
                "controls": [
                    {"method": method, "path": CONTROL_PATH + path, "body": body, "does": does}
                    for method, path, body, does in _CONTROLS
                ],
            }
        )

    async def users(self, _: Request) -> Response:
        """Every user's id and zone."""
        return _json([{"user_id": user.user_id, "timezone": user.person.timezone} for user in self._world.users()])

    async def users_csv(self, _: Request) -> Response:
        """The same as CSV."""
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["user_id", "timezone"])
        rows.writerows([user.user_id, user.person.timezone] for user in self._world.users())
        return Response(text.getvalue(), media_type="text/csv")

    async def truth(self, _: Request) -> Response:
        """Every session with its figures in UTC, and totals."""
        users = [self._user_truth(user) for user in self._world.users()]
        states = Counter(session["state"] for user in users for session in user["sessions"])
        totals = {"users": len(users), "sessions": states.total()} | {
            state: states[state] for state in ("OPEN", "CLOSED", "COMPLETE")
        }
        return _json({"now": self._now(), "totals": totals, "users": users})

    async def calls(self, _: Request) -> Response:
        """The counters."""
        return _json({name: self._calls[name] for name in CALL_NAMES})

    async def reset_calls(self, request: Request) -> Response:
        """Set the counters to zero."""
        self._calls.clear()
        return await self.calls(request)

    async def nights(self, request: Request) -> Response:
        """Add COMPLETE nights."""
        body = await _body(request, "count", "users")
        count = body.get("count", 1)
        if not _is_whole(count) or not 1 <= count <= _MOST_NIGHTS:
            raise Refusal(422, f"count must be a whole number from 1 to {_MOST_NIGHTS}.")
        added = self._world.add_nights(count, self._chosen(body.get("users")))
        return _json({"added": [session.id for session in added], "now": self._now()})

    async def clock(self, request: Request) -> Response:
        """Move the clock forward."""
        body = await _body(request, "now", "advance_s")
        if len(body) != 1:
            raise Refusal(422, "Send either now or advance_s.")
        moment = _moment(body["now"]) if "now" in body else self._later(body["advance_s"])
        if moment < self._world.now:
            raise Refusal(422, f"The clock only moves forward; it stands at {self._now()}.")
        if moment >= _END_OF_TIME:
            raise Refusal(422, "The clock stops at the end of the year 2099.")
        self._world.advance_to(moment)
        return _json({"now": self._now()})

    def _now(self) -> str:
        return f"{self._world.now:%Y-%m-%dT%H:%M:%SZ}"

    def _later(self, seconds: object) -> datetime:
        left_s = (_END_OF_TIME - self._world.now) // timedelta(seconds=1)
        if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
            raise Refusal(422, "advance_s must be a whole number of seconds, 0 or more.")
        return self._world.now + timedelta(seconds=min(seconds, left_s))

    def _chosen(self, ids: object) -> Sequence[User] | None:
        if ids is None:
            return None
        users = [self._world.user(i) if isinstance(i, str) else None for i in ids] if isinstance(ids, list) else [None]
        known = [user for user in users if user is not None]
        if len(known) != len(users) or len({user.user_id for user in known}) != len(known):
            raise Refusal(422, f"users must be null or a list of different ids from {CONTROL_PATH}/users.")
        return known

    def _user_truth(self, user: User) -> dict[str, Any]:
        return {
            "user_id": user.user_id,
            "timezone": user.person.timezone,
            "breathing": user.person.breathing,
            "metadata": user.metadata,
            "sessions": [self._session_truth(session) for session in user.sessions],
        }

    def _session_truth(self, session: Session) -> dict[str, Any]:
        """What list and detail would say, with counts in place of the arrays."""
        detail = answers.session_detail(session, self._world.now, _UTC)
        recorded = detail["session"]
        return {
            "id": session.id,
            "state": recorded["state"],
            "start_time": recorded["start_time"],
            "end_time": recorded["end_time"],
            "created_timezone": recorded["created_timezone"],
            "time_in_bed": answers.list_row(session, self._world.now, _UTC)["time_in_bed"],
            "peculiarities": detail["peculiarities"],
            "stat": detail["stat"],
            "counts": _counts(recorded),
        }


def _counts(recorded: dict[str, Any]) -> dict[str, int | None]:
    """Epochs of each kind over the whole recording, the wake before and after sleep included."""
    stages, breath = recorded["sleep_stages"], recorded["breath_stages"]
    return {
        "epochs": len(stages),
        **{name: stages.count(code) for code, name in enumerate(("wake", "light", "deep", "rem"))},
        "snoring": recorded["snoring_stages"].count(1),
        "unstable_breath": None if breath is None else breath.count(1),
    }


def _json(body: Any) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


async def _body(request: Request, *names: str) -> dict[str, Any]:
    """The JSON object sent, empty without a body; 422 for anything else or a field that is not one of ``names``."""
    content = await request.body()
    try:
        body = orjson.loads(content) if content.strip() else {}
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(422, "The body must be a JSON object.")
    if not set(body) <= set(names):
        raise Refusal(422, f"The body may hold only {' and '.join(names)}.")
    return body


def _moment(value: object) -> datetime:
    sentence = "now must be an ISO 8601 time with an offset, such as 2026-11-22T06:00:00Z."
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise Refusal(422, sentence) from None
    if moment.tzinfo is None:
        raise Refusal(422, sentence)
    return moment
