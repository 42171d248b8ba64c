"""`ColumnDataType`: whether a text can be read as a type."""

import re

from meshplane.sandbox.glue_quality.measures import CannotEvaluate, Measured, text_literal

_TYPES = {
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
    "INTEGER": "INTEGER",
    "INT": "INTEGER",
    "LONG": "BIGINT",
    "DOUBLE": "DOUBLE",
    "FLOAT": "FLOAT",
}
_DECIMAL = re.compile(r"DECIMAL\(\s*(\d+)\s*,\s*(\d+)\s*\)")
# Java's letters of a date format, by how often they stand, in strftime's.
_LETTERS = {
    "yyyy": "%Y",
    "yy": "%y",
    "MM": "%m",
    "dd": "%d",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
}


def type_fits(table: Measured, name: str, wanted: str, form: str | None) -> str:
    """SQL that is true in the rows whose value can be read as a type.

    Args:
        table: to look at.
        name: the column's.
        wanted: the type, as DQDL writes it.
        form: of a date, as Java writes it, or None for ISO 8601.

    Raises:
        CannotEvaluate: there is no such column, type or form.
    """
    text = f"CAST({table.column(name)} AS VARCHAR)"
    kind = wanted.strip().upper()
    if kind == "STRING":
        return "TRUE"
    if match := _DECIMAL.fullmatch(kind):
        return f"TRY_CAST({text} AS DECIMAL({match[1]}, {match[2]})) IS NOT NULL"
    if kind not in _TYPES:
        raise CannotEvaluate(f"Unsupported data type: {wanted}")
    if form is not None and kind in {"DATE", "TIMESTAMP"}:
        return f"TRY_STRPTIME({text}, {text_literal(_form(form))}) IS NOT NULL"
    return f"TRY_CAST({text} AS {_TYPES[kind]}) IS NOT NULL"


def _form(form: str) -> str:
    written = []
    for piece in re.findall(r"([A-Za-z])(\1*)|([^A-Za-z])", form):
        letters = piece[0] + piece[1]
        if letters and letters not in _LETTERS:
            raise CannotEvaluate("Unsupported date format")
        written.append(_LETTERS.get(letters, piece[2].replace("%", "%%")))
    return "".join(written)
