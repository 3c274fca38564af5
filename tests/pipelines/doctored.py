"""A deployment that is well in every respect, for tests that break one thing and read what the doctor says of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.home import Home
from connectors.state.roster import RosterUser, put_users
from connectors.state.vendor import VendorAccount, key_fingerprint, remember_complete_pull, remember_vendor
from pipelines.command.doctor import examine
from pipelines.command.doctor.findings import Finding
from pipelines.settings import Settings, load_settings
from schemas.asleep import ASLEEP
from tests.system.faults import FaultySandbox

KEY = "canary-key-7f3a"

EVERYTHING = {
    *("settings", "home", "privacy", "disk", "state", "roster", "schedule", "daemon", "users not pulled"),
    *("quarantine", "dirty partitions", "key", "vendor", "clock", "account"),
}
"""What the doctor always looks at in a home that is there."""


@dataclass
class Patient:
    """The home, its settings and its vendor; ``clock_off`` moves the clock of this machine against the vendor's."""

    home: Home
    settings: Settings
    sandbox: FaultySandbox
    user_ids: list[str]
    clock_off: timedelta = field(default_factory=timedelta)

    @property
    def root(self) -> Path:
        """The home's folder."""
        return self.home.root

    def with_settings(self, **changes: object) -> None:
        """Use other settings."""
        self.settings = self.settings.model_copy(update=changes)

    def examine(self) -> dict[str, Finding]:
        """Everything the doctor finds, by what it looked at; nothing is told twice."""
        self.home.state.close()
        findings = examine(self.settings, replace(self.home, clock=lambda: datetime.now(UTC) + self.clock_off))
        by_name = {finding.what: finding for finding in findings}
        assert len(by_name) == len(findings)
        return by_name

    def complaints(self) -> dict[str, Finding]:
        """What is not fine, after seeing that everything was looked at and nobody is named."""
        found = self.examine()
        assert found.keys() >= EVERYTHING - {"account", "privacy"}
        told = " ".join(f"{finding.words} {finding.do}" for finding in found.values())
        assert not [name for name in (*self.user_ids, KEY) if name in told]
        assert all(finding.do or finding.words.count(":") for finding in found.values() if finding.fine is False)
        return {name: finding for name, finding in found.items() if finding.fine is False}


@contextmanager
def healthy(root: Path, sandbox: FaultySandbox) -> Iterator[Patient]:
    """A home with everybody of the world on the roster, all pulled a moment ago, nothing waiting."""
    home = Home(root)
    home.prepare()
    user_ids = [user.user_id for user in sandbox.world.users()]
    with home.state.write() as connection:
        put_users(connection, [RosterUser(ASLEEP, user_id, timezone="Asia/Seoul") for user_id in user_ids])
        remember_vendor(connection, VendorAccount(ASLEEP, sandbox.base_url, key_fingerprint(KEY)))
    remember_complete_pull(home.state, ASLEEP, datetime.now(UTC))
    settings = load_settings(
        _env_file=None,
        nightshift_home=root,
        asleep_base_url=sandbox.base_url,
        asleep_api_key=KEY,
        asleep_requests_per_second=1000,
        nightshift_schedule="0 4 * * *",
        nightshift_state_url=None,
    )
    yield Patient(home, settings, sandbox, user_ids)
    home.state.close()
    sandbox.fault = None
