"""The asset reads epochs as bytes, for speed: what it writes is what the lake's rows say, whatever is in them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.fhir.sleep_observations import build_sleep_observations, fhir_context, read_nights
from connectors.home import Home
from schemas.fhir import hypnogram_observation, ndjson, session_observations
from schemas.tables import SLEEP_HYPNOGRAMS, SLEEP_SESSIONS
from tests.assets.homes import StandingClock, new_home
from tests.schemas.fhir.rows import CONTEXT, NIGHT, epochs, night

FOLDER = "date=2025-03-10"

EPOCHS: list[dict[str, Any]] = [
    {},
    {"sleep_stages": list(range(-128, 128)), "snoring_stages": [10], "breath_stages": [-1]},
    {"sleep_stages": None, "snoring_stages": [], "breath_stages": [1, 0, 1]},
    {"sleep_stages": [0, None, 5, -1], "snoring_stages": None, "breath_stages": None},
    {"sleep_stages": [], "snoring_stages": None, "breath_stages": []},
]


def put(home: Home, rows: list[dict[str, Any]]) -> None:
    """Put nights with these epochs into the lake."""
    ids = [{"session_id": f"session {number}"} for number in range(len(rows))]
    home.lake.replace(SLEEP_SESSIONS, FOLDER, [NIGHT | id for id in ids])
    home.lake.replace(SLEEP_HYPNOGRAMS, FOLDER, [epochs(**id, **row) for id, row in zip(ids, rows, strict=True)])


def written(home: Home) -> bytes:
    """The NDJSON after a build."""
    build_sleep_observations(home, fhir_context(home), FOLDER.removeprefix("date="))
    return (home.root / "fhir" / "Observation" / FOLDER / "sleep.ndjson").read_bytes()


def test_what_is_written_is_what_the_rows_say(tmp_path: Path) -> None:
    """Every code of an int8, null epochs, null and empty arrays: the same bytes as from the rows as lists."""
    with new_home(tmp_path / "home", StandingClock(datetime(2025, 3, 11, tzinfo=UTC))) as home:
        put(home, EPOCHS)
        sessions = home.lake.read(SLEEP_SESSIONS, FOLDER).to_pylist()
        hypnograms = {row["session_id"]: row for row in home.lake.read(SLEEP_HYPNOGRAMS, FOLDER).to_pylist()}
        context = fhir_context(home)
        expected = [session_observations(context, row, hypnograms[row["session_id"]]) for row in sessions]
        assert [len(night) for night in expected] == [2, 2, 2, 2, 1]
        assert written(home) == ndjson(resource for night in expected for resource in night)


@pytest.mark.parametrize("rows", [[], [{"sleep_stages": None, "snoring_stages": None, "breath_stages": None}]])
def test_a_date_without_epochs_is_read(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    """No hypnograms at all, or columns of nulls only."""
    with new_home(tmp_path / "home", StandingClock(datetime(2025, 3, 11, tzinfo=UTC))) as home:
        put(home, rows)
        nights = read_nights(home, fhir_context(home), FOLDER)
        assert [row["sleep_stages"] for row in nights.hypnograms.values()] == [None for _ in rows]


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=50))
def test_bytes_say_the_same_as_lists(codes: list[int]) -> None:
    """An int8 an epoch, as bytes or as numbers."""
    packed = pa.array(codes, pa.int8()).buffers()[1].to_pybytes()[: len(codes)]
    assert hypnogram_observation(CONTEXT, night(), epochs() | {"sleep_stages": packed}) == hypnogram_observation(
        CONTEXT, night(), epochs(sleep_stages=codes)
    )
