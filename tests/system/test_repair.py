"""A flipped byte in raw from its discovery to the repair, and a repair that is killed on the way."""

import json
import random
import signal
from pathlib import Path

import pytest

from tests.system.conftest import WarmProcess, new_home, published_files, session_rows, warehouse_rows
from tests.system.worlds import control, sandbox


def damage(root: Path, seed: int, kind: str = "*") -> Path:
    """Flip a bit anywhere in any raw file of a kind."""
    chance = random.Random(seed)  # noqa: S311 - any place will do
    path = chance.choice(sorted((root / "raw/asleep").glob(f"{kind}/*/*.parquet")))
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return path


def layers(root: Path) -> dict[str, bytes]:
    """Every file of lake and fhir."""
    return {name: content for name, content in published_files(root).items() if not name.startswith("raw")}


def details(base_url: str) -> int:
    """How many details the vendor was asked for so far."""
    return int(control(base_url, "calls").get("detail", 0))


@pytest.mark.parametrize("seed", [3, 8])
def test_any_flipped_bit_is_repaired(seed: int, warm: WarmProcess, small_world: str, root: Path, filled: Path) -> None:
    """The repair names the file, keeps it, and builds its date again to the same bytes; after that all is sound."""
    path = damage(root, seed)
    evidence = path.read_bytes()
    done = warm.nightshift(root, "repair", "--json", base_url=small_world)
    assert done.status == 0, done.err
    summary = json.loads(done.out)
    assert [row["file"] for row in summary["damaged"]] == [path.name]
    assert (summary["set_aside"], summary["left"], summary["documents"]["lost"]) == (1, 0, 0)
    assert path.with_name(f"{path.name}.damaged").read_bytes() == evidence
    assert layers(root) == layers(filled)
    assert warehouse_rows(root) == warehouse_rows(filled)
    nothing = warm.nightshift(root, "repair")  # there is no vendor for this one
    assert (nothing.status, nothing.out) == (0, "No raw file is damaged.\n")


@pytest.mark.parametrize("failpoint", ["raw.appended", "damage.set_aside"])
def test_a_killed_repair_run_again_asks_for_nothing_twice(
    failpoint: str, warm: WarmProcess, small_world: str, root: Path, filled: Path
) -> None:
    """What it had made durable is there; the tables end as they were."""
    held = len(list(session_rows(filled)))
    path = damage(root, 7, "session")
    before = details(small_world)
    assert warm.nightshift(root, "repair", base_url=small_world, failpoint=failpoint).status == -signal.SIGKILL
    asked = details(small_world) - before
    assert 0 < asked < held
    again = warm.nightshift(root, "repair", base_url=small_world)
    assert again.status == 0, again.err
    assert details(small_world) - before == asked
    assert path.with_name(f"{path.name}.damaged").exists()
    assert not path.exists()
    assert layers(root) == layers(filled)


def test_what_is_lost_is_told_and_given_up_only_when_told(warm: WarmProcess, tmp_path: Path) -> None:
    """Exit code 3 and a count, nobody's id, the tables as they were; with --accept-deletions the row is deleted."""
    with sandbox(users=2, nights=2) as base_url:
        root = new_home(tmp_path / "home", base_url)
        assert warm.sync(root, base_url).status == 0
        rows, before = session_rows(root), layers(root)
        gone = rows[0]
        day = f"date={gone['start_time']:%Y-%m-%d}"
        (path,) = (root / "raw/asleep/session" / day).glob("*.parquet")
        path.write_bytes(path.read_bytes()[:-1])
        control(base_url, "delete", {"user": gone["user_id"], "session": gone["session_id"]})

        told = warm.nightshift(root, "repair", base_url=base_url)
        assert told.status == 3
        assert "1 document(s) are lost" in told.out
        assert not any(gone[name] in told.out + told.err for name in ("user_id", "session_id"))
        assert path.exists()
        assert layers(root) == before

        given_up = warm.nightshift(root, "repair", "--accept-deletions", base_url=base_url)
        assert given_up.status == 0, given_up.err
        assert {row["session_id"] for row in session_rows(root)} == {row["session_id"] for row in rows[1:]}
        after = warm.sync(root, base_url)
        assert (after.status, after.summary["sessions"]["deleted"]) == (0, 0)


def test_a_repair_needs_a_key_only_if_there_is_something_to_repair(warm: WarmProcess, root: Path) -> None:
    """Without one it names the file and says what is missing; nothing is moved."""
    path = damage(root, 9)
    done = warm.nightshift(root, "repair")
    assert done.status == 2
    assert path.name in done.err
    assert "ASLEEP_API_KEY" in done.err
    assert path.exists()
