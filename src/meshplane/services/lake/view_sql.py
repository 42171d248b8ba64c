"""The SQL of a view that masks columns, as Athena runs it. Pure.

Athena's engine is Trino: names stand in double quotes, texts in single ones. Each mask shows what
the same mask shows here; a keyed hash is the one that cannot be made there without its key.
"""

from collections.abc import Mapping, Sequence

from meshplane.services.permissions.api import MaskRule, RowFilter


def view_sql(
    table: tuple[str, str],
    shown: Sequence[str],
    types: Mapping[str, str],
    masks: Mapping[str, MaskRule],
    rows: RowFilter | None,
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The view's SELECT.

    Args:
        table: what it reads: the database, and the table in it.
        shown: the columns, in order.
        types: of the columns, in DuckDB's words.
        masks: by column.
        rows: which rows; None is all.

    Returns:
        The statement, the columns that it shows, and those that no view can show.
    """
    lines, kept, hidden = [], [], []
    for name in shown:
        mask = masks.get(name)
        masked = _quoted(name) if mask is None else _masked(name, mask, types.get(name, "VARCHAR"))
        if masked is None:
            hidden.append(name)
            continue
        kept.append(name)
        lines.append(masked if mask is None else f"{masked} AS {_quoted(name)}")
    where = "" if rows is None else f"\nWHERE {rows.text}"
    columns = ",\n    ".join(lines)
    sql = f"SELECT\n    {columns}\nFROM {_quoted(table[0])}.{_quoted(table[1])}{where}"
    return sql, tuple(kept), tuple(hidden)


def _masked(name: str, mask: MaskRule, sql_type: str) -> str | None:
    column = _quoted(name)
    match mask.kind:
        case "none":
            return column
        case "null":
            return f"CAST(NULL AS {_type(sql_type)})"
        case "constant":
            return f"IF({column} IS NULL, NULL, {_text(mask.value or '')})"
        case "truncate":
            return f"date_trunc({_text(mask.unit or 'year')}, {column})"
        case "round":
            return f"CAST(round({column}, {mask.digits or 0}) AS {_type(sql_type)})"
        case "partial":
            return _partial(column, mask)
        case _:
            return None


def _partial(column: str, mask: MaskRule) -> str:
    """The ends of a text; one that is no longer than what would be kept is masked whole."""
    first, last, fill = mask.keep_first, mask.keep_last, _text(mask.fill)
    middle = f"rpad('', length({column}) - {first + last}, {fill})"
    head = f"substr({column}, 1, {first})" if first else "''"
    tail = f"substr({column}, -{last})" if last else "''"
    return (
        f"IF(length({column}) <= {first + last}, rpad('', length({column}), {fill}), "
        f"{head} || {middle} || {tail})"
    )


_TYPES = {
    "VARCHAR": "varchar",
    "BLOB": "varbinary",
    "FLOAT": "real",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "TIMESTAMPTZ": "timestamp with time zone",
}


def _type(sql_type: str) -> str:
    return _TYPES.get(sql_type.upper(), sql_type.lower())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
