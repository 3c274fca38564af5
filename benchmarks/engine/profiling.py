"""Where the CPU time of a run goes, by what it is spent on: a sampling profile, because tracing would distort it.

Every two milliseconds of CPU a signal looks at the stacks. A sample belongs to the innermost file that stands for
something; what serves everybody (Arrow, msgspec, the standard library) belongs to whoever called it.
"""

import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EVERY_S = 0.002

LOOP, OTHER = "event loop, sockets", "other"

_WAITING = ("/selectors.py", "/threading.py", "/queue.py")

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("HTTP libraries", ("/httpx/", "/httpx_aiohttp/", "/aiohttp/", "/yarl/", "/multidict/", "/anyio/")),
    ("lean transport", ("/benchmarks/engine/lean.py",)),
    (
        "budget, breaker, stop",
        tuple(f"/connectors/{name}.py" for name in ("rate_limit", "pace", "breaker", "shared_state", "stop")),
    ),
    ("our HTTP", ("/connectors/http.py", "/connectors/transport.py", "/connectors/patience.py")),
    ("reading answers", ("/connectors/asleep/",)),
    ("hashing", ("/schemas/canonical.py",)),
    ("raw files", ("/connectors/lake/raw.py", "/connectors/lake/compaction.py")),
    ("state", ("/connectors/state/", "/sqlalchemy/", "/alembic/")),
    ("pull", ("/assets/raw/",)),
    ("decoding documents", ("/assets/lake/decoding.py", "/schemas/documented_fields.py", "/assets/lake/drift.py")),
    (
        "normalising",
        (
            *("/assets/lake/normalise", "/schemas/hypnogram_statistics.py", "/schemas/agreement.py"),
            *("/schemas/metrics.py", "/schemas/quirks.py", "/schemas/nights.py", "/schemas/stages.py"),
        ),
    ),
    ("nights", ("/assets/night_facts.py", "/schemas/night_", "/assets/lake/night_ledger.py")),
    ("history", ("/assets/lake/session_history.py", "/schemas/session_changes.py")),
    ("lake files", ("/connectors/lake/tables.py",)),
    ("lake, the rest", ("/assets/lake/", "/assets/builds.py", "/assets/results.py", "/filelock/")),
    ("FHIR", ("/assets/fhir/", "/schemas/fhir/", "/connectors/lake/fhir.py")),
    ("warehouse", ("/assets/warehouse/", "/connectors/warehouse/")),
    ("Dagster", ("/dagster/", "/dagster_shared/")),
)


@contextmanager
def profiled(shares: dict[str, float]) -> Iterator[None]:
    """Sample what happens in here; at the end ``shares`` tells each group's share of the CPU time. Main thread only."""
    samples: Counter[str] = Counter()

    def sample(_: int, frame: FrameType | None) -> None:
        samples[_at_work(frame)] += 1

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    shares.update({group: count / samples.total() for group, count in samples.most_common()})


def _at_work(main: FrameType | None) -> str:
    """The group of the main thread or, while that one waits, of another that does not."""
    if not _waits(main):
        return _group(main)
    mine = threading.get_ident()
    others = [frame for thread, frame in sys._current_frames().items() if thread != mine and not _waits(frame)]
    return _group(others[0] if others else main)


def _waits(frame: FrameType | None) -> bool:
    return frame is None or frame.f_code.co_filename.endswith(_WAITING)


def _group(frame: FrameType | None) -> str:
    while frame is not None:
        file = frame.f_code.co_filename
        for group, fragments in _GROUPS:
            if any(fragment in file for fragment in fragments):
                return group
        if file.endswith("/asyncio/base_events.py") and frame.f_code.co_name == "_run_once":
            return LOOP
        frame = frame.f_back
    return OTHER
