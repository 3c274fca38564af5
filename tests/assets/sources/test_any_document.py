"""Whatever a vendor sends as a session becomes rows that fit their tables, or is refused without a word of it."""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins

from assets.builds import Built
from assets.lake.bed_samples import sample_rows
from assets.lake.sleep_hypnograms import build_sleep_hypnograms, hypnogram_rows
from assets.lake.sleep_sessions import build_sleep_sessions
from assets.lake.sleep_stage_intervals import build_sleep_stage_intervals, interval_rows
from assets.raw.eight_sleep_vendor import listed
from assets.sources.decoding import Refused
from assets.sources.eight_sleep_trends import decode_trend, night_row
from assets.sources.known import SOURCES
from assets.sources.source import RecordedSession
from connectors.eight_sleep.sleep_data import ListedInterval
from connectors.lake.raw import CurrentDocument, RawDocument
from connectors.state.quarantine import list_quarantined
from schemas.bed_tables import BED_NIGHTS, BED_SAMPLES
from schemas.canonical import trend_hash
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.eight_sleep.trend_identities import TREND_IDENTITIES, trend_violations
from schemas.quirks import UNKNOWN_FIELD, Drift
from schemas.stages import EPOCH_S, STAGE_NAMES, stage_intervals
from schemas.tables import SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS
from tests.assets.homes import NOW, StandingClock, new_home
from tests.assets.lake.any_document import CANARY, any_bytes, any_document
from tests.assets.lake.fitting import fits, tells_nothing
from tests.assets.sources.eight_sleep_documents import FETCHED, trend, trend_document
from tests.assets.sources.session_documents import DOCUMENTS

ZONES = st.sampled_from(("UTC", "Asia/Seoul", "Pacific/Kiritimati", "Pacific/Niue", "Australia/Lord_Howe"))
EXAMPLES = 120

Sample = tuple[str, bytes, date]
SAMPLES: list[Sample] = [(name, body, day) for name, of in DOCUMENTS.items() for body, day in of.samples]


@st.composite
def mangled(draw: st.DrawFn) -> Sample:
    """A session of any source with some members changed; now and then bytes that are no document any more."""
    source, sample, day = draw(st.sampled_from(SAMPLES))
    body = draw(any_document(sample))
    return source, draw(any_bytes(body)) if draw(st.integers(0, 9)) == 0 else body, day


def test_every_source_has_a_sample() -> None:
    """So that nobody can add a source that is not tried here."""
    assert DOCUMENTS.keys() == SOURCES.keys()


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


def current(source: str, body: bytes, day: date) -> CurrentDocument:
    """A body as the version that counts."""
    return CurrentDocument(DOCUMENTS[source].raw(body, day), 1, FETCHED)


def becomes_rows(source_name: str, body: bytes, day: date, zone: str) -> bool:
    """Take every step from the answer to the tables and the checks; whether there were rows in the end.

    From the moment it is recorded nothing is refused: no table lacks a session that another one has.
    """
    source = SOURCES[source_name]
    assert source.session_hash(body)
    source.head(DOCUMENTS[source_name].answer(body))
    try:
        decoded = source.decode(current(source_name, body, day))
        if not source.is_complete(decoded):
            return False
        recorded = source.record(decoded)
    except Refused as refused:
        tells_nothing(refused)
        return False
    session = source.figures(recorded, "clinic", zone)
    assert fits(SLEEP_SESSIONS, [session.row]) == [session.row]
    fits(SLEEP_HYPNOGRAMS, hypnogram_rows([recorded]))
    assert interval_rows([recorded]).to_pylist() == fits(SLEEP_STAGE_INTERVALS, intervals_one_by_one(recorded))
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in source.violations(decoded.content))
    assert not any(CANARY in path for _, path in decoded.notes.drift)
    return True


@settings(max_examples=2 * EXAMPLES, deadline=None)
@given(document=mangled(), zone=ZONES)
def test_any_session_becomes_rows_or_is_refused(document: Sample, zone: str) -> None:
    """Nothing but ``Refused`` is ever raised."""
    becomes_rows(*document, zone)


HOSTILE = [
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e308", "9" * 400, "-0.0", "18446744073709551616", "1e-320"),
    *("null", "true", '""', '"None"', '"\\ud800"', "[]", "{}", "[[[[[]]]]]", '"0001-01-01T00:00:00+23:59"'),
    *('"9999-12-31T23:59:59-23:59"', '"2026-11-01T24:00:00Z"', '"2026-03-29T01:30:00+00:00"', '"2026-11-01T22:30:00"'),
]


def numbers_and_texts(body: bytes) -> list[re.Match[bytes]]:
    """Where values stand in a document."""
    return list(re.finditer(rb'(?<=: )("[^"]*"|-?[0-9.]+|true|false|null)|(?<=[\[ ])-?[0-9.]+(?=[,\]])', body))


@pytest.mark.parametrize("source", list(SOURCES))
def test_every_value_may_be_anything(source: str) -> None:
    """Each in turn is no number, too large, of another type, a time without a date in some zone, or no JSON at all."""
    body, day = DOCUMENTS[source].samples[0]
    assert becomes_rows(source, body, day, "Asia/Seoul")
    places = numbers_and_texts(body)
    assert len(places) > 40
    rows = sum(
        becomes_rows(source, body[: place.start()] + value.encode() + body[place.end() :], day, "Pacific/Kiritimati")
        for number, place in enumerate(places)
        for value in HOSTILE[number % 3 :: 3]
    )
    assert rows > len(places)


