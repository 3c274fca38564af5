"""``nightshift explain``: the table, the JSON and the page of a session, and what it says when it cannot."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.asleep.sandbox import World, running
from connectors.errors import WrongUsage
from pipelines.command.main import app
from tests.assets.draining import drain
from tests.assets.homes import NOW, StandingClock, new_home
from tests.assets.raw.pulls import KEY, Puller, follow_everybody


@pytest.fixture(scope="module")
def session_id(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A session of a user with two nights, in the home of the settings."""
    world, root = World(users=1, nights=2, api_key=KEY, now=NOW), tmp_path_factory.mktemp("explained") / "home"
    with running(world) as base_url, new_home(root, StandingClock(NOW)) as home:
        follow_everybody(home, world)
        Puller(home, base_url).pull(NOW.date() - timedelta(days=7))
        drain(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NIGHTSHIFT_HOME", str(root))
        yield next(world.users()).sessions[0].id


def test_the_figures_stand_side_by_side(session_id: str) -> None:
    """As sent, in the lake and in FHIR, with the rule."""
    result = CliRunner().invoke(app, ["explain", session_id, "--json"], catch_exceptions=False)
    lines = {line["column"]: line for line in json.loads(result.output) if line["column"]}
    asleep = lines["total_sleep_time_s"]
    assert asleep["sent_as"] == "result.stat.time_in_sleep"
    assert asleep["sent"] == asleep["kept"]
    assert asleep["fhir"]["value"] == f"{asleep['kept'] / 60:g} min"
    assert lines["session_id"]["sent"] == session_id
    table = CliRunner().invoke(app, ["explain", "-"], input=f"{session_id}\n", catch_exceptions=False).output
    assert "stat.time_in_sleep" in table
    assert "kept in raw only" in table


def test_the_page_is_whole_and_escapes_what_it_shows(session_id: str, tmp_path: Path) -> None:
    """One HTML file without anything to fetch."""
    page = tmp_path / "night.html"
    result = CliRunner().invoke(app, ["explain", session_id, "--html", str(page)], catch_exceptions=False)
    assert result.exit_code == 0
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert text.endswith("</html>\n")
    assert "src=" not in text
    assert "href=" not in text
    assert text.count("<tr") == text.count("</tr>") > 60


def test_an_unknown_session_is_told_without_its_id(session_id: str) -> None:
    """And so is one that another user has."""
    for arguments in (["canary-session"], [session_id, "--user", "canary-user"]):
        result = CliRunner().invoke(app, ["explain", *arguments])
        assert isinstance(result.exception, WrongUsage)
        assert "canary" not in str(result.exception)
