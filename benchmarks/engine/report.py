"""From results to the table: medians of ratios within a round, because machines are noisy from round to round."""

from collections.abc import Callable, Iterable
from statistics import median
from typing import Any, NamedTuple

Results = dict[str, dict[str, Any]]
"""Of one round, by contestant."""

FLOOR, ENGINE, LEAN, ALL, SYNC = "sockets only", "ours", "ours, lean transport", "ours, all", "ours, nightshift sync"
DLT, DLT_PLAIN, SCRIPT = "dlt, tuned", "dlt, as it comes", "script"


class Figure(NamedTuple):
    """A line of the table; ``reached`` and ``goal`` as text, ``met`` None where nothing was asked for."""

    what: str
    reached: str
    goal: str = ""
    met: bool | None = None

    def line(self) -> str:
        """For people."""
        mark = {True: "reached", False: "not reached", None: ""}[self.met]
        return f"  {self.what:<64}{self.reached:>14}  {self.goal:<12}{mark}".rstrip()


class Growth(NamedTuple):
    """By how much (MB) a run of so many sessions raises the peak of a warm process."""

    users: int
    nights: int
    sessions: int
    baseline_mb: float
    mb: float


def per_1000(result: dict[str, Any], what: str) -> float:
    """Seconds per 1,000 sessions, also of a sample."""
    return 1000 * float(result[what]) / int(result["sessions"])


def of(rounds: list[Results], figure: Callable[[Results], float]) -> float:
    """The median over the rounds."""
    return median(figure(results) for results in rounds)


def at_least(what: str, reached: float, goal: float, form: str) -> Figure:
    """A figure that should be high."""
    return Figure(what, form.format(reached), ">= " + form.format(goal), reached >= goal)


def at_most(what: str, reached: float, goal: float, form: str) -> Figure:
    """A figure that should be low."""
    return Figure(what, form.format(reached), "<= " + form.format(goal), reached <= goal)


def goals(rounds: list[Results]) -> Iterable[Figure]:
    """What was asked for in time and CPU."""
    share = of(rounds, lambda r: 100 * r[FLOOR]["wall_s"] / r[ENGINE]["wall_s"])
    yield at_least("pull to raw and lake, share of sockets only", share, 40, "{:.0f} %")
    yield at_most("CPU per 1,000 sessions", of(rounds, lambda r: per_1000(r[ENGINE], "cpu_s")), 2.5, "{:.2f} s")
    yield at_least("times as fast as dlt, tuned", of(rounds, lambda r: _times(r, DLT)), 4, "{:.1f}")
    yield at_least("times as fast as the script", of(rounds, lambda r: _times(r, SCRIPT)), 15, "{:.1f}")
    dagster_ms = of(rounds, lambda r: 1000 * (r[SYNC]["wall_s"] - r[ALL]["wall_s"]) / r[ALL]["built"])
    yield at_most("Dagster's share per asset and partition", dagster_ms, 45, "{:.0f} ms")


def more(rounds: list[Results]) -> Iterable[Figure]:
    """What helps to read it."""
    for what, result, seconds in (
        ("pull to raw alone", ENGINE, "pull_s"),
        ("pull to raw and lake over the lean transport", LEAN, "wall_s"),
        ("everything, by nightshift sync", SYNC, "wall_s"),
    ):
        share = median(100 * r[FLOOR]["wall_s"] / r[result][seconds] for r in rounds)
        yield Figure(f"{what}, share of sockets only", f"{share:.0f} %")
    yield Figure("times as fast as dlt, as it comes (a sample)", f"{of(rounds, lambda r: _times(r, DLT_PLAIN)):.1f}")
    yield Figure(
        "sockets only, times as fast as dlt, tuned: nobody can be more",
        f"{of(rounds, lambda r: r[DLT]['wall_s'] / r[FLOOR]['wall_s']):.1f}",
    )
    cpu_ms = of(rounds, lambda r: 1000 * (r[SYNC]["cpu_s"] - r[ALL]["cpu_s"]) / r[ALL]["built"])
    yield Figure("Dagster's CPU per asset and partition", f"{cpu_ms:.0f} ms")


def memory(usual: Growth, crowd: Growth, long: Growth) -> Iterable[Figure]:
    """Growth over the warm baseline."""
    for growth in (usual, crowd, long):
        name = f"memory growth, {growth.users:,} users x {growth.nights} nights = {growth.sessions:,} sessions"
        yield at_most(name, growth.mb, 150, "{:.0f} MB")
    for growth, more in ((crowd, "users"), (long, "nights")):
        apart = 100 * (growth.mb - usual.mb) / usual.mb
        yield Figure(
            f"the growth with more {more} over the usual one", f"{apart:+.0f} %", "within 10 %", abs(apart) <= 10
        )
    yield Figure("warm baseline", f"{usual.baseline_mb:.0f} MB")


def costs(rounds: list[Results]) -> Iterable[str]:
    """Every contestant: medians of wall and CPU, requests a second, and how busy the server was."""
    yield f"  {'':<26}{'wall s':>9}{'CPU s':>9}{'per 1,000 sessions: wall':>27}{'CPU':>8}{'req/s':>8}{'server CPU':>13}"
    for name in rounds[0]:
        results = [r[name] for r in rounds]
        wall_s, cpu_s = (median(r[what] for r in results) for what in ("wall_s", "cpu_s"))
        sessions = results[0].get("sessions")
        each = f"{1000 * wall_s / sessions:>27.2f}{1000 * cpu_s / sessions:>8.2f}" if sessions else " " * 35
        busy = median(r["server_cpu_s"] / r["wall_s"] for r in results)
        rate = median(r["requests"] / r["wall_s"] for r in results)
        yield f"  {name:<26}{wall_s:>9.2f}{cpu_s:>9.2f}{each}{rate:>8.0f}{100 * busy:>11.0f} %"


def profile(result: dict[str, Any]) -> Iterable[str]:
    """Where the CPU went, by what it was spent on."""
    for group, share in result["profile"].items():
        if share >= 0.005:
            yield f"  {group:<26}{100 * share:>6.1f} %{1000 * share * per_1000(result, 'cpu_s'):>10.0f} us a session"


def assets(result: dict[str, Any]) -> Iterable[str]:
    """CPU by step of the engine."""
    for name, cpu_s in {"pull": result["pull_cpu_s"], **result["assets_cpu_s"]}.items():
        yield f"  {name:<26}{cpu_s:>6.2f} s{1e6 * cpu_s / result['sessions']:>12.0f} us a session"


def _times(results: Results, other: str) -> float:
    return per_1000(results[other], "wall_s") / per_1000(results[ENGINE], "wall_s")
