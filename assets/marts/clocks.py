"""What the marts need to know of time zones, as tables: made with the tz database that the lake's dates are made with.

DuckDB has one of its own, which may be older; so that a night has one 21:00, every rule goes by these tables.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from schemas.night_hours import EVENING, MORNING
from schemas.nights import zone_named
from schemas.tables import UTC_TIME

DAY = timedelta(days=1)
_STEP_S = 7 * 86_400
"""Oftener than any zone has changed its clocks since 2020."""

NIGHT_CLOCKS = pa.schema(
    [("timezone", pa.string()), ("night_of", pa.date32()), ("evening_at", UTC_TIME), ("morning_at", UTC_TIME)]
)
ZONE_OFFSETS = pa.schema(
    [("timezone", pa.string()), ("from_us", pa.int64()), ("until_us", pa.int64()), ("utc_offset_s", pa.int64())]
)


def night_clocks(nights: Iterable[tuple[str, date]]) -> pa.Table:
    """21:00 and 09:00 of each zone's night as instants: between them a short recording is a night's sleep."""
    rows = [
        (
            zone,
            night,
            datetime.combine(night, EVENING, zone_named(zone)).astimezone(UTC),
            datetime.combine(night + DAY, MORNING, zone_named(zone)).astimezone(UTC),
        )
        for zone, night in nights
    ]
    return _table(NIGHT_CLOCKS, rows)


def zone_offsets(spans: Iterable[tuple[str, int, int]]) -> pa.Table:
    """Every offset from UTC (s) that a zone's clocks have between two instants, from when until before when.

    Spans are a zone and two instants in microseconds since 1970; the week around them is in it, too.
    """
    rows = [
        (zone, since * 1_000_000, until * 1_000_000, offset)
        for zone, first_us, last_us in spans
        for since, until, offset in _stretches(zone, first_us // 1_000_000 - _STEP_S, last_us // 1_000_000 + _STEP_S)
    ]
    return _table(ZONE_OFFSETS, rows)


def _stretches(zone: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    since, offset = start, _offset(zone, start)
    for second in range(start, end, _STEP_S):
        after = min(second + _STEP_S, end)
        if (new := _offset(zone, after)) != offset:
            change = _first_second(zone, range(second, after), new)
            yield since, change, offset
            since, offset = change, new
    yield since, end, offset


def _first_second(zone: str, seconds: range, offset: int) -> int:
    return seconds.start + bisect_left(seconds, True, key=lambda second: _offset(zone, second) == offset)


def _offset(zone: str, second: int) -> int:
    offset = datetime.fromtimestamp(second, zone_named(zone)).utcoffset() or timedelta(0)
    return int(offset.total_seconds())


def _table(schema: pa.Schema, rows: Sequence[tuple[object, ...]]) -> pa.Table:
    columns = [[row[number] for row in rows] for number in range(len(schema))]
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
