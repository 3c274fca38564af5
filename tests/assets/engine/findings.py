"""Everything that may be wrong after a run that ended well, looked at in every layer and told in one list."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from assets.fhir.sleep_observations import fhir_context
from pipelines.command.truth import differences
from schemas.fhir import session_observations
from schemas.night_hours import first_night_from, last_night_over
from schemas.nights import local_date
from schemas.tables import (
    AVERAGE_STATS,
    NIGHT_LEDGER,
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    SLEEP_STAGE_INTERVALS,
)
from tests.assets.engine.memory import Memory, told
from tests.assets.engine.pictures import Pictures, Row
from tests.assets.engine.rig import Rig
from tests.assets.engine.vendor_log import DELETED, SessionKey, VendorLog

MAIN_SLEEP = timedelta(hours=3)


def everything_wrong(rig: Rig, memory: Memory, log: VendorLog, first: date, last: date) -> list[str]:
    """One line for each thing that is not as it must be after a run over these dates; ``memory`` goes on from here."""
    allowed = memory.has_ended(log)
    pictures = rig.pictures
    held = {key_of(row): row["content_hash"] for row in pictures.rows(SLEEP_SESSIONS)}
    wrong = [*wrong_sessions(pictures, memory, allowed), *wrong_history(pictures, memory)]
    memory.holds(held, log)
    wrong += [f"{len(late)} user(s) not swept for too long" for late in [memory.unswept(log)] if late]
    wrong += [f"the warehouse has another {name}" for name in pictures.warehouse_differences()]
    wrong += [*wrong_observations(rig), *wrong_nights(rig, memory, first, last), *wrong_averages(rig, memory)]
    return wrong


def key_of(row: Row) -> SessionKey:
    """Which session a row is of."""
    return row["user_id"], row["session_id"]


def wrong_sessions(pictures: Pictures, memory: Memory, allowed: dict[SessionKey, set[str]]) -> Iterator[str]:
    """Sessions in ``sleep_sessions`` that must not be there, that are missing, or are not as the vendor has them."""
    rows = pictures.rows(SLEEP_SESSIONS)
    held = {key_of(row): row["content_hash"] for row in rows}
    for key, versions in allowed.items():
        if held.get(key, DELETED) not in versions:
            yield f"a session is {_state(held.get(key))}, and should be {' or '.join(map(_state, sorted(versions)))}"
    if held.keys() - allowed:
        yield "a session is there that never was"
    for table in (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS):
        places = defaultdict(set)
        for folder, part in pictures.partitions(table):
            for row in part:
                places[key_of(row)].add(folder)
                if table is SLEEP_SESSIONS and folder != f"date={row['start_time'].astimezone(UTC).date()}":
                    yield f"a session is in {folder} and starts at {row['start_time']}"
        if any(len(folders) > 1 for folders in places.values()):
            yield f"a session is in two partitions of {table.name}"
        if places.keys() - held.keys():
            yield f"{table.name} has a session that sleep_sessions does not have"
    if len(held) != len(rows):
        yield "a session has two rows"
    truth = told(memory.world)
    same = [row for row in rows if truth.get(key_of(row), {}).get("version") == row["content_hash"]]
    if wrong := differences({key_of(row): truth[key_of(row)] for row in same}, same):
        yield f"other figures than the vendor's: {wrong}"


def histories(rows: Iterable[Row]) -> dict[SessionKey, list[Row]]:
    """The rows of ``session_history`` by session, in the order of their revisions."""
    versions: dict[SessionKey, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["revision"]):
        versions[key_of(row)].append(row)
    return versions


def broken_order(versions: Sequence[Row]) -> Iterator[str]:
    """Revisions of one session that do not rise by one, times that have a gap, a last version that does not count."""
    if [row["revision"] for row in versions] != list(range(1, len(versions) + 1)):
        yield f"revisions are {[row['revision'] for row in versions]}"
    if any(old["valid_to"] != new["valid_from"] for old, new in pairwise(versions)):
        yield "the times in which versions counted have a gap, or overlap"
    if any(row["valid_from"] != row["seen_at"] for row in versions) or not _rises(row["seen_at"] for row in versions):
        yield "versions were not seen one after the other"
    if versions[-1]["valid_to"] is not None:
        yield "the last version does not count"


def wrong_history(pictures: Pictures, memory: Memory) -> Iterator[str]:
    """Versions that are missing, doubled, out of order or with a gap; current ones that are not the current row."""
    versions = histories(pictures.rows(SESSION_HISTORY))
    current = {key_of(row): row for row in pictures.rows(SLEEP_SESSIONS)}
    for key, rows in versions.items():
        yield from broken_order(rows)
        seen = [DELETED if row["reason"] == DELETED else row["content_hash"] for row in rows]
        if not memory.may_be_history(key, seen):
            yield f"the history is {list(map(_state, seen))}; sent was {list(map(_state, memory.history[key]))}"
        last = None if rows[-1]["reason"] == DELETED else rows[-1]
        if _without_times(last) != _without_times(current.get(key)):
            yield "the version that counts is not the current row"
    if missing := [key for key in memory.history if memory.history[key] and key not in versions]:
        yield f"{len(missing)} session(s) without a history"
    if current.keys() - versions.keys():
        yield "a session has a row and no history"


def wrong_observations(rig: Rig) -> Iterator[str]:
    """Observations that are missing, doubled or of nothing."""
    context = fhir_context(rig.home)
    hypnograms = {key_of(row): row for row in rig.pictures.rows(SLEEP_HYPNOGRAMS)}
    wanted = [
        resource["id"]
        for row in rig.pictures.rows(SLEEP_SESSIONS)
        for resource in session_observations(context, row, hypnograms.get(key_of(row)))
    ]
    found = [resource["id"] for resource in rig.pictures.observations() if resource["status"] != "entered-in-error"]
    if sorted(found) != sorted(wanted):
        yield f"{len(found)} Observation(s) instead of {len(wanted)}, or others"


def wrong_nights(rig: Rig, memory: Memory, first: date, last: date) -> Iterator[str]:
    """Nights up to the last one without a row, any with two, and verdicts that disagree with ``sleep_sessions``.

    Of somebody marked for deletion nothing is asked, so that nobody notices a night of before the run's dates.
    """
    marked = {user.user_id for user in rig.roster() if user.to_be_deleted}

    def excused(user_id: str, night: date) -> bool:
        return user_id in marked and night < first - timedelta(days=1)

    rows = rig.pictures.rows(NIGHT_LEDGER)
    found = [(row["user_id"], row["night_of"]) for row in rows]
    expected = {
        (user.user_id, begun + timedelta(days=number))
        for user in rig.roster()
        for begun in [first_night_from(memory.begun[user.user_id], user.timezone)]
        for number in range((last_night_over(rig.clock.now, user.timezone) - begun).days + 1)
    }
    if len(found) != len(set(found)) or set(found) - expected:
        yield "a night has a row that it should not have"
    if missing := {key for key in expected - set(found) if key[1] <= last and not excused(*key)}:
        yield f"{len(missing)} night(s) without a row"
    held = rig.pictures.rows(SLEEP_SESSIONS)
    complete = {(row["user_id"], row["night_of"]) for row in rows if row["verdict"] == "complete"}
    if missing := ({(row["user_id"], row["night_of"]) for row in held if _is_main(row)} & set(found)) - complete:
        yield f"{len(missing)} night(s) with a sleep are not complete"
    if complete - {(row["user_id"], row["night_of"]) for row in held}:
        yield "a night is complete without a session"


def wrong_averages(rig: Rig, memory: Memory) -> Iterator[str]:
    """Monthly averages that leave out a session that is held, or count one that was found to be deleted."""
    zones = {user.user_id: user.timezone for user in rig.roster()}
    averaged = {
        (row["user_id"], row["period_start"]): set(row["slept_session_ids"]) for row in rig.pictures.rows(AVERAGE_STATS)
    }
    there = memory.truth()
    for row in rig.pictures.rows(SLEEP_SESSIONS):
        month = local_date(row["start_time"], zones[row["user_id"]]).replace(day=1)
        counted = averaged.get((row["user_id"], month), set())
        if key_of(row) in there and row["total_sleep_time_s"] and row["session_id"] not in counted:
            yield f"the averages of {month:%Y-%m} leave out a session"
    gone = {key[1] for key, versions in memory.history.items() if versions[-1:] == [DELETED]}
    if any(gone & counted for counted in averaged.values()):
        yield "averages count a session that was deleted"


def _rises(moments: Iterable[datetime]) -> bool:
    return all(earlier < later for earlier, later in pairwise(moments))


def _is_main(row: Row) -> bool:
    in_bed: timedelta = row["end_time"] - row["start_time"]
    return bool(row["total_sleep_time_s"]) and in_bed >= MAIN_SLEEP


def _state(version: str | None) -> str:
    return version[:6] if version and version != DELETED else "absent"


def _without_times(row: dict[str, Any] | None) -> dict[str, Any] | None:
    own = SLEEP_SESSIONS.schema.names
    seen = {} if row is None else {"fetched_at": row.get("seen_at", row.get("fetched_at"))}
    return None if row is None else {name: row[name] for name in own if name != "fetched_at"} | seen
