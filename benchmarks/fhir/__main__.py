"""The second half of ``make bench``: from rows of the lake to NDJSON, against ``fhir.resources``; prints a table.

Ends with 1 if the two do not say the same. Nothing is written into the repository: the home is a temporary folder.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from assets.fhir.sleep_observations import fhir_context
from benchmarks.engine.report import Figure, at_least, at_most
from benchmarks.fhir.agreement import Agreement
from benchmarks.fhir.nights import A_DATE, fill, folders, open_home
from benchmarks.fhir.race import Costs, rounds

TIMES = 100
"""How many times as fast as ``fhir.resources`` we want to be."""

FEWER = 10
"""Memory is compared with a run of so many times fewer sessions."""


def main() -> None:
    """Fill a lake, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fhir")
    parser.add_argument("--sessions", type=int, default=100_000, help=f"a multiple of {A_DATE * FEWER:,}")
    parser.add_argument("--rounds", type=int, default=4, help=f"in each, {A_DATE:,} sessions by fhir.resources")
    wanted = parser.parse_args()
    if wanted.sessions < A_DATE * FEWER or wanted.sessions % (A_DATE * FEWER):
        parser.error(f"--sessions must be a multiple of {A_DATE * FEWER:,}")
    if not 1 <= wanted.rounds <= wanted.sessions // A_DATE:
        parser.error(f"--rounds must be at least 1, and at most one for {A_DATE:,} sessions")
    began = time.perf_counter()
    print(f"{wanted.sessions:,} sessions, {A_DATE:,} a date, {wanted.rounds} rounds, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-") as folder:
        home = open_home(Path(folder))
        fill(home, wanted.sessions)
        agreement = Agreement()
        results = []
        for costs in rounds(home, fhir_context(home), folders(wanted.sessions), wanted.rounds, agreement):
            results.append(costs)
            print(f"  round {len(results)}: {_in_us(costs.write_s)} ours, {_in_us(costs.theirs_s)} theirs", flush=True)
        peaks = [_peaks(Path(folder), sessions) for sessions in (wanted.sessions // FEWER, wanted.sessions)]
    print("\nCPU of ours, medians")
    print("\n".join(_steps(results)))
    print("\nFigure, reached, goal")
    for figure in (*_speed(results), *_equality(agreement), *_memory(peaks, wanted.sessions)):
        print(figure.line())
    print(f"\nTook {time.perf_counter() - began:.0f} s; load {os.getloadavg()[0]:.1f}.")
    sys.exit(bool(agreement.differing))


def _peaks(root: Path, sessions: int) -> tuple[float, float]:
    """Peak memory in MB of a fresh process before and after it has written so many sessions."""
    command = [sys.executable, "-m", "benchmarks.fhir.memory", str(root), str(sessions)]
    before_mb, after_mb = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(before_mb), float(after_mb)


def _steps(results: list[Costs]) -> Iterator[str]:
    steps = {
        "Parquet to rows": [costs.read_s for costs in results],
        "rows to structures": [costs.map_s for costs in results],
        "structures to NDJSON": [costs.serialise_s for costs in results],
        "rows to a file on disk": [costs.write_s for costs in results],
    }
    for step, seconds in steps.items():
        yield f"  {step:<26}{_in_us(median(seconds)):>24}"


def _speed(results: list[Costs]) -> Iterator[Figure]:
    from_rows = median(costs.theirs_s / costs.write_s for costs in results)
    yield at_least("rows to NDJSON on disk, times as fast as fhir.resources", from_rows, TIMES, "{:.0f}")
    for what, times in (
        ("structures to NDJSON alone, as theirs", median(r.theirs_s / r.serialise_s for r in results)),
        ("with reading the Parquet", median(r.theirs_s / (r.read_s + r.write_s) for r in results)),
    ):
        yield Figure(f"{what}, times as fast", f"{times:.0f}")
    yield Figure("CPU per 1,000 sessions, ours from rows", f"{median(r.write_s for r in results):.3f} s")
    yield Figure("CPU per 1,000 sessions, fhir.resources", f"{median(r.theirs_s for r in results):.2f} s")


def _equality(agreement: Agreement) -> Iterator[Figure]:
    yield at_most(f"Observations that differ, of {agreement.compared:,}", agreement.differing, 0, "{:,}")
    yield Figure("times with +00:00 where they write Z, not counted", f"{agreement.other_offsets:,}")
    for path, count in agreement.fields.most_common(10):
        yield Figure(f"differing: {path.removeprefix('.')}", f"{count:,}")


def _memory(peaks: list[tuple[float, float]], sessions: int) -> Iterator[Figure]:
    grown = [after_mb - before_mb for before_mb, after_mb in peaks]
    for number, growth_mb in zip((sessions // FEWER, sessions), grown, strict=True):
        yield Figure(f"memory growth, {number:,} sessions", f"{growth_mb:.0f} MB")
    apart = 100 * (grown[1] - grown[0]) / grown[0]
    yield Figure("the larger over the smaller growth", f"{apart:+.0f} %", "within 10 %", abs(apart) <= 10)


def _in_us(seconds_per_1000: float) -> str:
    return f"{1000 * seconds_per_1000:,.0f} us a session"


if __name__ == "__main__":
    main()
