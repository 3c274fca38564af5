"""Typed payloads: the documented answers decode, and what is unknown is no reason to refuse them."""

import msgspec
import pytest

from schemas.asleep import AverageStats, Envelope, SessionDetail, User
from tests.schemas.samples import (
    AVERAGE_STATS,
    SESSION,
    SESSION_ENDED_LATE,
    SESSION_OPEN,
    USER,
    changed,
    result_of,
)


@pytest.mark.parametrize("document", [SESSION, SESSION_ENDED_LATE, SESSION_OPEN])
def test_a_session_decodes_to_what_was_sent(document: bytes) -> None:
    """Every documented member is there with its value; nothing is invented."""
    detail = msgspec.json.decode(document, type=Envelope[SessionDetail]).result
    content = msgspec.to_builtins(detail)
    assert content["session"].pop("timezone") is None  # another variant's name for created_timezone
    assert content == result_of(document)


@pytest.mark.parametrize("place", ["result", "result.session", "result.stat"])
def test_unknown_fields_are_ignored(place: str) -> None:
    """New fields come without a new version of the API."""
    plain = msgspec.json.decode(SESSION, type=Envelope[SessionDetail])
    newer = changed(SESSION, {f"{place}.a_field_of_tomorrow": {"any": ["shape"]}})
    assert msgspec.json.decode(newer, type=Envelope[SessionDetail]) == plain


def test_averages_decode_with_the_sessions_they_are_over() -> None:
    """Clock times, averages and the ids of slept sessions; their own figures are not read."""
    stats = msgspec.json.decode(AVERAGE_STATS, type=Envelope[AverageStats]).result
    assert stats.average_stats is not None
    assert (stats.average_stats.sleep_time, stats.average_stats.waso_count) == ("23:03:17", 1.7)
    assert [listed.id for listed in stats.slept_sessions or []] == [
        "20250115223011_a1b2c",
        "20250116230540_d3e4f",
        "20250117224802_g5h6j",
    ]


def test_a_user_decodes_whatever_the_last_session_looks_like() -> None:
    """Two shapes of ``last_session_info`` are documented, so it is not read."""
    for info in ({"session_start_time": "2025-03-10T14:12:08+00:00"}, None, "something else"):
        user = msgspec.json.decode(changed(USER, {"result.last_session_info": info}), type=Envelope[User]).result
        assert user.metadata is not None
        assert (user.metadata.height, user.metadata.gender, user.to_be_deleted) == (168.5, "female", False)
