"""Our own contestant: the pull as it is, then the lake; without Dagster, with it, or over a leaner transport.

``options`` of a task: ``how`` is ``engine`` (pull and lake), ``all`` (pull, lake, FHIR, warehouse, all without
Dagster) or ``sync`` (as ``nightshift sync`` does it); ``transport`` is ``lean`` for the experiment of ``lean``;
``profile`` adds where the time went; ``days`` is for a longer window than everybody's.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from assets.builds import INPUTS, MARTS, Built, build_partitions, mark_users_dirty
from assets.fhir.average_stats_observations import build_average_stats_observations
from assets.fhir.people import build_people
from assets.fhir.sleep_observations import build_sleep_observations, fhir_context
from assets.lake.average_stats import build_average_stats
from assets.lake.night_ledger import build_night_ledger
from assets.lake.session_history import build_session_history
from assets.lake.sleep_hypnograms import build_sleep_hypnograms
from assets.lake.sleep_sessions import build_sleep_sessions
from assets.lake.sleep_stage_intervals import build_sleep_stage_intervals
from assets.lake.users import build_users
from assets.marts.loading import load_marts
from assets.raw.asleep_vendor import AsleepVendor
from assets.raw.pull import Window, pull
from assets.warehouse.tables import load_average_stats, load_night_ledger, load_nights, load_users
from benchmarks.engine.contestant import FIRST, KEY, LAST, NOW, Meter, Task, compete
from benchmarks.engine.lean import lean_transport
from benchmarks.engine.profiling import profiled
from connectors.home import Home
from connectors.state.dirty import list_dirty
from connectors.state.roster import RosterUser, put_users
from pipelines.command.sync import run_sync
from pipelines.resources import asleep_connection, open_home, open_warehouse
from pipelines.runs import open_runner  # noqa: F401 - Dagster and the assets are loaded before anything is measured
from pipelines.settings import Settings, load_settings
from schemas.asleep import ASLEEP

FASTEST_PER_SECOND = 10_000


def run(task: Task, folder: Path, meter: Meter) -> None:
    """Do a task in a home of its own."""
    window = Window(LAST - timedelta(days=task.options["days"]) if "days" in task.options else FIRST, LAST)
    settings = load_settings(
        _env_file=None,  # a real home's settings must not reach a benchmark
        nightshift_home=folder,
        asleep_base_url=task.base_url,
        asleep_api_key=KEY,
        asleep_requests_per_second=FASTEST_PER_SECOND,
        asleep_concurrency=task.connections,
        nightshift_pseudonym_key="the same in every benchmark",
    )
    home = open_home(settings, clock=lambda: NOW)
    _enrol(home, task.roster())
    ways: dict[str, Callable[[Home, Settings, Window, dict[str, Any]], None]] = {
        "engine": partial(_engine, lake_only=True),
        "all": partial(_engine, lake_only=False),
        "sync": _sync,
    }
    lean = lean_transport() if task.options.get("transport") == "lean" else nullcontext()
    groups = meter.notes.setdefault("profile", {}) if task.options.get("profile") else None
    with lean, meter.running(), profiled(groups) if groups is not None else nullcontext():
        ways[task.options.get("how", "engine")](home, settings, window, meter.notes)
    home.state.close()


def _enrol(home: Home, roster: list[tuple[str, str]]) -> None:
    with home.state.write() as connection:
        put_users(connection, [RosterUser(ASLEEP, user_id, "default", zone) for user_id, zone in roster])
        mark_users_dirty(connection)


def _engine(home: Home, settings: Settings, window: Window, notes: dict[str, Any], *, lake_only: bool) -> None:
    began, cpu_s = time.perf_counter(), time.process_time()
    report = asyncio.run(_pull(home, settings, window))
    notes["pull_s"], notes["pull_cpu_s"] = time.perf_counter() - began, time.process_time() - cpu_s
    notes["sessions"] = report.counts.new
    notes["built"], notes["assets_cpu_s"] = _build(home, settings, lake_only=lake_only)


async def _pull(home: Home, settings: Settings, window: Window) -> Any:
    connection = asleep_connection(settings, home)
    async with connection.open() as client:
        return await pull(home, AsleepVendor(client), connection.account(), window)


def _sync(home: Home, settings: Settings, window: Window, notes: dict[str, Any]) -> None:
    summary = run_sync(settings, home, lambda runner: runner.pull(window.first, window.last))
    notes["sessions"] = summary["sessions"]["new"]


def _build(home: Home, settings: Settings, *, lake_only: bool) -> tuple[int, dict[str, float]]:
    """Build what is dirty until nothing is, in the order of the flow; how many asset partitions, and CPU s by asset."""
    done: Counter[str] = Counter()
    cpu_s: defaultdict[str, float] = defaultdict(float)
    while waiting := _waiting(home, lake_only=lake_only):
        for asset in waiting:
            # Asked for again, because building one asset may have marked another.
            partitions = _waiting(home, lake_only=lake_only).get(asset, [])
            began = time.process_time()
            _make(home, settings, asset, partitions)
            cpu_s[asset] += time.process_time() - began
            done[asset] += len(partitions)
    return done.total(), dict(cpu_s)


def _waiting(home: Home, *, lake_only: bool) -> dict[str, list[str]]:
    with home.state.read() as connection:
        dirty = list_dirty(connection)
    wanted = [asset for asset in INPUTS if not (lake_only and asset.startswith(("fhir_", "warehouse_", MARTS)))]
    return {asset: list(dirty[asset]) for asset in wanted if dirty.get(asset)}


def _make(home: Home, settings: Settings, asset: str, partitions: Sequence[str]) -> None:
    warehouse = open_warehouse(settings, home)
    loads: dict[str, Callable[[], object]] = {
        "warehouse_sleep": lambda: load_nights(home, warehouse, partitions),
        "warehouse_night_ledger": lambda: load_night_ledger(home, warehouse, partitions),
        "warehouse_average_stats": lambda: load_average_stats(home, warehouse, partitions),
        "warehouse_users": lambda: load_users(home, warehouse),
        MARTS: lambda: load_marts(home, warehouse),
    }
    if asset in loads:
        loads[asset]()
        return
    context = fhir_context(home)
    builds: dict[str, Callable[[str], Built]] = {
        "sleep_sessions": lambda day: build_sleep_sessions(home, day),
        "sleep_hypnograms": lambda day: build_sleep_hypnograms(home, day),
        "sleep_stage_intervals": lambda day: build_sleep_stage_intervals(home, day),
        "session_history": lambda day: build_session_history(home, day),
        "night_ledger": lambda night: build_night_ledger(home, night)[0],
        "average_stats": lambda month: build_average_stats(home, month),
        "users": lambda _: build_users(home),
        "fhir_sleep_observations": lambda day: build_sleep_observations(home, context, day),
        "fhir_average_stats": lambda month: build_average_stats_observations(home, context, month),
        "fhir_people": lambda _: build_people(home, context),
    }
    build_partitions(home, asset, partitions, builds[asset])


if __name__ == "__main__":
    compete(run)
