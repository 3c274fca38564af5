"""Bodies of webhooks become typed events, whatever their layout; rows are those of docs/vendor-quirks.md."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import session_detail
from connectors.asleep.sandbox.sessions import Session, User
from connectors.asleep.sandbox.webhooks import inference_complete, session_complete
from schemas.asleep_webhook import (
    LONGEST_BODY,
    NOT_JSON,
    InferenceComplete,
    OtherEvent,
    SessionComplete,
    UnreadableEvent,
    WebhookEvent,
    webhook_event,
)
from schemas.canonical import session_hash
from tests.schemas.samples import ABSENT, SESSION_WEBHOOK, Json, changed, result_of

NOW = datetime(2026, 10, 27, 9, 0, tzinfo=UTC)
WORLD = World(users=12, nights=4, now=NOW)
NIGHTS = [(user, session) for user in WORLD.users() for session in user.sessions if session.state(NOW) == "COMPLETE"]
STAGED = [(user, session) for user, session in NIGHTS if len(session.recording.stages) >= 60]
LAYOUTS = ("v3", "v2", "flat")


def read(body: Any) -> WebhookEvent:
    """The event of a JSON value."""
    return webhook_event(json.dumps(body).encode())


def inference(body: Any) -> InferenceComplete:
    """The INFERENCE_COMPLETE of a JSON value."""
    event = read(body)
    assert isinstance(event, InferenceComplete)
    return event


def complete(body: Any) -> SessionComplete:
    """The SESSION_COMPLETE of a JSON value."""
    event = read(body)
    assert isinstance(event, SessionComplete)
    return event


def refusal(body: bytes) -> UnreadableEvent:
    """How a body is refused."""
    with pytest.raises(UnreadableEvent) as refused:
        webhook_event(body)
    assert refused.value.__context__ is None or refused.value.__suppress_context__
    return refused.value


def polled(session: Session) -> Json:
    """What GET session answers."""
    return {"detail": "OK", "result": session_detail(session, NOW, ZoneInfo("Asia/Seoul"))}


@pytest.mark.parametrize("layout", ["v3", "v2"])
@given(night=st.sampled_from(NIGHTS))
def test_row_10_a_nested_session_is_the_polled_one(layout: str, night: tuple[User, Session]) -> None:
    """In both nested layouts the night has the content hash of the answer to a poll, asked for in any zone."""
    user, session = night
    event = complete(session_complete(user, session, NOW, layout))
    assert (event.user_id, event.session_id) == (user.user_id, session.id)
    kept = json.dumps({"detail": "OK", "result": event.result}).encode()
    assert session_hash(kept) == session_hash(json.dumps(polled(session)).encode())


@given(night=st.sampled_from(NIGHTS))
def test_row_10_a_flat_session_has_what_the_nested_one_has(night: tuple[User, Session]) -> None:
    """What it tells of a night is the same as in the nested one; its own fields are not taken for facts."""
    user, session = night
    flat, nested = (complete(session_complete(user, session, NOW, layout)) for layout in ("flat", "v3"))
    assert (flat.user_id, flat.session_id) == (nested.user_id, nested.session_id)
    assert flat.result.keys() == {"session", "stat", "peculiarities"}
    assert flat.result["stat"] == nested.result["stat"]
    assert flat.result["session"]["sleep_stages"] == nested.result["session"]["sleep_stages"]


def test_row_10_the_sample_of_the_quickstart_is_read() -> None:
    """A body as the vendor's quickstart shows it has the hash it has as a webhook body."""
    event = webhook_event(SESSION_WEBHOOK)
    assert isinstance(event, SessionComplete)
    assert session_hash(json.dumps({"detail": "success", "result": event.result}).encode()) == session_hash(
        SESSION_WEBHOOK
    )
    assert event.result == {name: value for name, value in result_of(SESSION_WEBHOOK).items() if name != "user_id"}


