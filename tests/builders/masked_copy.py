"""A table with only what one caller may see in it, made cell by cell in plain Python.

It is written from the rules alone and shares nothing with the views of the sandbox: a row is there
if one grant lets it through, and a cell is shown by the weakest treatment among the grants that do.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import duckdb
import pyarrow as pa

from meshplane.services.query.sandbox import Mask
from tests.builders.random_policy import Governed, Grant, Record
from tests.builders.random_schema import WIDEST, Row
from tests.builders.sandbox_world import ARROW_TYPES, hash_of

# From the weakest to the strictest.
_STRENGTH = ("none", "round", "truncate", "partial", "hash", "constant", "null")
_UNITS = ("hour", "day", "week", "month", "quarter", "year")
_FILLED = 4


def shown_types(governed: Governed) -> dict[str, str]:
    """The visible columns with the types that they show: text where some grant hashes."""
    types = {}
    for name in governed.shown:
        masks = [grant.columns.get(name) for grant in governed.grants]
        hashed = any(mask is not None and mask.kind == "hash" for mask in masks)
        types[name] = "VARCHAR" if hashed else governed.table.types[name]
    return types


def masked_row(governed: Governed, record: Record) -> Row | None:
    """The row as it may be seen; None when it may not."""
    passing = [grant for grant in governed.grants if grant.passes(record)]
    if not passing:
        return None
    types = shown_types(governed)
    return tuple(_cell(governed, passing, name, record[name], types[name]) for name in types)


def masked_rows(governed: Governed) -> list[Row]:
    """All rows that may be seen, in the table's order."""
    seen = (masked_row(governed, record) for record in governed.table.records)
    return [row for row in seen if row is not None]


def _cell(governed: Governed, passing: Sequence[Grant], name: str, raw: Any, kind: str) -> Any:
    masks = [grant.columns[name] or Mask("none") for grant in passing if name in grant.columns]
    if not masks:
        return None
    mask = min(masks, key=_strength)
    if mask.kind == "hash":
        cell = None if raw is None else hash_of(as_text(raw), governed.table.schema)
    else:
        cell = treated(mask, raw, governed.table.types[name])
        if kind == "VARCHAR" and cell is not None:
            cell = as_text(cell)
    return cell


def _strength(mask: Mask) -> tuple[int, int, str]:
    finer, text = 0, str(mask.value) if mask.kind == "constant" else ""
    if mask.kind == "round":
        finer = -(mask.digits or 0)
    elif mask.kind == "truncate":
        finer = _UNITS.index(mask.unit or "year")
    elif mask.kind == "partial":
        finer = -(mask.keep_first + mask.keep_last)
        text = f"{mask.keep_first:05d}{mask.fill}"
    return _STRENGTH.index(mask.kind), finer, text


def treated(mask: Mask, raw: Any, kind: str) -> Any:
    """What a mask that keeps the column's type makes of a cell."""
    if mask.kind == "null":
        return None
    if mask.kind == "constant":
        return mask.value
    if mask.kind == "none" or raw is None:
        return raw
    if mask.kind == "round":
        return _rounded(raw, mask.digits or 0, kind)
    if mask.kind == "truncate":
        return _TRUNCATED[mask.unit or "year"](raw)
    assert mask.kind == "partial", kind
    kept = mask.keep_first + mask.keep_last
    if len(raw) <= kept:
        return mask.fill * _FILLED
    tail = raw[len(raw) - mask.keep_last :] if mask.keep_last else ""
    return raw[: mask.keep_first] + mask.fill * _FILLED + tail


def _rounded(raw: Any, digits: int, kind: str) -> Any:
    """The nearest multiple, halves away from zero; towards zero where that leaves the type."""
    exact = Decimal(str(raw)) if isinstance(raw, float) else Decimal(raw)
    step = Decimal(1).scaleb(-digits)
    found = (abs(exact) / step).quantize(Decimal(1), ROUND_HALF_UP) * step
    if isinstance(raw, int) and found > WIDEST[kind]:
        found -= step
    found = found if exact >= 0 else -found
    if isinstance(raw, int):
        return int(found)
    if isinstance(raw, float):
        return float(found) + 0.0
    return Decimal(int(found * 100)) / 100


def _start_of_day(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.replace(hour=0, minute=0, second=0, microsecond=0)
    return value


def _hour(value: Any) -> Any:
    return value.replace(minute=0, second=0, microsecond=0)


def _week(value: Any) -> Any:
    return _start_of_day(value) - dt.timedelta(days=value.weekday())


def _month(value: Any) -> Any:
    return _start_of_day(value).replace(day=1)


def _quarter(value: Any) -> Any:
    return _month(value).replace(month=(value.month - 1) // 3 * 3 + 1)


def _year(value: Any) -> Any:
    return _month(value).replace(month=1)


_TRUNCATED: dict[str, Callable[[Any], Any]] = {
    "hour": _hour,
    "day": _start_of_day,
    "week": _week,
    "month": _month,
    "quarter": _quarter,
    "year": _year,
}


def as_text(cell: Any) -> str:
    """A number, a boolean, a text, a date or an instant as the engine writes it."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, Decimal):
        return f"{cell:.2f}"
    if isinstance(cell, dt.datetime):
        text = cell.replace(tzinfo=None).isoformat(" ")
        return text + ("+00" if cell.tzinfo else "")
    return str(cell)


def arrow_of(types: dict[str, str], rows: Sequence[Row]) -> pa.Table:
    """Rows as an Arrow table of these types."""
    return pa.table(
        {
            name: pa.array([row[place] for row in rows], ARROW_TYPES[kind])
            for place, (name, kind) in enumerate(types.items())
        }
    )


def copied(tables: Sequence[Governed]) -> duckdb.DuckDBPyConnection:
    """A plain engine that holds the copies: no gate, no views, no lock, no process."""
    engine = duckdb.connect(config={"threads": 1})
    engine.execute("SET TimeZone = 'UTC'")
    engine.execute("SET errors_as_json = true")
    engine.execute("SET disabled_optimizers = 'statistics_propagation'")
    for governed in tables:
        types, table = shown_types(governed), governed.table
        engine.register("rows_of_copy", arrow_of(types, masked_rows(governed)))
        columns = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in types.items())
        engine.execute(f'CREATE SCHEMA IF NOT EXISTS "{table.schema}"')
        engine.execute(
            f'CREATE TABLE "{table.schema}"."{table.name}" AS SELECT {columns} FROM rows_of_copy'
        )
        engine.unregister("rows_of_copy")
    schemas = dict.fromkeys(governed.table.schema for governed in tables)
    engine.execute(f"SET search_path = '{','.join(schemas)}'")
    return engine
