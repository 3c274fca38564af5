"""Any mixture of cases, variants and accidents in a day's documents: never a traceback, never a silent loss."""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.builds import Built
from assets.lake.average_stats import build_average_stats
from assets.lake.sleep_hypnograms import build_sleep_hypnograms
from assets.lake.sleep_sessions import build_sleep_sessions
from assets.lake.sleep_stage_intervals import build_sleep_stage_intervals
from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import session_detail
from connectors.asleep.sandbox.variants import VARIANTS, applied
from connectors.home import Home
from connectors.lake.raw import RawDocument
from connectors.state.quarantine import list_quarantined
from schemas.tables import AVERAGE_STATS, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, Table
from tests.assets.homes import NOW, StandingClock, new_home
from tests.assets.lake.any_document import any_bytes, any_document
from tests.assets.lake.documents import MONTH_STATS, session_document, stats_document

UTC_ZONE = ZoneInfo("UTC")


def _bodies() -> list[tuple[str, date, dict[str, Any]]]:
    """The answer for a session of every case: its id, its UTC date, the whole body."""
    world = World(users=0, nights=1, now=NOW)
    return [
        (session.id, session.start.astimezone(UTC).date(), {"detail": "OK", "result": result})
        for session in world.add_all_cases()
        for result in [session_detail(session, world.now, UTC_ZONE)]
    ]


BODIES = _bodies()
SOME_VARIANTS = st.lists(st.sampled_from(sorted(VARIANTS)), max_size=4, unique=True)


@st.composite
def a_document(draw: st.DrawFn) -> RawDocument:
    """A session of some case in some variants, now and then with an accident."""
    session_id, day, body = draw(st.sampled_from(BODIES))
    content = json.dumps(applied(draw(SOME_VARIANTS), "detail", body)).encode()
    accident = draw(st.integers(0, 5))
    if accident == 0:
        content = draw(any_document(content))
    elif accident == 1:
        content = draw(any_bytes(content))
    return session_document(content, session_id=session_id, day=day)


def rows_of(home: Home, table: Table, partition: str) -> list[dict[str, Any]]:
    """What the lake holds."""
    rows: list[dict[str, Any]] = home.lake.read(table, partition).to_pylist()
    return rows


def counts(built: Built) -> tuple[int, ...]:
    """What became of the documents."""
    return built.documents, built.rows, built.quarantined, built.waiting, built.deleted


def lost(home: Home, built: Built) -> Iterator[str]:
    """What does not add up between documents, rows, the lake and quarantine."""
    with home.state.read() as connection:
        quarantined = len(list_quarantined(connection))
    if built.documents != built.rows + built.quarantined + built.waiting + built.deleted:
        yield "documents"
    if quarantined != built.quarantined:
        yield "quarantine"


@settings(max_examples=60, deadline=None)
@given(documents=st.lists(a_document(), min_size=1, max_size=6, unique_by=lambda document: document.document_id))
def test_documents_in_are_rows_and_quarantined(documents: list[RawDocument]) -> None:
    """Every session is in the lake, waits, or is in quarantine with a reason; all tables know the same ones."""
    with tempfile.TemporaryDirectory() as folder, new_home(Path(folder) / "home", StandingClock(NOW)) as home:
        home.raw.append(documents)
        total, sessions, hypnograms = Built(), set[str](), set[str]()
        for day in sorted({document.date for document in documents}):
            built = build_sleep_sessions(home, day.isoformat())
            total.add(built)
            assert built.documents == sum(document.date == day for document in documents)
            for build in (build_sleep_hypnograms, build_sleep_stage_intervals):
                assert counts(build(home, day.isoformat())) == counts(built)
            rows = rows_of(home, SLEEP_SESSIONS, f"date={day}")
            assert len(rows) == built.rows
            sessions |= {row["session_id"] for row in rows}
            hypnograms |= {row["session_id"] for row in rows_of(home, SLEEP_HYPNOGRAMS, f"date={day}")}
        assert list(lost(home, total)) == []
        assert hypnograms <= sessions <= {document.document_id for document in documents}


MONTH_BODY: dict[str, Any] = json.loads(MONTH_STATS)


@st.composite
def a_month(draw: st.DrawFn) -> bytes:
    """A month of statistics in some variants, now and then with an accident."""
    content = json.dumps(applied(draw(SOME_VARIANTS), "stats", MONTH_BODY)).encode()
    return draw(any_document(content)) if draw(st.booleans()) else content


@settings(max_examples=40, deadline=None)
@given(bodies=st.lists(a_month(), min_size=1, max_size=4))
def test_averages_in_are_rows_and_quarantined(bodies: list[bytes]) -> None:
    """As with sessions."""
    with tempfile.TemporaryDirectory() as folder, new_home(Path(folder) / "home", StandingClock(NOW)) as home:
        home.raw.append([stats_document(body, user_id=f"G-{number}") for number, body in enumerate(bodies)])
        built = build_average_stats(home, "2025-01")
        assert built.documents == len(bodies)
        assert len(rows_of(home, AVERAGE_STATS, "month=2025-01")) == built.rows
        assert list(lost(home, built)) == []


def test_every_case_alone_and_in_every_variant_loses_nothing() -> None:
    """No accident, no quarantine: all that is documented, and every unknown code, can be used or waits."""
    documents = [
        session_document(json.dumps(applied([name], "detail", body)).encode(), session_id=session_id, day=day)
        for name in VARIANTS
        for session_id, day, body in BODIES
    ]
    with tempfile.TemporaryDirectory() as folder, new_home(Path(folder) / "home", StandingClock(NOW)) as home:
        home.raw.append(
            session_document(document.body, user_id=f"G-{number}", session_id=document.document_id, day=document.date)
            for number, document in enumerate(documents)
        )
        total = Built()
        for day in sorted({document.date for document in documents}):
            total.add(build_sleep_sessions(home, day.isoformat()))
        assert (total.documents, total.quarantined) == (len(documents), 0)
        assert total.rows + total.waiting == len(documents)
        assert total.rows > total.waiting
