"""A home with phone and bed: nothing that opens an account or names anybody is told, logged or kept beside data."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from connectors.asleep.sandbox import World, build_app
from connectors.eight_sleep.sandbox import World as Beds
from connectors.eight_sleep.sandbox.people import invented, network, serial_number
from connectors.eight_sleep.sandbox.server import addresses_under
from connectors.home import Home
from connectors.lake.raw import read_file
from connectors.sandbox.household import bed_roster, beds_of, together
from connectors.sandbox.server import running
from connectors.state.roster import put_users, read_roster_csv
from tests.system.conftest import WarmProcess, new_home
from tests.system.worlds import KEY, NOW, control

ORG = "canary-org-Eszterhazy"
COMMANDS = (
    ["doctor"],
    ["nights"],
    ["quarantine", "list"],
    ["repair"],
    ["backfill", "--from", "2026-10-01", "--to", "2026-10-27", "--dry-run"],
)


@dataclass
class House:
    """Both worlds at ``base_url``."""

    phones: World
    beds: Beds
    base_url: str

    @property
    def settings(self) -> dict[str, Any]:
        """The bed's account, as a person exports it."""
        hosts, owner = addresses_under(self.base_url), next(self.beds.accounts())
        return {
            "EIGHT_SLEEP_AUTH_URL": hosts.auth,
            "EIGHT_SLEEP_CLIENT_URL": hosts.client,
            "EIGHT_SLEEP_APP_URL": hosts.app,
            "EIGHT_SLEEP_EMAIL": owner.email,
            "EIGHT_SLEEP_PASSWORD": owner.password,
        }

    def secrets(self) -> list[str]:
        """What is nobody's business wherever it stands: how to log in, tokens, names, births, networks."""
        found = [KEY, *self.beds._tokens]
        for sleeper in self.beds.accounts():
            person = invented(self.beds.seed, sleeper.user_id)
            names = (person.first_name, person.last_name, person.born, person.zip_code)
            found += [sleeper.email, sleeper.password, *names]
        for bed in self.beds.beds():
            wifi = network(self.beds.seed, bed.id)["wifiInfo"]
            found += [serial_number(self.beds.seed, bed.id), wifi["ssid"], wifi["ipAddr"], wifi["macAddr"]]
        return found

    def identities(self) -> list[str]:
        """Ids of people, beds and sessions, which are in the data and in nothing else."""
        people = [user.user_id for user in self.phones.users()] + [bed.id for bed in self.beds.beds()]
        nights = [one.whole.id for user in self.beds.accounts() for one in self.beds.nights_of(user.user_id).told(NOW)]
        rostered = [line.split(",")[0] for line in bed_roster(self.phones, self.beds).splitlines()[1:]]
        return [*people, *nights, *rostered, *(user.user_id for user in self.beds.accounts()), ORG]


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """A person with phone and bed, and the partner."""
    phones = World(users=1, nights=3, api_key=KEY, now=NOW)
    beds = beds_of(phones, 1, lambda: NOW)
    with running(together(build_app(phones), phones, beds)) as base_url:
        yield House(phones, beds, base_url)


def home_of(house: House, root: Path) -> Path:
    """A home that follows everybody."""
    new_home(root, house.base_url, ORG)
    file = root.parent / "beds.csv"
    file.write_text(bed_roster(house.phones, house.beds))
    home = Home(root)
    with home.state.write() as connection:
        put_users(connection, [replace(user, org_id=ORG) for user in read_roster_csv(file, "asleep")])
    home.state.close()
    return root


def test_nothing_is_told_and_no_secret_is_kept(warm: WarmProcess, house: House, tmp_path: Path) -> None:
    """Through a sync, one that is refused, one that partly fails, and the commands that look at all of it."""
    root = home_of(house, tmp_path / "home")
    clean = warm.sync(root, house.base_url, **house.settings)
    assert clean.status == 0, clean.err
    assert clean.summary["calls"]["beds"] > 5
    refused = warm.sync(root, house.base_url, **(house.settings | {"EIGHT_SLEEP_PASSWORD": "canary-wrong"}))
    assert refused.status == 1, refused.out
    assert "Traceback" not in refused.err
    for kind, endpoint in (("forbidden", "intervals"), ("not_there", "trends")):
        control(house.base_url, "bed/faults", {"faults": [{"kind": kind, "endpoint": endpoint, "times": None}]})
        failing = warm.sync(root, house.base_url, **house.settings)
        assert (failing.status, failing.summary["failed_users"]) == (3, 2), failing.err
        refused.err += failing.out + failing.err
    control(house.base_url, "bed/faults", {"faults": []})
    looked = [warm.nightshift(root, *words, base_url=house.base_url, **house.settings) for words in COMMANDS]
    printed = "".join(done.out + done.err for done in (clean, refused, *looked))
    assert all("Traceback" not in done.err for done in looked)

    beside = {"printed": printed.encode(), "file names": "\n".join(map(str, root.rglob("*"))).encode()}
    beside |= {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file() and not is_data(root, path)}
    named = [*house.secrets(), *house.identities(), "canary-wrong"]
    assert [(place, name) for place, text in beside.items() for name in named if name.encode() in text] == []
    inside = dict(data(root))
    assert any(bed.id.encode() in text for bed in house.beds.beds() for text in inside.values())
    assert [(place, name) for place, text in inside.items() for name in house.secrets() if name.encode() in text] == []


def is_data(root: Path, path: Path) -> bool:
    """Whether a file is of the data: raw, lake, warehouse and state."""
    return path.relative_to(root).parts[0].startswith(("raw", "lake", "warehouse", "state"))


def data(root: Path) -> Iterator[tuple[str, bytes]]:
    """The data in the clear: bodies of raw, rows of the lake, bytes of the state."""
    for path in (root / "raw").rglob("*.parquet"):
        day = date.fromisoformat(path.parent.name.removeprefix("date="))
        yield str(path), b"\n".join(document.body for document in read_file(path, day))
    for path in (root / "lake").rglob("*.parquet"):
        yield str(path), str(pq.read_table(path).to_pylist()).encode()
    for path in root.glob("state.db*"):
        yield str(path), path.read_bytes()
