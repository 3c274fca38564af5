"""Asleep as a source under test: its sandbox, with everything that can happen there."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from assets.raw.asleep_vendor import AsleepAccount
from connectors.asleep.connection import AsleepConnection
from connectors.asleep.sandbox import Faults, Limit, Meter, World, running
from connectors.asleep.sandbox.answers import session_detail
from connectors.asleep.sandbox.rules import KINDS, Rule
from connectors.asleep.sandbox.sessions import Session, User
from connectors.asleep.sandbox.variants import VARIANTS
from connectors.patience import BreakerTimes, Patience, Retry
from connectors.state.roster import RosterUser
from schemas.asleep import ASLEEP
from tests.assets.homes import NOW, follow
from tests.assets.sources.source_rig import PLAIN, SessionKey, SourceRig, TrueSession, one_of, turned, varied

QUICK = Patience(
    Retry(attempts=4, base_s=0.001, cap_s=0.001, jitter_s=0.0),
    answer_s=0.3,
    breaker=BreakerTimes(cool_s=0.001, longest_cool_s=0.001, down_s=0.02),
    lowest_per_second=1_000.0,
    refused_s=0.05,
)
PER_SECOND = 200

_UTC = ZoneInfo("UTC")
_CYCLES = varied(
    "sleep_sessions.sleep_cycle_mean_s",
    "sleep_sessions.provider_agreement",
    drift="list_of_cycles $.result.stat.sleep_cycle",
)
_OPTIONS: dict[str, dict[str, Any]] = {
    "too_many": {"retry_after": 0.001},
    "stall": {"delay_s": 0.01},
    "slow": {"delay_s": 0.01},
    "no_envelope": {"status": 404},
}


class AsleepRig(SourceRig):
    """A world of the Asleep sandbox and a home that follows all of it."""

    source = ASLEEP
    VARIANTS: ClassVar = {
        **dict.fromkeys(VARIANTS, PLAIN),
        "percent_efficiency": varied(drift="efficiency_in_percent $.result.stat.sleep_efficiency"),
        "clock_sleep_time": varied(
            "sleep_sessions.sleep_onset", drift="clock_time_for_instant $.result.stat.sleep_time"
        ),
        "cycle_list_with_order": _CYCLES,
        "cycle_list_with_index": _CYCLES,
        "latencies_from_start": varied(drift="latency_from_start $.result.stat.light_latency"),
        "decimal_sleep_index": varied("sleep_sessions.sleep_index"),
        "breathing_flag_with_figures": varied("sleep_sessions.peculiarities"),
        "session_zone": varied(drift="zone_inside_session $.result.session.timezone"),
        "unknown_fields": varied(drift="unknown_field $.result.added_text"),
    }

    def __init__(self, folder: Path, empty: Path, now: datetime = NOW, nights: int = 3) -> None:
        super().__init__(folder, empty, now)
        self.world = World(users=self.PEOPLE, nights=nights, seed=11, now=now)
        self.faults, self.meter = Faults(), Meter(Limit(PER_SECOND))
        self.base_url = self.opened.enter_context(running(self.world, self.faults, self.meter))
        follow(self.home, *(RosterUser(ASLEEP, u.user_id, "clinic", u.person.timezone) for u in self.world.users()))
        self._keep_up()

    def connection(self) -> AsleepAccount:
        """The sandbox's account, asked without much patience."""
        budget = self.home.root / "locks" / "asleep.budget"
        return AsleepAccount(
            AsleepConnection(
                self.base_url, self.world.api_key, PER_SECOND, 8, budget, clock=self.home.clock, patience=QUICK
            )
        )

    def truth(self) -> dict[SessionKey, TrueSession]:
        """Every COMPLETE session."""
        found = {}
        for user, session in self._sessions():
            if session.state(self.world.now) == "COMPLETE":
                stages = session_detail(session, self.world.now, _UTC)["session"]["sleep_stages"]
                found[user.user_id, session.id] = TrueSession(session.start, session.end, stages)
        return found

    def move_on(self, passed: timedelta) -> None:
        """Let time pass."""
        self.world.advance_to(self.world.now + passed)
        self._keep_up()

    def new_night(self, number: int) -> None:
        """The next night of one user."""
        self.world.add_nights(1, [self._user(number)])
        self._keep_up()

    def in_progress(self, number: int) -> None:
        """One user's phone records."""
        self.world.add_case(self._user(number), "open")
        self._keep_up()

    def analyse_again(self, number: int) -> None:
        """Other figures and an earlier end, so that the row of the list tells it."""
        _, session = one_of(self._slept(), number)
        session.plan = replace(session.plan, end=session.plan.end - timedelta(minutes=2))
        session.analyse_again()

    def move_start(self, number: int) -> None:
        """So much later or earlier that it is on the other side of midnight (UTC)."""
        for user, session in turned(self._slept(), number):
            midnight = session.start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
            for start in (midnight + timedelta(days=1, minutes=10), midnight - timedelta(minutes=10)):
                with suppress(ValueError):
                    self.world.move_start(user, session, start)
                    return
        raise ValueError("other sessions are in the way")

    def delete(self, number: int) -> None:
        """In the app."""
        self.world.delete_session(*one_of(self._sessions(), number))

    def late(self, number: int, days: int) -> None:
        """A phone was offline."""
        self.world.add_late_session(self._user(number), days)

    @contextmanager
    def forgetful(self) -> Iterator[None]:
        """No user has a session."""
        kept = {user.user_id: list(user.sessions) for user in self.world.users()}
        for user in self.world.users():
            user.sessions.clear()
        try:
            yield
        finally:
            for user in self.world.users():
                user.sessions[:] = kept[user.user_id]

    def set_variants(self, *names: str) -> None:
        """Of the sandbox."""
        self.world.set_variants(names)

    def set_storm(self, seed: int | None, share: float = 0.0) -> None:
        """Each kind of fault has a part of the share, which is doubled: half of the kinds do no harm."""
        kinds = [kind for kind in KINDS if kind != "user_refused"] if seed is not None else []
        rules = [
            Rule.of({"kind": kind, "share": 2 * share / len(kinds), "in_a_row": 9} | _OPTIONS.get(kind, {}))
            for kind in kinds
        ]
        self.faults._seed = seed or 1
        self.faults.set(rules)

    def faults_met(self) -> int:
        """As the sandbox counts them."""
        return self.faults.fired.total()

    def limits_broken(self) -> list[str]:
        """Requests beyond the limit."""
        return ["requests a second"] if self.meter.rate()["refused"] else []

    def least_calls(self) -> Counter[str]:
        """A list for each user."""
        return Counter({"list": self.PEOPLE})

    def _keep_up(self) -> None:
        self.clock.now = self.world.now

    def _user(self, number: int) -> User:
        return one_of(list(self.world.users()), number)

    def _sessions(self) -> list[tuple[User, Session]]:
        return [(user, session) for user in self.world.users() for session in user.sessions]

    def _slept(self) -> list[tuple[User, Session]]:
        now = self.world.now
        return [(u, s) for u, s in self._sessions() if s.state(now) == "COMPLETE" and s.plan.kind != "rest"]
