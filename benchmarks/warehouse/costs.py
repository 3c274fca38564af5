"""What a piece of work has cost."""

import time
from collections.abc import Callable
from typing import NamedTuple


class Cost(NamedTuple):
    """Seconds by the clock, of CPU in this process, and of CPU in the server's processes."""

    wall_s: float
    ours_s: float
    server_s: float = 0.0

    @property
    def cpu_s(self) -> float:
        """Of both together."""
        return self.ours_s + self.server_s


def cost_here(work: Callable[[], object]) -> Cost:
    """What work costs that is done in this process alone, in all its threads."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)
