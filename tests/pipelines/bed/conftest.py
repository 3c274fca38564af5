"""The sandbox and the home of the Eight Sleep tests, and a terminal in front of them."""

from pathlib import Path

import pytest

from pipelines.settings import Settings
from tests.connectors.eight_sleep.conftest import empty_home, rig, stage
from tests.connectors.eight_sleep.rig import Rig
from tests.pipelines.bed.terminal import Terminal

__all__ = ["empty_home", "rig", "stage", "terminal"]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor the folder of the developer counts."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def terminal(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Two beds, of which the account has the first."""
    return Terminal(rig, monkeypatch)
