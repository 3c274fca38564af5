"""The YAML of the bed schedule: what it may say, and one sentence with the line for what it may not."""

import re
from datetime import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import WrongUsage
from connectors.home import Home
from pipelines.bed_schedule_file import parsed, preset_named, read_schedule, schedule_path
from pipelines.settings import Settings
from schemas.bed_schedule import EVERY_DAY, PRESETS, Entry, Preset

WHOLE = """\
# What the beds do
timezone: Europe/Berlin
presets:
  cool: {left: -30, right: -10, duration: 3600}
  mine: {left: 5}
entries:
  - at: "22:00"
    left: -20
    right: -25
  - at: 6:30          # without quotes YAML takes it for a number
    preset: wake
    days: [mon, Tue, fri]
  - {at: "08:00", preset: off}
  - {at: "23:00", preset: cool, bed: POD12345}
  - {at: 23:00, preset: mine, bed: 0123}
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in which a file may lie."""
    home = Home(tmp_path)
    home.prepare()
    return home


def settings_of(path: Path | None = None) -> Settings:
    """Settings with or without a schedule of their own."""
    return Settings(_env_file=None, nightshift_bed_schedule=path)  # type: ignore[call-arg]


def test_everything_a_schedule_may_say() -> None:
    """Levels, presets of ours and one's own, weekdays, a bed; times with and without quotes."""
    found = parsed(WHOLE)
    assert found.zone == "Europe/Berlin"
    assert found.presets == {"cool": Preset(-30, -10, 3600), "mine": Preset(5, None, 0)}
    assert found.entries == (
        Entry(time(22), -20, -25),
        Entry(time(6, 30), 15, 15, frozenset({0, 1, 4})),
        Entry(time(8), 0, 0),
        Entry(time(23), -30, -10, EVERY_DAY, "POD12345"),
        Entry(time(23), 5, None, EVERY_DAY, "0123"),
    )


def test_presets_alone_are_a_file_too() -> None:
    """Who only wants names for levels writes no entries."""
    assert parsed("timezone: UTC\npresets:\n  warm: {right: 30}\n").entries == ()


def entry(text: str) -> str:
    """A file whose fourth line is an entry."""
    return f"timezone: UTC\nentries:\n  - {{at: '21:00', left: 1}}\n  - {text}\n"


