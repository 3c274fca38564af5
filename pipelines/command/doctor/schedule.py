"""The doctor on time: has the pull that was due happened, does a Dagster daemon live here, is what is dirty built.

Nothing says that Dagster must do it: a timer that calls ``nightshift sync`` is as good. So a daemon that is not there
is a finding only if something was not done. Dagster, which is slow to load, is asked only when its files show life.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.command.doctor.cron import last_tick
from pipelines.command.doctor.findings import Finding
from pipelines.command.doctor.state import Known

PULL_TAKES = timedelta(hours=2)
"""A pull that was due less than this ago may still be on its way."""

SIGN_OF_LIFE_S = 300
"""A daemon writes to its files every 30 s; files older than this belong to none that lives."""

NIGHTLY = "nightly"
BUILDS = "dirty_partitions"


@dataclass(frozen=True, slots=True)
class Daemon:
    """What Dagster says of itself: is a daemon alive, is the nightly schedule on, is the building sensor on."""

    alive: bool = False
    pulls: bool = False
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


def schedule_finding(known: Known, cron: str, now: datetime) -> Finding:
    """Whether every user was pulled since the cron line was last due."""
    due = last_tick(cron, now - PULL_TAKES)
    if due is None:
        words = f"NIGHTSHIFT_SCHEDULE is {cron}, which never comes due."
        return Finding("schedule", False, words, "Set it to a time that comes, such as 0 4 * * *")
    if known.pulled_at is None:
        return Finding("schedule", False, "Not all users were ever pulled in one run.", "nightshift sync")
    last = f"The last complete pull was at {_moment(known.pulled_at)}"
    if known.pulled_at >= due:
        return Finding("schedule", True, f"{last} (schedule: {cron}).")
    return Finding(
        "schedule",
        False,
        f"{last}; the one due at {_moment(due)} ({cron}) has not happened.",
        "nightshift sync. If it was pulled by a timer of yours at another time, set NIGHTSHIFT_SCHEDULE to that.",
    )


def daemon_findings(daemon: Daemon, *, overdue: bool) -> Iterator[Finding]:
    """Whether the daemon is alive and switched to pull and to build."""
    if not daemon.alive:
        words = "No Dagster daemon is alive for this home"
        if overdue:
            do = "make dev and switch the schedule on, or have a timer call nightshift sync."
            yield Finding("daemon", False, f"{words}, so the schedule does not tick and nothing is built.", do)
        else:
            yield Finding("daemon", True, f"{words}; none is needed while something else calls nightshift sync.")
        return
    if not daemon.pulls:
        yield Finding(
            "daemon",
            not overdue,
            f"A Dagster daemon is alive; the schedule {NIGHTLY} is switched off.",
            f"Switch {NIGHTLY} on under Automation, or have a timer call nightshift sync." if overdue else "",
        )
    else:
        yield Finding("daemon", True, f"A Dagster daemon is alive; the schedule {NIGHTLY} is switched on.")
    if not daemon.builds:
        yield Finding(
            "sensor",
            not daemon.pulls,
            f"The sensor {BUILDS} is switched off: what the schedule pulls is not built.",
            f"Switch {BUILDS} on under Automation.",
        )


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
        pulls=states.get(NIGHTLY) == "RUNNING",  # off until it is switched on
        builds=states.get(BUILDS) != "STOPPED",  # on until it is switched off
    )


def _shows_life(dagster_home: Path) -> bool:
    newest = max((file.stat().st_mtime for file in (dagster_home / "history").glob("runs.db*")), default=0.0)
    return time.time() - newest < SIGN_OF_LIFE_S


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
