"""Nights of the simulator in every variant of its answers: nothing refused, nothing lost, every identity holds."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from assets.builds import Built
from assets.lake.bed_nights import build_bed_nights
from assets.lake.bed_samples import build_bed_samples
from connectors.eight_sleep.sandbox import World
from connectors.eight_sleep.sandbox.intervals import interval
from connectors.eight_sleep.sandbox.nights import Told
from connectors.eight_sleep.sandbox.trends import MODELS, day_document, mornings
from connectors.home import Home
from schemas.bed_lineage import SERIES
from schemas.bed_tables import BED_NIGHTS, BED_SAMPLES
from schemas.quirks import IMPOSSIBLE_VALUE
from tests.assets.beds.documents import session_document, trend_document

NOW = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)
LIVING = World(nights=4, clock=lambda: NOW)
DEVICE = {"id": "bed", "side": "solo"}
ZONE = ZoneInfo("Europe/Lisbon")


def told() -> list[Told]:
    """Every stay of a sleeper."""
    return LIVING.nights_of(next(LIVING.accounts()).user_id).told(NOW)


def built(home: Home, documents: list[dict[str, Any]]) -> Built:
    """What building the samples of these intervals comes to."""
    home.raw.append(map(session_document, documents))
    total = Built()
    for day in {date.fromisoformat(document["ts"][:10]) for document in documents}:
        total.add(build_bed_samples(home, day.isoformat()))
    assert total.conserved
    assert total.quarantined == 0
    return total


@pytest.mark.parametrize(
    "variants", [(), ("newer_fields",), ("zero_heart_rates",), ("of_2022",), ("text_none",), ("unknown_stages",)]
)
def test_every_sample_arrives_once_whatever_the_variant(home: Home, variants: tuple[str, ...]) -> None:
    """All but lost heart beats, which are counted as the vendor's."""
    documents = [interval(1, one, DEVICE, frozenset(variants)) for one in told()]
    total = built(home, documents)
    rows = home.lake.read_all(BED_SAMPLES).to_pylist()
    for column, series in SERIES.items():
        points = [point for document in documents for point in document["timeseries"].get(series, [])]
        sent = sorted((datetime.fromisoformat(time), value) for time, value in points if value)
        assert sorted((row["time"], row[column]) for row in rows if row[column] is not None) == sent
    impossible = {drift.path for _, drift in total.drift if drift.kind == IMPOSSIBLE_VALUE}
    assert impossible == ({"$.timeseries.heartRate[][1]"} if "zero_heart_rates" in variants else set())
    assert total.findings == {"unique_keys": 0}


@pytest.mark.parametrize("model", MODELS)
def test_every_scored_night_arrives_and_keeps_the_vendors_identities(home: Home, model: str) -> None:
    """Sleep of the night is that of its main session; the time between its ends is shorter than its presence."""
    days = mornings(told(), ZONE)
    documents = {day: day_document(1, day, stays, ZONE, model) for day, stays in days.items()}
    home.raw.append([trend_document(document) for document in documents.values()])
    total = Built()
    for day in documents:
        total.add(build_bed_nights(home, day.isoformat()))
    assert (total.rows, total.conserved) == (len(documents), True)
    held = {name: count for name, count in total.findings.items() if count}
    assert set(held) <= {"bed_night_3_waking_clock"}  # the roster's zone here is not the bed's
    for row in home.lake.read_all(BED_NIGHTS).to_pylist():
        document, stays = documents[row["day"]], days[row["day"]]
        main = max((one.stay for one in stays), key=lambda stay: stay.asleep_s)
        assert row["sleep_duration_s"] == main.asleep_s
        assert row["presence_duration_s"] == document["presenceDuration"]
        assert row["presence_duration_s"] - main.seconds("out") == main.total_s
        assert row["is_final"] == all(one.is_final for one in stays)
        assert (row["sleep_fitness_score"] is None) != row["is_final"]
        assert set(row["session_ids"]) == {one.stay.id for one in stays}
