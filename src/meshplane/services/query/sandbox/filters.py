"""Row filters: one expression over a table's own columns, checked on the engine's own tree."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb
import orjson

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import functions
from meshplane.services.query.sandbox.engine import Connection, identifier, scalar, serialise
from meshplane.services.query.sandbox.faults import fault
from meshplane.services.query.sandbox.gate import Gate, Node, Scope
from meshplane.services.query.sandbox.job import Column

FILTER_BYTES = 8 * 1024
_BEFORE = 'SELECT 1 FROM "t" WHERE\n'
_FRAMES: list[Node] = []  # the tree of the frame with `true` in it; the same in every engine
_LOCATIONS = ("query_location", "query_location_length")
_CLOSED = frozenset({"SUBQUERY", "WINDOW", "STAR", "PARAMETER"})
_TIMES = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
)
_FLOATS = frozenset({"DOUBLE", "FLOAT", "REAL"})
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "INT", "BIGINT", "HUGEINT"})


class Checked(NamedTuple):
    """A filter that passed: text that is safe between parentheses, and its tree."""

    text: str
    tree: Node


def _wrong(message: str) -> MeshplaneError:
    return fault("ROW_FILTER_INVALID", message)


class FilterGate(Gate):
    """The gate of a row filter: what a statement may hold, less all that is not one row's own."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__("")
        self._columns = {column.name.lower() for column in columns}
        self._variables: list[set[str]] = []

    def expression(self, node: Any, scope: Scope) -> None:
        """One expression; a lambda's own parameters are in sight within it."""
        if isinstance(node, dict) and node.get("class") in _CLOSED:
            raise _wrong("A row filter may not hold a subquery, a window, a star or a parameter.")
        if isinstance(node, dict) and node.get("class") == "LAMBDA":
            self._variables.append(_lambda_names(node.get("lhs")))
            super().expression(node, scope)
            self._variables.pop()
        else:
            super().expression(node, scope)

    def _column(self, node: Node) -> None:
        super()._column(node)
        first = str(node["column_names"][0])
        known = first.lower() in _TIMES or any(first.lower() in it for it in self._variables)
        if not known and first.lower() not in self._columns:
            raise _wrong(f"A row filter names “{first}”, which is not a column of its table.")

    def _call_allowed(self, node: Node) -> None:
        name = str(node["function_name"]).lower()
        if not functions.may_filter(name):
            raise self._refused(node, f"The function “{name}”")

    def _refused(self, node: Node, what: str) -> MeshplaneError:
        return _wrong(f"{what} may not be used in a row filter.")


def _lambda_names(node: Any) -> set[str]:
    if not isinstance(node, dict):
        return set()
    if node.get("class") == "COLUMN_REF":
        return {str(name).lower() for name in node["column_names"]}
    names: set[str] = set()
    for argument in node.get("arguments", ()):
        names |= _lambda_names(argument.get("expression"))
    return names


def bare(tree: Any) -> Any:
    """The tree without its places in the text."""
    if isinstance(tree, dict):
        return {name: bare(value) for name, value in tree.items() if name not in _LOCATIONS}
    if isinstance(tree, list):
        return [bare(value) for value in tree]
    return tree


def _frame(connection: Connection) -> Node:
    if not _FRAMES:
        _FRAMES.append(serialise(connection, _BEFORE + "true")["statements"][0])
    return _FRAMES[0]


def _where(connection: Connection, expression: str) -> Node:
    """The tree of the expression, if it is one and nothing but one."""
    tree = serialise(connection, _BEFORE + expression)
    frame = _frame(connection)
    if tree["error"] or len(tree["statements"]) != 1:
        raise _wrong("The row filter does not parse as one expression.")
    found = tree["statements"][0]
    found["named_param_map"] = []  # the gate tells of parameters, and refuses them
    clause: Node | None = found["node"].get("where_clause")
    if clause is not None:
        # Whatever it wrote besides a condition shows once the condition is taken out.
        found["node"]["where_clause"] = frame["node"]["where_clause"]
    if clause is None or bare(found) != bare(frame):
        raise _wrong("The row filter does not parse as one expression.")
    return clause


def checked(connection: Connection, expression: str, columns: Sequence[Column]) -> Checked:
    """Checks a row filter, and gives the text that is safe to embed with its tree.

    Raises:
        Invalid: `ROW_FILTER_INVALID`, with what to change.
    """
    if "\0" in expression or len(expression.encode(errors="surrogatepass")) > FILTER_BYTES:
        raise _wrong(f"A row filter has at most {FILTER_BYTES} bytes and no NUL character.")
    try:
        tree = _where(connection, expression)
        FilterGate(columns).expression(tree, frozenset())
        # On a line of its own a comment at its end cannot take the parenthesis with it.
        text = f"(\n{expression}\n)"
        if not _is_condition(tree):
            _check_boolean(connection, text, columns)
        return Checked(text, tree)
    except duckdb.Error as error:
        raise _misfit() from error
    except MeshplaneError as error:
        if error.code == "ROW_FILTER_INVALID":
            raise
        raise _wrong("The row filter is nested too deeply.") from error


