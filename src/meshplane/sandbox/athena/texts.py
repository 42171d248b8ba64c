"""Types and values as Athena prints them.

`GetQueryResults` and the result file carry every value as text: booleans and dates as Trino casts
them to varchar, doubles as Java prints them, rows and maps as `{x=1, y=2}`, arrays as `[1, 2]`,
bytes as hexadecimal pairs (Athena user guide, "Data types in Amazon Athena"; Trino 4xx `JdbcResult`
texts as Athena's results show them). A timestamp has three decimals, of an Iceberg table six.
"""

import math
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

_NAMES = {
    "tinyint": "tinyint",
    "utinyint": "smallint",
    "smallint": "smallint",
    "usmallint": "integer",
    "integer": "integer",
    "uinteger": "bigint",
    "bigint": "bigint",
    "ubigint": "bigint",
    "hugeint": "bigint",
    "uhugeint": "bigint",
    "float": "float",
    "double": "double",
    "decimal": "decimal",
    "varchar": "varchar",
    "boolean": "boolean",
    "blob": "varbinary",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamp_s": "timestamp",
    "timestamp_ms": "timestamp",
    "timestamp_ns": "timestamp",
    "timestamp with time zone": "timestamp with time zone",
    "interval": "interval day to second",
    "uuid": "varchar",
    "json": "json",
    "list": "array",
    "array": "array",
    "struct": "row",
    "map": "map",
    "null": "unknown",
    "enum": "varchar",
}
_PRECISIONS = {
    "tinyint": 3,
    "smallint": 5,
    "integer": 10,
    "bigint": 19,
    "float": 17,
    "double": 17,
    "varchar": 2147483647,
    "varbinary": 1073741824,
    "timestamp": 3,
    "timestamp with time zone": 3,
}
_DECIMALS = {"timestamp_s": 0, "timestamp_ms": 3}
_SMALLEST_PLAIN, _LARGEST_PLAIN = 1e-3, 1e7  # Java prints other doubles with an exponent


def column_info(name: str, kind: Any, table: str = "") -> dict[str, Any]:
    """A column of `ResultSetMetadata`.

    Args:
        name: as the result has it.
        kind: DuckDB's type.
        table: of which it is; Athena leaves it empty.
    """
    type_name = _NAMES.get(kind.id, "varchar")
    precision, scale = _PRECISIONS.get(type_name, 0), 0
    if type_name == "decimal":
        sizes = dict(kind.children)
        precision, scale = int(sizes["precision"]), int(sizes["scale"])
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": table,
        "Name": name,
        "Label": name,
        "Type": type_name,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": type_name == "varchar",
    }


def hive_type(kind: Any) -> str:
    """A type as Glue writes it: `bigint`, `string`, `array<int>`."""
    inner = dict(kind.children) if kind.id in {"list", "array", "struct", "map", "decimal"} else {}
    match kind.id:
        case "list" | "array":
            return f"array<{hive_type(inner['child'])}>"
        case "struct":
            fields = ",".join(f"{name}:{hive_type(one)}" for name, one in kind.children)
            return f"struct<{fields}>"
        case "map":
            return f"map<{hive_type(inner['key'])},{hive_type(inner['value'])}>"
        case "decimal":
            return f"decimal({inner['precision']},{inner['scale']})"
    name = _NAMES.get(kind.id, "varchar")
    return {
        "integer": "int",
        "varchar": "string",
        "varbinary": "binary",
        "timestamp with time zone": "timestamp",
        "json": "string",
        "unknown": "string",
    }.get(name, name)


def writer(kind: Any) -> Callable[[Any], str | None]:
    """What turns a value of a type into its text; NULL into None."""
    plain = _plain_writer(kind)
    return lambda value: None if value is None else plain(value)


def _plain_writer(kind: Any) -> Callable[[Any], str]:
    match kind.id:
        case "list" | "array":
            return _list_writer(writer(dict(kind.children)["child"]))
        case "struct":
            return _row_writer([(name, writer(one)) for name, one in kind.children])
        case "map":
            children = dict(kind.children)
            return _map_writer(writer(children["key"]), writer(children["value"]))
        case "float":
            return lambda value: _floating(value, _shortest_real(value))
        case "double":
            return lambda value: _floating(value, repr(value))
        case "timestamp_s" | "timestamp_ms" | "timestamp" | "timestamp_ns":
            decimals = _DECIMALS.get(kind.id, 6)
            return lambda value: _instant(value, decimals)
        case "timestamp with time zone":
            return lambda value: _instant(value.astimezone(UTC), 6) + " UTC"
        case _:
            return _scalar


def _scalar(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            return value.hex(" ")
        case Decimal():
            return f"{value:f}"
        case datetime():
            return _instant(value, 6)
        case date():
            return value.isoformat()
        case time():
            return value.isoformat(timespec="milliseconds")
        case _ if hasattr(value, "nanoseconds"):
            return _interval(value)
        case _:
            return str(value)


def _list_writer(one: Callable[[Any], str | None]) -> Callable[[Any], str]:
    return lambda values: "[" + ", ".join(_or_null(one(value)) for value in values) + "]"


def _row_writer(fields: list[tuple[str, Callable[[Any], str | None]]]) -> Callable[[Any], str]:
    def write(row: Any) -> str:
        return "{" + ", ".join(f"{n}={_or_null(one(row[n]))}" for n, one in fields) + "}"

    return write


def _map_writer(
    key: Callable[[Any], str | None], value: Callable[[Any], str | None]
) -> Callable[[Any], str]:
    def write(entries: Any) -> str:
        pairs = entries.items() if isinstance(entries, dict) else entries
        return "{" + ", ".join(f"{_or_null(key(k))}={_or_null(value(v))}" for k, v in pairs) + "}"

    return write


def _or_null(text: str | None) -> str:
    return "null" if text is None else text


def _instant(value: datetime, decimals: int) -> str:
    text = value.strftime("%Y-%m-%d %H:%M:%S") if value.year > 999 else str(value)[:19]
    return text + (f".{value.microsecond:06d}"[: decimals + 1] if decimals else "")


def _interval(value: Any) -> str:
    seconds, nanoseconds = divmod(value.nanoseconds, 1_000_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days = value.days + value.months * 30
    return f"{days} {hours:02d}:{minute:02d}:{second:02d}.{nanoseconds // 1_000_000:03d}"


def _shortest_real(value: float) -> str:
    """The fewest digits that give the same 32-bit number again."""
    if not math.isfinite(value):
        return repr(value)
    wanted = struct.pack("f", value)
    tries = (repr(float(f"{value:.{digits}g}")) for digits in range(1, 10))
    return next((text for text in tries if struct.pack("f", float(text)) == wanted), repr(value))


def _floating(value: float, shortest: str) -> str:
    """As Java's `Double.toString`: plain from 0.001 to 10,000,000, else `1.0E10`."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    size = abs(value)
    if size == 0 or _SMALLEST_PLAIN <= size < _LARGEST_PLAIN:
        return f"{Decimal(shortest):f}" if "e" in shortest else shortest
    sign, digits, exponent = Decimal(shortest).normalize().as_tuple()
    power = len(digits) - 1 + int(exponent)
    fraction = "".join(map(str, digits[1:])) or "0"
    return f"{'-' if sign else ''}{digits[0]}.{fraction}E{power}"
