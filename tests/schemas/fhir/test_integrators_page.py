"""``docs/fhir.md``: its example is a resource that could be sent, and it names every kind of resource and setting."""

import json
import re
from pathlib import Path

from pipelines.settings import Settings
from schemas.fhir import complaints
from schemas.fhir.pseudonyms import KIND_LETTERS

PAGE = Path(__file__).parents[3].joinpath("docs", "fhir.md").read_text()


def test_the_example_is_fit_to_be_sent() -> None:
    """Valid R4 with an id of the right form."""
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    resource = json.loads(example)
    assert complaints(resource) == []
    references = [resource["id"], *re.findall(r'"reference": "\w+/(\w+)"', example)]
    assert all(re.fullmatch(r"[a-z][0-9a-f]{40}", reference) for reference in references)


def test_every_kind_and_every_setting_is_told() -> None:
    """Who adds one adds it here."""
    kinds = set(KIND_LETTERS) - {"provenance"}
    assert {kind for kind in kinds if not re.search(rf"/identifier/(asleep|eight_sleep)-{kind}`", PAGE)} == set()
    settings = {name.upper() for name in Settings.model_fields if "fhir" in name}
    assert {name for name in settings if name not in PAGE} == set()