WRONG = {
    "": "line 1: empty: name a timezone and entries",
    "# canary\n": "line 1: empty: name a timezone and entries",
    "canary": "line 1: the file must be names with values, such as left: -20",
    "- canary": "line 1: the file must be names with values, such as left: -20",
    "entries: []": "line 1: timezone is missing: name an IANA zone such as Europe/Berlin",
    "timezone: canary": "line 1: timezone is not an IANA name such as Europe/Berlin",
    "timezone: [canary]": "line 1: timezone must be a plain text",
    "timezone: UTC\ncanary: 1": "line 2: the file has a name that is not known (known are timezone, presets, entries)",
    "timezone: UTC\ntimezone: UTC": "line 2: the file has the same name twice",
    "timezone: UTC\nentries: canary": "line 2: entries must be a list, such as - at: ...",
    "timezone: UTC\nentries:\n - at: '1:00'\n  left: canary": "line 4: not valid YAML: check indentation, colons and "
    "quotes",
    "timezone: 'canary": "line 1: not valid YAML: check indentation, colons and quotes",
    "timezone: UTC\n---\ntimezone: UTC": "line 2: not valid YAML: check indentation, colons and quotes",
    "timezone: \x00": "line 1: not valid YAML: look for characters that no text has",
    entry("canary"): "line 4: an entry must be names with values, such as left: -20",
    entry("{left: 1}"): 'line 4: at is missing: give a local time such as "22:00"',
    entry("{at: '24:00', left: 1}"): 'line 4: at is not a local time such as "22:00"',
    entry("{at: 10 pm, left: 1}"): 'line 4: at is not a local time such as "22:00"',
    entry("{at: 22:00:30, left: 1}"): 'line 4: at is not a local time such as "22:00"',
    entry("{at: '22:00'}"): "line 4: no side is given a level: name left, right or both",
    entry("{at: '22:00', left: 1.5}"): "line 4: left must be a whole number",
    entry("{at: '22:00', left: cold}"): "line 4: left must be a whole number",
    entry("{at: '22:00', left: -101}"): "line 4: a level is not from -100 to 100: correct it",
    entry("{at: '22:00', right: 101}"): "line 4: a level is not from -100 to 100: correct it",
    entry("{at: '22:00', left: 1, left: 2}"): "line 4: an entry has the same name twice",
    entry("{at: '22:00', level: 1}"): "line 4: an entry has a name that is not known (known are at, left, right, "
    "preset, days, bed)",
    entry("{at: '22:00', preset: canary}"): "line 4: there is no such preset: there are sleep, wake, off",
    entry("{at: '22:00', preset: off, left: 1}"): "line 4: an entry has either a preset or levels: leave one of them "
    "out",
    entry("{at: '22:00', left: 1, days: mon}"): "line 4: days must be a list, such as [mon, tue]",
    entry("{at: '22:00', left: 1, days: []}"): "line 4: days must be some of mon, tue, wed, thu, fri, sat, sun",
    entry("{at: '22:00', left: 1, days: [monday]}"): "line 4: days must be some of mon, tue, wed, thu, fri, sat, sun",
    entry("{at: '21:00', preset: sleep, days: [mon]}"): "line 4: another entry names the same side at the same time: "
    "leave one of them out",
    "timezone: UTC\npresets:\n  off: {left: 1}": "line 3: sleep, wake, off are presets already: choose another name",
    "timezone: UTC\npresets:\n  c: {}": "line 3: no side is given a level: name left, right or both",
    "timezone: UTC\npresets:\n  c: {left: 200}": "line 3: a level is not from -100 to 100: correct it",
    "timezone: UTC\npresets:\n  c: {left: 1, duration: -1}": "line 3: the duration is not from 0 to 31622400 seconds: "
    "correct it",
    "timezone: UTC\npresets:\n  'a b': {left: 1}": "line 3: a preset's name must be up to 40 letters, digits, - and _",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_told_with_its_line(text: str) -> None:
    """One sentence that says what is wrong and what to do; nothing of what stands there."""
    with pytest.raises(WrongUsage) as refused:
        parsed(text)
    assert str(refused.value) == f"The bed schedule, {WRONG[text]}."
    assert "canary" not in str(refused.value)


def test_two_entries_of_one_time_may_stand_beside_each_other() -> None:
    """For different sides, days or beds."""
    file = "timezone: UTC\nentries:\n" + "".join(
        f"  - {{at: '22:00', {rest}}}\n"
        for rest in ("left: 1, days: [mon]", "right: 1, days: [mon]", "left: 1, days: [tue]", "left: 1, bed: a")
    )
    assert len(parsed(file).entries) == 4


@given(st.text(max_size=80) | st.text("[]{}:-&*!|>'\"%@`# \n\tat", max_size=60).map("timezone: UTC\nentries: ".__add__))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    """Whatever it is made of."""
    try:
        parsed(text)
    except WrongUsage as refused:
        assert str(refused).startswith("The bed schedule, line ")  # noqa: PT017


def test_too_deep_a_file_is_refused_in_words() -> None:
    """Not with the interpreter's limit."""
    with pytest.raises(WrongUsage, match="not valid YAML"):
        parsed("[" * 1500)


def test_where_the_schedule_is(home: Home, tmp_path: Path) -> None:
    """As set, else in the home, else nowhere."""
    assert schedule_path(settings_of(), home) is None
    with pytest.raises(WrongUsage, match=r"There is no bed schedule: write bed-schedule\.yaml into the home, or set"):
        read_schedule(settings_of(), home)
    (home.root / "bed-schedule.yaml").write_text("timezone: UTC\n")
    assert read_schedule(settings_of(), home).zone == "UTC"
    other = tmp_path / "canary.yaml"
    with pytest.raises(WrongUsage, match=r"cannot be read \(No such file or directory\)") as refused:
        read_schedule(settings_of(other), home)
    assert "canary" not in str(refused.value)
    other.write_text(WHOLE)
    assert read_schedule(settings_of(other), home).zone == "Europe/Berlin"
    other.write_bytes(b"\xff")
    with pytest.raises(WrongUsage, match="it is not UTF-8 text"):
        read_schedule(settings_of(other), home)


def test_presets_by_name(home: Home) -> None:
    """Ours are there without a file and whatever stands in it; one's own are named when another is asked for."""
    assert preset_named("sleep", settings_of(), home) == PRESETS["sleep"]
    with pytest.raises(WrongUsage, match="there are sleep, wake, off"):
        preset_named("cool", settings_of(), home)
    (home.root / "bed-schedule.yaml").write_text(WHOLE)
    assert preset_named("cool", settings_of(), home) == Preset(-30, -10, 3600)
    with pytest.raises(WrongUsage, match="there are sleep, wake, off, cool, mine"):
        preset_named("canary", settings_of(), home)
    (home.root / "bed-schedule.yaml").write_text("broken: [")
    assert preset_named("off", settings_of(), home) == PRESETS["off"]


def test_the_example_of_the_documentation_is_a_schedule() -> None:
    """Every block of YAML in it can be used as it stands."""
    page = Path(__file__).parents[2] / "docs" / "eight-sleep.md"
    (block,) = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    found = parsed(block)
    assert [entry.at.hour for entry in found.entries] == [22, 6, 8, 21]
    assert found.named_beds() == ["POD12345"]
