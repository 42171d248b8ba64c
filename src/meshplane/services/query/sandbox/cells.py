"""One column of Arrow values as JSON values.

Integers stay integers of any size; decimals are strings; NaN and the infinities are strings; dates
and times are ISO 8601 (instants in UTC, with `Z`; years outside 0001 to 9999 in the expanded form);
intervals are ISO 8601 durations; bytes are base 64; a MAP with text keys and a STRUCT are objects,
any other MAP an array of pairs.
"""

import base64
import math
from collections.abc import Callable
from datetime import date
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_DAY_SECONDS = 86_400
_INFINITE_DAYS = 2**31 - 1  # how the engine stores its infinite dates and times
_INFINITE = 2**63 - 1
_WIDE = 2**63


def encode(values: pa.Array, sql_type: str = "") -> list[Any]:
    """The column's cells as values that orjson writes; `sql_type` is the engine's name of its type.

    Args:
        values: any array that the engine's Arrow export makes.
        sql_type: tells a 128-bit integer, which comes as a decimal, from a decimal.
    """
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return encode(values.storage, sql_type)
    if pa.types.is_floating(kind):
        return _floats(values)
    if pa.types.is_decimal(kind):
        return _decimals(values, whole=kind.scale == 0 and "HUGEINT" in sql_type)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _each(values.to_pylist(), lambda cell: base64.b64encode(cell).decode())
    if pa.types.is_temporal(kind):
        return _temporal(values)
    if pa.types.is_nested(kind):
        return _nested(values, sql_type)
    cells: list[Any] = values.to_pylist()
    return cells


def _each(cells: list[Any], convert: Callable[[Any], Any]) -> list[Any]:
    return [None if cell is None else convert(cell) for cell in cells]


def _floats(values: pa.Array) -> list[Any]:
    cells: list[Any] = values.to_pylist()
    if pc.all(pc.is_finite(values)).as_py() in (True, None):
        return cells
    return _each(cells, lambda cell: cell if math.isfinite(cell) else _named(cell))


def _named(cell: float) -> str:
    if math.isnan(cell):
        return "NaN"
    return "Infinity" if cell > 0 else "-Infinity"


def _decimals(values: pa.Array, whole: bool) -> list[Any]:
    cells = values.to_pylist()
    if not whole:
        return _each(cells, lambda cell: format(cell, "f"))
    return _each(cells, lambda cell: _integer(int(cell)))


def _integer(number: int) -> Any:
    # orjson writes 64 bits; a wider number goes in as the digits that it is.
    return number if -_WIDE <= number < _WIDE else orjson.Fragment(str(number))


def _temporal(values: pa.Array) -> list[Any]:
    kind = values.type
    if pa.types.is_date32(kind):
        return _each(values.cast(pa.int32()).to_pylist(), _date)
    if pa.types.is_timestamp(kind):
        unit, zone = kind.unit, "Z" if kind.tz else ""
        whole = values.cast(pa.int64()).to_pylist()
        return _each(whole, lambda cell: _instant(cell, unit) + (zone if _finite(cell) else ""))
    if pa.types.is_time(kind):
        number = values.cast(pa.int64() if kind.bit_width == 64 else pa.int32()).to_pylist()
        return _each(number, lambda cell: _time(cell, kind.unit))
    return _each(values.to_pylist(), _duration)


def _finite(cell: int) -> bool:
    """Is it a point in time, and not one of the two infinities?"""
    return abs(cell) != _INFINITE


def _date(days: int) -> str:
    if abs(days) == _INFINITE_DAYS:
        return "infinity" if days > 0 else "-infinity"
    ordinal = days + _EPOCH_ORDINAL
    if 1 <= ordinal <= date.max.toordinal():
        return date.fromordinal(ordinal).isoformat()
    return _far_date(days)


def _far_date(days: int) -> str:
    # The Gregorian calendar repeats every 400 years of 146,097 days.
    cycles, rest = divmod(days + _EPOCH_ORDINAL - 1, 146_097)
    near = date.fromordinal(rest + 1)
    year = near.year + 400 * cycles
    return f"{'-' if year < 0 else '+'}{abs(year):06d}-{near.month:02d}-{near.day:02d}"


def _instant(value: int, unit: str) -> str:
    if not _finite(value):
        return "infinity" if value > 0 else "-infinity"
    seconds, fraction = divmod(value, _PER_SECOND[unit])
    days, clock = divmod(seconds, _DAY_SECONDS)
    return f"{_date(days)}T{_clock(clock, fraction, unit)}"


def _time(value: int, unit: str) -> str:
    seconds, fraction = divmod(value, _PER_SECOND[unit])
    return _clock(seconds, fraction, unit)


def _clock(seconds: int, fraction: int, unit: str) -> str:
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if not fraction:
        return text
    return f"{text}.{fraction:0{_DIGITS[unit]}d}".rstrip("0")


def _duration(cell: Any) -> str:
    months, days, nanoseconds = cell
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    sign = "-" if nanoseconds < 0 else ""
    text = "P" + (f"{months}M" if months else "") + (f"{days}D" if days else "")
    if nanoseconds:
        part = f".{fraction:09d}".rstrip("0") if fraction else ""
        text += f"T{sign}{seconds}{part}S"
    return text if len(text) > 1 else "PT0S"


def _nested(values: pa.Array, sql_type: str) -> list[Any]:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return encode(values.dictionary_decode(), sql_type)
    if pa.types.is_struct(kind):
        return _structs(values, sql_type)
    if pa.types.is_map(kind):
        return _maps(values, sql_type)
    inner = encode(values.flatten(), sql_type)
    lengths = pc.list_value_length(values).to_pylist()
    return _cut(inner, lengths)


def _cut(inner: list[Any], lengths: list[int | None]) -> list[Any]:
    cells: list[Any] = []
    start = 0
    for length in lengths:
        if length is None:
            cells.append(None)
        else:
            cells.append(inner[start : start + length])
            start += length
    return cells


def _structs(values: pa.Array, sql_type: str) -> list[Any]:
    names = [values.type.field(number).name for number in range(values.type.num_fields)]
    fields = [encode(field, sql_type) for field in values.flatten()]
    present = values.is_valid().to_pylist()
    rows = zip(*fields, strict=True) if fields else (() for _ in present)
    named = all(names)
    return [
        (dict(zip(names, row, strict=True)) if named else list(row)) if there else None
        for row, there in zip(rows, present, strict=True)
    ]


def _maps(values: pa.Array, sql_type: str) -> list[Any]:
    keyed = pa.types.is_string(values.type.key_type) or pa.types.is_large_string(
        values.type.key_type
    )
    cells: list[Any] = []
    for row in values:
        if not row.is_valid:
            cells.append(None)
            continue
        entries = row.values
        keys, items = encode(entries.field(0), sql_type), encode(entries.field(1), sql_type)
        pairs = zip(keys, items, strict=True)
        cells.append(dict(pairs) if keyed else [list(pair) for pair in pairs])
    return cells
