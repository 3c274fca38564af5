"""The nights of the benchmark: the simulator's, in columns, again and again under new ids, dates and lengths.

What a session of the simulator becomes in the lake is made by the pipeline's own functions, for its first analysis and
for a second one. Ids have the vendor's form, and are drawn at random as theirs are, because their bytes are most of
what keys and small files consist of. The same arguments give the same rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from assets.lake.sleep_hypnograms import hypnogram_rows
from assets.lake.sleep_stage_intervals import interval_rows
from assets.sources.asleep import SOURCE, recorded_session
from assets.sources.asleep_documents import decode_session
from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.answers import session_detail
from connectors.asleep.sandbox.sessions import Session
from connectors.lake.raw import HTTP_OK, CurrentDocument, RawDocument
from schemas.asleep import ASLEEP
from schemas.canonical import session_hash
from schemas.documents import FIRST_SEEN, RE_ANALYSED, SESSION
from schemas.nights import utc_date
from schemas.tables import (
    SESSION_HISTORY,
    SLEEP_HYPNOGRAMS,
    SLEEP_SESSIONS,
    SLEEP_STAGE_INTERVALS,
    UTC_TIME,
    Table,
)

Tables: TypeAlias = dict[str, pa.Table]
"""The tables of one UTC date, by name."""
Numbers: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
Keys: TypeAlias = dict[str, Numbers]

OF_NIGHTS = (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS, SESSION_HISTORY)
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
LAST = date(2026, 11, 18)

_MOMENTS = ("start_time", "end_time", "sleep_onset", "final_wake", "unexpected_end_time")
_LETTERS = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
_SMALL = np.array(list("abcdefghijklmnopqrstuvwxyz0123456789"))
_HEX = np.array(list("0123456789abcdef"))
_LONGER_BY_AT_MOST_S = 30
_REVISED_AFTER = timedelta(hours=20)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one analysis made of the originals: a row an original in each table, and all their intervals."""

    sessions: pa.Table
    hypnograms: pa.Table
    intervals: pa.Table
    interval_counts: Numbers


def simulated(users: int, nights: int) -> tuple[Analysis, Analysis]:
    """The same nights as analysed first, and as analysed again."""
    world = World(users=users, nights=nights, now=NOW)
    first: list[CurrentDocument] = []
    second: list[CurrentDocument] = []
    for user in world.users():
        for session in list(user.sessions):
            document = _document(user.user_id, session)
            if document is None:
                continue
            try:
                world.reanalyse(user, session)
            except ValueError:
                continue
            again = _document(user.user_id, session)
            if again is not None:
                first.append(document)
                second.append(again)
    return _analysis(first), _analysis(second)


def documents(users: int, nights: int) -> list[CurrentDocument]:
    """The first analysis of every complete session with stages."""
    world = World(users=users, nights=nights, now=NOW)
    found = (_document(user.user_id, session) for user in world.users() for session in user.sessions)
    return [document for document in found if document is not None]


def hypnograms_of(found: Iterable[CurrentDocument]) -> pa.Table:
    """Their rows of ``sleep_hypnograms``."""
    recorded = [recorded_session(decode_session(document)) for document in found]
    return pa.Table.from_pylist(hypnogram_rows(recorded), schema=SLEEP_HYPNOGRAMS.schema)


def _document(user_id: str, session: Session) -> CurrentDocument | None:
    detail = session_detail(session, NOW, ZoneInfo("UTC"))
    if session.state(NOW) != "COMPLETE" or not detail["session"]["sleep_stages"]:
        return None
    body, day = orjson.dumps({"detail": None, "result": detail}), utc_date(session.start)
    names = ("clinic", ASLEEP, SESSION, user_id, session.id)
    return CurrentDocument(RawDocument(*names, day, HTTP_OK, NOW, session_hash(body), body), 1, NOW)


