"""E-mail, password, token, bed and user ids go in; no error, log, file or file name of the home shows them."""

import json
import logging
import traceback
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.eight_sleep.sandbox import Fault
from connectors.state.roster import RosterUser, put_users
from pipelines.command.main import app
from schemas.eight_sleep import EIGHT_SLEEP
from tests.connectors.eight_sleep.rig import Rig
from tests.pipelines.bed.terminal import Terminal

COMMANDS = {
    "status": ["status"],
    "on": ["on"],
    "set": ["set", "--left", "5", "--duration", "60"],
    "preset": ["preset", "sleep"],
    "apply": ["schedule", "apply"],
    "other bed": ["off", "--bed", "CANARY-BED"],
    "too warm": ["set", "--left", "500"],
}
FAULTS = ["failed", "bad_gateway", "forbidden", "not_there", "offline", "rate_limit", "token_expired", "cut"]


def canaries(rig: Rig) -> list[str]:
    """Everything that names an account, a bed or a person."""
    found = ["CANARY", *(text for bed in rig.world.beds() for text in (bed.id, bed.device_id))]
    for sleeper in rig.world.accounts():
        found += [sleeper.email, sleeper.password, sleeper.user_id]
    return [*found, *rig.world._tokens]


def shown_by(error: BaseException | None) -> str:
    """All that a log could show of an error and of what hangs on it."""
    if error is None or isinstance(error, SystemExit):
        return ""
    shown = [repr(error), str(error), *traceback.format_exception(error)]
    return "\n".join(shown) + shown_by(error.__cause__) + shown_by(error.__context__)


def in_files(root: Path, besides: set[str]) -> str:
    """Names and contents of every file of the home but these."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name not in besides]
    return "".join(f"{path.relative_to(root)} {path.read_bytes()!r}" for path in files)


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_nothing_recognisable_is_told_or_kept(
    terminal: Terminal, rig: Rig, fault: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the vendor does: errors, logs, stderr and the home are silent; stdout names a bed, and no person."""
    caplog.set_level(logging.DEBUG)
    bed = rig.world.beds()[0]
    terminal.schedule(f"timezone: UTC\nentries: [{{at: '10:00', left: -20, bed: {bed.device_id}}}]\n")
    with terminal.home.state.write() as connection:
        put_users(connection, [RosterUser(EIGHT_SLEEP, "CANARY-ANNA", vendor_user_id=bed.sleepers()[0].user_id)])
    said, answered = "", ""
    for words in COMMANDS.values():
        rig.faults.set(*([Fault(fault, endpoint, None) for endpoint in ("temperature", "status")] if fault else []))
        done = terminal(*words)
        said += done.stderr + shown_by(done.exception)
        answered += done.stdout
    said += "".join(f"{record.getMessage()} {record.exc_text} {record.args}" for record in caplog.records)
    said += in_files(rig.root, {"bed-schedule.yaml", "state.db", "state.db-wal"})  # a person's file, and the roster
    assert [canary for canary in canaries(rig) if canary in said] == []
    people = [canary for canary in canaries(rig) if canary not in (bed.id, bed.device_id)]
    assert [canary for canary in people if canary in answered] == []


def test_the_whole_way_from_the_environment(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Settings, accounts file, home, login, status and a command, as a person runs them, by the real clock."""
    caplog.set_level(logging.DEBUG)
    accounts = tmp_path / "accounts.csv"
    accounts.write_text(f"email,password\n{rig.sleeper.email},{rig.sleeper.password}\n")
    accounts.chmod(0o600)
    values = {
        "NIGHTSHIFT_HOME": str(tmp_path / "home"),
        "EIGHT_SLEEP_ACCOUNTS_FILE": str(accounts),
        "EIGHT_SLEEP_AUTH_URL": rig.addresses.auth,
        "EIGHT_SLEEP_CLIENT_URL": rig.addresses.client,
        "EIGHT_SLEEP_APP_URL": rig.addresses.app,
        "NIGHTSHIFT_SECRET_KEY": "CANARY-secret-of-the-tokens",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    # Its tokens hold by our clock, too.
    monkeypatch.setattr(rig.world, "clock", lambda: rig.clock.now.replace(year=2100))
    told = CliRunner().invoke(app, ["bed", "set", "--left", "-40", "--duration", "600"])
    assert (told.exit_code, told.stderr) == (0, "")
    shown = CliRunner().invoke(app, ["bed", "status", "--json"])
    assert json.loads(shown.stdout)["beds"][0]["sides"][0]["target_level"] == -40
    assert rig.calls["auth_login"] == 1
    said = told.stdout + shown.stderr + "".join(record.getMessage() for record in caplog.records)
    said += in_files(tmp_path / "home", set())
    assert [canary for canary in canaries(rig) if canary in said.replace(rig.world.beds()[0].device_id, "", 1)] == []
