"""What a test needs of a source, whichever it is: its simulator, a home that follows its people, one clock for both.

``rigs`` has one for every source. A test that takes a ``SourceRig`` knows nothing of whose simulator it is.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from assets.raw.pull import PullReport, Window, pull
from assets.raw.vendor import Vendor, VendorConnection
from tests.assets.engine.engine_home import EngineHome
from tests.assets.homes import NOW

T = TypeVar("T")

SessionKey = tuple[str, str]
"""User id of the roster, session id."""

LOOK_BACK = timedelta(days=20)


@dataclass(frozen=True)
class TrueSession:
    """A complete session as the simulator has it: times in UTC, and the stages of its epochs in lake codes.

    ``stages`` is None where the vendor tells none.
    """

    start: datetime
    end: datetime
    stages: list[int] | None


@dataclass(frozen=True)
class Ran:
    """What came of a run: the pull's report, the requests by endpoint, the files of lake and FHIR replaced."""

    report: PullReport
    calls: Counter[str]
    files: int


@dataclass(frozen=True)
class Variant:
    """What an answer variant may change in the lake, and what is told of it.

    ``columns`` (``table.column``) may have other values, ``drift`` (``kind path``) is noted, at least. With ``fails``
    every user is told as not pulled, although all that can be read is.
    """

    columns: frozenset[str] = frozenset()
    drift: frozenset[str] = frozenset()
    fails: bool = False


PLAIN = Variant()
"""A variant that nothing is to be seen of."""


def varied(*columns: str, drift: str | None = None, fails: bool = False) -> Variant:
    """A variant in one line."""
    return Variant(frozenset(columns), frozenset([drift] if drift else []), fails)


class SourceRig(EngineHome, ABC):
    """A served simulator and a home; people and their sessions are chosen by any number."""

    VARIANTS: ClassVar[Mapping[str, Variant]]
    """Every variant of the simulator's answers."""

    PEOPLE: ClassVar[int] = 2

    def __init__(self, folder: Path, empty: Path, now: datetime = NOW, nights: int = 3) -> None:
        super().__init__(folder, empty, now)
        self.calls_so_far = Counter[str]()

    @abstractmethod
    def connection(self) -> VendorConnection[Any]:
        """The account as a pull reaches it."""

    @abstractmethod
    def truth(self) -> dict[SessionKey, TrueSession]:
        """The sessions that the lake must have once a run has come through."""

    @abstractmethod
    def move_on(self, passed: timedelta) -> None:
        """Let time pass, for the vendor and for the home."""

    @abstractmethod
    def new_night(self, number: int) -> None:
        """Somebody sleeps another night, and it is analysed."""

    @abstractmethod
    def in_progress(self, number: int) -> None:
        """It is the midst of somebody's next night."""

    @abstractmethod
    def analyse_again(self, number: int) -> None:
        """A complete session gets other stages or times. Raises: ValueError when there is none that can."""

    @abstractmethod
    def move_start(self, number: int) -> None:
        """A new analysis has a session begin on another UTC date. Raises: ValueError when none can."""

    @abstractmethod
    def delete(self, number: int) -> None:
        """Somebody deletes a session. Raises: ValueError when there is none."""

    @abstractmethod
    def late(self, number: int, days: int) -> None:
        """A session of some days ago comes only now. Raises: ValueError when another one is in the way."""

    @abstractmethod
    def forgetful(self) -> AbstractContextManager[None]:
        """A context in which the vendor has lost every session."""

    @abstractmethod
    def set_variants(self, *names: str) -> None:
        """Answer with exactly these variants from now on."""

    @abstractmethod
    def set_storm(self, seed: int | None, share: float = 0.0) -> None:
        """Let so large a share of the requests meet a fault of any kind; None: none does."""

    @abstractmethod
    def faults_met(self) -> int:
        """How many requests have met a fault."""

    @abstractmethod
    def limits_broken(self) -> list[str]:
        """The limits of the simulator that it has seen broken."""

    @abstractmethod
    def least_calls(self) -> Counter[str]:
        """The requests of a run over ``window`` that finds nothing new."""

    @property
    def window(self) -> Window:
        """The dates of a run: everything there is."""
        return Window(self.today - LOOK_BACK, self.today)

    def ask(self, window: Window | None = None) -> PullReport:
        """Pull and build nothing; requests are counted in ``calls_so_far`` whatever becomes of it.

        Raises: what stops a pull.
        """
        connection = self.connection()

        async def asked() -> PullReport:
            async with connection.open() as vendor:
                talking: Vendor = vendor
                try:
                    return await pull(self.home, talking, connection.account(), window or self.window)
                finally:
                    self.calls_so_far += talking.calls.by_endpoint

        return asyncio.run(asked())

    def run(self, window: Window | None = None) -> Ran:
        """Clear away what a killed run left, pull, build.

        Raises: what stops a pull.
        """
        self.sweep()
        before = Counter(self.calls_so_far)
        report = self.ask(window)
        return Ran(report, self.calls_so_far - before, self.drain())

    def run_and_kill(self, failpoint: str) -> bool:
        """A run in a process of its own that dies at a failpoint; False if it never came there and ended well."""
        return self.is_killed(failpoint, self.run)


def one_of(choices: Sequence[T], number: int) -> T:
    """One of whatever there is. Raises: ValueError when there is nothing."""
    if not choices:
        raise ValueError("there is nothing to choose from")
    return choices[number % len(choices)]


def turned(choices: Sequence[T], number: int) -> list[T]:
    """All of them, beginning with one or another."""
    first = number % max(1, len(choices))
    return [*choices[first:], *choices[:first]]
