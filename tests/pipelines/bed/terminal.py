"""``nightshift bed`` in this process, against the sandbox of a test and its clock."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from typer.testing import CliRunner, Result

from connectors.eight_sleep.connection import EightSleepConnection
from connectors.home import Home
from pipelines import resources
from pipelines.command.main import app
from tests.connectors.eight_sleep.rig import Rig


@dataclass
class Terminal:
    """Runs commands; ``accounts`` are those of the settings."""

    rig: Rig
    monkeypatch: pytest.MonkeyPatch
    accounts: Sequence[EightSleepConnection] | None = None

    def __call__(self, *words: str, stdin: str | None = None) -> Result:
        """Run ``nightshift bed`` with these words, as a new process would."""
        accounts = [self.rig.connection()] if self.accounts is None else self.accounts
        home = accounts[0].home if accounts else self.home
        self.monkeypatch.setattr(resources, "open_home", lambda _: home)
        self.monkeypatch.setattr(resources, "eight_sleep_accounts", lambda *_: tuple(accounts))
        return CliRunner().invoke(app, ["bed", *words], input=stdin)

    @property
    def home(self) -> Home:
        """The home of the commands."""
        return self.rig.connection().home

    def schedule(self, text: str) -> None:
        """Write the home's bed schedule."""
        (self.rig.root / "bed-schedule.yaml").write_text(text)
