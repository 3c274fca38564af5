"""What is read out of session ids, and what is not taken for a time."""

from datetime import UTC, datetime

import pytest

from schemas.session_ids import start_in


def test_an_id_begins_with_its_start_in_utc() -> None:
    """14 digits, with or without the rest."""
    assert (
        start_in("20250314144120_w2x7d") == start_in("20250314144120") == datetime(2025, 3, 14, 14, 41, 20, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    "session_id",
    [
        *(
            "",
            "_",
            "s_1",
            "2025031414412_w2x7d",
            "202503141441200_w2x7d",
            "20250314144120w2x7d",
            "x20250314144120_w2x7d",
        ),
        *("20250230144120_w2x7d", "20250314250000_w2x7d", "00000314144120_w2x7d", "２０２５０３１４１４４１２０_w2x7d"),
        *("20250314T44120_w2x7d", "2025-03-14T14:41:20_w2x7d"),
    ],
)
def test_what_is_no_start_is_not_guessed(session_id: str) -> None:
    """Another number of digits, no date of the calendar, digits of another script, or something else altogether."""
    assert start_in(session_id) is None
