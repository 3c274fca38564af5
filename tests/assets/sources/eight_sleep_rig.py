"""Eight Sleep as a source under test: a bed for two whose owner's account sees both, with all that can happen there."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from multiprocessing import Value
from pathlib import Path
from random import Random
from typing import ClassVar

from assets.raw.eight_sleep_vendor import EightSleepAccounts
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.eight_sleep.login import Credentials
from connectors.eight_sleep.sandbox import Faults, Limits, World, running
from connectors.eight_sleep.sandbox.faults import KINDS
from connectors.eight_sleep.sandbox.intervals import PAGE
from connectors.eight_sleep.sandbox.limits import DOCUMENTED
from connectors.eight_sleep.sandbox.nights import Nights, Told
from connectors.eight_sleep.sandbox.stays import Stay
from connectors.eight_sleep.sandbox.world import VARIANTS
from connectors.patience import BreakerTimes, Patience, Retry
from connectors.state.roster import RosterUser
from schemas.eight_sleep import EIGHT_SLEEP
from tests.assets.homes import NOW, follow
from tests.assets.sources.source_rig import PLAIN, SessionKey, SourceRig, TrueSession, one_of, turned, varied

QUICK = Patience(
    Retry(attempts=3, base_s=0.0, jitter_s=0.0), breaker=BreakerTimes(cool_s=0.001, longest_cool_s=0.001, down_s=0.02)
)
LIMITS = {**DOCUMENTED, "sleep": 30}
"""Calls a minute: those of the documentation, and the one that the client keeps where nothing is documented."""

CODES = {"awake": 0, "light": 1, "deep": 2, "rem": 3, "out": 5}
NAP = (("awake", 600), ("light", 1800), ("awake", 300))
LOGINS = ("auth_login", "client_login", "tokens")


class Waiting:
    """A clock for budgets that moves only when somebody waits, in this process or in one forked from it."""

    def __init__(self, start: datetime) -> None:
        self._seconds = Value("d", start.timestamp())

    def seconds(self) -> float:
        """Since 1970."""
        return float(self._seconds.value)

    def __call__(self) -> datetime:
        """The same as a time."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait without waiting."""
        with self._seconds.get_lock():
            self._seconds.value += seconds
        await asyncio.sleep(0)


class Storm(Faults):
    """Faults of every kind, by chance; a login is never told that its password is wrong, which nobody would repeat."""

    chance: Random | None = None
    share: float = 0.0
    met: int = 0

    def next(self, endpoint: str) -> str | None:
        """The fault this request meets."""
        if self.chance is None or self.chance.random() >= self.share:
            return super().next(endpoint)
        self.met += 1
        return self.chance.choice([kind for kind in KINDS if not (kind == "token_expired" and endpoint in LOGINS)])


