"""What each mask shows of a cell, as SQL that fails on no value.

A mask that failed, or that was slow on some values, would tell of what it hides. So each expression
here is total, and each is made to be cheap: the engine works once for each entry of a Parquet
dictionary, not once for each row, where a function takes one column and constants.

What is shown of a value (NULL stays NULL but under `constant`):

- `round`: the nearest multiple of 10^-digits, halves away from zero, in the column's own type. A
  number that this would carry out of its type is rounded towards zero instead.
- `truncate`: the beginning of its hour, day, week (Monday), month, quarter or year, in UTC, in the
  column's own type; NULL where that lies outside of the calendar.
- `partial`: its first `keep_first` and last `keep_last` characters, and the fill four times between
  them, whatever their number was. A text of no more characters than these two together is four
  times the fill, and nothing else.
- `hash`: 32 hexadecimal digits; equal values of one domain give equal ones.
- `constant`: the value given. `null`: NULL.
"""

import re
from typing import TypeAlias

from meshplane.services.query.sandbox.engine import identifier, literal
from meshplane.services.query.sandbox.faults import POLICY, refused
from meshplane.services.query.sandbox.job import Column, Mask, MaskKind, MaskUnit

Strength: TypeAlias = tuple[int, int, str]

HIDDEN_CHARACTERS = 4  # stand for what `partial` hides
_HASH_CHARACTERS = 32
_KINDS: tuple[MaskKind, ...] = (
    "none",
    "round",
    "truncate",
    "partial",
    "hash",
    "constant",
    "null",
)
_UNITS: tuple[MaskUnit, ...] = ("hour", "day", "week", "month", "quarter", "year")
# How many days have begun since the unit did; taking them off is cheaper than date_trunc.
_DAY_OF: dict[str, str] = {"week": "isodow", "month": "day", "year": "dayofyear"}
_BITS = {"TINYINT": 7, "SMALLINT": 15, "INTEGER": 31, "INT": 31, "BIGINT": 63, "HUGEINT": 127}
_UNSIGNED_BITS = {"UTINYINT": 8, "USMALLINT": 16, "UINTEGER": 32, "UBIGINT": 64, "UHUGEINT": 128}
_FLOATS = frozenset({"FLOAT", "REAL", "DOUBLE"})
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC)(?:\((\d+)(?:, *(\d+))?\))?")
_ZONED = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"})
_TIMES = re.compile(r"DATE|TIMESTAMP(_S|_MS|_NS|TZ|TZ_NS| WITH TIME ZONE)?")
# Up to here a double holds an integer with two bits to spare, and its quotient rounds as it should.
_DOUBLE_EXACT = 2**51
_MOST_DIGITS = 400


def strength(mask: Mask | None) -> Strength:
    """A key that sorts masks from the weakest to the strictest; None and `none` are plain.

    It orders as `permissions/mask_strength.py` does: by kind, then fewer digits, coarser units and
    fewer characters are stricter; what is left is told apart by its text.
    """
    if mask is None or mask.kind == "none":
        return (0, 0, "")
    rank = _KINDS.index(mask.kind) if mask.kind in _KINDS else len(_KINDS)
    if mask.kind == "round":
        return (rank, -(mask.digits or 0), "")
    if mask.kind == "truncate":
        return (rank, _UNITS.index(mask.unit) if mask.unit in _UNITS else len(_UNITS), "")
    if mask.kind == "partial":
        kept = mask.keep_first + mask.keep_last
        return (rank, -kept, f"{mask.keep_first:05d}{mask.fill}")
    return (rank, 0, str(mask.value) if mask.kind == "constant" else "")


def shown(column: Column, shown_type: str, mask: Mask | None, key: str) -> str:
    """The SQL of a cell under a mask.

    Args:
        column: whose cell.
        shown_type: the type that the view's column has: the column's own, or VARCHAR where some
            other scope shows a hash.
        mask: None is plain.
        key: of hashes, which stands before the value.

    Raises:
        Refused: the mask does not fit the column.
    """
    name, own_type = identifier(column.name), column.sql_type
    if mask is None or mask.kind == "none":
        return _cast(name, own_type, shown_type)
    if mask.kind == "null":
        return f"CAST(NULL AS {shown_type})"
    if mask.kind == "constant":
        return _cast(constant(mask, own_type), own_type, shown_type)
    if mask.kind == "hash":
        return _hash(_cast(name, own_type, "VARCHAR"), key)
    if mask.kind == "partial":
        text = _partial(name, own_type, mask)
    elif mask.kind == "truncate":
        text = _truncate(name, own_type, mask)
    elif mask.kind == "round":
        text = _round(name, own_type, mask)
    else:
        raise refused(POLICY)
    return _cast(text, own_type, shown_type)


def constant(mask: Mask, sql_type: str) -> str:
    """The SQL of a constant in the column's type; it may fail, and is tried before it is used."""
    value = mask.value
    if value is None:
        return f"CAST(NULL AS {sql_type})"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"CAST({literal(text)} AS {sql_type})"


def _cast(text: str, own_type: str, shown_type: str) -> str:
    return text if own_type.upper() == shown_type.upper() else f"CAST({text} AS {shown_type})"


