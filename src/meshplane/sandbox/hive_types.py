"""Types as Glue writes them, `array<decimal(10,2)>`, and what they are in Arrow and in Iceberg."""

from typing import Any

import pyarrow as pa

_PLAIN = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "varchar": pa.string(),
    "char": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("ms"),
}


def arrow_type(text: str) -> Any:
    """A type of Glue's in Arrow. Timestamps have three decimals, as Athena reads Hive's.

    Raises:
        ValueError: there is no such type.
    """
    name, inner = _split(text.strip().lower())
    match name:
        case "array":
            return pa.list_(arrow_type(inner))
        case "map":
            key, value = _parts(inner)
            return pa.map_(arrow_type(key), arrow_type(value))
        case "struct":
            fields = [part.split(":", 1) for part in _parts(inner)]
            return pa.struct([(field, arrow_type(kind)) for field, kind in fields])
        case "decimal":
            precision, scale = (*_parts(inner), "0")[:2] if inner else ("10", "0")
            return pa.decimal128(int(precision), int(scale))
    if name not in _PLAIN:
        raise ValueError(f"there is no type {name}")
    return _PLAIN[name]


def hive_type_of_arrow(kind: Any) -> str:
    """An Arrow type as Glue has it; `string` for what Hive does not know."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"array<{hive_type_of_arrow(kind.value_type)}>"
    if pa.types.is_map(kind):
        return f"map<{hive_type_of_arrow(kind.key_type)},{hive_type_of_arrow(kind.item_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{one.name}:{hive_type_of_arrow(one.type)}' for one in kind)}>"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    return next((name for name, plain in _PLAIN.items() if plain == kind), "string")


def hive_type_of_iceberg(text: str) -> str:
    """An Iceberg type, as its schema writes plain ones, as Glue has it: `long` is `bigint`."""
    name, _ = _split(text)
    return {
        "long": "bigint",
        "timestamptz": "timestamp",
        "uuid": "string",
        "time": "string",
        "fixed": "binary",
    }.get(name, text.replace(" ", ""))


def _split(text: str) -> tuple[str, str]:
    for opening, closing in (("<", ">"), ("(", ")")):
        name, found, rest = text.partition(opening)
        if found and rest.endswith(closing) and not any(sign in name for sign in "<("):
            return name.strip(), rest[:-1]
    return text, ""


def _parts(text: str) -> list[str]:
    """Splits at the commas that are not inside brackets."""
    parts, depth, start = [], 0, 0
    for index, sign in enumerate(text):
        if sign in "<(":
            depth += 1
        elif sign in ">)":
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    return [*parts, text[start:].strip()]
