"""Our own log: only allowed fields, each of its own kind, whatever is handed in."""

import json
import re
import tempfile
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.logs import COUNTS, DATES, WORDS, open_log

ALLOWED = sorted(COUNTS | DATES | WORDS)

PLANTED = [
    "G-20250101000000-CANARYCANARYCANARYCA",
    "20250310141208_canry",
    "a8Fk2-canary-api-key-99",
    "canary@example.com",
    "https://api.asleep.ai/data/v3/sessions/20250310141208_canry?x=1",
    "Canary Miller",
    "/home/canary/data",
    '{"sleep_stages": [0, 1, 2]}',
    "2025-03-10T14:12:08+00:00",
    "20250310",
]

planted = st.sampled_from(PLANTED) | st.sampled_from(PLANTED).map(lambda mark: f"failed for {mark}: try again")
nested = st.recursive(
    planted | st.none() | planted.map(str.encode) | planted.map(Path) | planted.map(ValueError),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(planted, inner, max_size=2),
    max_leaves=4,
)
days = st.dates(date(2020, 1, 1))
harmless = st.one_of(
    st.tuples(st.sampled_from(sorted(COUNTS)), st.integers(-10, 10**9) | st.floats(0, 1e6) | st.booleans()),
    st.tuples(st.sampled_from(sorted(DATES)), days.map(str) | days.map(lambda day: f"{day:%Y-%m}")),
    st.tuples(st.sampled_from(sorted(WORDS)), st.sampled_from(["sync", "KeyRefused", "raw.append", "pull.py:123"])),
)


def logged(event: Any, fields: dict[str, Any]) -> dict[str, Any]:
    """The line that comes out."""
    with tempfile.TemporaryDirectory() as folder:
        open_log(Path(folder)).info(event, **fields)
        (line,) = (Path(folder) / "nightshift.jsonl").read_text().splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


@settings(max_examples=150, deadline=None)
@given(
    event=planted | st.just("sync.ended"),
    bad=st.dictionaries(st.sampled_from(ALLOWED) | st.sampled_from(["user_id", "url", "message"]), nested, max_size=5),
    good=st.lists(harmless, max_size=4).map(dict),
)
def test_nothing_planted_gets_into_the_log(event: str, bad: dict[str, Any], good: dict[str, Any]) -> None:
    """Ids, keys, names, addresses and texts stay out of every field, at any depth; what is harmless is written."""
    bad.pop("event", None)
    good.pop("event", None)
    line = logged(event, bad | good)
    del line["timestamp"], line["level"]
    assert line == good | ({"event": event} if event == "sync.ended" else {})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("users", "12"),
        ("users", float("nan")),
        ("users", float("inf")),
        ("calls", 20250310141208),
        ("first", "2026-11-22 "),
        ("first", "20261122"),
        ("first", 20261122),
        ("where", "two words"),
        ("where", "pull.py:1234567"),
        ("error_kind", ""),
        ("error_kind", "x" * 5 + "1"),
        ("asset", "a.b" * 20),
        ("level", "info"),
        ("timestamp", "2026-11-22"),
        ("message", "sync"),
    ],
)
def test_a_value_of_another_kind_is_left_out(field: str, value: Any) -> None:
    """A number as text, a text as number, what is no partition, no word or too long, fields that are not ours."""
    line = logged("sync.ended", {field: value})
    assert set(line) == {"event", "level", "timestamp"}
    assert line["level"] == "info"


def test_a_line_has_its_time_and_level(tmp_path: Path) -> None:
    """One JSON object a line, appended, with the time in UTC; debug lines are not written."""
    log = open_log(tmp_path)
    log.info("one")
    log.debug("nothing")
    open_log(tmp_path).warning("two")
    log.error("three", error_kind="KeyRefused")
    log.exception("four")
    lines = [json.loads(line) for line in (tmp_path / "nightshift.jsonl").read_text().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("one", "info"),
        ("two", "warning"),
        ("three", "error"),
        ("four", "error"),
    ]
    assert all(datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta() for line in lines)
    assert set(lines[3]) == {"event", "level", "timestamp"}


def test_no_allowed_field_is_named_after_a_person_or_a_thing_of_theirs() -> None:
    """The list itself holds no field for ids, names, keys, addresses or free text."""
    assert not [name for name in ALLOWED if re.search(r"(^|_)(id|ids|name|key|url|text|message|zone|email)$", name)]
