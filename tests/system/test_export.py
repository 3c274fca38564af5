"""``nightshift export fhir`` and a sync with a FHIR server set: what is sent, told, written for import and erased."""

import json
from pathlib import Path

import orjson

from connectors.fhir_server.sandbox import World, running
from tests.system.conftest import Outcome, WarmProcess
from tests.system.worlds import control

PER_SECOND = "1000"


def export(warm: WarmProcess, root: Path, address: str, *words: str) -> Outcome:
    """``nightshift export fhir`` to a server."""
    return warm.nightshift(root, "export", "fhir", *words, FHIR_BASE_URL=address, FHIR_REQUESTS_PER_SECOND=PER_SECOND)


def lines_of(folder: Path) -> list[bytes]:
    """Every resource of a folder of NDJSON files."""
    return [line for path in sorted(folder.rglob("*.ndjson")) for line in path.read_bytes().splitlines()]


def test_a_home_is_exported_once(warm: WarmProcess, small_world: str, root: Path) -> None:
    """A dry run says how many, a sync sends them, and then there is nothing left to send."""
    with running(World()) as address:
        expected = export(warm, root, address, "--dry-run", "--json").summary
        assert expected["written"] == expected["wanted"] == len(lines_of(root / "fhir")) + 1  # the code system
        synced = warm.nightshift(
            root, "sync", "--json", base_url=small_world, FHIR_BASE_URL=address, FHIR_REQUESTS_PER_SECOND=PER_SECOND
        )
        assert synced.status == 0, synced.err
        sent = synced.summary["fhir_server"]
        assert sent["left"] == sent["refused"] == sent["invalid"] == 0
        assert sent["created"] == sent["written"] >= expected["written"]  # and their Provenances
        again = export(warm, root, address, "--dry-run", "--json").summary
        assert (again["written"], again["unchanged"]) == (0, expected["wanted"])
        told = export(warm, root, address)
        assert told.out.startswith("0 resource(s) sent"), told.err


def test_what_the_server_refuses_is_in_quarantine_until_it_takes_it(warm: WarmProcess, root: Path) -> None:
    """The rest is sent, the exit code says so, nobody is named; sent again on demand."""
    world = World()
    poisoned = orjson.loads(lines_of(root / "fhir" / "Observation")[0])["id"]
    world.switches.poison.append(poisoned)
    with running(world) as address:
        refused = export(warm, root, address, "--json")
        assert (refused.status, refused.summary["refused"]) == (3, 1), refused.err
        listed = warm.nightshift(root, "quarantine", "list")
        assert "refused_by_server" in listed.out
        assert poisoned not in listed.out + refused.out + refused.err
        world.switches.poison.clear()
        taken = export(warm, root, address, "--again", "--json")
        assert (taken.status, taken.summary["refused"]) == (0, 0), taken.err
        assert "refused_by_server" not in warm.nightshift(root, "quarantine", "list").out


def test_a_bulk_folder_holds_everything_and_says_so(warm: WarmProcess, root: Path, tmp_path: Path) -> None:
    """The manifest counts every line; a folder that is not empty is refused."""
    written = warm.nightshift(root, "export", "fhir", "--bulk", str(tmp_path / "bulk"), "--json")
    assert written.status == 0, written.err
    manifest = json.loads((tmp_path / "bulk" / "manifest.json").read_text())
    counts = {file["url"]: file["count"] for file in manifest["output"]}
    assert sum(counts.values()) == written.summary["resources"] == len(lines_of(root / "fhir")) + 1
    assert {name: len((tmp_path / "bulk" / name).read_bytes().splitlines()) for name in counts} == counts
    refused = warm.nightshift(root, "export", "fhir", "--bulk", str(tmp_path / "bulk"))
    assert (refused.status, "not empty" in refused.err) == (2, True)


def test_an_erased_user_is_gone_and_stays_gone(warm: WarmProcess, small_world: str, root: Path) -> None:
    """Every deletion is seen to hold, and a later export brings nothing back."""
    user_id = control(small_world, "truth")["users"][0]["user_id"]
    with running(World()) as address:
        assert export(warm, root, address).status == 0
        erased = export(warm, root, address, "--erase", user_id, "--yes", "--json")
        assert erased.status == 0, erased.err
        assert erased.summary["deleted"] == erased.summary["proven"] > 1
        assert user_id not in erased.out + erased.err
        later = export(warm, root, address, "--dry-run", "--json").summary
        assert (later["written"], later["erased"]) == (0, erased.summary["deleted"])


def test_without_a_server_there_is_nothing_to_send_to(warm: WarmProcess, root: Path) -> None:
    """One sentence that names the setting."""
    ended = warm.nightshift(root, "export", "fhir")
    assert (ended.status, "FHIR_BASE_URL" in ended.err) == (2, True)
