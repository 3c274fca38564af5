"""What a sync costs and touches: everything at first, nothing when nothing is new, then only what is new."""

import json
import shutil
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path

import pytest

from pipelines.command.truth import differences, expected_sessions
from tests.system.conftest import (
    WarmProcess,
    new_home,
    published_files,
    session_rows,
    touched_files,
    warehouse_rows,
)
from tests.system.worlds import NOW, control, sandbox


def test_first_sync_equals_the_truth_and_the_next_one_touches_nothing(
    warm: WarmProcess, small_world: str, tmp_path: Path
) -> None:
    """After a sync that made every figure right, the next costs one list call a user and changes no file."""
    root = new_home(tmp_path / "home", small_world)
    first = warm.sync(root, small_world)
    assert first.status == 0, first.err
    truth = control(small_world, "truth")
    expected = expected_sessions(truth)
    assert first.summary["sessions"]["new"] == len(expected)
    assert first.summary["calls"]["detail"] == len(expected)
    assert first.summary["sessions"]["pending"] == truth["totals"]["OPEN"] + truth["totals"]["CLOSED"]
    assert differences(expected, session_rows(root)) == []

    before = touched_files(root)
    second = warm.sync(root, small_world).summary
    assert second["calls"] == {"list": 3, "detail": 0, "stats": 0, "user": 0, "retries": 0}
    assert second["sessions"]["unchanged"] == len(expected)
    assert (second["partitions_written"], second["quarantined"], second["failed_users"]) == (0, 0, 0)
    assert touched_files(root) == before


def test_a_new_night_costs_one_detail_and_one_stats_call_and_writes_one_session_partition(
    warm: WarmProcess, tmp_path: Path
) -> None:
    """Only the date and the month of the new night are written."""
    with sandbox(users=3, nights=4) as base_url:
        root = new_home(tmp_path / "home", base_url)
        tomorrow, later = NOW + timedelta(days=1), NOW + timedelta(days=3)
        control(base_url, "clock", {"now": tomorrow.isoformat()})
        assert warm.sync(root, base_url, now=tomorrow).status == 0
        before = touched_files(root)
        user = control(base_url, "users")[0]["user_id"]
        (added,) = control(base_url, "nights", {"count": 1, "users": [user]})["added"]
        night = date.fromisoformat(f"{added[:4]}-{added[4:6]}-{added[6:8]}")
        summary = warm.sync(root, base_url, now=later).summary
    assert summary["calls"] == {"list": 3, "detail": 1, "stats": 1, "user": 0, "retries": 0}
    assert summary["sessions"]["new"] == 1
    changed = {Path(path).relative_to(root) for path, mark in touched_files(root).items() if before.get(path) != mark}
    assert summary["partitions_written"] == sum(path.parts[0] == "lake" for path in changed)
    # The ledger has a row for each night that is over since, whether anybody slept or not.
    built = {path.parts for path in changed if path.parts[0] in ("lake", "fhir") and path.parts[1] != "night_ledger"}
    partitions = {part for parts in built for part in parts if part.startswith(("date=", "month="))}
    assert partitions == {f"date={night}", f"month={night:%Y-%m}"}
    kinds = {path.parts[2] for path in changed if path.parts[0] == "raw"}
    assert kinds == {"session", "session_list", "average_stats"}


@pytest.mark.parametrize("lost", [("lake", "fhir", "warehouse.duckdb"), ("warehouse.duckdb",)])
def test_what_is_built_twice_is_byte_identical(
    lost: tuple[str, ...], warm: WarmProcess, small_world: str, root: Path, filled: Path
) -> None:
    """After a loss the next sync makes it again from raw: the same bytes, and no session is asked for."""
    for name in lost:
        shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()
    again = warm.sync(root, small_world)
    assert (again.status, again.summary["calls"]["detail"]) == (0, 0)
    assert published_files(root) == published_files(filled)
    assert warehouse_rows(root) == warehouse_rows(filled)


def test_fhir_files_hold_pseudonyms_only_and_one_observation_a_session(small_world: str, filled: Path) -> None:
    """Every line is valid R4, no id of the vendor is in any, and every session has its Observation."""
    lines = [json.loads(line) for path in (filled / "fhir").rglob("*.ndjson") for line in path.read_text().splitlines()]
    types = [line["resourceType"] for line in lines]
    for line in lines:
        getattr(import_module(f"fhir.resources.R4B.{line['resourceType'].lower()}"), line["resourceType"])(**line)
    sessions = [line for line in lines if line["id"].startswith("s")]
    assert len(sessions) == len(session_rows(filled))
    assert (types.count("Patient"), types.count("Device")) == (3, 1)
    text = "".join(path.read_text() for path in (filled / "fhir").rglob("*.ndjson"))
    truth = control(small_world, "truth")
    ids = [user["user_id"] for user in truth["users"]] + [s["id"] for user in truth["users"] for s in user["sessions"]]
    assert [id for id in ids if id in text] == []
