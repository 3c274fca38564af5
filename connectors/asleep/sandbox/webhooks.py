"""Bodies of the webhooks the vendor posts when it has staged a batch or finished a session, in each documented layout.

Who posts them is ``callback``. ``v3`` nests the facts under ``data``, ``v2`` under ``callback_data``, and ``flat`` has
them beside the event, with the odd numbers of the documentation it comes from.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from connectors.asleep.sandbox.answers import Json, session_detail
from connectors.asleep.sandbox.hypnogram import EPOCH_S
from connectors.asleep.sandbox.sessions import BATCH_CHUNKS, FIRST_BATCH_CHUNKS, Session, User

FIRST_BATCH = FIRST_BATCH_CHUNKS // BATCH_CHUNKS - 1
"""Number of the first batch that is told: the one that ends the first 20 minutes."""

_UTC = ZoneInfo("UTC")
_BATCH = timedelta(seconds=BATCH_CHUNKS * EPOCH_S)
_SESSION, _INFERENCE = "SESSION_COMPLETE", "INFERENCE_COMPLETE"
_FLAT_VALUES = 5
_FLAT_SESSION = ("id", "state", "start_time", "end_time")
_FLAT_ARRAYS = ("sleep_stages", "snoring_stages")


@dataclass(frozen=True, slots=True)
class Batch:
    """Ten chunks of a session that have just been staged; ``number`` counts from 0."""

    user: User
    session: Session
    number: int

    @property
    def ids(self) -> Json:
        """Whose batch it is."""
        return {"user_id": self.user.user_id, "session_id": self.session.id}

    @property
    def chunks(self) -> int:
        """Chunks up to its end."""
        return (self.number + 1) * BATCH_CHUNKS

    @property
    def start(self) -> datetime:
        """When its first chunk begins, UTC."""
        return self.session.start + self.number * _BATCH

    def last(self, values: Sequence[int] | None, count: int) -> list[int] | None:
        """The last ``count`` values of an array up to its end."""
        return None if values is None else list(values[self.chunks - count : self.chunks])


class Layout(NamedTuple):
    """How the two events look: the first is made of the session's answer."""

    session: Callable[[User, Session, Json], Json]
    inference: Callable[[Batch], Json]


def session_complete(user: User, session: Session, now: datetime, layout: str) -> Json:
    """The body that says a session is COMPLETE: all of its answer in UTC.

    Raises:
        ValueError: the session is not COMPLETE at ``now``, or there is no such layout.
    """
    make = _layout(layout).session
    if session.state(now) != "COMPLETE":
        raise ValueError("SESSION_COMPLETE is sent for COMPLETE sessions only.")
    return make(user, session, session_detail(session, now, _UTC))


def inference_complete(user: User, session: Session, inference_seq_num: int, layout: str) -> Json:
    """The body that says a batch of ten chunks has been staged, with the stages of the last 20 minutes.

    Args:
        user: Whose session it is.
        session: The session.
        inference_seq_num: Number of the batch, from 0; 3 is the first that is told.
        layout: One of ``LAYOUTS``; ``flat`` has the last five values and a number of its own.

    Raises:
        ValueError: the session has no such batch, or there is no such layout.
    """
    make = _layout(layout).inference
    last = len(session.recording.stages) // BATCH_CHUNKS - 1
    if not FIRST_BATCH <= inference_seq_num <= last:
        raise ValueError(f"Batches are told from {FIRST_BATCH} on, and the last of that session is {last}.")
    return make(Batch(user, session, inference_seq_num))


def _layout(name: str) -> Layout:
    if name not in LAYOUTS:
        raise ValueError(f"There is no layout {name!r}; the layouts are {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]


def _nested_session(user: User, _: Session, result: Json) -> Json:
    head = {name: result[name] for name in ("timezone", "peculiarities", "missing_data_ratio")}
    return {"event": _SESSION, "version": "V3", "data": head | {"user_id": user.user_id} | result}


def _nested_inference(batch: Batch) -> Json:
    recording = batch.session.recording
    data = _numbers(batch) | {
        "sleep_stages": batch.last(recording.stages, FIRST_BATCH_CHUNKS),
        "breath_stages": batch.last(recording.breath, FIRST_BATCH_CHUNKS),
        "snoring_stages": batch.last(recording.snoring, FIRST_BATCH_CHUNKS),
    }
    return {"event": _INFERENCE, "version": "V3", "data": data}


def _old_session(user: User, session: Session, result: Json) -> Json:
    data = {"user_id": user.user_id, "session_id": session.id, "sleep_data": result}
    return {"callback_event": _SESSION, "callback_version": "V2", "callback_data": data}


def _old_inference(batch: Batch) -> Json:
    recording = batch.session.recording
    data = _numbers(batch) | {
        "stage_list": batch.last(recording.stages, FIRST_BATCH_CHUNKS),
        "breath_stages": batch.last(recording.breath, FIRST_BATCH_CHUNKS),
    }
    return {"callback_event": _INFERENCE, "callback_version": "V2", "callback_data": data}


def _flat_session(user: User, session: Session, result: Json) -> Json:
    told = result["session"]
    return {
        "event": _SESSION,
        "version": "V3",
        "timestamp": _stamp(session.completes),
        "user_id": user.user_id,
        "session_id": session.id,
        "session": {name: told[name] for name in _FLAT_SESSION}
        | {"timezone": told["created_timezone"]}
        | {name: told[name] for name in _FLAT_ARRAYS},
        "stat": result["stat"],
        "peculiarities": result["peculiarities"],
    }


def _flat_inference(batch: Batch) -> Json:
    """Five values for ten chunks, and numbers that count chunks from 1 and batches by five of them: 60 and 12."""
    recording = batch.session.recording
    end = batch.start + _BATCH
    return {
        "event": _INFERENCE,
        "version": "V3",
        "timestamp": _stamp(end),
        **batch.ids,
        "sleep_stages": batch.last(recording.stages, _FLAT_VALUES),
        "breath_stages": batch.last(recording.breath, _FLAT_VALUES),
        "snoring_stages": batch.last(recording.snoring, _FLAT_VALUES),
        "seq_num": batch.chunks,
        "inference_seq_num": batch.chunks // _FLAT_VALUES,
        "time_window": {"start": _stamp(batch.start), "end": _stamp(end)},
    }


def _numbers(batch: Batch) -> Json:
    return batch.ids | {"seq_num": batch.chunks - 1, "inference_seq_num": batch.number}


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


LAYOUTS: dict[str, Layout] = {
    "v3": Layout(_nested_session, _nested_inference),
    "v2": Layout(_old_session, _old_inference),
    "flat": Layout(_flat_session, _flat_inference),
}
"""Every layout by name."""
