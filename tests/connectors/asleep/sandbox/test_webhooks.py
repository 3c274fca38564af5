"""Bodies of webhooks in the three documented layouts, against what the session's own answer says."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import session_detail
from connectors.asleep.sandbox.webhooks import LAYOUTS, inference_complete, session_complete
from connectors.asleep.sandbox.world import Session, User
from tests.connectors.asleep.sandbox.clients import NOW

UTC_ZONE = ZoneInfo("UTC")


def slept(case: str = "") -> tuple[World, User, Session]:
    """Somebody's COMPLETE session."""
    world = World(0, now=NOW)
    user = world.create_user(None)
    (session,) = world.add_case(user, case) if case else world.add_nights(1, [user])
    return world, user, session


def test_session_complete_v3() -> None:
    """Event, version, and the session's answer with the user's id; no session id of its own and no time."""
    world, user, session = slept()
    body = session_complete(user, session, world.now, "v3")
    result = session_detail(session, world.now, UTC_ZONE)
    assert body == {"event": "SESSION_COMPLETE", "version": "V3", "data": {"user_id": user.user_id} | result}
    assert list(body["data"]) == [
        *("timezone", "peculiarities", "missing_data_ratio", "user_id", "session", "stat"),
    ]


def test_session_complete_v2() -> None:
    """``callback_`` names, and the answer under ``sleep_data``."""
    world, user, session = slept()
    assert session_complete(user, session, world.now, "v2") == {
        "callback_event": "SESSION_COMPLETE",
        "callback_version": "V2",
        "callback_data": {
            "user_id": user.user_id,
            "session_id": session.id,
            "sleep_data": session_detail(session, world.now, UTC_ZONE),
        },
    }


def test_session_complete_flat() -> None:
    """Everything at the top, the session cut down to seven fields, the zone of the phone in it."""
    world, user, session = slept()
    body = session_complete(user, session, world.now, "flat")
    result = session_detail(session, world.now, UTC_ZONE)
    assert {name: body[name] for name in ("event", "version", "user_id", "session_id")} == {
        "event": "SESSION_COMPLETE",
        "version": "V3",
        "user_id": user.user_id,
        "session_id": session.id,
    }
    assert body["timestamp"].endswith("Z")
    assert datetime.fromisoformat(body["timestamp"]) == session.completes
    assert list(body["session"]) == [
        *("id", "state", "start_time", "end_time", "timezone", "sleep_stages", "snoring_stages"),
    ]
    assert body["session"]["timezone"] == user.person.timezone
    assert body["session"]["sleep_stages"] == result["session"]["sleep_stages"]
    assert (body["stat"], body["peculiarities"]) == (result["stat"], result["peculiarities"])


@pytest.mark.parametrize("batch", [3, 4, 20])
def test_inference_complete_v3(batch: int) -> None:
    """Forty values that end with the batch: batch 3 ends with chunk 39 and has epochs 0 to 39."""
    _, user, session = slept("breathing")
    body = inference_complete(user, session, batch, "v3")
    first, last = 10 * (batch - 3), 10 * (batch + 1)
    assert body == {
        "event": "INFERENCE_COMPLETE",
        "version": "V3",
        "data": {
            "user_id": user.user_id,
            "session_id": session.id,
            "seq_num": last - 1,
            "inference_seq_num": batch,
            "sleep_stages": list(session.recording.stages[first:last]),
            "breath_stages": list(session.recording.breath or ())[first:last],
            "snoring_stages": list(session.recording.snoring or ())[first:last],
        },
    }
    assert len(body["data"]["sleep_stages"]) == 40


def test_inference_complete_v2() -> None:
    """Stages are called ``stage_list``, and there is no snoring."""
    _, user, session = slept()
    body = inference_complete(user, session, 6, "v2")
    assert (body["callback_event"], body["callback_version"]) == ("INFERENCE_COMPLETE", "V2")
    assert list(body["callback_data"]) == [
        *("user_id", "session_id", "seq_num", "inference_seq_num", "stage_list", "breath_stages")
    ]
    assert body["callback_data"]["stage_list"] == list(session.recording.stages[30:70])


def test_inference_complete_flat() -> None:
    """Five values at the end of a window of five minutes, and 12 for chunk 60 where V3 says 5 for chunk 59."""
    _, user, session = slept()
    body: dict[str, Any] = inference_complete(user, session, 5, "flat")
    assert (body["event"], body["version"]) == ("INFERENCE_COMPLETE", "V3")
    assert (body["seq_num"], body["inference_seq_num"]) == (60, 12)
    assert body["sleep_stages"] == list(session.recording.stages[55:60])
    window = {name: datetime.fromisoformat(text) for name, text in body["time_window"].items()}
    assert window["end"] - window["start"] == timedelta(minutes=5)
    assert window["end"] == session.start + timedelta(minutes=30) == datetime.fromisoformat(body["timestamp"])
    assert (body["user_id"], body["session_id"]) == (user.user_id, session.id)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_not_analysed_is_null(layout: str) -> None:
    """Without breathing and snoring analysis their windows are null."""
    _, user, session = slept("no_breathing")
    body = inference_complete(user, session, 8, layout)
    assert (body.get("data") or body.get("callback_data") or body)["breath_stages"] is None
    world, user, session = slept("no_snoring")
    body = inference_complete(user, session, 8, layout)
    assert (body.get("data") or body.get("callback_data") or body).get("snoring_stages") is None
    assert str(session_complete(user, session, world.now, layout))


def test_events_are_told_when_they_happen() -> None:
    """There is no SESSION_COMPLETE before the session is, and no batch before the fourth or after the last."""
    _, user, session = slept()
    with pytest.raises(ValueError, match="COMPLETE sessions only"):
        session_complete(user, session, session.end, "v3")
    last = len(session.recording.stages) // 10 - 1
    assert inference_complete(user, session, last, "v3")["data"]["inference_seq_num"] == last
    for batch in (-1, 2, last + 1):
        with pytest.raises(ValueError, match=f"from 3 on, and the last of that session is {last}"):
            inference_complete(user, session, batch, "v3")


def test_an_unknown_layout_is_refused() -> None:
    """The layouts there are are named."""
    world, user, session = slept()
    sentence = "There is no layout 'v1'; the layouts are v3, v2, flat."
    with pytest.raises(ValueError, match=sentence):
        session_complete(user, session, world.now, "v1")
    with pytest.raises(ValueError, match=sentence):
        inference_complete(user, session, 3, "v1")
