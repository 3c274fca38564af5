"""Arrow tables as the binary stream of PostgreSQL's COPY, a column at a time instead of a value at a time.

The format is that of PostgreSQL's documentation of COPY, "Binary Format"; the values are what the types' receive
functions read: numbers in network order, times in microseconds and dates in days since the year 2000.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
ROWS_AT_ONCE = 65_536

_NULL = pa.scalar(b"\xff\xff\xff\xff", pa.binary())
_NO_TEXT = pa.scalar(b"", pa.binary())
_DAYS_TO_2000 = 10_957
_MICROSECONDS_TO_2000 = _DAYS_TO_2000 * 86_400_000_000

_Array: TypeAlias = "pa.Array[Any]"
_Numbers: TypeAlias = np.ndarray[Any, np.dtype[Any]]
_Piece: TypeAlias = "_Numbers | pa.Array[Any]"

_WIDTHS: dict[pa.DataType, str] = {
    pa.int64(): ">i8",
    pa.int16(): ">i2",
    pa.float64(): ">f8",
    pa.bool_(): ">i1",
    pa.date32(): ">i4",
    pa.time32("ms"): ">i8",
    pa.timestamp("us", tz="UTC"): ">i8",
}
_ELEMENTS: dict[pa.DataType, tuple[pa.DataType, int]] = {
    pa.int8(): (pa.int16(), 21),
    pa.string(): (pa.string(), 25),
}
"""Elements of lists: what they are sent as (PostgreSQL has no integer of one byte), and that type's number there."""


def binary_copy(rows: pa.Table) -> Iterator[memoryview | bytes]:
    """The stream in pieces.

    Raises: pa.ArrowInvalid for a time that PostgreSQL cannot count; KeyError for types that no table has.
    """
    yield BEGIN
    for batch in rows.to_batches(max_chunksize=ROWS_AT_ONCE):
        yield _bytes_of(_joined(batch.columns, np.full(len(batch), batch.num_columns, ">i2")))
    yield END


def _bytes_of(rows: _Array) -> memoryview:
    _, ends, data = rows.buffers()
    last = int(np.frombuffer(ends, np.int32)[len(rows)]) if len(rows) else 0
    return memoryview(data)[:last] if last else memoryview(b"")


def _joined(columns: list[_Array], first: _Numbers | None = None) -> _Array:
    """One binary value a row: ``first`` and the fields of these columns one after another."""
    pieces: list[_Array] = []
    waiting: list[_Numbers] = [] if first is None else [first]
    for column in columns:
        # What has the same width in every row is laid side by side, so that there are few pieces to join.
        for piece in _pieces(column):
            if isinstance(piece, np.ndarray):
                waiting.append(piece)
            else:
                if waiting:
                    pieces.append(_side_by_side(waiting))
                    waiting = []
                pieces.append(piece)
    if waiting:
        pieces.append(_side_by_side(waiting))
    return pieces[0] if len(pieces) == 1 else pc.binary_join_element_wise(*pieces, b"")


def _side_by_side(parts: list[_Numbers]) -> _Array:
    rows = np.empty(len(parts[0]), np.dtype([(f"f{place}", part.dtype) for place, part in enumerate(parts)]))
    for place, part in enumerate(parts):
        rows[f"f{place}"] = part
    ends = np.arange(len(rows) + 1, dtype=np.int32) * np.int32(rows.itemsize)
    return pa.Array.from_buffers(pa.binary(), len(rows), [None, pa.py_buffer(ends), pa.py_buffer(rows.tobytes())])


def _pieces(column: _Array) -> list[_Piece]:
    """A field's length and value: numbers where they have the same width in every row, else binary values."""
    if pa.types.is_string(column.type):
        lengths = pc.fill_null(pc.binary_length(column), -1).to_numpy(zero_copy_only=False)
        return [lengths.astype(">i4"), pc.fill_null(column.cast(pa.binary()), _NO_TEXT)]
    if pa.types.is_list(column.type):
        return list(_list_pieces(column))
    values = _numbers(column)
    lengths = np.full(len(values), values.dtype.itemsize, ">i4")
    if not column.null_count:
        return [lengths, values]
    return [pc.if_else(column.is_valid(), _side_by_side([lengths, values]), _NULL)]


def _numbers(column: _Array) -> _Numbers:
    plain: Any = column
    if pa.types.is_date32(column.type):
        plain = pc.subtract_checked(column.cast(pa.int32()), pa.scalar(_DAYS_TO_2000, pa.int32()))
    elif pa.types.is_time32(column.type):
        plain = pc.multiply_checked(column.cast(pa.int32()).cast(pa.int64()), 1000)
    elif pa.types.is_timestamp(column.type):
        plain = pc.subtract_checked(column.cast(pa.int64()), _MICROSECONDS_TO_2000)
    elif pa.types.is_boolean(column.type):
        plain = column.cast(pa.int8())
    if plain.null_count:
        plain = pc.fill_null(plain, 0)
    numbers: _Numbers = plain.to_numpy(zero_copy_only=False)
    return numbers.astype(_WIDTHS[column.type])


def _list_pieces(column: _Array) -> Iterator[_Array]:
    sent_as, number = _ELEMENTS[column.type.value_type]
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    elements = _joined([column.flatten().cast(sent_as)])
    _, ends, data = elements.buffers()
    # The elements of a list lie side by side already: only where each list ends has to be told.
    last = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    element_ends = np.frombuffer(ends, np.int32) if len(elements) else np.zeros(1, np.int32)
    list_ends = np.ascontiguousarray(element_ends[last], np.int32)
    values = pa.Array.from_buffers(pa.binary(), len(column), [None, pa.py_buffer(list_ends), data])

    def constant(value: int) -> _Numbers:
        return np.full(len(column), value, ">i4")

    head = [(20 + np.diff(list_ends)).astype(">i4"), constant(1), constant(0), constant(number)]
    filled = _side_by_side([*head, lengths.astype(">i4"), constant(1)])
    empty = _side_by_side([constant(12), constant(0), constant(0), constant(number)])
    yield pc.if_else(column.is_valid(), pc.if_else(pa.array(lengths > 0), filled, empty), _NULL)
    yield values