def canonical(connection: Connection, expression: str, columns: Sequence[Column]) -> str:
    """Checks a row filter and writes it as the engine writes its tree: no comments, one spelling.

    Raises:
        Invalid: `ROW_FILTER_INVALID`, with what to change.
    """
    tree = checked(connection, expression, columns).tree
    whole = serialise(connection, "SELECT 1")
    whole["statements"][0]["node"]["select_list"] = [tree]
    try:
        tree_text = orjson.dumps(whole).decode()
        text = scalar(connection, "SELECT json_deserialize_sql($1::JSON)", tree_text)
        text = text.removeprefix("SELECT ")
        if bare(_where(connection, f"({text})")) != bare(tree):
            raise _wrong("The row filter cannot be written back as it was read; simplify it.")
        _check_boolean(connection, f"({text})", columns)
    except duckdb.Error as error:
        raise _misfit() from error
    if len(text.encode()) > FILTER_BYTES:
        # It is checked again each time it is used, under the same limit.
        raise _wrong("The row filter is too long once it is written out; simplify it.")
    return text


def _misfit() -> MeshplaneError:
    return _wrong("The row filter does not fit its table: check its columns, types and functions.")


def _check_boolean(connection: Connection, text: str, columns: Sequence[Column]) -> None:
    """Binds the filter over an empty table of these columns."""
    nulls = ", ".join(
        f"CAST(NULL AS {column.sql_type}) AS {identifier(column.name)}" for column in columns
    )
    # The text went through the filter's gate, and the names are quoted.
    bound = connection.sql(f"SELECT {text} FROM (SELECT {nulls} WHERE false)")  # noqa: S608
    if str(bound.types[0]) != "BOOLEAN":
        raise _wrong("A row filter must be a condition: its value is not true or false.")


def _is_condition(tree: Node) -> bool:
    """Does its form alone say that it is true or false?"""
    return tree["class"] in ("COMPARISON", "CONJUNCTION", "BETWEEN") or tree["type"] in (
        "OPERATOR_NOT",
        "OPERATOR_IS_NULL",
        "OPERATOR_IS_NOT_NULL",
        "COMPARE_IN",
        "COMPARE_NOT_IN",
    )


def never_fails(tree: Node, columns: Sequence[Column]) -> bool:
    """Is the filter made of what cannot fail on any row?

    That is: comparisons of a column with a literal that is cast to the column's type, or needs no
    cast, and what joins them.
    Such a filter needs no TRY around it, and so the engine can skip row groups by it.
    """
    types = {column.name.lower(): column.sql_type.upper() for column in columns}

    def operand(node: Node) -> str | None:
        if node["class"] == "COLUMN_REF" and len(node["column_names"]) == 1:
            return types.get(str(node["column_names"][0]).lower())
        return None

    def suits(node: Node, sql_type: str) -> bool:
        if node["class"] != "CONSTANT":
            return operand(node) == sql_type
        kind = node["literal"]["kind"]
        if kind in ("INTEGER", "NUMERIC"):
            # A decimal may be too wide for the common type of the two, and its cast then fails.
            return sql_type in _FLOATS or (kind == "INTEGER" and sql_type in _INTEGERS)
        return kind in ("STRING", "NULL_LITERAL") or (kind, sql_type) == ("BOOLEAN", "BOOLEAN")

    def safe(node: Node) -> bool:
        kind = node["class"]
        if kind == "CONJUNCTION" or node["type"] == "OPERATOR_NOT":
            return all(safe(child) for child in node["children"])
        sides: tuple[Node, ...]
        if kind == "COMPARISON":
            sides = (node["left"], node["right"])
        elif kind == "BETWEEN":
            sides = (node["input"], node["lower"], node["upper"])
        elif node["type"] in (
            "COMPARE_IN",
            "COMPARE_NOT_IN",
            "OPERATOR_IS_NULL",
            "OPERATOR_IS_NOT_NULL",
        ):
            sides = tuple(node["children"])
        else:
            return operand(node) == "BOOLEAN"
        found = next((operand(side) for side in sides if operand(side)), None)
        return found is not None and all(suits(side, found) for side in sides)

    return safe(tree)
