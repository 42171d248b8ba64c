"""Rules over two tables: the primary one, and an additional data source by its alias."""

import re

from meshplane.sandbox.glue_quality.measures import CannotEvaluate, Measured, quoted

Others = dict[str, Measured]
_AGGREGATE = re.compile(r"\s*(\w+)\s*\(\s*(.+?)\s*\)\s*")
_FUNCTIONS = frozenset({"avg", "count", "max", "min", "sum"})


def row_count_match(parameters: tuple[str, ...], table: Measured, others: Others) -> float:
    """The rows of the primary table for each row of the other.

    Raises:
        CannotEvaluate: there is no such data source.
    """
    other = _other(parameters[0], others).rows()
    rows = table.rows()
    if other == 0:
        return 1.0 if rows == 0 else 0.0
    return rows / other


def referential_integrity(parameters: tuple[str, ...], table: Measured, others: Others) -> float:
    """The part of the rows whose values are found in the other table.

    Raises:
        CannotEvaluate: there is no such data source or column, or their numbers differ.
    """
    columns = [table.column(name.strip()) for name in parameters[0].split(",")]
    alias, _, rest = parameters[1].partition(".")
    other = _other(alias, others)
    theirs = [other.column(name.strip()) for name in rest.strip("{}").split(",")]
    if len(columns) != len(theirs):
        raise CannotEvaluate("The number of columns differs between the two datasets")
    return _found(table, other, list(zip(columns, theirs, strict=True)))


def aggregate_match(parameters: tuple[str, ...], table: Measured, others: Others) -> float:
    """The quotient of two aggregates; of two zeros 1.

    Raises:
        CannotEvaluate: there is no such data source or column, or no such aggregate.
    """
    first = _aggregate(parameters[0], table, others)
    second = _aggregate(parameters[1], table, others)
    if second == 0:
        if first == 0:
            return 1.0
        raise CannotEvaluate("The second aggregate is zero")
    return first / second


def dataset_match(parameters: tuple[str, ...], table: Measured, others: Others) -> float:
    """The part of the rows for which the other has one of the same key and the same values.

    Raises:
        CannotEvaluate: there is no such data source or column.
    """
    other = _other(parameters[0], others)
    keys = _pairs(parameters[1], table, other)
    if len(parameters) > 2:
        values = _pairs(parameters[2], table, other)
    else:
        own_keys = {own for own, _ in keys}
        both = [name for name in table.columns if name in other.columns]
        values = [(quoted(n), quoted(n)) for n in both if quoted(n) not in own_keys]
    return _found(table, other, [*keys, *values])


def _found(table: Measured, other: Measured, pairs: list[tuple[str, str]]) -> float:
    same = " AND ".join(f"p.{own} IS NOT DISTINCT FROM o.{theirs}" for own, theirs in pairs)
    total = table.rows()
    found = table.fetch(
        f"SELECT count(*) FROM {table.source()} p WHERE EXISTS "  # noqa: S608 - names are quoted
        f"(SELECT 1 FROM {other.source()} o WHERE {same})"
    )[0][0]
    return found / total if total else 1.0


def _pairs(text: str, table: Measured, other: Measured) -> list[tuple[str, str]]:
    """`a->b, c`: a column of the one, and which it is in the other."""
    found = []
    for piece in text.split(","):
        own, arrow, theirs = piece.strip().partition("->")
        found.append((table.column(own), other.column(theirs if arrow else own)))
    return found


def _aggregate(text: str, table: Measured, others: Others) -> float:
    match = _AGGREGATE.fullmatch(text)
    if match is None or match[1].lower() not in _FUNCTIONS:
        raise CannotEvaluate("The aggregate could not be parsed")
    name, over = match[2].strip('"'), table
    alias, dot, rest = name.partition(".")
    if dot and alias in others:
        over, name = others[alias], rest
    elif dot and alias == "primary":
        name = rest
    found = over.value(f"{match[1].lower()}({over.column(name)})")
    return float(found or 0)


def _other(alias: str, others: Others) -> Measured:
    if alias not in others:
        raise CannotEvaluate(f"Reference dataset {alias} was not found")
    return others[alias]