def _hash(text: str, key: str) -> str:
    # SHA-256 over a secret prefix of fixed length, cut to half of its output. With the whole output
    # a prefix construction falls to length extension; with half of the state kept back it does not
    # (the "chopped" hash of Coron, Dodis, Malinaud and Puniya, CRYPTO 2005), and 128 bits leave no
    # collisions to meet. HMAC's second pass costs twice as much, and its byte strings keep the
    # engine from hashing each entry of a dictionary once; substr keeps that, left() does not.
    return f"substr(sha256({literal(key)} || {text}), 1, {_HASH_CHARACTERS})"


def _partial(name: str, own_type: str, mask: Mask) -> str:
    if own_type.upper() != "VARCHAR" or len(mask.fill) != 1 or mask.fill == "\0":
        raise refused(POLICY)
    first, last = int(mask.keep_first), int(mask.keep_last)
    if first < 0 or last < 0:
        raise refused(POLICY)
    hidden = literal(mask.fill * HIDDEN_CHARACTERS)
    parts = [hidden]
    if first:
        parts.insert(0, f"substr({name}, 1, {first})")
    if last:
        # substr takes each entry of a dictionary once; right() takes each row.
        parts.append(f"substr({name}, -{last})")
    if len(parts) == 1:
        return f"CASE WHEN {name} IS NOT NULL THEN {hidden} END"
    # NULL goes the way of the long texts: then a vector without short ones is not split in two.
    return (
        f"CASE WHEN (length({name}) <= {first + last}) IS NOT TRUE "
        f"THEN {' || '.join(parts)} ELSE {hidden} END"
    )


def _truncate(name: str, own_type: str, mask: Mask) -> str:
    kind, unit = own_type.upper(), mask.unit
    if unit not in _UNITS or not _TIMES.fullmatch(kind):
        raise refused(POLICY)
    # An instant with time zone goes by way of its microseconds: the session is in UTC, and the
    # engine's own functions of such instants ask a calendar for each row, at eight times the cost.
    moment = f"make_timestamp(epoch_us({name}))" if kind in _ZONED else name
    if unit in _DAY_OF:
        day = f"CAST({moment} AS DATE)"
        start = f"{day} - CAST({_DAY_OF[unit]}({day}) - 1 AS INTEGER)"
    else:
        start = f"date_trunc({literal(unit)}, {moment})"
    if kind in _ZONED:
        return f"TRY(make_timestamptz(epoch_us({start})))"
    return f"TRY(CAST({start} AS {own_type}))"


def _round(name: str, own_type: str, mask: Mask) -> str:
    kind, digits = own_type.upper(), mask.digits
    if digits is None or abs(digits) > _MOST_DIGITS:
        raise refused(POLICY)
    if kind in _FLOATS:
        # Adding zero takes the sign off a zero that a negative number was rounded to.
        return f"TRY_CAST(round(CAST({name} AS DOUBLE), {digits}) + 0.0::DOUBLE AS {own_type})"
    if kind in _BITS or kind in _UNSIGNED_BITS:
        return name if digits >= 0 else _round_integer(name, kind, 10**-digits)
    match = _DECIMAL.fullmatch(kind)
    if match is None:
        raise refused(POLICY)
    width, scale = (int(match[1]), int(match[2] or 0)) if match[1] else (18, 3)
    return name if digits >= scale else _round_decimal(name, own_type, width, scale, digits)


def _zero(name: str, sql_type: str) -> str:
    return f"CASE WHEN {name} IS NOT NULL THEN CAST(0 AS {sql_type}) END"


def _round_integer(name: str, kind: str, step: int) -> str:
    signed = kind in _BITS
    most = 2 ** _BITS[kind] - 1 if signed else 2 ** _UNSIGNED_BITS[kind] - 1
    if step > most:
        return _zero(name, kind)  # nothing is nearer to one step than to none, or fits
    bound = most // step * step

    def fixed(number: int) -> str:
        return f"CAST({number} AS {kind})"

    lowest = fixed(-bound) if signed else fixed(0)
    near = f"least(greatest({name}, {lowest}), {fixed(bound)})"
    rest = f"{near} % {fixed(step)}"
    ways = f"WHEN {rest} >= {fixed(step // 2)} THEN {fixed(step)}"
    if signed:
        ways += f" WHEN {rest} <= {fixed(-step // 2)} THEN {fixed(-step)}"
    exact = f"({near} - {rest} + CASE {ways} ELSE {fixed(0)} END)"
    safe = min(bound, _DOUBLE_EXACT)
    fast = f"round(CAST({name} AS DOUBLE) / {step}::DOUBLE) * {step}::DOUBLE"
    outside = f"{name} NOT BETWEEN {fixed(-safe) if signed else fixed(0)} AND {fixed(safe)}"
    return f"CASE WHEN {outside} THEN {exact} ELSE CAST({fast} AS {kind}) END"


def _round_decimal(name: str, sql_type: str, width: int, scale: int, digits: int) -> str:
    most, step = 10**width - 1, 10 ** (scale - digits)
    if step > most:
        return _zero(name, sql_type)
    unscaled = str(most // step * step).rjust(scale + 1, "0")
    bound = f"{unscaled[:-scale]}.{unscaled[-scale:]}" if scale else unscaled
    high, low = f"CAST('{bound}' AS {sql_type})", f"CAST('-{bound}' AS {sql_type})"
    # least() and greatest() pass over NULL, and would show a bound in its place.
    outside = f"CASE WHEN {name} > 0 THEN {high} ELSE {low} END"
    return (
        f"CASE WHEN {name} NOT BETWEEN {low} AND {high} THEN {outside} "
        f"ELSE CAST(round({name}, {digits}) AS {sql_type}) END"
    )
