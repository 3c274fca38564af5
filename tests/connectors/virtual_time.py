"""An event loop whose clock jumps to the next timer instead of waiting, for tests of waits; no sockets, no threads."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


TICK_S = 1e-6
"""What one turn of the loop takes, so that time never stands still."""


class _JumpingSelector(selectors.DefaultSelector):
    now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events:
            assert timeout is not None, "every task waits for something that no timer will bring"
            self.now += timeout + TICK_S
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` starts at 1000 s and moves only when every task sleeps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run ``main()`` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def virtual_now() -> float:
    """Seconds on the running loop's clock."""
    return asyncio.get_running_loop().time()
