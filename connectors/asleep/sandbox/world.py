"""The sandbox's world: its people, their sessions, one clock, and what may change while it runs.

The clock stands still unless it is moved, so that the same world gives the same bytes for ever. Moving it finishes what
is in progress; it starts nothing: new nights come only from ``add_nights``. JSON and HTTP are in ``answers`` and
``app``.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial

from connectors.asleep.sandbox.cases import CASES, InProgress, case_named
from connectors.asleep.sandbox.people import Metadata, Person, inhabitant, metadata_of, newcomer
from connectors.asleep.sandbox.schedule import (
    Plan,
    afternoon,
    history,
    in_progress,
    just_closed,
    main_night,
    next_night,
    night_at,
    still_open,
)
from connectors.asleep.sandbox.sessions import Session, User
from connectors.asleep.sandbox.variants import VARIANTS

__all__ = ["Session", "User", "World"]

_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)
_QUIET = timedelta(hours=4)
_YEARS = range(2000, 2100)
_LATEST_DAYS = 3650
_CLOSED_FOR_S = 20
_CLOSED_PERSON = 1
_OPEN_PERSON = 2


class World:
    """Users with nights up to ``now``, all drawn from ``seed``: the same arguments give the same bytes.

    A night depends on (seed, user index, date) alone, so that asking for more users or nights changes nothing that was
    there. From three users on one session is OPEN and one is CLOSED at ``now``, whatever the hour.

    Args:
        users: People of the default population.
        nights: Nights before ``now`` for each of them; a few are skipped.
        seed: Name of the world.
        api_key: The only key that is let in.
        now: Where the world's clock stands, with an offset, cut to the second; the real time by default.
        analysis_s: Seconds a session stays CLOSED before it is COMPLETE, at least 1.

    Raises:
        ValueError: an argument is out of range, or ``now`` has no offset.
    """

    def __init__(
        self,
        users: int = 24,
        nights: int = 30,
        seed: int = 1,
        api_key: str = "sandbox-key",
        now: datetime | None = None,
        analysis_s: int = 60,
    ) -> None:
        _check_world(users, nights, now, analysis_s)
        self.seed = seed
        self.api_key = api_key
        self.nights = nights
        self.analysis_s = analysis_s
        self._now = self._opened = (now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
        self._next_index = users
        self._analysis = timedelta(seconds=analysis_s)
        self._variants: frozenset[str] = frozenset()
        self._users = {user.user_id: user for user in map(self._settle, range(users))}

    @property
    def now(self) -> datetime:
        """The world's time, UTC."""
        return self._now

    def users(self) -> Iterator[User]:
        """All users, in order of arrival."""
        yield from self._users.values()

    def user(self, user_id: str) -> User | None:
        """The user with this id."""
        return self._users.get(user_id)

    @property
    def variants(self) -> frozenset[str]:
        """The answer variants that are switched on."""
        return self._variants

    def set_variants(self, names: Collection[str]) -> None:
        """Answer with exactly these variants from now on.

        Raises:
            ValueError: there is no variant of that name.
        """
        for name in names:
            if name not in VARIANTS:
                raise ValueError(f"There is no variant {name!r}; the variants are {', '.join(VARIANTS)}.")
        self._variants = frozenset(names)

    def create_user(self, metadata: Metadata | None, timezone: str | None = None) -> User:
        """A new user without sessions; in the zone their number falls on unless another is given."""
        person = newcomer(self.seed, self._next_index, self._now)
        user = User(person if timezone is None else replace(person, timezone=timezone), metadata)
        self._next_index += 1
        self._users[user.user_id] = user
        return user

    def delete_user(self, user_id: str) -> None:
        """Forget a user and all sessions.

        Raises:
            KeyError: there is no such user.
        """
        del self._users[user_id]

    def delete_session(self, user: User, session: Session) -> None:
        """Forget one session of a user; its night is not given out again."""
        user.sessions.remove(session)
        user.deleted_nights.append(session.plan.night_of)

    def advance_to(self, moment: datetime) -> None:
        """Move the clock forward to ``moment`` (with an offset).

        Raises:
            ValueError: ``moment`` lies before the world's time.
        """
        if moment < self._now:
            raise ValueError("the clock only moves forward")
        self._now = moment.astimezone(UTC).replace(microsecond=0)

    def add_nights(self, count: int, users: Iterable[User] | None = None) -> list[Session]:
        """For each user ``count`` COMPLETE nights after their last one; the clock moves on if they end after now."""
        added = [
            session
            for user in (list(self._users.values()) if users is None else users)
            for _ in range(count)
            for session in _put(user, self._next_free(user, partial(self._usual, user.person)))
        ]
        self._now = max([self._now, *(session.completes for session in added)])
        return added

    def add_case(self, user: User, case: str, night: date | None = None) -> list[Session]:
        """The session or sessions of a case, for ``night`` or the next free night after the user's last one.

        The clock moves on to the end of the analysis if that lies after now. A session that is in progress lies around
        now, or some hours later where the user has just slept; asked for a night it takes the clock there.

        Args:
            user: Whose sessions they are.
            case: One of ``CASES``.
            night: Local date of the evening.

        Raises:
            ValueError: there is no such case, the night is taken or beyond the years of the sandbox, or it is over and
                the case is in progress.
        """
        wanted = case_named(case)
        if night is not None and night.year not in _YEARS:
            raise ValueError(f"The night must be in the years {_YEARS[0]} to {_YEARS[-1]}.")
        if wanted.in_progress:
            plan, moment = self._in_progress(user, wanted.in_progress, night)
            added = _put(user, [self._odd(user.person, case, plan)])
        else:
            planned = partial(self._unusual, user.person, case)
            added = _put(user, self._next_free(user, planned) if night is None else planned(night))
            moment = max(session.completes for session in added)
        self._now = max(self._now, moment)
        return added

    def add_all_cases(self) -> list[Session]:
        """Every case once, each for a new user of its own; the clock stands still."""
        added: list[Session] = []
        for case in CASES:
            user = self.create_user(metadata_of(self.seed, self._next_index), case_named(case).home)
            added += self.add_case(user, case)
        return added

    def add_late_session(self, user: User, days_ago: int) -> Session:
        """A COMPLETE session of so many noon-to-noon days back that reached the vendor only now.

        It is the night's sleep, or a nap in the afternoon before it if the night is taken.

        Raises:
            ValueError: ``days_ago`` is not 1 to 3650, or the user has recorded both.
        """
        if not 1 <= days_ago <= _LATEST_DAYS:
            raise ValueError(f"A late session lies 1 to {_LATEST_DAYS} days back.")
        night = night_at(user.person, self._now) - days_ago * _DAY
        for plan in (main_night(self.seed, user.person, night), afternoon(self.seed, user.person, night)):
            session = Session(self.seed, user.person, plan, self._now - plan.end, case="late")
            if session.end <= self._now and _is_free(user, [session]):
                return _put(user, [session])[0]
        raise ValueError(f"The night and the afternoon of {night} are taken.")

    def mark_to_be_deleted(self, user: User) -> None:
        """Announce that a user will be deleted; nothing else changes yet."""
        user.to_be_deleted = True

    def reanalyse(self, user: User, session: Session) -> None:
        """Give a COMPLETE session new stages and figures, others each time; id, start and end stay.

        Raises:
            ValueError: the session is not one of the user's, is not COMPLETE, or has no sleep or arrays to show it.
        """
        if session not in user.sessions or session.state(self._now) != "COMPLETE":
            raise ValueError("Only a COMPLETE session of the user can be analysed again.")
        if not session.analyse_again():
            raise ValueError("A new analysis of that session shows the same: no sleep, or no arrays.")

    def move_start(self, user: User, session: Session, start: datetime) -> None:
        """Let a new analysis find that a COMPLETE session began at another time; its id and its end stay.

        Raises:
            ValueError: the session is not one of the user's or not COMPLETE, or another one is in the way.
        """
        if session not in user.sessions or session.state(self._now) != "COMPLETE":
            raise ValueError("Only a COMPLETE session of the user can be analysed again.")
        others = (other for other in user.sessions if other is not session)
        if start >= session.end or any(start < other.end and other.start < session.end for other in others):
            raise ValueError("The session cannot begin then.")
        user.sessions.remove(session)
        session.__dict__["id"] = session.id  # made on first use from the start, of which it keeps telling
        session.plan = replace(session.plan, start=start.astimezone(UTC))
        session.analyse_again()
        _put(user, [session])

    def _settle(self, index: int) -> User:
        person = inhabitant(self.seed, index)
        return User(
            person, metadata_of(self.seed, index), lambda: [self._session(person, p) for p in self._past(person)]
        )

    def _past(self, person: Person) -> list[Plan]:
        """What a person of the default population has on record when the world opens."""
        plans = history(self.seed, person, self.nights, self._opened)
        night = night_at(person, self._opened)
        if person.index == _CLOSED_PERSON:
            end = self._opened - timedelta(seconds=min(_CLOSED_FOR_S, self.analysis_s // 3))
            return just_closed(plans, self._opened, end, night)
        if person.index == _OPEN_PERSON:
            return still_open(plans, next_night(self.seed, person, self._opened), self._opened, night)
        return plans

    def _session(self, person: Person, plan: Plan) -> Session:
        return Session(self.seed, person, plan, self._analysis)

    def _usual(self, person: Person, night: date) -> list[Session]:
        return [self._session(person, main_night(self.seed, person, night))]

    def _unusual(self, person: Person, case: str, night: date) -> list[Session]:
        plans = case_named(case).times(person, main_night(self.seed, person, night))
        return [self._odd(person, case, plan, part) for part, plan in enumerate(plans, 1)]

    def _odd(self, person: Person, case: str, plan: Plan, part: int = 1) -> Session:
        return Session(self.seed, person, plan, self._analysis, case_named(case).oddity, case, part)

    def _in_progress(self, user: User, state: InProgress, night: date | None) -> tuple[Plan, datetime]:
        """A plan that is in ``state`` at a moment that is now or later, and that moment."""
        ended = state == "CLOSED"
        if night is None:
            moment = max([self._now, *(session.closed + _QUIET for session in user.sessions)])
            return in_progress(moment, night_at(user.person, moment), ended), moment
        plan = main_night(self.seed, user.person, night)
        moment = plan.end if ended else plan.start + (plan.end - plan.start) // _SECOND // 2 * _SECOND
        if moment < self._now:
            raise ValueError(f"The night of {night} is over; a session that is {state} needs a later one.")
        return plan, moment

    def _next_free(self, user: User, planned: Callable[[date], list[Session]]) -> list[Session]:
        """What is planned for the first free night after the last main one.

        For somebody without any it is the last night that is over and analysed.
        """
        mains = [session.plan.night_of for session in user.sessions if session.plan.kind == "main"]
        if mains or user.deleted_nights:
            night = max(mains + user.deleted_nights) + _DAY
        else:
            night = night_at(user.person, self._now)
            while any(session.completes > self._now for session in planned(night)):
                night -= _DAY
        while not _is_free(user, sessions := planned(night)):
            night += _DAY
        return sessions


def _is_free(user: User, sessions: Iterable[Session]) -> bool:
    return not any(session.overlaps(other) for session in sessions for other in user.sessions)


def _put(user: User, sessions: list[Session]) -> list[Session]:
    """Add sessions to a user's; a session of theirs may not be in the way."""
    if not _is_free(user, sessions):
        raise ValueError("The user has recorded another session at that time.")
    user.sessions.extend(sessions)
    user.sessions.sort(key=lambda session: session.start)
    return sessions


def _check_world(users: int, nights: int, now: datetime | None, analysis_s: int) -> None:
    if users < 0:
        raise ValueError("users must not be negative")
    if nights < 1:
        raise ValueError("nights must be at least 1")
    if analysis_s < 1:
        raise ValueError("analysis_s must be at least 1")
    if now is not None and now.tzinfo is None:
        raise ValueError("now needs an offset")
