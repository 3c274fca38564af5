"""A session document of every source to change and mangle, and how it becomes a raw document or an answer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from connectors.answer import Answer
from connectors.asleep.answer import AsleepAnswer
from connectors.eight_sleep.answer import EightSleepAnswer
from connectors.lake.raw import HTTP_OK, RawDocument
from schemas.asleep import ASLEEP, SessionDetail
from schemas.eight_sleep import EIGHT_SLEEP, Interval, decoded
from tests.assets.lake import documents as asleep
from tests.assets.sources import eight_sleep_documents as eight
from tests.schemas import samples
from tests.schemas.samples import changed

_SHORT = {f"result.session.{name}_stages": [0, 1, 2, 3, -1] for name in ("sleep", "breath", "snoring")}


@dataclass(frozen=True)
class SessionDocuments:
    """``samples`` are complete sessions with the UTC dates on which they start, ``raw`` keeps a body under a date."""

    samples: tuple[tuple[bytes, date], ...]
    raw: Callable[[bytes, date], RawDocument]
    answer: Callable[[bytes], Answer[Any]]


def _answer_of_asleep(body: bytes) -> Answer[Any]:
    return AsleepAnswer(body, HTTP_OK, asleep.FETCHED, SessionDetail)


def _answer_of_eight(body: bytes) -> Answer[Any]:
    return EightSleepAnswer(body, HTTP_OK, eight.FETCHED, "interval", partial(decoded, shape=Interval))


DOCUMENTS: dict[str, SessionDocuments] = {
    ASLEEP: SessionDocuments(
        (
            (changed(samples.SESSION, _SHORT), date(2025, 3, 10)),
            (changed(samples.SESSION_ENDED_LATE, _SHORT), date(2025, 3, 12)),
        ),
        lambda body, day: asleep.session_document(body, day=day),
        _answer_of_asleep,
    ),
    EIGHT_SLEEP: SessionDocuments(
        ((eight.interval(), eight.DAY),), lambda body, day: eight.interval_document(body, day=day), _answer_of_eight
    ),
}
"""Of every source."""