@pytest.mark.parametrize("layout", ["v3", "v2"])
@given(night=st.sampled_from(STAGED), batch=st.integers(3, 5))
def test_row_11_a_window_ends_with_its_batch(layout: str, night: tuple[User, Session], batch: int) -> None:
    """The values are those of the session from ``first_epoch`` on; the first window begins the night."""
    user, session = night
    event = inference(inference_complete(user, session, batch, layout))
    assert (event.user_id, event.session_id) == (user.user_id, session.id)
    assert event.first_epoch == (batch - 3) * 10
    assert event.sleep_stages == list(session.recording.stages[event.first_epoch : event.first_epoch + 40])


@given(batch=st.integers(0, 400), length=st.integers(1, 60))
def test_row_11_a_window_of_any_length_ends_with_its_batch(batch: int, length: int) -> None:
    """Five values or forty: the last is that of the batch's last epoch. From before the night there is no window."""
    first = inference(batch_of([1] * length, batch)).first_epoch
    assert first == (None if length > (batch + 1) * 10 else (batch + 1) * 10 - length)


@given(night=st.sampled_from(STAGED), batch=st.integers(3, 5))
def test_row_12_numbers_that_contradict_each_other_place_nothing(night: tuple[User, Session], batch: int) -> None:
    """The flat layout's 60 and 12: the event and its numbers are kept, and no epoch is guessed."""
    body = inference_complete(*night, batch, "flat")
    event = inference(body)
    assert event.first_epoch is None
    assert (event.seq_num, event.inference_seq_num) == (body["seq_num"], body["inference_seq_num"])
    assert event.sleep_stages == body["sleep_stages"]


@given(batch=st.integers(0, 100), chunk=st.none() | st.integers(0, 1100))
def test_row_12_the_chunk_number_must_agree_where_it_is_told(batch: int, chunk: int | None) -> None:
    """39 is the end of batch 3; another number contradicts it, and none at all does not."""
    event = inference(batch_of([0], batch, seq_num=chunk))
    assert (event.first_epoch is not None) == (chunk in (None, batch * 10 + 9))


def test_row_12_the_documented_flat_numbers() -> None:
    """Chunk 60 in batch 12, as printed: not placed."""
    assert inference(batch_of([1] * 5, 12, seq_num=60)).first_epoch is None


@given(st.lists(st.integers(0, 100), min_size=1, max_size=20))
def test_row_13_nothing_is_assumed_about_the_interval(batches: list[int]) -> None:
    """Each event is placed by itself, whatever came before it and however long ago."""
    assert [inference(batch_of([2] * 10, batch)).first_epoch for batch in batches] == [b * 10 for b in batches]


@pytest.mark.parametrize("value", [None, ABSENT])
@pytest.mark.parametrize("name", ["breath_stages", "snoring_stages", "sleep_stages"])
def test_row_14_an_array_may_be_null(name: str, value: Any) -> None:
    """Not analysed is null, and the others are placed all the same."""
    body = batch_of([1] * 40, 3, breath_stages=[0] * 40, snoring_stages=[1] * 40)
    event = webhook_event(changed(json.dumps(body).encode(), {f"data.{name}": value}))
    assert isinstance(event, InferenceComplete)
    assert getattr(event, name) is None
    assert event.first_epoch == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_row_14_a_user_without_breathing_analysis(layout: str) -> None:
    """The simulator's bodies for such a contract have null, and so has the event."""
    user, session = next((user, session) for user, session in STAGED if not session.breathing)
    assert inference(inference_complete(user, session, 4, layout)).breath_stages is None


@pytest.mark.parametrize("name", ["session started", "user created", "SESSION_DELETED", "session_complete"])
def test_row_17_another_event_is_kept_as_such(name: str) -> None:
    """Whatever its version and shape; who it is about is read where it can be."""
    assert read({"event": name, "version": "V9", "data": {"user_id": "G-1"}}) == OtherEvent(name, "G-1", None)
    assert read({"callback_event": name, "user_id": 3}) == OtherEvent(name, None, None)


