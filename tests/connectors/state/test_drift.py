"""Differences from the documentation are news once, for each source and document."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.state.database import State
from connectors.state.drift import list_drift, note_drift
from schemas.quirks import Drift

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
FIELD = Drift("unknown_field", "$.result.tomorrow")
CODE = Drift("unknown_code", "$.result.session.sleep_stages")


def test_a_difference_is_new_once(tmp_path: Path) -> None:
    """Also after a restart; the first sighting keeps its time."""
    url = f"sqlite:///{tmp_path / 'state.db'}"
    state = State(url)
    assert note_drift(state, "asleep", "session", [FIELD, FIELD], NOW) == {FIELD}
    state.close()
    state = State(url)
    later = NOW + timedelta(days=1)
    assert note_drift(state, "asleep", "session", [FIELD, CODE], later) == {CODE}
    assert note_drift(state, "asleep", "session", [FIELD, CODE], later) == set()
    with state.read() as connection:
        seen = [(drift.kind, drift.path, drift.first_seen_at) for drift in list_drift(connection)]
    assert seen == [(*FIELD, NOW), (*CODE, later)]
    state.close()


def test_each_document_and_source_has_its_own(tmp_path: Path) -> None:
    """The same field in another document is another piece of news."""
    state = State(f"sqlite:///{tmp_path / 'state.db'}")
    assert note_drift(state, "asleep", "session", [FIELD], NOW) == {FIELD}
    assert note_drift(state, "asleep", "user", [FIELD], NOW) == {FIELD}
    assert note_drift(state, "eight_sleep", "session", [FIELD], NOW) == {FIELD}
    assert note_drift(state, "asleep", "session", [], NOW) == set()
    state.close()
