"""``docs/sandbox.md`` against the code: every name with its sentence, every option, and examples that work."""

import json
import re
from pathlib import Path

import httpx
import pytest

from connectors.asleep.sandbox import PROFILES, World
from connectors.asleep.sandbox.cases import CASES
from connectors.asleep.sandbox.rules import ENDPOINTS, KINDS, Rule
from connectors.asleep.sandbox.variants import VARIANTS
from tests.connectors.asleep.sandbox.clients import NOW, vendor_of

PAGE = (Path(__file__).parents[4] / "docs" / "sandbox.md").read_text(encoding="utf-8")
NAMES = {
    "cases": dict(CASES),
    "variants": dict(VARIANTS),
    "kinds": {name: kind.does for name, kind in KINDS.items()},
    "profiles": {name: profile.does for name, profile in PROFILES.items()},
}
FIRST_HEADING = {"cases": "case", "variants": "variant", "kinds": "kind", "profiles": "profile"}


def rows_below(heading: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading."""
    (table,) = re.findall(rf"^\| {heading} \|.*\n\|[- |]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]


@pytest.mark.parametrize("what", NAMES)
def test_every_name_has_its_sentence(what: str) -> None:
    """In the order of the code, and no others."""
    rows = rows_below(FIRST_HEADING[what])
    assert [row[:2] for row in rows] == [[f"`{name}`", sentence] for name, sentence in NAMES[what].items()]


def test_profiles_say_whether_they_heal() -> None:
    """In the last column."""
    assert [row[2] for row in rows_below("profile")] == ["yes" if kept.heals else "no" for kept in PROFILES.values()]


def test_every_control_is_there_with_its_body(vendor: httpx.Client) -> None:
    """As ``GET /_control`` describes them."""
    controls = vendor.get("/_control").json()["controls"]
    assert rows_below("control") == [
        [
            f"`{control['method']} {control['path']}`",
            f"`{json.dumps(control['body'])}`" if control["body"] else "",
            control["does"],
        ]
        for control in controls
    ]


def test_every_endpoint_is_there() -> None:
    """By the name that rules and counters use."""
    assert [row[1] for row in rows_below("endpoint")] == [f"`{name}`" for name in ENDPOINTS]


def test_every_field_of_a_rule_is_there() -> None:
    """In the table of fields."""
    named = {name for row in rows_below("field") for name in re.findall(r"`(\w+)`", row[0])}
    assert named == set(Rule.__dataclass_fields__)


def test_bodies_of_examples_are_accepted() -> None:
    """Each body that an example posts to a control, with real ids put in, is one it takes."""
    examples = re.findall(r"-X POST \$SANDBOX(/_control/[\w/]+) -d ('[^']+'|\"(?:[^\"\\]|\\.)+\")", PAGE)
    assert len(examples) >= 15
    for path, text in examples:
        world = World(3, 3, now=NOW)
        user, other, *_ = world.users()
        body = text[1:-1] if text[0] == "'" else text[1:-1].replace('\\"', '"')
        body = body.replace("$USER_ID", user.user_id).replace("$OTHER_ID", other.user_id)
        body = body.replace("$SESSION_ID", user.sessions[0].id)
        with vendor_of(world) as vendor:
            answer = vendor.post(path, content=body)
        assert answer.status_code == 200, (path, body, answer.text)


def test_links_lead_somewhere() -> None:
    """Each link within the page has its heading."""
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", PAGE, re.M)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", PAGE)) <= anchors
