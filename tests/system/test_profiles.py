"""Under every fault profile of the sandbox a sync ends with the same bytes, or stops in words and finishes later.

The canary test goes along: whatever the vendor does, no id, key or name is told, logged or in a file name.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connectors.asleep.sandbox import World, running
from connectors.asleep.sandbox.faults import Faults
from connectors.asleep.sandbox.meter import Meter
from connectors.asleep.sandbox.profiles import PROFILES
from tests.system.conftest import Outcome, WarmProcess, new_home, published_files, warehouse_rows
from tests.system.test_canaries import ORG, told
from tests.system.worlds import KEY, NOW

HEALING = [name for name, profile in PROFILES.items() if profile.heals]
STOPPING = {
    "quota": (1, "Asleep's quota is used up (403): have it raised, then start the run again."),
    "plan": (1, "The Asleep plan has expired (403): renew it, then start the run again."),
    "outage": (1, "Asleep has failed 10 calls in a row and for"),
    "forbidden": (3, ""),
}
"""Exit code and message of what cannot be waited for; with ``forbidden`` users fail one by one."""

IN_EVERY_RUN = {"storm", "outage"}
"""Profiles of the suite, ``storm`` with a bit of everything; the other ones are soaked (``make soak``)."""

OTHER_PAGES = {"storm", "duplicates"}
"""Profiles whose list pages are good answers with other bytes, and are kept as received."""

MOST_PER_REQUEST = 1.5
"""Requests a sync may make for each one that a good day needs."""

LIMIT_PER_S = 10


def some_in_every_run(profiles: Iterable[str]) -> list[Any]:
    """The profiles as parameters, most of them marked for the soak."""
    return [name if name in IN_EVERY_RUN else pytest.param(name, marks=pytest.mark.soak) for name in profiles]


@dataclass
class Vendor:
    """A vendor of 10 users with 8 nights, what goes wrong there, what it sees, and the sync of a good day."""

    base_url: str
    faults: Faults
    meter: Meter
    canaries: list[bytes]
    files: dict[str, bytes]
    rows: dict[str, list[tuple[object, ...]]]
    requests: int


@pytest.fixture(scope="module")
def vendor(warm: WarmProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    """The vendor, after a sync of another home on a good day."""
    world, faults, meter = World(users=10, nights=8, api_key=KEY, now=NOW), Faults(), Meter()
    canaries = [word for user in world.users() for word in (user.user_id, *(s.id for s in user.sessions))]
    with running(world, faults, meter) as base_url:
        root = new_home(tmp_path_factory.mktemp("good") / "home", base_url, ORG)
        outcome = warm.sync(root, base_url, patience="usual")
        assert outcome.status == 0, outcome.err
        yield Vendor(
            base_url,
            faults,
            meter,
            [word.encode() for word in (*canaries, KEY, ORG)],
            published_files(root),
            warehouse_rows(root),
            meter.rate()["requests"],
        )


def synced(vendor: Vendor, warm: WarmProcess, root: Path, profile: str | None) -> tuple[Outcome, int]:
    """A sync while the profile is on, with the number of requests it made."""
    vendor.faults.set(PROFILES[profile].rules if profile else (), profile)
    vendor.meter.reset()
    outcome = warm.sync(root, vendor.base_url, patience="usual")
    vendor.faults.set(())
    assert "Traceback" not in outcome.err
    return outcome, vendor.meter.rate()["requests"]


def without(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files that are not below a folder."""
    return {name: body for name, body in files.items() if not name.startswith(folder)}


@pytest.mark.parametrize("profile", some_in_every_run(HEALING))
def test_a_profile_that_heals_changes_no_byte(vendor: Vendor, warm: WarmProcess, tmp_path: Path, profile: str) -> None:
    """Raw, lake, FHIR and warehouse are those of a good day, for at most half as many requests more."""
    root = new_home(tmp_path / "home", vendor.base_url, ORG)
    outcome, requests = synced(vendor, warm, root, profile)
    assert outcome.status == 0, outcome.err
    assert (outcome.summary["failed_users"], outcome.summary["quarantined"]) == (0, 0)
    left_out = "raw/asleep/session_list/" if profile in OTHER_PAGES else "nothing"
    assert without(left_out, published_files(root)) == without(left_out, vendor.files)
    assert warehouse_rows(root) == vendor.rows
    assert requests <= MOST_PER_REQUEST * vendor.requests
    assert told(root, outcome.out + outcome.err, vendor.canaries) == []


@pytest.mark.parametrize("profile", some_in_every_run(STOPPING))
def test_a_profile_that_stops_is_told_and_the_next_sync_finishes(
    vendor: Vendor, warm: WarmProcess, tmp_path: Path, profile: str
) -> None:
    """One sentence, the contract's exit code; started again on a good day, tables and resources are all there."""
    root = new_home(tmp_path / "home", vendor.base_url, ORG)
    stopped, _ = synced(vendor, warm, root, profile)
    status, sentence = STOPPING[profile]
    assert (stopped.status, sentence in stopped.err) == (status, True), stopped.err
    assert told(root, stopped.out + stopped.err, vendor.canaries) == []
    finished, _ = synced(vendor, warm, root, None)
    assert finished.status == 0, finished.err
    assert warehouse_rows(root) == vendor.rows
    assert without("raw/", published_files(root)) == without("raw/", vendor.files)


def test_the_vendor_never_sees_more_than_the_configured_limit(
    vendor: Vendor, warm: WarmProcess, tmp_path: Path
) -> None:
    """In no window of ten seconds, and a good day needs no request twice."""
    root = new_home(tmp_path / "home", vendor.base_url, ORG)
    vendor.meter.reset()
    outcome = warm.sync(root, vendor.base_url, patience="usual", ASLEEP_REQUESTS_PER_SECOND=str(LIMIT_PER_S))
    seen = vendor.meter.rate()
    assert outcome.status == 0, outcome.err
    assert seen["requests"] == vendor.requests > LIMIT_PER_S * seen["window_s"]
    assert seen["most_in_window"] <= LIMIT_PER_S * seen["window_s"]


def test_every_profile_is_tried() -> None:
    """A new one goes into one of the lists."""
    assert {*HEALING, *STOPPING} == set(PROFILES)
