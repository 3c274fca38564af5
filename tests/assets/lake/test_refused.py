"""What cannot be normalised: every reason, the place it names, and that it never tells a value of the document."""

from datetime import date, timedelta

import pytest

from assets.lake.normalise_averages import normalise_average_stats
from assets.sources.asleep import SOURCE
from assets.sources.asleep_documents import decode_average_stats, decode_session, decode_user
from assets.sources.decoding import Refused
from connectors.lake.raw import RawDocument
from tests.assets.lake.documents import (
    DAY,
    MONTH_STATS,
    SESSION_ID,
    USER_ID,
    changed_session,
    current,
    session_document,
    stats_document,
    user_document,
)
from tests.schemas.samples import ABSENT, SESSION, USER, changed

CANARY = "canary-7351"
MOVED_DAY = DAY + timedelta(days=1)

REFUSED_SESSIONS: list[tuple[RawDocument, str, str]] = [
    (session_document(b"<html>canary-7351</html>"), "not_json", "$"),
    (session_document(b'{"result": {"canary-7351'), "not_json", "$"),
    (session_document(SESSION.replace(b"Asia/Seoul", b"\xffcanary-7351")), "not_json", "$"),
    (session_document(b'{"x": %s, "result": 1}' % (b"[" * 5000 + b"]" * 5000)), "not_json", "$"),
    (session_document(b'["canary-7351"]'), "wrong_shape", "$"),
    (session_document(b'{"detail": "canary-7351"}'), "wrong_shape", "$"),
    (session_document(b'{"result": "canary-7351"}'), "wrong_shape", "$.result"),
    (changed_session({"session.start_time": 7351}), "wrong_shape", "$.result.session.start_time"),
    (changed_session({"session.state": ABSENT}), "wrong_shape", "$.result.session"),
    (changed_session({"session.end_time": None}), "time_missing", "$.result.session.end_time"),
    (changed_session({"session.end_time": ABSENT}), "time_missing", "$.result.session.end_time"),
    (changed_session({"session.start_time": CANARY}), "bad_time", "$.result.session.start_time"),
    (changed_session({"session.end_time": ""}), "bad_time", "$.result.session.end_time"),
    (changed_session({"session.start_time": "0001-01-01T00:00:00+09:00"}), "bad_time", "$.result.session.start_time"),
    (changed_session({"session.end_time": "9999-12-31T23:59:59-09:00"}), "bad_time", "$.result.session.end_time"),
    (
        changed_session({"session.start_time": "2025-03-10T14:12:08"}),
        "time_without_offset",
        "$.result.session.start_time",
    ),
    (
        changed_session({"session.end_time": "2025-03-10T23:12:07+09:00"}),
        "times_reversed",
        "$.result.session.end_time",
    ),
    (session_document(day=MOVED_DAY), "start_moved", "$.result.session.start_time"),
]


@pytest.mark.parametrize(("document", "reason", "path"), REFUSED_SESSIONS)
def test_a_refused_session_names_the_rule_and_the_place(document: RawDocument, reason: str, path: str) -> None:
    """A fixed word, a JSON path and one sentence; never a value of the document."""
    with pytest.raises(Refused) as refused:
        SOURCE.normalise(decode_session(current(document)), "clinic", "UTC")
    assert (refused.value.reason, refused.value.path) == (reason, path)
    _tells_no_value(refused.value)


REFUSED_MONTHS: list[tuple[RawDocument, str, str]] = [
    (stats_document(b"canary-7351"), "not_json", "$"),
    (stats_document(b'{"result": {"period": "canary-7351"}}'), "wrong_shape", "$.result.period"),
    (
        stats_document(changed(MONTH_STATS, {"result.period.start_date": CANARY})),
        "bad_date",
        "$.result.period.start_date",
    ),
    (
        stats_document(changed(MONTH_STATS, {"result.period.end_date": "2025-02-30"})),
        "bad_date",
        "$.result.period.end_date",
    ),
    (stats_document(month=date(2025, 2, 1)), "period_moved", "$.result.period.start_date"),
]


@pytest.mark.parametrize(("document", "reason", "path"), REFUSED_MONTHS)
def test_refused_averages_name_the_rule_and_the_place(document: RawDocument, reason: str, path: str) -> None:
    """As sessions do."""
    with pytest.raises(Refused) as refused:
        normalise_average_stats(decode_average_stats(current(document)), "clinic", "UTC")
    assert (refused.value.reason, refused.value.path) == (reason, path)
    _tells_no_value(refused.value)


@pytest.mark.parametrize(
    ("body", "reason", "path"),
    [
        (b"canary-7351", "not_json", "$"),
        (changed(USER, {"result.user_id": ABSENT}), "wrong_shape", "$.result"),
    ],
)
def test_a_refused_user_names_the_rule_and_the_place(body: bytes, reason: str, path: str) -> None:
    """As sessions do."""
    with pytest.raises(Refused) as refused:
        decode_user(current(user_document(body)))
    assert (refused.value.reason, refused.value.path) == (reason, path)
    _tells_no_value(refused.value)


def test_every_reason_is_reached_above() -> None:
    """The fixed words, all of them."""
    assert {reason for _, reason, _ in REFUSED_SESSIONS + REFUSED_MONTHS} == {
        "not_json",
        "wrong_shape",
        "time_missing",
        "bad_time",
        "time_without_offset",
        "times_reversed",
        "start_moved",
        "bad_date",
        "period_moved",
    }


def _tells_no_value(refused: Refused) -> None:
    assert refused.explanation.endswith(".")
    for text in (refused.explanation, str(refused), repr(refused), refused.path):
        assert not any(value in text for value in ("canary", "7351", USER_ID, SESSION_ID, "2025-03-1", "0001", "9999"))