def test_row_31_the_phones_zone_stays_where_it_was_sent() -> None:
    """The flat layout has it inside the session under another name; that is for the reader of documents."""
    user, session = NIGHTS[0]
    assert complete(session_complete(user, session, NOW, "flat")).result["session"]["timezone"] == session.timezone


@pytest.mark.parametrize(
    ("changes", "reason", "path"),
    [
        ({"event": ABSENT}, "bad_text", "$.event"),
        ({"event": 3}, "bad_text", "$.event"),
        ({"callback_event": "SESSION_COMPLETE"}, "told_twice", "$.callback_event"),
        ({"version": "V4"}, "unknown_version", "$.version"),
        ({"version": 3}, "unknown_version", "$.version"),
        ({"version": ["V3"]}, "unknown_version", "$.version"),
        ({"event": {}}, "bad_text", "$.event"),
        ({"data.user_id": ["canary"]}, "bad_text", "$.data.user_id"),
        ({"data": []}, "wrong_shape", "$.data"),
        ({"data.user_id": ABSENT}, "bad_text", "$.data.user_id"),
        ({"data.user_id": "canary\u0000"}, "bad_text", "$.data.user_id"),
        ({"data.user_id": "c" * 201}, "bad_text", "$.data.user_id"),
        ({"data.session": ABSENT}, "wrong_shape", "$.data"),
        ({"data.session": "canary"}, "wrong_shape", "$.data.session"),
        ({"data.session.id": ""}, "bad_text", "$.data.session.id"),
        ({"data.session.sleep_stages": [0, "canary"]}, "wrong_shape", "$.data.session.sleep_stages[1]"),
        ({"data.stat.time_in_bed": "canary"}, "wrong_shape", "$.data.stat.time_in_bed"),
        ({"data.session_id": "canary"}, "ids_differ", "$.data.session_id"),
        ({"data.sleep_data": "canary"}, "wrong_shape", "$.data.sleep_data"),
        ({"data.sleep_data": {"session": {}}}, "wrong_shape", "$.data.sleep_data.session"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason(changes: dict[str, Any], reason: str, path: str) -> None:
    """A fixed word, the place in the body, one sentence without a value."""
    refused = refusal(changed(SESSION_WEBHOOK, changes))
    assert (refused.reason, refused.path) == (reason, path)
    assert refused.explanation.endswith(".")
    assert "canary" not in f"{refused} {refused!r} {refused.path} {refused.about!r}"


def test_a_refusal_has_the_ids_that_can_be_read() -> None:
    """Beside it and not in its words, so that what is kept can be found for a user."""
    told = result_of(SESSION_WEBHOOK)
    about = refusal(changed(SESSION_WEBHOOK, {"version": "V4"})).about
    assert (about.event, about.user_id, about.session_id) == (
        "SESSION_COMPLETE",
        told["user_id"],
        told["session"]["id"],
    )


def test_two_users_in_one_body_are_no_event() -> None:
    """The older layout may name the user twice, but only the same one."""
    body = session_complete(*NIGHTS[0], NOW, "v2")
    body["callback_data"]["sleep_data"]["user_id"] = "somebody else"
    refused = refusal(json.dumps(body).encode())
    assert (refused.reason, refused.path) == ("ids_differ", "$.callback_data.sleep_data.user_id")


@pytest.mark.parametrize(
    ("numbers", "arrays"),
    [
        ({"inference_seq_num": 3.5}, {}),
        ({"inference_seq_num": -1}, {}),
        ({"inference_seq_num": 1e308}, {}),
        ({"inference_seq_num": 10**30}, {}),
        ({"inference_seq_num": 3}, {"breath_stages": [0] * 5}),
        ({"inference_seq_num": 3}, {"sleep_stages": []}),
        ({"inference_seq_num": 3}, {"sleep_stages": None}),
    ],
)
def test_what_cannot_be_placed_is_kept(numbers: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Half batches, batches after the longest night, lists of two lengths or of none: nothing is guessed."""
    body = batch_of([1] * 40, 3)
    body["data"] |= numbers | arrays
    assert inference(body).first_epoch is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", NOT_JSON),
        (b"{", NOT_JSON),
        (b'{"a": NaN}', NOT_JSON),
        (b"{} {}", NOT_JSON),
        (b'["\xff"]', NOT_JSON),
        (b'["\xed\xa0\x80"]', NOT_JSON),
        ("{}".encode("utf-16"), NOT_JSON),
        (b" " * LONGEST_BODY + b"{", NOT_JSON),
        (b'["' + b"x" * LONGEST_BODY + b'\xc3"]', NOT_JSON),
        (b"null", "wrong_shape"),
        (b"[]", "wrong_shape"),
        (b'"SESSION_COMPLETE"', "wrong_shape"),
        (b'["\\ud800"]', "not_unicode"),
        (b'{"\\udc00": "\\\\ud800"}', "not_unicode"),
        (b"[1e999]", "number_out_of_range"),
        (b"[" + b"9" * 5000 + b"]", "number_out_of_range"),
        (b"[" * 100_000, "too_deep"),
        (b'["' + "é".encode() * (LONGEST_BODY // 2) + b'"]', "too_long"),
    ],
)
def test_what_is_json_and_what_is_not(body: bytes, reason: str) -> None:
    """By the grammar of RFC 8259, so that nothing is called no JSON only because it is odd."""
    assert refusal(body).reason == reason


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
LAYOUT_NAMES = ["event", "callback_event", "version", "data", "callback_data", "sleep_data", "session", "stat"]
FACT_NAMES = ["user_id", "session_id", "id", "state", "start_time", "inference_seq_num", "seq_num", "sleep_stages"]
NAMES = st.sampled_from([*LAYOUT_NAMES, *FACT_NAMES, "stage_list", "breath_stages", "sleep_cycle"])
WORDS = st.sampled_from(["SESSION_COMPLETE", "INFERENCE_COMPLETE", "V3", "G-1", "s_1", [1] * 10, 3, 39])
EVENTS = st.fixed_dictionaries(
    {"event": st.sampled_from(["SESSION_COMPLETE", "INFERENCE_COMPLETE"])},
    optional=dict.fromkeys((*LAYOUT_NAMES[1:], *FACT_NAMES), ODD | WORDS),
)
SHAPED = EVENTS | st.recursive(ODD | WORDS, lambda inner: st.dictionaries(NAMES, inner, max_size=8), max_leaves=20)


@given(SHAPED)
def test_any_json_is_an_event_or_refused(body: Any) -> None:
    """Never another error, and no text of the body in what is told."""
    try:
        told: WebhookEvent | UnreadableEvent = read(body)
    except UnreadableEvent as refused:
        told = refused
    assert isinstance(told, UnreadableEvent) or repr(told).endswith("(…)")
    assert getattr(told, "reason", "") != NOT_JSON


@given(st.binary(max_size=200) | SHAPED.map(lambda body: json.dumps(body).encode()[:-1]))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """What Python's own reader takes for JSON is never called no JSON, and the other way round."""
    try:
        webhook_event(body)
        reason = ""
    except UnreadableEvent as refused:
        reason = refused.reason
    assert (reason == NOT_JSON) == (not is_json(body))


def is_json(body: bytes) -> bool:
    """Whether Python reads it as JSON in UTF-8, without the words that are not in the grammar."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        json.loads(body.decode(), parse_constant=refuse)
    except ValueError:
        return False
    return True


def batch_of(stages: list[int], batch: int, **more: Any) -> Json:
    """An INFERENCE_COMPLETE body."""
    data = {"user_id": "G-1", "session_id": "s_1", "inference_seq_num": batch, "sleep_stages": stages, **more}
    return {"event": "INFERENCE_COMPLETE", "version": "V3", "data": data}


def test_a_huge_body_is_not_built_in_memory() -> None:
    """A million empty lists are looked through and not made: nothing like them is ever sent."""
    assert refusal(msgspec.json.encode([[]] * LONGEST_BODY)).reason == "too_long"
