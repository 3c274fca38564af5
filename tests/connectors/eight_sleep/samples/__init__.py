"""Answers of the vendor as the reference has them, with invented ids: each name is a call, with its request."""

import json
from pathlib import Path
from typing import Any


def sample(file: str, name: str) -> Any:
    """The body of an answer, such as ``page_1`` of ``intervals``."""
    document = json.loads((Path(__file__).parent / f"{file}.json").read_bytes())
    return document[name]["response"]["body"]


def errors(name: str) -> list[dict[str, Any]]:
    """Answers that are errors: ``documented_envelope`` or ``community_observed``."""
    document: dict[str, list[dict[str, Any]]] = json.loads((Path(__file__).parent / "errors.json").read_bytes())
    return document[name]