class EightSleepRig(SourceRig):
    """A bed of the sandbox, and a home that follows both who sleep in it by ids of its own."""

    source = EIGHT_SLEEP
    VARIANTS: ClassVar = {
        **dict.fromkeys(VARIANTS, PLAIN),
        "of_2022": varied(
            *("sleep_sessions.provider_agreement", "sleep_sessions.provider_differences"),
            *("sleep_sessions.snoring_s", "sleep_sessions.snoring_episodes", "sleep_hypnograms.snoring_stages"),
        ),
        "newer_fields": varied(
            "bed_samples.nemean_respiratory_rate_bpm", "bed_samples.nemean_respiratory_rate_nightly_bpm"
        ),
        "text_none": varied("bed_nights.toss_and_turns"),
        "presence_without_out": varied("sleep_sessions.final_wake"),
        "zero_heart_rates": varied("bed_samples.heart_rate_bpm"),
        "unknown_stages": varied(
            *("sleep_sessions.provider_agreement", "sleep_sessions.provider_differences"),
            *("sleep_sessions.sleep_period_s", "sleep_sessions.sleep_maintenance_efficiency"),
            *("sleep_sessions.latency_to_light_s", "sleep_sessions.latency_to_deep_s"),
            *("sleep_hypnograms.sleep_stages", "sleep_stage_intervals.stage"),
            drift="unknown_code $.stages[].stage",
        ),
        "garbage_interval": varied("night_ledger.verdict", fails=True),
        "score_in_health": varied("bed_nights.score", "bed_nights.sleep_fitness_score_place"),
    }

    def __init__(self, folder: Path, empty: Path, now: datetime = NOW, nights: int = 3) -> None:
        super().__init__(folder, empty, now)
        self.waiting = Waiting(now)
        self.world = World(beds=1, seed=11, clock=self.clock, nights=nights)
        self.faults, self.limits, self.asked = Storm(), Limits(self.waiting, LIMITS), Counter[str]()
        served = running(self.world, self.faults, self.limits, self.asked)
        self.addresses = self.opened.enter_context(served)
        self.sleepers = {f"P-{number}": sleeper.user_id for number, sleeper in enumerate(self.world.accounts())}
        zone = self.world.beds()[0].zone
        people = (
            RosterUser(EIGHT_SLEEP, ours, "clinic", zone, vendor_user_id=id) for ours, id in self.sleepers.items()
        )
        follow(self.home, *people)

    def connection(self) -> EightSleepAccounts:
        """The owner's account: the one of the left side."""
        owner = next(self.world.accounts())
        one = EightSleepConnection(
            self.home,
            Credentials(owner.email, owner.password),
            self.addresses.auth,
            self.addresses.client,
            patience=QUICK,
            seconds=self.waiting.seconds,
            sleep=self.waiting.sleep,
            app_url=self.addresses.app,
        )
        return EightSleepAccounts(lambda: (one,))

    def truth(self) -> dict[SessionKey, TrueSession]:
        """Every final stay, until the bed was left for good."""
        return {
            (ours, told.stay.id): _as_slept(told.stay)
            for ours, nights in self._nights().items()
            for told in nights.told(self.clock.now)
            if told.is_final
        }

    def move_on(self, passed: timedelta) -> None:
        """Let time pass: nights come by themselves."""
        self.clock.now += passed

    def new_night(self, number: int) -> None:
        """Until the next stay of one sleeper is final."""
        self.clock.now = self._next_stay(number).end + timedelta(hours=1)

    def in_progress(self, number: int) -> None:
        """The midst of the next stay of one sleeper."""
        stay = self._next_stay(number)
        self.clock.now = stay.start + (stay.end - stay.start) / 2

    def analyse_again(self, number: int) -> None:
        """Other stages within the same bounds."""
        ours, told = one_of(self._slept(), number)
        self._nights()[ours].analyse_again(told.whole.id, self.clock.now)

    def move_start(self, number: int) -> None:
        """The simulator has no such analysis: a stay makes way for one of its id on the other side of midnight."""
        for ours, told in turned(self._slept(), number):
            nights, stay = self._nights()[ours], told.whole
            midnight = stay.start.replace(hour=0, minute=0, second=0, microsecond=0)
            for start in (midnight + timedelta(days=1, minutes=10), midnight - timedelta(minutes=10)):
                moved = replace(stay, start=start)
                others = [one.whole for one in nights.told(self.clock.now) if one.whole.id != stay.id]
                if moved.end + timedelta(hours=1) <= self.clock.now and not any(map(moved.overlaps, others)):
                    _put_in_place_of(nights, stay, moved)
                    return
        raise ValueError("other stays are in the way")

    def delete(self, number: int) -> None:
        """In the app."""
        ours, told = one_of(self._told(), number)
        self._nights()[ours].delete(told.whole.id)

    def late(self, number: int, days: int) -> None:
        """A nap that the bed had not sent."""
        start = self.clock.now.replace(hour=15, minute=0, second=0, microsecond=0) - timedelta(days=days)
        one_of(list(self._nights().values()), number).add(start, NAP)

    @contextmanager
    def forgetful(self) -> Iterator[None]:
        """Nobody has a stay."""
        changes = [nights._changes for nights in self._nights().values()]
        before = [set(one.deleted) for one in changes]
        for _, told in self._told():
            for one in changes:
                one.deleted.add(told.whole.id)
        try:
            yield
        finally:
            for one, deleted in zip(changes, before, strict=True):
                one.deleted = deleted

    def set_variants(self, *names: str) -> None:
        """Of the sandbox."""
        self.world.set_variants(*names)

    def set_storm(self, seed: int | None, share: float = 0.0) -> None:
        """Any kind at any request."""
        self.faults.chance = None if seed is None else Random(seed)  # noqa: S311
        self.faults.share = share

    def faults_met(self) -> int:
        """As they were sent."""
        return self.faults.met

    def limits_broken(self) -> list[str]:
        """The groups of endpoints that were asked more often than they may be."""
        return [group for group, most in LIMITS.items() if self.limits.most_in_a_window(group) > most]

    def least_calls(self) -> Counter[str]:
        """Who is seen, and for each sleeper the scores, the pages of ten sessions, and the empty one that ends them."""
        told = Counter(ours for ours, _ in self._told())
        pages = sum(1 + ceil(told[ours] / PAGE) for ours in self.sleepers)
        return Counter({"me": 1, "bed": 1, "intervals": pages, "trends": self.PEOPLE})

    def _nights(self) -> dict[str, Nights]:
        return {ours: self.world.nights_of(user_id) for ours, user_id in self.sleepers.items()}

    def _told(self) -> list[tuple[str, Told]]:
        return [(ours, told) for ours, nights in self._nights().items() for told in nights.told(self.clock.now)]

    def _slept(self) -> list[tuple[str, Told]]:
        return [(ours, told) for ours, told in self._told() if told.is_final and told.whole.asleep_s]

    def _next_stay(self, number: int) -> Stay:
        nights, now = one_of(list(self._nights().values()), number), self.clock.now
        return next(stay for stay in nights._of_evenings(now, now + timedelta(days=9)) if stay.start > now)


def _put_in_place_of(nights: Nights, stay: Stay, moved: Stay) -> None:
    changes, evening = nights._changes, nights._evening(stay.start)
    kept = [one for one in nights._planned(evening) if one.id != stay.id]
    changes.skipped.add(evening)
    changes.added = [one for one in changes.added if one.id != stay.id] + kept + [moved]


def _as_slept(stay: Stay) -> TrueSession:
    stretches = list(stay.stages)
    while stretches[-1][0] == "out":
        stretches.pop()
    stages = [CODES[stage] for stage, seconds in stretches for _ in range(seconds // 30)]
    return TrueSession(stay.start, stay.start + timedelta(seconds=30 * len(stages)), stages)