def _analysis(documents: Iterable[CurrentDocument]) -> Analysis:
    decoded = [decode_session(document) for document in documents]
    recorded = [recorded_session(document) for document in decoded]
    rows = [SOURCE.normalise(document, "clinic", "UTC").row for document in decoded]
    intervals = [interval_rows([session]) for session in recorded]
    return Analysis(
        pa.Table.from_pylist(rows, schema=SLEEP_SESSIONS.schema),
        pa.Table.from_pylist(hypnogram_rows(recorded), schema=SLEEP_HYPNOGRAMS.schema),
        pa.concat_tables(intervals).combine_chunks(),
        np.array([len(mine) for mine in intervals]),
    )


def user_ids(number: int) -> list[str]:
    """Ids of the vendor's form."""
    chance = np.random.default_rng(1)
    days = [datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=int(s)) for s in chance.integers(0, 10**8, number)]
    words = _words(chance, _LETTERS, 20, number)
    return [f"G-{day:%Y%m%d%H%M%S}-{word}" for day, word in zip(days, words, strict=True)]


def dates(number: int) -> list[date]:
    """So many UTC dates, in order."""
    return [LAST - timedelta(days=back) for back in reversed(range(number))]


def night_of_all(
    originals: Analysis, users: Sequence[str], day: date, *, again: Analysis | None = None, changed: int = 0
) -> Tables:
    """The tables of a date on which every user slept once; the first so many are as they were analysed again."""
    chance, chosen, keys = _drawn(originals, users, day)
    is_changed = np.arange(len(users)) < changed
    before = _night(originals, chosen, day, keys, chance)
    first = _versions(before, is_changed, 1)
    if again is None or not changed:
        return _sorted({**before, SESSION_HISTORY.name: first})
    after = _night(again, chosen, day, keys, chance)
    after[SLEEP_SESSIONS.name] = _with(
        after[SLEEP_SESSIONS.name], revision=2, fetched_at=_later(after[SLEEP_SESSIONS.name]["fetched_at"])
    )
    second = _versions(after, is_changed, 2).filter(pa.array(is_changed))
    tables = {name: _mixed(before[name], after[name], keys["session_id"], is_changed) for name in before}
    return _sorted({**tables, SESSION_HISTORY.name: pa.concat_tables([first, second])})


def sessions_of_all(originals: Analysis, users: Sequence[str], day: date) -> pa.Table:
    """Of the tables of a date, ``sleep_sessions`` alone."""
    chance, chosen, keys = _drawn(originals, users, day)
    return _in_order(SLEEP_SESSIONS, _sessions(originals, chosen, day, keys, chance))


def _drawn(originals: Analysis, users: Sequence[str], day: date) -> tuple[np.random.Generator, Numbers, Keys]:
    """Which original each user's night is a copy of, and the ids of the copies."""
    chance = np.random.default_rng(day.toordinal())
    chosen = chance.integers(0, len(originals.sessions), len(users))
    words = _words(chance, _SMALL, 5, len(users))
    sessions = [f"{day:%Y%m%d}{index % 86_400:06}_{word}" for index, word in enumerate(words)]
    return chance, chosen, {"user_id": np.array(users, object), "session_id": np.array(sessions, object)}


def _night(analysis: Analysis, chosen: Numbers, day: date, keys: Keys, chance: np.random.Generator) -> Tables:
    shift = _shift(analysis, chosen, day)
    ends = np.cumsum(analysis.interval_counts)
    counts = analysis.interval_counts[chosen]
    owner = np.repeat(np.arange(len(chosen)), counts)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    intervals = analysis.intervals.take((ends - analysis.interval_counts)[chosen][owner] + place)
    return {
        SLEEP_SESSIONS.name: _sessions(analysis, chosen, day, keys, chance),
        SLEEP_HYPNOGRAMS.name: _with(_shifted(analysis.hypnograms.take(chosen), shift), **keys),
        SLEEP_STAGE_INTERVALS.name: _with(
            _shifted(intervals, shift[owner]), **{name: values[owner] for name, values in keys.items()}
        ),
    }


