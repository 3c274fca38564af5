"""Whatever the vendor sends becomes a record that fits its table, or is refused without a word of its content."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

from assets.lake.normalise_averages import normalise_average_stats
from assets.lake.sleep_hypnograms import hypnogram_rows
from assets.lake.sleep_stage_intervals import interval_rows
from assets.lake.users import user_row
from assets.sources.asleep import recorded_session, with_figures
from assets.sources.asleep_documents import decode_average_stats, decode_session, decode_user, is_complete
from assets.sources.decoding import Refused
from assets.sources.source import RecordedSession
from schemas.asleep import SessionDetail
from schemas.canonical import average_stats_hash, session_hash, user_hash
from schemas.identities import IDENTITIES, violations
from schemas.quirks import UNKNOWN_FIELD, Drift
from schemas.stages import EPOCH_S, STAGE_NAMES, stage_intervals
from schemas.tables import AVERAGE_STATS, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS, USERS, Table
from tests.assets.homes import sleeper
from tests.assets.lake.any_document import CANARY, any_bytes, any_document
from tests.assets.lake.documents import MONTH_STATS, USER_ID, current, session_document, stats_document, user_document
from tests.schemas import samples
from tests.schemas.samples import changed

ZONES = st.sampled_from(("UTC", "Asia/Seoul", "Pacific/Kiritimati", "Pacific/Niue"))
SHORT = {f"result.session.{name}_stages": [0, 1, 2, 3, -1] for name in ("sleep", "breath", "snoring")}
NIGHT, LATE_NIGHT = changed(samples.SESSION, SHORT), changed(samples.SESSION_ENDED_LATE, SHORT)
NIGHTS = st.tuples(any_document(NIGHT), st.just(date(2025, 3, 10)))
LATE_NIGHTS = st.tuples(any_document(LATE_NIGHT), st.just(date(2025, 3, 12)))


def fits(table: Table, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as the lake would keep them: exactly the table's columns, every required one filled."""
    rows = list(rows)
    assert all(list(row) == table.schema.names for row in rows)
    kept = pa.Table.from_pylist(rows, schema=table.schema)
    assert all(field.nullable or kept[field.name].null_count == 0 for field in table.schema)
    return kept.to_pylist()  # type: ignore[no-any-return]


def intervals_one_by_one(recorded: RecordedSession) -> Iterator[dict[str, Any]]:
    """The rows of ``sleep_stage_intervals`` as they are defined."""
    for stage, first_epoch, epochs in stage_intervals(recorded.stages.sleep or ()):
        start = recorded.start + first_epoch * timedelta(seconds=EPOCH_S)
        yield {
            **recorded.ids,
            "stage": STAGE_NAMES[stage],
            "start_time": start,
            "end_time": start + epochs * timedelta(seconds=EPOCH_S),
            "first_epoch": first_epoch,
            "epochs": epochs,
        }


def tells_nothing(refused: Refused) -> None:
    """One sentence and a path, without what was put into the document."""
    assert refused.explanation.endswith(".")
    assert refused.path.startswith("$")
    assert not any(CANARY in text for text in (refused.explanation, refused.path, repr(refused)))


@settings(max_examples=300, deadline=None)
@given(night=NIGHTS | LATE_NIGHTS, zone=ZONES)
def test_any_session_becomes_rows_or_is_refused(night: tuple[bytes, date], zone: str) -> None:
    """Nothing but ``Refused`` is ever raised, by no step from the hash to the tables and the checks."""
    body, day = night
    assert session_hash(body)
    try:
        decoded = decode_session(current(session_document(body, day=day)))
        if not is_complete(decoded):
            return
        recorded = recorded_session(decoded)
    except Refused as refused:
        tells_nothing(refused)
        return
    # From here on nothing is refused: no table lacks a session that another one has.
    row = with_figures(recorded, "clinic", zone).row
    assert fits(SLEEP_SESSIONS, [row]) == [row]
    fits(SLEEP_HYPNOGRAMS, hypnogram_rows([recorded]))
    assert interval_rows([recorded]).to_pylist() == fits(SLEEP_STAGE_INTERVALS, intervals_one_by_one(recorded))
    assert set(violations(decoded.content)) <= {identity.name for identity in IDENTITIES}
    assert not any(CANARY in path for _, path in decoded.notes.drift)


def read(body: bytes) -> tuple[dict[str, Any], set[Drift]] | Refused:
    """A session document as it is understood: its fields and what was noted, or why it is refused."""
    try:
        decoded = decode_session(current(session_document(body)))
    except Refused as refused:
        return refused
    fields = {name: to_builtins(getattr(decoded.content, name)) for name in SessionDetail.__struct_fields__}
    return fields, decoded.notes.drift


@settings(max_examples=300, deadline=None)
@given(body=any_document(NIGHT))
def test_a_field_more_changes_nothing_in_the_others(body: bytes) -> None:
    """A document with nothing but what is documented is read as one with news in it."""
    more = re.sub(rb"\{\s*(\}?)", lambda m: b'{"tomorrow": 1' + (m[1] or b", "), body, count=1)
    usual, with_news = read(body), read(more)
    if isinstance(usual, Refused):
        assert isinstance(with_news, Refused)
        assert (usual.reason, usual.path) == (with_news.reason, with_news.path)
    else:
        fields, drift = usual
        assert with_news == (fields, drift | {Drift(UNKNOWN_FIELD, "$.tomorrow")})


@settings(max_examples=300, deadline=None)
@given(body=any_document(MONTH_STATS), zone=ZONES)
def test_any_averages_become_a_row_or_are_refused(body: bytes, zone: str) -> None:
    """As with sessions."""
    assert average_stats_hash(body)
    try:
        row = normalise_average_stats(decode_average_stats(current(stats_document(body))), "clinic", zone)
    except Refused as refused:
        tells_nothing(refused)
        return
    fits(AVERAGE_STATS, [row])


@settings(max_examples=300, deadline=None)
@given(body=any_document(samples.USER))
def test_any_user_becomes_a_row_or_is_refused(body: bytes) -> None:
    """As with sessions."""
    assert user_hash(body)
    try:
        user = decode_user(current(user_document(body)))
    except Refused as refused:
        tells_nothing(refused)
        return
    row = user_row(sleeper(USER_ID), user)
    assert fits(USERS, [row]) == [row]


@settings(deadline=None)
@given(st.sampled_from((NIGHT, MONTH_STATS, samples.USER)).flatmap(any_bytes))
def test_bytes_that_are_no_document_are_refused_by_every_kind(body: bytes) -> None:
    """An answer cut short or mixed up has a hash and is either read or refused."""
    for content_hash in (session_hash, average_stats_hash, user_hash):
        assert content_hash(body)
    for decode, document in (
        (decode_session, session_document(body)),
        (decode_average_stats, stats_document(body)),
        (decode_user, user_document(body)),
    ):
        with suppress(Refused):
            assert decode(current(document)).content
