"""``nightshift nights`` with two sources: a person's night is told once, as the mart of the nights tells it."""

from datetime import date, timedelta
from itertools import product

from pipelines.command.nights import merged
from schemas.night_verdicts import COMPLETE, VERDICTS
from tests.assets.marts.recordings import BED, expected_night, marts_of

FIRST = date(2024, 1, 1)
PAIRS = list(product(VERDICTS, repeat=2))


def test_a_night_of_two_sources_is_told_as_the_mart_tells_it() -> None:
    """Whatever the verdicts of phone and bed are; in the order of the nights."""
    ledger = [
        expected_night(FIRST + timedelta(number), verdict, source=source)
        for number, verdicts in enumerate(PAIRS)
        for source, verdict in zip(("asleep", "eight_sleep"), verdicts, strict=True)
    ]
    found = [(row["night_of"], row["source"], row["verdict"]) for row in merged(reversed(ledger))]
    nights = marts_of([], ledger).tables["nights"].to_pylist()
    assert found == [(night["night_of"], night["source"], night["verdict"]) for night in nights]
    assert len(found) == len(PAIRS)
    assert all(verdict == COMPLETE for (_, _, verdict), pair in zip(found, PAIRS, strict=True) if COMPLETE in pair)


def test_people_and_sources_without_company_are_left_as_they_are() -> None:
    """Two people with one night each, one of them only with a bed, one with a source that nobody ranked."""
    rows = [expected_night(FIRST, user_id="ben", **BED), expected_night(FIRST, user_id="ann", source="watch")]
    assert merged(rows) == [rows[1], rows[0]]