def read(source: str, body: bytes, day: date) -> tuple[dict[str, Any], set[Drift]] | Refused:
    """A session document as it is understood: its fields and what was noted, or why it is refused."""
    try:
        decoded = SOURCES[source].decode(current(source, body, day))
    except Refused as refused:
        return refused
    fields = {name: getattr(decoded.content, name) for name in decoded.content.__struct_fields__}
    return {name: to_builtins(value) for name, value in fields.items() if value is not None}, decoded.notes.drift


@settings(max_examples=EXAMPLES, deadline=None)
@given(document=st.sampled_from(SAMPLES).flatmap(lambda one: st.tuples(st.just(one), any_document(one[1]))))
def test_a_field_more_changes_nothing_in_the_others(document: tuple[Sample, bytes]) -> None:
    """A document with nothing but what is documented is read as one with news in it."""
    (source, _, day), body = document
    more = re.sub(rb"\{\s*(\}?)", lambda m: b'{"tomorrow": 1' + (m[1] or b", "), body, count=1)
    usual, with_news = read(source, body, day), read(source, more, day)
    if isinstance(usual, Refused):
        assert isinstance(with_news, Refused)
        assert (usual.reason, usual.path) == (with_news.reason, with_news.path)
    else:
        fields, drift = usual
        assert with_news == (fields, drift | {Drift(UNKNOWN_FIELD, "$.tomorrow")})


@settings(max_examples=8, deadline=None)
@given(documents=st.lists(mangled(), min_size=1, max_size=6))
def test_documents_in_are_rows_and_quarantined(documents: list[Sample]) -> None:
    """Every session is in the lake, waits, or is in quarantine with path and reason; all tables know the same ones."""
    with tempfile.TemporaryDirectory() as folder, new_home(Path(folder) / "home", StandingClock(NOW)) as home:
        home.raw.append(
            of_user(source, body, day, f"user-{number}") for number, (source, body, day) in enumerate(documents)
        )
        total = Built()
        for day in sorted({day for _, _, day in documents}):
            built = build_sleep_sessions(home, day.isoformat())
            assert built.conserved
            for build in (build_sleep_hypnograms, build_sleep_stage_intervals):
                other = build(home, day.isoformat())
                assert (other.rows, other.quarantined, other.waiting) == (built.rows, built.quarantined, built.waiting)
            assert home.lake.read(SLEEP_SESSIONS, f"date={day}").num_rows == built.rows
            total.add(built)
        with home.state.read() as connection:
            quarantined = list_quarantined(connection)
    assert total.documents == len(documents)
    assert len(quarantined) == total.quarantined
    for entry in quarantined:
        assert entry.reason
        tells_nothing(Refused(entry.reason, entry.path, entry.explanation))


def of_user(source: str, body: bytes, day: date, user_id: str) -> RawDocument:
    """A raw document of one user's."""
    return replace(DOCUMENTS[source].raw(body, day), user_id=user_id)


BED: Iterable[Sample] = [sample for sample in SAMPLES if sample[0] == EIGHT_SLEEP]


@settings(max_examples=EXAMPLES, deadline=None)
@given(body=st.sampled_from([body for _, body, _ in BED]).flatmap(any_document))
def test_any_interval_has_samples_that_fit_and_can_be_listed(body: bytes) -> None:
    """What a bed measured is in its table or noted; a page with such an interval can be looked at."""
    one = json.loads(body)
    one = one if isinstance(one, dict) else {}
    listed(ListedInterval(str(one.get("id")), str(one.get("ts")), body, FETCHED))
    source, _, day = next(iter(BED))
    try:
        recorded = SOURCES[source].record(SOURCES[source].decode(current(source, body, day)))
    except Refused:
        return
    names = BED_SAMPLES.schema.names
    fits(BED_SAMPLES, [{name: row.get(name) for name in names} for row in sample_rows(recorded)])


@settings(max_examples=EXAMPLES, deadline=None)
@given(body=any_document(trend()), zone=ZONES)
def test_any_scored_night_becomes_a_row_or_is_refused(body: bytes, zone: str) -> None:
    """As with sessions."""
    becomes_a_night(body, zone)


def test_every_value_of_a_scored_night_may_be_anything() -> None:
    """Each in turn, as with sessions."""
    body = trend()
    for place in numbers_and_texts(body):
        for value in HOSTILE:
            becomes_a_night(body[: place.start()] + value.encode() + body[place.end() :], "Pacific/Niue")


def becomes_a_night(body: bytes, zone: str) -> None:
    """Take every step from the document to the table and the checks."""
    assert trend_hash(body)
    try:
        decoded = decode_trend(CurrentDocument(trend_document(body), 1, FETCHED))
    except Refused as refused:
        tells_nothing(refused)
        return
    row = night_row(decoded, "clinic", zone, 1)
    assert set(trend_violations(decoded.content, zone)) <= TREND_IDENTITIES.keys()
    fits(BED_NIGHTS, [{name: row.get(name) for name in BED_NIGHTS.schema.names}])
