"""Controls that tell what is true and what has been asked: users, sessions, counters, and what a webhook would say."""

import csv
import io
from collections import Counter
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from connectors.asleep.sandbox import answers, cases, webhooks
from connectors.asleep.sandbox.control.knobs import (
    Knob,
    check_names,
    clock_of,
    find_session,
    find_user,
    json_answer,
    last_complete,
    one_sentence,
)
from connectors.asleep.sandbox.refusals import Refusal
from connectors.asleep.sandbox.rules import ENDPOINTS
from connectors.asleep.sandbox.world import Session, User, World

CALL_NAMES = (*ENDPOINTS, "refused")
"""Counters: requests to an endpoint with the right key, whatever the answer; ``refused``: the wrong key."""

_EVENTS = ("SESSION_COMPLETE", "INFERENCE_COMPLETE")
_LAYOUTS = ("v3", "v2", "flat")
_FIRST_BATCH = 3
_UTC = ZoneInfo("UTC")


class Observing:
    """These controls; each method is one of them."""

    def __init__(self, world: World, calls: Counter[str]) -> None:
        self._world = world
        self._calls = calls

    def knobs(self) -> list[Knob]:
        """Each with its path and description."""
        return [
            Knob("GET", "/users", None, "every user: user_id and timezone", self.users),
            Knob("GET", "/users.csv", None, "the same as CSV, ready for `nightshift users import`", self.users_csv),
            Knob(
                "GET",
                "/truth",
                None,
                "every session of every user with the figures the vendor would send in UTC",
                self.truth,
            ),
            Knob(
                "GET",
                "/calls",
                None,
                "requests so far, by endpoint; refused counts wrong or missing keys",
                self.calls,
            ),
            Knob("POST", "/calls/reset", None, "set the counters to zero", self.reset_calls),
            Knob("GET", "/cases", None, "every odd session there is, by name, with a sentence each", self.cases),
            Knob(
                "GET",
                "/webhook",
                None,
                "the body of a webhook; query: user and session (default: somebody's last COMPLETE one), event "
                "(SESSION_COMPLETE or INFERENCE_COMPLETE), layout (v3, v2 or flat), inference_seq_num (default 3)",
                self.webhook,
            ),
        ]

    async def users(self, _: Request) -> Response:
        """Every user's id and zone."""
        return json_answer(
            [{"user_id": user.user_id, "timezone": user.person.timezone} for user in self._world.users()]
        )

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
        totals = {"users": len(users), "sessions": states.total(), "OPEN": 0, "CLOSED": 0, "COMPLETE": 0} | states
        return json_answer({"now": clock_of(self._world), "totals": totals, "users": users})

    async def calls(self, _: Request) -> Response:
        """The counters."""
        return json_answer({name: self._calls[name] for name in CALL_NAMES})

    async def reset_calls(self, request: Request) -> Response:
        """Set the counters to zero."""
        self._calls.clear()
        return await self.calls(request)

    async def cases(self, _: Request) -> Response:
        """Name and sentence of every case."""
        return json_answer(dict(cases.CASES))

    async def webhook(self, request: Request) -> Response:
        """What the vendor would post to a callback address."""
        query = dict(request.query_params)
        check_names("query", query, ("user", "session", "event", "layout", "inference_seq_num"))
        event, layout = query.get("event", _EVENTS[0]), query.get("layout", _LAYOUTS[0])
        if event not in _EVENTS:
            raise Refusal(422, f"event must be {' or '.join(_EVENTS)}.")
        if layout not in _LAYOUTS:
            raise Refusal(422, f"layout must be {', '.join(_LAYOUTS[:-1])} or {_LAYOUTS[-1]}.")
        batch = query.get("inference_seq_num", str(_FIRST_BATCH))
        if not (batch.isascii() and batch.isdigit()):
            raise Refusal(422, "inference_seq_num must be a whole number of at least 0.")
        user, session = self._chosen(query)
        with one_sentence():
            if event == "SESSION_COMPLETE":
                return json_answer(webhooks.session_complete(user, session, self._world.now, layout))
            return json_answer(webhooks.inference_complete(user, session, int(batch[:9]), layout))

    def _chosen(self, query: dict[str, str]) -> tuple[User, Session]:
        users = [find_user(self._world, query["user"])] if "user" in query else list(self._world.users())
        if "session" in query:
            if "user" not in query:
                raise Refusal(422, "A session needs its user: give both.")
            return users[0], find_session(users[0], query["session"])
        for user in users:
            if session := last_complete(self._world, user):
                return user, session
        raise Refusal(422, "There is no COMPLETE session: add one with POST /_control/nights.")

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
    """Epochs of each kind over the whole recording, the wake before and after sleep included; null without an array."""
    stages = recorded["sleep_stages"]
    names = ("unknown", "wake", "light", "deep", "rem")
    return {
        "epochs": None if stages is None else len(stages),
        **{name: _count(stages, code) for code, name in enumerate(names, start=-1)},
        "snoring": _count(recorded["snoring_stages"], 1),
        "unstable_breath": _count(recorded["breath_stages"], 1),
    }


def _count(epochs: list[int] | None, code: int) -> int | None:
    return None if epochs is None else epochs.count(code)
