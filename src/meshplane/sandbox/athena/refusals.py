"""Why a query fails, as Athena says it.

`StateChangeReason` begins with Trino's error name, and then says where in the text. `AthenaError`
has a category (1 the system's, 2 the user's, 3 other) and a type out of Athena's error catalogue;
of the types, the general ones are used: which finer one AWS gives needs AWS to be seen.
"""

import re

from sqlglot import exp

USER, OTHER = 2, 3
_SYNTAX, _ACCESS, _MISSING, _GENERAL = 1006, 1105, 1100, 1

_NO_COLUMN = (
    re.compile(r'Referenced column "(?P<name>[^"]+)" not found'),
    re.compile(r'does not have a column named "(?P<name>[^"]+)"'),
    re.compile(r'Column "(?P<name>[^"]+)" referenced .* but'),
)
_NO_FUNCTION = re.compile(r"Function with name (?P<name>\S+) does not exist")


class QueryFailed(Exception):
    """The query ends as FAILED.

    Args:
        reason: what `StateChangeReason` says.
        category: of `AthenaError`.
        error_type: of `AthenaError`.
    """

    def __init__(self, reason: str, category: int = USER, error_type: int = _SYNTAX) -> None:
        super().__init__(reason)
        self.reason, self.category, self.error_type = reason, category, error_type


def place_of(node: exp.Expr | None) -> str:
    """`line 1:15`, where the first name in a part of the text stands; 1:1 when it is not known."""
    names = [] if node is None else [x for x in node.find_all(exp.Identifier) if "line" in x.meta]
    if not names:
        return "line 1:1"
    first = min(names, key=lambda name: int(name.meta["start"]))
    length = first.meta["end"] - first.meta["start"] + 1
    return f"line {first.meta['line']}:{max(1, first.meta['col'] - length + 1)}"


def no_table(catalog: str, database: str, name: str, node: exp.Expr) -> QueryFailed:
    """There is no such table."""
    return QueryFailed(
        f"TABLE_NOT_FOUND: {place_of(node)}: Table '{catalog}.{database}.{name}' does not exist",
        error_type=_MISSING,
    )


def no_schema(database: str, node: exp.Expr) -> QueryFailed:
    """There is no such database."""
    return QueryFailed(
        f"SCHEMA_NOT_FOUND: {place_of(node)}: Schema '{database}' does not exist",
        error_type=_MISSING,
    )


def no_access() -> QueryFailed:
    """Lake Formation lets the caller do nothing with the table."""
    return QueryFailed(
        "Insufficient permissions to execute the query. Principal does not have any privilege on "
        "specified resource",
        error_type=_ACCESS,
    )


def no_columns(node: exp.Expr) -> QueryFailed:
    """The table is known to the caller, but no column of it can be read."""
    return QueryFailed(
        f"COLUMN_NOT_FOUND: {place_of(node)}: Relation contains no accessible columns",
        error_type=_ACCESS,
    )


def of_engine(error: Exception, tree: exp.Expr) -> QueryFailed:
    """What the engine says, in Athena's words; what has none is a general failure."""
    told = str(error).split("\n", 1)[0]
    for pattern in _NO_COLUMN:
        if match := pattern.search(told):
            name = match["name"]
            node = next(
                (one for one in tree.find_all(exp.Column) if one.name.lower() == name.lower()), None
            )
            where = place_of(node.this if node is not None else None)
            return QueryFailed(
                f"COLUMN_NOT_FOUND: {where}: Column '{name}' cannot be resolved or requester is "
                "not authorized to access requested resources"
            )
    if match := _NO_FUNCTION.search(told):
        return QueryFailed(
            f"FUNCTION_NOT_FOUND: line 1:1: Function '{match['name']}' not registered"
        )
    kind = type(error).__name__
    if "ivision by zero" in told:
        return QueryFailed("DIVISION_BY_ZERO: / by zero", error_type=_GENERAL)
    if kind == "ConversionException":
        return QueryFailed(f"INVALID_CAST_ARGUMENT: {told}", error_type=_GENERAL)
    if kind in {"BinderException", "ParserException", "CatalogException"}:
        return QueryFailed(f"SYNTAX_ERROR: line 1:1: {told}")
    return QueryFailed(f"GENERIC_USER_ERROR: {told}", OTHER, _GENERAL)
