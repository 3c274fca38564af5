"""The doctor on differences from the vendor's documentation: all that were met, with date and rule, as news."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.asleep.sandbox import World
from connectors.state.drift import note_drift
from pipelines.command import doctor
from schemas.asleep import ASLEEP
from schemas.quirks import QUIRKS, UNKNOWN_CODE, UNKNOWN_FIELD, Drift
from tests.pipelines.doctored import KEY, Patient, healthy
from tests.system.faults import faulty_sandbox


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    """A home that is well."""
    with (
        faulty_sandbox(World(users=2, nights=1, api_key=KEY)) as sandbox,
        healthy(tmp_path / "home", sandbox) as patient,
    ):
        yield patient


def test_every_difference_is_shown_and_none_is_an_error(patient: Patient) -> None:
    """Date of the first sighting, document, kind, path and rule of each, the oldest first; of a bed it says so."""
    assert "documentation" not in patient.examine()
    state = patient.home.state
    field, code = Drift(UNKNOWN_FIELD, "$.result.session.body_position"), Drift(UNKNOWN_CODE, "$.result.x\x1b[2J")
    note_drift(state, ASLEEP, "user", [code], datetime(2026, 11, 20, 4, tzinfo=UTC))
    note_drift(state, ASLEEP, "session", [field], datetime(2026, 10, 1, 4, tzinfo=UTC))
    note_drift(state, ASLEEP, "session", [field], datetime(2026, 11, 21, 4, tzinfo=UTC))
    note_drift(state, "eight_sleep", "session", [field], datetime(2026, 11, 21, 4, tzinfo=UTC))
    assert not patient.complaints()
    found = patient.examine()["documentation"]
    assert found.fine is True
    assert found.words.startswith("3 difference(s) from the vendors' documentation")
    assert found.words.splitlines()[1:] == [
        f"2026-10-01 session: unknown_field $.result.session.body_position. {QUIRKS[UNKNOWN_FIELD]}",
        f"2026-11-20 user: unknown_code $.result.x?[2J. {QUIRKS[UNKNOWN_CODE]}",
        f"2026-11-21 eight_sleep session: unknown_field $.result.session.body_position. {QUIRKS[UNKNOWN_FIELD]}",
    ]
    (first, *others) = doctor._lines([found])
    assert first.startswith("ok  documentation  3 difference(s)")
    assert [line[:19].strip() for line in others] == ["", "", ""]
