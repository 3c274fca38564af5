"""The YAML file of the bed schedule and of one's own presets: where it lies, and reading it with the line of a mistake.

What its entries mean is in ``schemas.bed_schedule``.
"""

import re
from collections.abc import Iterator
from datetime import time
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from connectors.errors import WrongUsage
from connectors.home import Home
from pipelines.settings import Settings
from schemas.bed_schedule import EVERY_DAY, PRESETS, WEEKDAYS, BedSchedule, Entry, Preset, check_levels
from schemas.nights import is_iana_zone

FILE_NAME = "bed-schedule.yaml"
SETTING = "NIGHTSHIFT_BED_SCHEDULE"

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


def schedule_path(settings: Settings, home: Home) -> Path | None:
    """Where the schedule is: as set, else ``bed-schedule.yaml`` in the home if there is one, else None."""
    usual = home.root / FILE_NAME
    return settings.nightshift_bed_schedule or (usual if usual.exists() else None)


def read_schedule(settings: Settings, home: Home) -> BedSchedule:
    """The schedule. Raises: WrongUsage when there is none, or naming the line that is wrong, never a bed."""
    path = schedule_path(settings, home)
    if path is None:
        raise WrongUsage(
            f"There is no bed schedule: write {FILE_NAME} into the home, or set {SETTING}; docs/eight-sleep.md shows "
            "one."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    else:
        return parsed(text)
    raise WrongUsage(f"The bed schedule cannot be read ({reason}): correct {SETTING} or {FILE_NAME} in the home.")


def preset_named(name: str, settings: Settings, home: Home) -> Preset:
    """A preset of ours, or one of the person's own. Raises: WrongUsage."""
    if name in PRESETS:  # the bed can be switched off whatever stands in the file
        return PRESETS[name]
    own = read_schedule(settings, home).presets if schedule_path(settings, home) else {}
    if name not in own:
        raise WrongUsage(f"There is no such preset: there are {', '.join([*PRESETS, *own])}.")
    return own[name]


def parsed(text: str) -> BedSchedule:
    """The schedule of a YAML text. Raises: WrongUsage."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _wrong(mark.line + 1 if mark else 1, "not valid YAML: check indentation, colons and quotes") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise _wrong(1, "not valid YAML: look for characters that no text has") from None
    if root is None:
        raise _wrong(1, "empty: name a timezone and entries")
    parts = _mapping(root, "the file", ("timezone", "presets", "entries"))
    if "timezone" not in parts:
        raise _wrong(1, "timezone is missing: name an IANA zone such as Europe/Berlin")
    zone = _text(parts["timezone"], "timezone")
    if not is_iana_zone(zone):
        raise _wrong_at(parts["timezone"], "timezone is not an IANA name such as Europe/Berlin")
    own = dict(_presets(parts["presets"])) if "presets" in parts else {}
    entries = _entries(parts["entries"], {**PRESETS, **own}) if "entries" in parts else ()
    return BedSchedule(zone, entries, own)


def _presets(node: yaml.Node) -> Iterator[tuple[str, Preset]]:
    for name, (key, value) in _pairs(node, "presets").items():
        if not _NAME.fullmatch(name):
            raise _wrong_at(key, "a preset's name must be up to 40 letters, digits, - and _")
        if name in PRESETS:
            raise _wrong_at(key, f"{', '.join(PRESETS)} are presets already: choose another name")
        fields = _mapping(value, "a preset", ("left", "right", "duration"))
        left, right, duration_s = (_number(fields.get(field), field) for field in ("left", "right", "duration"))
        if problem := check_levels(left, right, duration_s or 0):
            raise _wrong_at(key, problem)
        yield name, Preset(left, right, duration_s or 0)


def _entries(node: yaml.Node, presets: dict[str, Preset]) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for item in _sequence(node, "entries", "- at: ..."):
        entry = _entry(item, presets)
        if any(_contradict(entry, other) for other in entries):
            raise _wrong_at(item, "another entry names the same side at the same time: leave one of them out")
        entries.append(entry)
    return tuple(entries)


def _entry(node: yaml.Node, presets: dict[str, Preset]) -> Entry:
    fields = _mapping(node, "an entry", ("at", "left", "right", "preset", "days", "bed"))
    if "at" not in fields:
        raise _wrong_at(node, 'at is missing: give a local time such as "22:00"')
    clock = _TIME.fullmatch(_text(fields["at"], "at"))
    if clock is None:
        raise _wrong_at(fields["at"], 'at is not a local time such as "22:00"')
    left, right = (_number(fields.get(side), side) for side in ("left", "right"))
    if "preset" in fields:
        if not fields.keys().isdisjoint(("left", "right")):
            raise _wrong_at(node, "an entry has either a preset or levels: leave one of them out")
        name = _text(fields["preset"], "preset")
        if name not in presets:
            raise _wrong_at(fields["preset"], f"there is no such preset: there are {', '.join(presets)}")
        left, right, _ = presets[name]
    if problem := check_levels(left, right, 0):
        raise _wrong_at(node, problem)
    return Entry(
        at=time(int(clock[1]), int(clock[2])),
        left=left,
        right=right,
        days=_days(fields["days"]) if "days" in fields else EVERY_DAY,
        bed=_text(fields["bed"], "bed") if "bed" in fields else None,
    )


def _days(node: yaml.Node) -> frozenset[int]:
    names = [_text(item, "days").lower() for item in _sequence(node, "days", f"[{WEEKDAYS[0]}, {WEEKDAYS[1]}]")]
    if not names or not set(names) <= set(WEEKDAYS):
        raise _wrong_at(node, f"days must be some of {', '.join(WEEKDAYS)}")
    return frozenset(WEEKDAYS.index(name) for name in names)


def _contradict(one: Entry, other: Entry) -> bool:
    same_side = any(getattr(one, side) is not None and getattr(other, side) is not None for side in ("left", "right"))
    return one.at == other.at and one.bed == other.bed and bool(one.days & other.days) and same_side


def _pairs(node: yaml.Node, what: str) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """Keys with their nodes and values; a key twice is a mistake that YAML itself does not tell."""
    if not isinstance(node, yaml.MappingNode):
        raise _wrong_at(node, f"{what} must be names with values, such as left: -20")
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        name = _text(key, f"a name in {what}")
        if name in found:
            raise _wrong_at(key, f"{what} has the same name twice")
        found[name] = (key, value)
    return found


def _mapping(node: yaml.Node, what: str, known: tuple[str, ...]) -> dict[str, yaml.Node]:
    pairs = _pairs(node, what)
    for name, (key, _) in pairs.items():
        if name not in known:
            raise _wrong_at(key, f"{what} has a name that is not known (known are {', '.join(known)})")
    return {name: value for name, (_, value) in pairs.items()}


def _sequence(node: yaml.Node, what: str, such_as: str) -> list[yaml.Node]:
    if not isinstance(node, yaml.SequenceNode):
        raise _wrong_at(node, f"{what} must be a list, such as {such_as}")
    return list(node.value)


def _text(node: yaml.Node, what: str) -> str:
    """The text as it was written: YAML would take 22:00 for a number and off for false."""
    if not isinstance(node, yaml.ScalarNode) or not str(node.value).strip():
        raise _wrong_at(node, f"{what} must be a plain text")
    return str(node.value).strip()


def _number(node: yaml.Node | None, what: str) -> int | None:
    if node is None:
        return None
    if not isinstance(node, yaml.ScalarNode) or not _WHOLE.fullmatch(str(node.value)):
        raise _wrong_at(node, f"{what} must be a whole number")
    return int(node.value)


def _wrong_at(node: yaml.Node, problem: str) -> WrongUsage:
    return _wrong(node.start_mark.line + 1, problem)


def _wrong(line: int, problem: str) -> WrongUsage:
    return WrongUsage(f"The bed schedule, line {line}: {problem}.")
