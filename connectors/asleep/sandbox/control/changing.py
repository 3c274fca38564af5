"""Controls that move the world on: nights, the clock, odd sessions, and what the vendor does behind a client's back."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from connectors.asleep.sandbox import cases, variants
from connectors.asleep.sandbox.control.knobs import (
    CONTROL_PATH,
    Knob,
    clock_of,
    find_session,
    find_user,
    is_whole,
    json_answer,
    last_complete,
    one_sentence,
    read_body,
)
from connectors.asleep.sandbox.refusals import Refusal
from connectors.asleep.sandbox.world import Session, User, World

ALL_CASES = "all"
"""Stands for every case at once."""

_MOST_NIGHTS = 400
_MOST_DAYS_AGO = 3_650
_END_OF_TIME = datetime(2100, 1, 1, tzinfo=UTC)


class Changing:
    """These controls; each method is one of them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def knobs(self) -> list[Knob]:
        """Each with its path, an example of its body, and its description."""
        return [
            Knob(
                "POST",
                "/nights",
                {"count": 1, "users": None},
                "add the next COMPLETE nights after each user's last one (users: a list of ids, null for all); "
                "a night that would end after now moves the clock to just after its analysis",
                self.nights,
            ),
            Knob(
                "POST",
                "/clock",
                {"advance_s": 3600},
                'move the clock forward by seconds, or to a time with {"now": "2026-11-22T06:00:00Z"}; OPEN sessions '
                "become CLOSED at their end and COMPLETE analysis_s later; no new session begins",
                self.clock,
            ),
            Knob(
                "POST",
                "/cases",
                {"case": ALL_CASES, "user": None, "night": None},
                "add an odd session, or one of each; user null: a new user, night null: the next one that is free",
                self.add_case,
            ),
            Knob("GET", "/variants", None, "other documented shapes of answers: known and in force", self.variants),
            Knob(
                "POST",
                "/variants",
                {"variants": []},
                "put these variants in force and no others; an empty list is the usual shape",
                self.set_variants,
            ),
            Knob(
                "POST",
                "/reanalyse",
                {"user": None, "session": None},
                "let the vendor analyse a COMPLETE session again, with other figures; session null: the user's last "
                "COMPLETE one, user null: everybody's who slept in it",
                self.reanalyse,
            ),
            Knob(
                "POST",
                "/late",
                {"user": None, "days_ago": 3},
                "let a session turn up that a phone recorded days ago; user null: one for everybody with room for it",
                self.late,
            ),
            Knob(
                "POST",
                "/delete",
                {"user": "G-...", "session": None},
                "delete a session as its user would in the app, or with session null the whole user",
                self.delete,
            ),
            Knob(
                "POST",
                "/to_be_deleted",
                {"user": "G-..."},
                "mark a user for deletion: the user answer says to_be_deleted",
                self.to_be_deleted,
            ),
        ]

    async def nights(self, request: Request) -> Response:
        """Add COMPLETE nights."""
        body = await read_body(request, "count", "users")
        count = body.get("count", 1)
        if not is_whole(count) or not 1 <= count <= _MOST_NIGHTS:
            raise Refusal(422, f"count must be a whole number from 1 to {_MOST_NIGHTS}.")
        return self._added(self._world.add_nights(count, self._chosen(body.get("users"))))

    async def clock(self, request: Request) -> Response:
        """Move the clock forward."""
        body = await read_body(request, "now", "advance_s")
        if len(body) != 1:
            raise Refusal(422, "Send either now or advance_s.")
        moment = _moment(body["now"]) if "now" in body else self._later(body["advance_s"])
        if moment < self._world.now:
            raise Refusal(422, f"The clock only moves forward; it stands at {clock_of(self._world)}.")
        if moment >= _END_OF_TIME:
            raise Refusal(422, "The clock stops at the end of the year 2099.")
        self._world.advance_to(moment)
        return json_answer({"now": clock_of(self._world)})

    async def add_case(self, request: Request) -> Response:
        """Add odd sessions."""
        body = await read_body(request, "case", "user", "night")
        case, night = body.get("case", ALL_CASES), _night(body.get("night"))
        if not isinstance(case, str):
            raise Refusal(422, f"case must be a name from {CONTROL_PATH}/cases, or {ALL_CASES!r}.")
        if case == ALL_CASES:
            if body.get("user") is not None or night is not None:
                raise Refusal(422, f"{ALL_CASES!r} brings users and nights of its own: leave both out.")
            with one_sentence():
                return self._added(self._world.add_all_cases())
        if case not in cases.CASES:
            raise Refusal(422, f"Unknown case: there are {ALL_CASES}, {', '.join(cases.CASES)}.")
        if body.get("user") is not None:
            user = find_user(self._world, body["user"])
            with one_sentence():
                return self._added(self._world.add_case(user, case, night))
        newcomer = self._world.create_user(None)
        try:
            return self._added(self._world.add_case(newcomer, case, night))
        except ValueError as error:
            self._world.delete_user(newcomer.user_id)
            sentence = str(error)
        raise Refusal(422, sentence)

    async def variants(self, _: Request) -> Response:
        """Known variants, and those in force."""
        return json_answer({"variants": sorted(self._world.variants), "known": dict(variants.VARIANTS)})

    async def set_variants(self, request: Request) -> Response:
        """Choose the variants in force."""
        names = (await read_body(request, "variants")).get("variants")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise Refusal(422, f"variants must be a list of names from GET {CONTROL_PATH}/variants.")
        with one_sentence():
            self._world.set_variants(names)
        return await self.variants(request)

    async def reanalyse(self, request: Request) -> Response:
        """Analyse sessions again."""
        body = await read_body(request, "user", "session")
        chosen = self._to_reanalyse(body.get("user"), body.get("session"))
        if body.get("user") is not None:
            with one_sentence():
                self._world.reanalyse(*chosen[0])
            return json_answer({"reanalysed": [chosen[0][1].id]})
        return json_answer(
            {"reanalysed": [session.id for user, session in chosen if self._analyse_again(user, session)]}
        )

    async def late(self, request: Request) -> Response:
        """Let sessions of past days turn up."""
        body = await read_body(request, "user", "days_ago")
        days_ago = body.get("days_ago", 3)
        if not is_whole(days_ago) or not 1 <= days_ago <= _MOST_DAYS_AGO:
            raise Refusal(422, f"days_ago must be a whole number from 1 to {_MOST_DAYS_AGO}.")
        if body.get("user") is not None:
            user = find_user(self._world, body["user"])
            with one_sentence():
                return self._added([self._world.add_late_session(user, days_ago)])
        added = [self._late_session(user, days_ago) for user in list(self._world.users())]
        return self._added([session for session in added if session])

    async def delete(self, request: Request) -> Response:
        """Delete a session or a user."""
        body = await read_body(request, "user", "session")
        user = find_user(self._world, body.get("user"))
        if body.get("session") is None:
            self._world.delete_user(user.user_id)
        else:
            self._world.delete_session(user, find_session(user, body["session"]))
        return json_answer({"deleted": body.get("session") or user.user_id})

    async def to_be_deleted(self, request: Request) -> Response:
        """Mark a user for deletion."""
        user = find_user(self._world, (await read_body(request, "user")).get("user"))
        with one_sentence():
            self._world.mark_to_be_deleted(user)
        return json_answer({"to_be_deleted": user.user_id})

    def _added(self, sessions: Sequence[Session]) -> Response:
        return json_answer({"added": [session.id for session in sessions], "now": clock_of(self._world)})

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

    def _to_reanalyse(self, user_id: object, session_id: object) -> list[tuple[User, Session]]:
        if user_id is None and session_id is not None:
            raise Refusal(422, "A session needs its user: give both.")
        users = list(self._world.users()) if user_id is None else [find_user(self._world, user_id)]
        if session_id is not None:
            return [(users[0], find_session(users[0], session_id))]
        last = [(user, last_complete(self._world, user)) for user in users]
        if user_id is not None and last[0][1] is None:
            raise Refusal(422, "This user has no COMPLETE session.")
        return [(user, session) for user, session in last if session is not None]

    def _analyse_again(self, user: User, session: Session) -> bool:
        """False where there is no sleep to find anew: for everybody at once that is nobody's mistake."""
        try:
            self._world.reanalyse(user, session)
        except ValueError:
            return False
        return True

    def _late_session(self, user: User, days_ago: int) -> Session | None:
        """None where the day is full: for everybody at once that is nobody's mistake."""
        try:
            return self._world.add_late_session(user, days_ago)
        except ValueError:
            return None


def _moment(value: object) -> datetime:
    sentence = "now must be an ISO 8601 time with an offset, such as 2026-11-22T06:00:00Z."
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise Refusal(422, sentence) from None
    if moment.tzinfo is None:
        raise Refusal(422, sentence)
    return moment


def _night(value: object) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise Refusal(422, "night must be null or a date such as 2026-11-21.") from None
