"""A sandbox on a port, a home, and one clock for both that moves only when somebody waits."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.eight_sleep.login import Credentials
from connectors.eight_sleep.sandbox import Addresses, Faults, Limits, World
from connectors.eight_sleep.sandbox.beds import Sleeper
from connectors.home import Home
from connectors.patience import Patience, Retry

T = TypeVar("T")

AT_ONCE = Patience(Retry(attempts=3, base_s=0.0, jitter_s=0.0))
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOBODY_LISTENS = "http://127.0.0.1:1"


@dataclass
class Clock:
    """The time of the world and of the client; sleeping moves it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        """The same as seconds since 1970."""
        return self.now.timestamp()

    def forward(self, seconds: float) -> None:
        """Let time go by."""
        self.now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        """Wait without waiting; others have their turn."""
        self.forward(seconds)
        await asyncio.sleep(0)


@dataclass
class Rig:
    """What a test holds in its hands: the world and its switches, and connections to it."""

    root: Path
    clock: Clock
    world: World
    faults: Faults
    limits: Limits
    addresses: Addresses
    calls: Counter[str] = field(default_factory=Counter)
    homes: list[Home] = field(default_factory=list)

    @property
    def sleeper(self) -> Sleeper:
        """Whose account the client logs in to: the left side of the first bed."""
        return next(self.world.accounts())

    def connection(self, **changes: Any) -> EightSleepConnection:
        """A new run of the home, unless ``home`` is another one."""
        usual = EightSleepConnection(
            Home(self.root, clock=self.clock),
            Credentials(self.sleeper.email, self.sleeper.password),
            self.addresses.auth,
            self.addresses.client,
            patience=AT_ONCE,
            seconds=self.clock.seconds,
            sleep=self.clock.sleep,
            app_url=self.addresses.app,
        )
        connection = replace(usual, **changes)
        self.homes.append(connection.home)
        return connection

    def converse(self, talk: Callable[[EightSleepClient], Coroutine[Any, Any, T]], **changes: Any) -> T:
        """Talk with a client of a new run."""

        async def main() -> T:
            async with self.connection(**changes).open() as client:
                return await talk(client)

        return asyncio.run(main())
