"""``make bench``: one interleaved run of everybody, then memory and the profile of what is left; prints a table.

Nothing is written into the repository; homes and logs live in temporary folders and are removed.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.engine import report
from benchmarks.engine.contestant import FIRST, LAST, ask
from benchmarks.engine.race import (
    DLT_PYTHON,
    WARM_UP_USERS,
    DidNotFinish,
    Entry,
    contestants,
    rounds,
    vendor,
)
from benchmarks.engine.report import ALL, DLT, DLT_PLAIN, ENGINE, FLOOR, LEAN, SCRIPT, SYNC, Results

OURS = "benchmarks.engine.ours"
SAMPLE_USERS = 10


def main() -> None:
    """Run the race and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine")
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--nights", type=int, default=14)
    parser.add_argument("--latency-ms", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--larger", type=int, default=10, help="times as many users, or nights, in the test of memory")
    wanted = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as logs:
        print(
            f"{wanted.users} users x {wanted.nights} nights, {wanted.latency_ms:g} ms, 32 in flight, "
            f"{wanted.rounds} rounds, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        try:
            figures = [*race(wanted, Path(logs)), *memory(wanted, Path(logs))]
        except DidNotFinish as error:
            sys.exit(str(error))
    print("\nFigure, reached, goal")
    print("\n".join(figure.line() for figure in figures))
    print(f"\nTook {time.perf_counter() - began:.0f} s; load {os.getloadavg()[0]:.1f}.")


def race(wanted: argparse.Namespace, logs: Path) -> list[report.Figure]:
    """The interleaved rounds, and the profile."""
    sample = min(SAMPLE_USERS, wanted.users)
    entries = [
        Entry(ENGINE, OURS),
        Entry(FLOOR, "benchmarks.engine.floor"),
        Entry(LEAN, OURS, options=(("transport", "lean"),)),
        Entry(ALL, OURS, options=(("how", "all"),)),
        Entry(SYNC, OURS, options=(("how", "sync"),)),
        Entry(DLT, "benchmarks.engine.tuned_dlt", DLT_PYTHON),
        Entry(DLT_PLAIN, "benchmarks.engine.tuned_dlt", DLT_PYTHON, (("tuned", False),), users=sample),
        Entry(SCRIPT, "benchmarks.engine.script", DLT_PYTHON, users=sample),
    ]
    with vendor(wanted.users, wanted.nights, wanted.latency_ms) as base_url, contestants(entries, logs) as runners:
        ours, *others = runners
        ours.run(base_url)  # the vendor records what we ask: from here on it only replays
        recorded = ask(base_url, "cost")["recorded"]
        for other in others:
            other.run(base_url, users=WARM_UP_USERS)
        results = list(_told(rounds(runners, base_url, wanted.rounds), wanted.rounds))
        if ask(base_url, "cost")["recorded"] != recorded:
            sys.exit("Somebody asked for what we did not ask for: the race was not fair.")
        profiled = ours.run(base_url, profile=True)
    print("\nMedians (a sample's wall and CPU are of the sample)")
    print("\n".join(report.costs(results)))
    print("\nCPU by step of ours")
    print("\n".join(report.assets(results[-1][ENGINE])))
    print("\nWhat the CPU of ours is spent on")
    print("\n".join(report.profile(profiled)))
    return [*report.goals(results), *report.more(results)]


def memory(wanted: argparse.Namespace, logs: Path) -> list[report.Figure]:
    """How much larger fresh warm processes grow over a race's worth of sessions, and over many more; no latency.

    There are more of them in a crowd of users, and in a long window, such as a backfill has.
    """
    usual, crowd, long = (
        _growth(users, nights, logs)
        for users, nights in (
            (wanted.users, wanted.nights),
            (wanted.users * wanted.larger, wanted.nights),
            (wanted.users, wanted.nights * wanted.larger),
        )
    )
    return list(report.memory(usual, crowd, long))


def _growth(users: int, nights: int, logs: Path) -> report.Growth:
    days = max((LAST - FIRST).days, nights + 1)
    with vendor(users, nights, 0) as base_url, contestants([Entry("memory", OURS)], logs) as (runner,):
        baseline_mb = runner.run(base_url, users=WARM_UP_USERS)["peak_mb"]
        result = runner.run(base_url, users=users, days=days)
    print(f"  memory, {users} users x {nights} nights: {result['wall_s']:.0f} s", flush=True)
    return report.Growth(users, nights, result["sessions"], baseline_mb, result["peak_mb"] - baseline_mb)


def _told(results: Iterable[Results], number: int) -> Iterator[Results]:
    for done, result in enumerate(results, 1):
        walls = ", ".join(f"{name} {cost['wall_s']:.1f}" for name, cost in result.items())
        print(f"  round {done} of {number}: {walls}", flush=True)
        yield result


if __name__ == "__main__":
    main()