def _sessions(analysis: Analysis, chosen: Numbers, day: date, keys: Keys, chance: np.random.Generator) -> pa.Table:
    hashes = np.array(_words(chance, _HEX, 64, len(chosen)), object)
    longer_s = np.arange(len(chosen)) % _LONGER_BY_AT_MOST_S
    rows = _shifted(analysis.sessions.take(chosen), _shift(analysis, chosen, day))
    rows = _with(
        rows,
        **keys,
        content_hash=hashes,
        end_time=pc.add(rows["end_time"], _microseconds(longer_s * 1_000_000)),
        fetched_at=pc.add(rows["start_time"], _microseconds((longer_s + 40_000) * 1_000_000 + chosen * 997)),
        time_in_bed_s=pc.add(rows["time_in_bed_s"], pa.array(longer_s)),
        wakeup_latency_s=pc.add(rows["wakeup_latency_s"], pa.array(longer_s)),
        night_of=pa.array([day - timedelta(days=1)] * len(chosen)),
        wake_date=pa.array([day] * len(chosen)),
    )
    return _with(rows, sleep_efficiency=_share(rows["total_sleep_time_s"], rows["time_in_bed_s"]))


def _shift(analysis: Analysis, chosen: Numbers, day: date) -> Numbers:
    """How much later a copy is than its original, so that it begins on that UTC date."""
    starts = analysis.sessions["start_time"].to_numpy()[chosen]
    shift: Numbers = np.datetime64(day, "us") - starts.astype("datetime64[D]").astype("datetime64[us]")
    return shift


def _microseconds(number: Numbers) -> Any:
    return pa.array(number, pa.duration("us"))


def _versions(tables: Tables, is_ended: Numbers, revision: int) -> pa.Table:
    """The history that says so, with the end of those that another version follows."""
    sessions = tables[SLEEP_SESSIONS.name]
    seen = sessions["fetched_at"]
    nothing = pa.nulls(len(sessions), UTC_TIME)
    more = {
        "start_date": sessions["start_time"].cast(pa.date32()),
        "reason": pa.array([FIRST_SEEN if revision == 1 else RE_ANALYSED] * len(sessions)),
        "seen_at": seen,
        "analysed_at": nothing,
        "valid_from": seen,
        "valid_to": pc.if_else(pa.array(is_ended), _later(seen), nothing) if revision == 1 else nothing,
    }
    columns = [more[name] if name in more else sessions[name] for name in SESSION_HISTORY.schema.names]
    return pa.table(columns, names=SESSION_HISTORY.schema.names).cast(SESSION_HISTORY.schema)


def _later(moments: Any) -> Any:
    return pc.add(moments, pa.scalar(_REVISED_AFTER, pa.duration("us")))


def _mixed(before: pa.Table, after: pa.Table, sessions: Numbers, is_changed: Numbers) -> pa.Table:
    changed = pa.array(sessions[is_changed])
    stay = before.filter(pc.invert(pc.is_in(before["session_id"], changed)))
    return pa.concat_tables([stay, after.filter(pc.is_in(after["session_id"], changed))])


def _shifted(rows: pa.Table, shift: Numbers) -> pa.Table:
    later = pa.array(shift.astype("timedelta64[us]"))
    return _with(rows, **{name: pc.add(rows[name], later) for name in _MOMENTS if name in rows.column_names})


def _share(part: Any, whole: Any) -> Any:
    return pc.divide(part.cast(pa.float64()), pc.if_else(pc.equal(whole, 0), None, whole).cast(pa.float64()))


def _with(rows: pa.Table, **columns: Any) -> pa.Table:
    for name, values in columns.items():
        field = rows.schema.field(name)
        if isinstance(values, int):
            values = pa.array([values] * len(rows))
        elif isinstance(values, np.ndarray):
            values = pa.array(values)
        rows = rows.set_column(rows.schema.get_field_index(name), field, values.cast(field.type))
    return rows


def _words(chance: np.random.Generator, letters: Numbers, length: int, number: int) -> list[str]:
    drawn = letters[chance.integers(0, len(letters), (number, length))]
    words: list[str] = drawn.view(f"<U{length}").ravel().tolist()
    return words


def _sorted(tables: Tables) -> Tables:
    """As the lake has them."""
    return {table.name: _in_order(table, tables[table.name]) for table in OF_NIGHTS}


def _in_order(table: Table, rows: pa.Table) -> pa.Table:
    return rows.sort_by([(name, "ascending") for name in table.sort_by])
