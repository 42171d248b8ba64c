"""Row filters: one expression over a table's own columns, checked on the engine's own tree."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import duckdb
import orjson

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import filter_functions, functions
from meshplane.services.query.sandbox.engine import Connection, identifier, scalar, serialise
from meshplane.services.query.sandbox.faults import fault
from meshplane.services.query.sandbox.gate import Gate, Node, Scope
from meshplane.services.query.sandbox.job import CheckedFilter, Column

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
    """A filter that passed: text that is safe between parentheses, its tree, and whose it is.

    `named` are the columns that it names; `asks` says that it asks about the caller, so that its
    text is nothing for the engine yet.
    """

    text: str
    tree: Node
    named: tuple[Column, ...]
    asks: bool


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose query a filter is for: `user:…`, and the names of his groups."""

    principal: str = ""
    groups: frozenset[str] = field(default_factory=frozenset)


_ANYBODY = Asker("user:anybody")
_MOST_CHECKED = 256
_CHECKED: dict[tuple[str, tuple[Column, ...]], Checked] = {}  # the same in every engine, too


def _wrong(message: str) -> MeshplaneError:
    return fault("ROW_FILTER_INVALID", message)


class FilterGate(Gate):
    """The gate of a row filter: what a statement may hold, less all that is not one row's own."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__("")
        self._columns = {column.policy_name.lower(): column for column in columns}
        self._variables: list[set[str]] = []
        self.named: dict[Column, None] = {}

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
        column = self._columns.get(first.lower())
        if column is not None:
            self.named[column] = None
        elif not known:
            raise _wrong(f"A row filter names “{first}”, which is not a column of its table.")

    def _call_allowed(self, node: Node) -> None:
        name = str(node["function_name"]).lower()
        if name in filter_functions.NAMES:
            problem = filter_functions.problem(node)
            if problem is not None:
                raise _wrong(problem)
        elif not functions.may_filter(name):
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
    key = (expression, tuple(columns))
    found = _CHECKED.get(key)
    if found is None:
        found = _checked(connection, expression, columns)
        if len(_CHECKED) >= _MOST_CHECKED:
            _CHECKED.clear()
        _CHECKED[key] = found
    return found


def _checked(connection: Connection, expression: str, columns: Sequence[Column]) -> Checked:
    if "\0" in expression or len(expression.encode(errors="surrogatepass")) > FILTER_BYTES:
        raise _wrong(f"A row filter has at most {FILTER_BYTES} bytes and no NUL character.")
    try:
        tree = _where(connection, expression)
        gate = FilterGate(columns)
        gate.expression(tree, frozenset())
        # On a line of its own a comment at its end cannot take the parenthesis with it.
        text = f"(\n{expression}\n)"
        found = Checked(text, tree, tuple(gate.named), filter_functions.asks(tree))
        if not _is_condition(tree):
            _check_boolean(connection, bindable(connection, found, _ANYBODY), columns)
        return found
    except duckdb.Error as error:
        raise _misfit() from error
    except MeshplaneError as error:
        if error.code == "ROW_FILTER_INVALID":
            raise
        raise _wrong("The row filter is nested too deeply.") from error


def bindable(connection: Connection, found: Checked, asker: Asker) -> str:
    """The filter for one caller, as text that the engine understands, in parentheses.

    Raises:
        Invalid: `ROW_FILTER_INVALID`, it cannot be written for him.
        duckdb.Error: the same.
    """
    if not found.asks:
        return found.text
    tree = filter_functions.answered(found.tree, asker.principal, asker.groups)
    return f"({written(connection, tree)})"


def embedded(
    connection: Connection, found: Checked, columns: Sequence[Column], asker: Asker
) -> str:
    """The filter for one caller, as text that fails on no row.

    Raises:
        Invalid: `ROW_FILTER_INVALID`, it cannot be written for him.
    """
    try:
        text = bindable(connection, found, asker)
    except duckdb.Error as error:
        raise _misfit() from error
    tree = found.tree
    if found.asks:
        tree = filter_functions.answered(tree, asker.principal, asker.groups)
    return text if never_fails(tree, columns) else f"TRY({text})"


def binding(
    connection: Connection,
    expressions: Sequence[str],
    columns: Sequence[Column],
    asker: Asker,
) -> frozenset[str]:
    """Those of the stored filters that fit these columns still.

    They are tried all at once, as they nearly always fit, and one by one only if they do not.
    """
    texts: dict[str, str] = {}
    for expression in expressions:
        try:
            found = checked(connection, expression, columns)
            texts[expression] = embedded(connection, found, columns, asker)
        except (MeshplaneError, duckdb.Error):
            continue  # it is left out of what is given
    if _fits(connection, ", ".join(texts.values()) or "true", columns):
        return frozenset(texts)
    return frozenset(it for it, text in texts.items() if _fits(connection, text, columns))


def _fits(connection: Connection, text: str, columns: Sequence[Column]) -> bool:
    try:
        _try_on_nulls(connection, text, columns)
    except duckdb.Error:
        return False
    return True


def written(connection: Connection, tree: Node) -> str:
    """The text of an expression's tree as the engine writes it.

    Raises:
        Invalid: `ROW_FILTER_INVALID`, the text reads otherwise than the tree.
        duckdb.Error: the engine cannot write it.
    """
    whole = serialise(connection, "SELECT 1")
    whole["statements"][0]["node"]["select_list"] = [tree]
    tree_text = orjson.dumps(whole).decode()
    text = scalar(connection, "SELECT json_deserialize_sql($1::JSON)", tree_text)
    text = text.removeprefix("SELECT ")
    if bare(_where(connection, f"({text})")) != bare(tree):
        raise _wrong("The row filter cannot be written back as it was read; simplify it.")
    return text


def canonical(connection: Connection, expression: str, columns: Sequence[Column]) -> CheckedFilter:
    """Checks a row filter and writes it as the engine writes its tree: no comments, one spelling.

    Raises:
        Invalid: `ROW_FILTER_INVALID`, with what to change.
    """
    found = checked(connection, expression, columns)
    try:
        text = written(connection, found.tree)
        tried = bindable(connection, found, _ANYBODY) if found.asks else f"({text})"
        _check_boolean(connection, tried, columns)
        _try_on_nulls(connection, embedded(connection, found, columns, _ANYBODY), columns)
    except duckdb.Error as error:
        raise _misfit() from error
    if len(text.encode()) > FILTER_BYTES:
        # It is checked again each time it is used, under the same limit.
        raise _wrong("The row filter is too long once it is written out; simplify it.")
    return CheckedFilter(text, found.named)


def _misfit() -> MeshplaneError:
    return _wrong("The row filter does not fit its table: check its columns, types and functions.")


def _check_boolean(connection: Connection, text: str, columns: Sequence[Column]) -> None:
    """Binds the filter over an empty table of these columns."""
    # The text went through the filter's gate, and the names are quoted.
    bound = connection.sql(f"SELECT {text} FROM ({_nothing(columns)})")  # noqa: S608
    if str(bound.types[0]) != "BOOLEAN":
        raise _wrong("A row filter must be a condition: its value is not true or false.")


def _try_on_nulls(connection: Connection, text: str, columns: Sequence[Column]) -> None:
    """Runs filters over one row without values: what fails there is a constant that misfits.

    Args:
        connection: any engine.
        text: one that is ready to embed, or several with commas between them.
        columns: of their table.

    Raises:
        duckdb.Error: one of them does not fit its columns.
    """
    cells = ", ".join(f"CAST(NULL AS {column.sql_type})" for column in columns)
    names = ", ".join(identifier(column.policy_name) for column in columns)
    # The text went through the filter's gate, and the names are quoted.
    row = f"(VALUES ({cells})) AS t({names})"
    connection.execute(f"SELECT {text} FROM {row}").fetchall()  # noqa: S608


def _nothing(columns: Sequence[Column]) -> str:
    nulls = ", ".join(
        f"CAST(NULL AS {column.sql_type}) AS {identifier(column.policy_name)}" for column in columns
    )
    return f"SELECT {nulls} WHERE false"


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
    types = {column.policy_name.lower(): column.sql_type.upper() for column in columns}

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
        if kind == "CONSTANT":
            return bool(node["literal"]["kind"] == "BOOLEAN")
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
