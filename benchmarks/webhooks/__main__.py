"""The webhooks' part of ``make bench``: SESSION_COMPLETE durably accepted, against a bare handler; prints a table.

Ends with 1 if something that was answered with 200 is not there. Nothing is written into the repository: the home is
a temporary folder.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from benchmarks.engine.report import Figure, at_least
from benchmarks.webhooks import race
from benchmarks.webhooks.race import PROCESSES, Turn
from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox, Outcome, Status

SHARE = 40
"""Per cent of the bare handler's events a second that we want to reach."""

WARM_UP = 1_000
OURS, BARE = "nightshift serve", "bare handler"

Rounds = list[dict[str, Turn]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.webhooks")
    parser.add_argument("--events", type=int, default=6_000, help="that each is sent in each round")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=64, help="each waits for its answer before it sends again")
    parser.add_argument("--folder", type=Path, help="where the home is made and removed again; must be a real disk")
    wanted = parser.parse_args()
    if wanted.rounds < 1 or wanted.connections < 1 or wanted.events < 100:
        parser.error("at least 1 round, 1 connection and 100 events")
    if not (PROCESSES / "self" / "stat").exists():
        parser.error("the CPU of the receivers is read from /proc, which this system does not have")
    began = time.perf_counter()
    print(
        f"{wanted.events:,} events a turn over {wanted.connections} connections, {wanted.rounds} rounds, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="nightshift-bench-", dir=wanted.folder) as folder:
        rounds, is_kept = _measured(Path(folder), wanted)
    print("\nMedians over the rounds")
    print("\n".join(_costs(rounds)))
    print("\nFigure, reached, goal")
    print("\n".join(figure.line() for figure in _figures(rounds)))
    print(f"\nTook {time.perf_counter() - began:.0f} s; load {os.getloadavg()[0]:.1f}.")
    if not is_kept:
        sys.exit("Events that were answered with 200 are not there.")


def _measured(root: Path, wanted: argparse.Namespace) -> tuple[Rounds, bool]:
    """The rounds, and whether all that was taken is there afterwards."""
    home, file = root / "home", root / "bodies"
    rounds: Rounds = []
    with race.sender(wanted.connections) as sender, race.ours(home) as ours, race.bare(file) as bare:
        contestants = {OURS: ours, BARE: bare}
        warm_up = {name: sender.turn(contestant, WARM_UP) for name, contestant in contestants.items()}
        for number in range(wanted.rounds):
            rounds.append({name: sender.turn(contestant, wanted.events) for name, contestant in contestants.items()})
            told = ", ".join(f"{turn.a_second:,.0f} {name}" for name, turn in rounds[-1].items())
            print(f"  round {number + 1}, events a second: {told}", flush=True)
    turns = [warm_up, *rounds]
    events = sum(turn[OURS].events for turn in turns)
    with closing(Inbox(home / FILE_NAME)) as inbox:
        in_inbox = inbox.counts() == {(Status.NEW, ""): events} and inbox.outcomes() == {Outcome.ACCEPTED: events}
    return rounds, in_inbox and file.stat().st_size == sum(turn[BARE].body_bytes for turn in turns)


def _costs(rounds: Rounds) -> Iterator[str]:
    yield f"  {'':<18}{'events/s':>10}{'p50':>10}{'p99':>10}{'CPU an event':>15}{'busy':>8}{'sender busy':>14}"
    for name in rounds[0]:
        turns = [results[name] for results in rounds]
        yield (
            f"  {name:<18}{median(turn.a_second for turn in turns):>10,.0f}"
            f"{1000 * median(turn.p50_s for turn in turns):>7.1f} ms"
            f"{1000 * median(turn.p99_s for turn in turns):>7.1f} ms"
            f"{1e6 * median(turn.cpu_s / turn.events for turn in turns):>12.0f} us"
            f"{100 * median(turn.cpu_s / turn.wall_s for turn in turns):>6.0f} %"
            f"{100 * median(turn.sender_cpu_s / turn.wall_s for turn in turns):>12.0f} %"
        )


def _figures(rounds: Rounds) -> Iterator[Figure]:
    share = median(100 * results[OURS].a_second / results[BARE].a_second for results in rounds)
    yield at_least("events a second, share of the bare handler's", share, SHARE, "{:.0f} %")
    for name in (OURS, BARE):
        yield Figure(f"p99 of the answer, {name}", f"{1000 * median(r[name].p99_s for r in rounds):.1f} ms")
    times = median(results[OURS].cpu_s / results[BARE].cpu_s for results in rounds)
    yield Figure("CPU of an event, times the bare handler's", f"{times:.1f}")


if __name__ == "__main__":
    main()
