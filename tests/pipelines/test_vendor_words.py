"""What the vendor says, as words for a person: both documented shapes, odd values, nothing a terminal obeys."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.command.vendor.words import duration, last_session, moment, plain, session_lines
from schemas.asleep import SessionDetail

ONE_SHAPE = {
    "session_id": "20261121145321_civhf",
    "state": "COMPLETE",
    "start_time": "2026-11-21T14:53:21Z",
    "end_time": "2026-11-21T23:19:21Z",
    "complete_time": "2026-11-21T23:20:00Z",
    "inference_type": "MELSPECTROGRAM",
}
OTHER_SHAPE = {
    "session_id": "20261121145321_civhf",
    "state": "COMPLETE",
    "session_start_time": "2026-11-21T14:53:21+00:00",
    "session_end_time": "2026-11-21T23:19:21+00:00",
}


def test_the_last_session_reads_the_same_in_both_documented_shapes() -> None:
    """One page of the documentation prefixes the names of the times, the other does not."""
    words = "20261121145321_civhf: COMPLETE (ended and analysed), 2026-11-21 14:53 UTC to 2026-11-21 23:19 UTC"
    assert last_session(ONE_SHAPE) == f"{words} (8 h 26 min), analysed 2026-11-21 23:20 UTC"
    assert last_session(OTHER_SHAPE) == f"{words} (8 h 26 min)"


def test_a_last_session_that_goes_on_or_is_not() -> None:
    """No end while it is open; no session at all for a user who never tracked."""
    recording = {"session_id": "s", "state": "OPEN", "start_time": "2026-11-21T14:53:21Z", "end_time": None}
    assert last_session(recording) == "s: OPEN (recording), 2026-11-21 14:53 UTC"
    assert last_session(None) == "none, the user has never tracked"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "–"),
        (0, "0 s"),
        (40, "40 s"),
        (60, "1 min"),
        (3599, "1 h 00 min"),
        (27_900, "7 h 45 min"),
        (-30, "-30 s"),
    ],
)
def test_durations_are_hours_and_minutes(seconds: float | None, words: str) -> None:
    """Rounded to the minute, carried into the hour; null is not zero."""
    assert duration(seconds) == words


def test_moments_are_on_the_clock_of_the_phone() -> None:
    """In its zone where it is one, else with the offset that was sent; what is no time is shown as it came."""
    assert moment("2026-11-18T13:07:45+00:00", "Asia/Seoul") == "2026-11-18 22:07 Asia/Seoul"
    assert moment("2026-11-18T22:07:45+09:00", "Mars/Olympus") == "2026-11-18 22:07 UTC+09:00"
    assert moment("yesterday", "Asia/Seoul") == "yesterday"
    assert moment(None, None) == "–"


def test_a_session_is_told_with_its_peculiarities() -> None:
    """State, end, share of missing audio, what is peculiar in words, and that there are no figures."""
    detail = msgspec.convert(
        {
            "session": {
                "id": "s",
                "state": "COMPLETE",
                "start_time": "2026-11-18T13:07:45Z",
                "end_time": "2026-11-18T13:12:45Z",
                "unexpected_end_time": "2026-11-19T01:00:00Z",
                "created_timezone": "Asia/Seoul",
            },
            "peculiarities": ["TOO_SHORT_FOR_ANALYSIS", "SOMETHING_NEW"],
            "missing_data_ratio": 0.125,
        },
        SessionDetail,
    )
    lines = list(session_lines(detail))
    assert ("peculiarity", "TOO_SHORT_FOR_ANALYSIS (too short to be analysed)") in lines
    assert ("peculiarity", "SOMETHING_NEW (not documented)") in lines
    assert ("ended late", "2026-11-19 10:00 Asia/Seoul: the app could not end it properly") in lines
    assert ("missing audio", "12%") in lines
    assert ("figures", "none") in lines


@given(
    st.fixed_dictionaries(
        {
            "state": st.text(max_size=8),
            "start": st.text(max_size=30) | st.datetimes().map(str),
            "zone": st.none() | st.text(max_size=12),
            "figure": st.none() | st.floats(),
        }
    )
)
def test_whatever_is_sent_can_be_shown(sent: dict[str, object]) -> None:
    """Odd states, times, zones and figures are shown, on one line each, and never stop the command."""
    detail = msgspec.convert(
        {
            "session": {
                "id": "s",
                "state": sent["state"],
                "start_time": sent["start"],
                "created_timezone": sent["zone"],
            },
            "stat": {"time_in_bed": sent["figure"], "time_in_sleep": sent["figure"], "waso_count": sent["figure"]},
            "missing_data_ratio": sent["figure"],
        },
        SessionDetail,
    )
    assert all(plain(words) == words for _, words in session_lines(detail))
