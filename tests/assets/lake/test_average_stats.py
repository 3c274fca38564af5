"""The table of averages, built from raw documents in a real home."""

from datetime import date, timedelta
from typing import Any

from assets.lake.average_stats import build_average_stats
from connectors.home import Home
from connectors.state.quarantine import list_quarantined
from schemas.tables import AVERAGE_STATS
from tests.assets.homes import follow, sleeper
from tests.assets.lake.documents import FETCHED, MONTH_STATS, USER_ID, stats_document
from tests.schemas.samples import changed

MONTH = "2025-01"
BAD = changed(MONTH_STATS, {"result.period.end_date": "late"})


def rows(home: Home) -> list[dict[str, Any]]:
    """What the lake holds of the month."""
    kept: list[dict[str, Any]] = home.lake.read(AVERAGE_STATS, f"month={MONTH}").to_pylist()
    return kept


def quarantined(home: Home) -> list[tuple[str, str, str]]:
    """Asset, partition and reason of everything in quarantine."""
    with home.state.read() as connection:
        return [(entry.asset, entry.partition, entry.reason) for entry in list_quarantined(connection)]


def test_a_month_has_a_row_for_each_user(home: Home) -> None:
    """With the roster's label; the file lies in the folder of the month."""
    follow(home, sleeper("G-a"), sleeper("G-b", "other clinic"))
    home.raw.append([stats_document(user_id=user_id) for user_id in ("G-b", "G-a")])
    built = build_average_stats(home, MONTH)
    assert (built.documents, built.rows, built.quarantined, built.files) == (2, 2, 0, 1)
    assert [(row["user_id"], row["org_id"]) for row in rows(home)] == [("G-a", "clinic"), ("G-b", "other clinic")]
    assert (home.root / "lake" / "average_stats" / "month=2025-01" / "average_stats.parquet").exists()


def test_the_newest_answer_for_a_month_counts(home: Home) -> None:
    """The month grows until it is over; each night brings a new answer for the same row."""
    longer = changed(MONTH_STATS, {"result.period.end_date": "2025-01-31"})
    home.raw.append([stats_document(), stats_document(longer, fetched_at=FETCHED + timedelta(days=12))])
    build_average_stats(home, MONTH)
    assert [row["period_end"] for row in rows(home)] == [date(2025, 1, 31)]


def test_refused_averages_are_in_quarantine_until_good_ones_come(home: Home) -> None:
    """Documents = rows + quarantined, before and after; the last row takes the file along."""
    home.raw.append([stats_document(BAD), stats_document(user_id="G-good")])
    built = build_average_stats(home, MONTH)
    assert (built.documents, built.rows, built.quarantined) == (2, 1, 1)
    assert built.conserved
    assert quarantined(home) == [("average_stats", MONTH, "bad_date")]
    home.raw.append([stats_document(fetched_at=FETCHED + timedelta(hours=1))])
    assert build_average_stats(home, MONTH).rows == 2
    assert quarantined(home) == []


def test_a_month_whose_last_row_is_refused_has_no_file(home: Home) -> None:
    """No rows, no file, no folder."""
    home.raw.append([stats_document()])
    build_average_stats(home, MONTH)
    home.raw.append([stats_document(BAD, fetched_at=FETCHED + timedelta(hours=1))])
    assert build_average_stats(home, MONTH).files == 1
    assert not (home.root / "lake" / "average_stats" / "month=2025-01").exists()


def test_building_again_changes_nothing(home: Home) -> None:
    """The same bytes, and no file replaced; a new label of the roster is a change."""
    follow(home, sleeper(USER_ID))
    home.raw.append([stats_document()])
    path = home.lake.path(AVERAGE_STATS, f"month={MONTH}")
    build_average_stats(home, MONTH)
    before = path.read_bytes()
    assert build_average_stats(home, MONTH).files == 0
    path.unlink()
    assert build_average_stats(home, MONTH).files == 1
    assert path.read_bytes() == before
    follow(home, sleeper(USER_ID, "new clinic"))
    assert build_average_stats(home, MONTH).files == 1
    assert [row["org_id"] for row in rows(home)] == ["new clinic"]
