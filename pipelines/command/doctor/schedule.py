"""The doctor on time: has the pull that was due happened, does a Dagster daemon live here, is what is dirty built.

Nothing says that Dagster must do it: a timer that calls ``nightshift sync`` is as good. So a daemon that is not there
is a finding only if something was not done. Dagster, which is slow to load, is asked only when its files show life.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.command.doctor.cron import last_tick
from pipelines.command.doctor.findings import Finding
from pipelines.command.doctor.state import Known
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP

PULL_TAKES = timedelta(hours=2)
"""A pull that was due less than this ago may still be on its way."""

SIGN_OF_LIFE_S = 300
"""A daemon writes to its files every 30 s; files older than this belong to none that lives."""

NIGHTLY = "nightly"
SCHEDULES = {ASLEEP: NIGHTLY, EIGHT_SLEEP: f"{NIGHTLY}_beds"}
"""By source: the Dagster schedule that pulls from it every night."""

BUILDS = "dirty_partitions"


@dataclass(frozen=True, slots=True)
class Daemon:
    """What Dagster says of itself: is a daemon alive, which nightly schedules are on, is the building sensor on."""

    alive: bool = False
    pulls: Collection[str] = ()
    builds: bool = True

    @property
    def drains(self) -> bool:
        """Whether dirty partitions are built without anybody's doing."""
        return self.alive and self.builds


def find_daemon(dagster_home: Path, *, writable: bool) -> tuple[Daemon, list[Finding]]:
    """Look for a daemon of this home; if Dagster's records cannot be read, one finding says so."""
    if not _shows_life(dagster_home):
        return Daemon(), []
    if not writable:
        words = "It was not looked for: Dagster cannot open its records without writing."
        return Daemon(), [Finding("daemon", None, words)]
    try:
        return _ask_dagster(dagster_home), []
    except Exception as error:  # whatever breaks in another program's files is a finding of its own
        words = f"Dagster's own records cannot be read (unexpected {type(error).__name__})."
        return Daemon(), [Finding("daemon", False, words, "Move dagster/ of the home away: it holds no data of ours.")]


def schedule_finding(known: Known, cron: str, now: datetime, source: str = ASLEEP) -> Finding:
    """Whether every user of a source was pulled since the cron line was last due."""
    what, of = ("schedule of beds", " of beds") if source == EIGHT_SLEEP else ("schedule", "")
    due, pulled_at = last_tick(cron, now - PULL_TAKES), known.of(source).pulled_at
    if due is None:
        words = f"NIGHTSHIFT_SCHEDULE is {cron}, which never comes due."
        return Finding(what, False, words, "Set it to a time that comes, such as 0 4 * * *")
    if pulled_at is None:
        return Finding(what, False, f"Not all users{of} were ever pulled in one run.", "nightshift sync")
    last = f"The last complete pull{of} was at {_moment(pulled_at)}"
    if pulled_at >= due:
        return Finding(what, True, f"{last} (schedule: {cron}).")
    return Finding(
        what,
        False,
        f"{last}; the one due at {_moment(due)} ({cron}) has not happened.",
        "nightshift sync. If it was pulled by a timer of yours at another time, set NIGHTSHIFT_SCHEDULE to that.",
    )


def daemon_findings(daemon: Daemon, sources: Sequence[str], *, overdue: bool) -> Iterator[Finding]:
    """Whether the daemon is alive and switched to pull from these sources and to build."""
    if not daemon.alive:
        words = "No Dagster daemon is alive for this home"
        if overdue:
            do = "make dev and switch the schedule on, or have a timer call nightshift sync."
            yield Finding("daemon", False, f"{words}, so the schedule does not tick and nothing is built.", do)
        else:
            yield Finding("daemon", True, f"{words}; none is needed while something else calls nightshift sync.")
        return
    wanted = [SCHEDULES[source] for source in sources]
    off = [name for name in wanted if name not in daemon.pulls]
    if off:
        names = " and ".join(off)
        yield Finding(
            "daemon",
            not overdue,
            f"A Dagster daemon is alive; {_schedules(off)} switched off.",
            f"Switch {names} on under Automation, or have a timer call nightshift sync." if overdue else "",
        )
    else:
        yield Finding("daemon", True, f"A Dagster daemon is alive; {_schedules(wanted)} switched on.")
    if not daemon.builds:
        yield Finding(
            "sensor",
            not daemon.pulls,
            f"The sensor {BUILDS} is switched off: what the schedule pulls is not built.",
            f"Switch {BUILDS} on under Automation.",
        )


def _schedules(names: Sequence[str]) -> str:
    return f"the schedule {names[0]} is" if len(names) == 1 else f"the schedules {' and '.join(names)} are"


def dirty_finding(known: Known, daemon: Daemon) -> Finding:
    """Partitions that are to be built, and whether anybody builds them."""
    if not known.dirty:
        return Finding("dirty partitions", True, "None waits to be built.")
    words = f"{known.dirty} partition(s) wait to be built"
    if daemon.drains:
        return Finding("dirty partitions", True, f"{words}; the sensor does it.")
    do = "If no sync is running now: any nightshift sync builds them; so does make dev while it runs."
    return Finding("dirty partitions", False, f"{words}, and no daemon builds them.", do)


def _ask_dagster(dagster_home: Path) -> Daemon:
    """Read Dagster's records by its own API; nothing is changed."""
    from pipelines.instance import existing_records

    with existing_records(dagster_home) as instance:
        newest = max((beat.timestamp for beat in instance.get_daemon_heartbeats().values()), default=0.0)
        states = {state.name: state.status.value for state in instance.all_instigator_state()}
    return Daemon(
        alive=time.time() - newest < SIGN_OF_LIFE_S,
        pulls=[name for name in SCHEDULES.values() if states.get(name) == "RUNNING"],  # off until switched on
        builds=states.get(BUILDS) != "STOPPED",  # on until it is switched off
    )


def _shows_life(dagster_home: Path) -> bool:
    newest = max((file.stat().st_mtime for file in (dagster_home / "history").glob("runs.db*")), default=0.0)
    return time.time() - newest < SIGN_OF_LIFE_S


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
