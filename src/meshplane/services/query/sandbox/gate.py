"""The gate: walks the engine's own parse tree and refuses whatever is not on a positive list.

It decides on the tree that the engine will run, so that quoting, comments, case and Unicode cannot
make the two disagree. What it lets through may still fail to bind; it may not do anything but read
the named tables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import functions, grammar
from meshplane.services.query.sandbox.faults import refused
from meshplane.services.query.sandbox.job import RelationName

Node = dict[str, Any]
Scope = frozenset[str]  # the names of the common table expressions in sight, in lower case

_NOWHERE = 2**64 - 1
_ENGINE_SCHEMAS = frozenset({"information_schema", "pg_catalog", "system", "temp", "memory"})
_ENGINE_NAMES = ("duckdb_", "pragma_", "sqlite_", "pg_")
_FILE_CHARACTERS = frozenset("/\\*?[]:.")
_PSEUDO_COLUMNS = frozenset({"rowid", "file_row_number", "file_index"})
_SESSION_COLUMNS = frozenset(
    {"current_catalog", "current_role", "current_schema", "current_user", "session_user"}
)


@dataclass(frozen=True, slots=True)
class Gated:
    """What a statement that passed needs: its tables and its parameters, as it names them."""

    relations: tuple[RelationName, ...]
    parameters: frozenset[str]


def place(sql: str, offset: int) -> str:
    """Where a byte offset of the text is, as ` (line 1, column 8)`; nothing if it has none."""
    raw = sql.encode()
    if not 0 <= offset <= len(raw):
        return ""
    before = raw[:offset].decode(errors="replace")
    column = len(before) - (before.rfind("\n") + 1) + 1
    return f" (line {before.count(chr(10)) + 1}, column {column})"


class Gate:
    """One walk over one statement.

    Args:
        sql: the text that the tree came from, for the places in our messages.
    """

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._relations: dict[RelationName, None] = {}
        self._parameters: set[str] = set()
        self._kinds: dict[str, Callable[[Any, Scope, Node], None]] = {
            "plain": self._plain,
            "literal": self._literal,
            "empty": self._empty,
            "path": self._path,
            "plain_path": lambda value, scope, owner: None,  # compared in _base_table
            "names": self._names,
            "expr": lambda value, scope, owner: self.expression(value, scope),
            "exprs": self._each(self.expression),
            "args": self._arguments,
            "order": self._order,
            "orders": self._each(self._order_term),
            "query": lambda value, scope, owner: self._subquery(value, scope),
            "node": lambda value, scope, owner: self.query(value, scope),
            "nodes": self._each(self.query),
            "table": lambda value, scope, owner: self.table(value, scope),
            "ctes": lambda value, scope, owner: None,  # walked first, in query()
            "modifiers": self._each(self._modifier),
            "cases": self._cases,
            "replacements": self._replacements,
            "pivots": self._pivots,
            "rows": self._rows,
            "call": self._table_function,
            "sample": self._sample,
            "at": self._at,
            "join_type": self._join_type,
            "ref_type": self._ref_type,
        }

    def statement(self, tree: Node) -> Gated:
        """Walks one entry of `statements` of the serialised tree.

        Raises:
            Refused: something in it is not on a positive list.
        """
        self._subquery(tree, frozenset())
        return Gated(tuple(self._relations), frozenset(self._parameters))

    # --- query nodes ---

    def _subquery(self, wrapped: Any, scope: Scope) -> None:
        if not isinstance(wrapped, dict) or set(wrapped) - {"node", "named_param_map"}:
            raise self._unknown(wrapped)
        self.query(wrapped["node"], scope)

    def query(self, node: Any, scope: Scope) -> None:
        """A SELECT, a set operation, or the body of a recursive WITH."""
        fields = self._shape(node, grammar.QUERIES, own={"type"})
        for entry in node["cte_map"]["map"]:
            scope = self._cte(entry, scope)
        if node["type"] == "RECURSIVE_CTE_NODE":
            scope |= {node["cte_name"].lower()}
        self._walk(node, fields, scope)

    def _cte(self, entry: Any, scope: Scope) -> Scope:
        if set(entry) != {"key", "value"}:
            raise self._unknown(entry)
        value = entry["value"]
        known = {"aliases", "materialized", "key_targets", "payload_aggregates", "query_node"}
        if set(value) - known:
            raise self._unknown(value)
        self.query(value["query_node"], scope)
        for target in (*value["key_targets"], *value["payload_aggregates"]):
            self.expression(target, scope)
        return scope | {entry["key"].lower()}

    def _modifier(self, node: Any, scope: Scope) -> None:
        self._walk(node, self._shape(node, grammar.MODIFIERS, own={"type"}), scope)

    def _order(self, node: Any, scope: Scope, owner: Node) -> None:
        self._modifier(node, scope)

    def _order_term(self, node: Any, scope: Scope) -> None:
        known = {"type", "null_order", "expression"}
        if set(node) != known or node["type"] not in grammar.ORDERS:
            raise self._unknown(node)
        self.expression(node["expression"], scope)

    # --- table references ---

    def table(self, node: Any, scope: Scope) -> None:
        """Whatever may stand in FROM."""
        fields = self._shape(node, grammar.TABLES, own=grammar.COMMON - {"class"})
        self._walk(node, fields, scope)
        if node["type"] == "BASE_TABLE":
            self._base_table(node, scope)

    def _base_table(self, node: Node, scope: Scope) -> None:
        schema, name = node["schema_name"], node["table_name"]
        if node["catalog_name"]:
            raise self._refused(node, "A table name with a catalogue in front")
        path = [schema, name] if schema else [name]
        if node["qualified_name"] != {"path": path}:
            raise self._refused(node, "A table name of more than schema and table")
        if schema == "recurring" and name.lower() in scope:
            return
        if schema.lower() in _ENGINE_SCHEMAS or name.lower().startswith(_ENGINE_NAMES):
            raise self._refused(node, "Reading the engine's own catalogue")
        if _FILE_CHARACTERS & set(name + schema):
            raise self._refused(node, "A file, a path or a pattern in place of a table")
        if schema or name.lower() not in scope:
            self._relations[RelationName(schema or None, name)] = None

    def _table_function(self, node: Any, scope: Scope, owner: Node) -> None:
        if node.get("class") != "FUNCTION":
            raise self._unknown(node)
        name = str(node["function_name"]).lower()
        if name not in functions.TABLE_FUNCTIONS:
            raise self._refused(owner, f"The table function “{name}”")
        self._walk(node, self._expression_fields(node), scope)

    def _sample(self, value: Any, scope: Scope, owner: Node) -> None:
        if value:
            # Sampling may be pushed below the row filter: which rows it takes tells of hidden ones.
            raise self._refused(owner, "TABLESAMPLE and USING SAMPLE")

    def _at(self, value: Any, scope: Scope, owner: Node) -> None:
        if value:
            raise self._refused(owner, "Reading an older version with AT")

    def _join_type(self, value: Any, scope: Scope, owner: Node) -> None:
        if value not in grammar.JOIN_TYPES:
            raise self._refused(owner, "This kind of join")

    def _ref_type(self, value: Any, scope: Scope, owner: Node) -> None:
        if value not in grammar.REF_TYPES:
            raise self._refused(owner, grammar.CONSTRUCTS.get(value, "This kind of join"))

    def _pivots(self, value: Any, scope: Scope, owner: Node) -> None:
        known = {"pivot_expressions", "unpivot_names", "entries", "pivot_enum"}
        for pivot in value:
            if set(pivot) - known or pivot["pivot_enum"]:
                raise self._unknown(pivot)
            self._plain(pivot["unpivot_names"], scope, pivot)
            for expression in pivot["pivot_expressions"]:
                self.expression(expression, scope)
            for entry in pivot["entries"]:
                if set(entry) - {"values", "star_expr", "alias"} or entry["values"]:
                    raise self._unknown(entry)
                self.expression(entry["star_expr"], scope)

    def _rows(self, value: Any, scope: Scope, owner: Node) -> None:
        for row in value:
            for expression in row:
                self.expression(expression, scope)

    # --- expressions ---

    def expression(self, node: Any, scope: Scope) -> None:
        """Any expression, or None where one is optional."""
        if node is None:
            return
        fields = self._expression_fields(node)
        kind = node["class"]
        if kind == "FUNCTION":
            self._function(node)
        elif kind == "WINDOW":
            self._call_allowed(node)
        elif kind == "COLUMN_REF":
            self._column(node)
        elif kind == "TYPE":
            self._type(node)
        elif kind == "COLLATE":
            if not str(node["collation"]).replace(".", "").replace("_", "").isalpha():
                raise self._refused(node, "This collation")
        elif kind == "PARAMETER":
            self._parameters.add(str(node["identifier"]))
        self._walk(node, fields, scope)

    def _expression_fields(self, node: Any) -> dict[str, str]:
        if not isinstance(node, dict) or node.get("class") not in grammar.EXPRESSIONS:
            raise self._unknown(node)
        types, fields = grammar.EXPRESSIONS[node["class"]]
        if node["type"] not in types or set(node) - grammar.COMMON - set(fields):
            raise self._unknown(node)
        return fields

    def _function(self, node: Node) -> None:
        name = str(node["function_name"]).lower()
        if name in functions.ESCAPES:
            raise self._refused(node, "LIKE … ESCAPE")
        self._call_allowed(node)
        if name in functions.BY_NAME:
            arguments = node["arguments"]
            inner = arguments[1]["expression"] if len(arguments) > 1 else {}
            literal = inner.get("literal") or {}
            if literal.get("kind") != "STRING" or not functions.is_aggregate(literal["text"]):
                raise self._refused(
                    node, f"“{name}” with anything but the literal name of a known aggregate"
                )

    def _call_allowed(self, node: Node) -> None:
        name = str(node["function_name"]).lower()
        if not functions.may_call(name):
            raise self._refused(node, f"The function “{name}”")

    def _column(self, node: Node) -> None:
        names = [str(name).lower() for name in node["column_names"]]
        pseudo = _PSEUDO_COLUMNS & set(names)
        if pseudo:
            raise self._refused(node, f"The pseudo-column “{min(pseudo)}”")
        if len(names) == 1 and names[0] in _SESSION_COLUMNS:
            raise self._refused(node, f"“{names[0]}”")

    def _type(self, node: Node) -> None:
        if str(node["type_name"]).lower() not in grammar.TYPES:
            raise self._refused(node, "A type that is not built in")
        for child in node["children"]:
            if child.get("class") not in ("TYPE", "CONSTANT"):
                raise self._unknown(child)

    def _arguments(self, value: Any, scope: Scope, owner: Node) -> None:
        for argument in value:
            if set(argument) != {"name", "expression"}:
                raise self._unknown(argument)
            self.expression(argument["expression"], scope)

    def _cases(self, value: Any, scope: Scope, owner: Node) -> None:
        for case in value:
            if set(case) != {"when_expr", "then_expr"}:
                raise self._unknown(case)
            self.expression(case["when_expr"], scope)
            self.expression(case["then_expr"], scope)

    def _replacements(self, value: Any, scope: Scope, owner: Node) -> None:
        for entry in value:
            if set(entry) != {"key", "value"}:
                raise self._unknown(entry)
            self.expression(entry["value"], scope)

    # --- leaves ---

    def _plain(self, value: Any, scope: Scope, owner: Node) -> None:
        if isinstance(value, dict):
            raise self._unknown(owner)
        if isinstance(value, list):
            for entry in value:
                self._plain(entry, scope, owner)

    def _literal(self, value: Any, scope: Scope, owner: Node) -> None:
        if set(value) - {"kind", "text"}:
            raise self._unknown(owner)

    def _names(self, value: Any, scope: Scope, owner: Node) -> None:
        for entry in value:
            inner = entry.get("key", entry)
            if not isinstance(inner, dict) or set(entry) - {"key", "value", *inner}:
                raise self._unknown(owner)
            self._plain(list(inner.values()), scope, owner)
            self._plain(entry.get("value"), scope, owner)

    def _empty(self, value: Any, scope: Scope, owner: Node) -> None:
        if value:
            raise self._refused(owner, "A name qualified in this way, or this option,")

    def _path(self, value: Any, scope: Scope, owner: Node) -> None:
        if len(value["path"]) != 1:
            raise self._refused(owner, "A function or type with a schema in front")

    def _shape(
        self, node: Any, known: dict[str, dict[str, str]], own: set[str] | frozenset[str]
    ) -> dict[str, str]:
        if not isinstance(node, dict) or not isinstance(node.get("type"), str):
            raise self._unknown(node)
        fields = known.get(node["type"])
        if fields is None or set(node) - own - set(fields):
            raise self._unknown(node)
        return fields

    def _walk(self, node: Node, fields: dict[str, str], scope: Scope) -> None:
        for name, kind in fields.items():
            if name in node:
                self._kinds[kind](node[name], scope, node)

    def _each(self, visit: Callable[[Any, Scope], None]) -> Callable[[Any, Scope, Node], None]:
        def all_of(value: Any, scope: Scope, owner: Node) -> None:
            for entry in value:
                visit(entry, scope)

        return all_of

    def _where(self, node: Node) -> str:
        offset = node.get("query_location", _NOWHERE)
        return place(self._sql, offset) if isinstance(offset, int) else ""

    def _refused(self, node: Node, what: str) -> MeshplaneError:
        return refused(f"{what} may not be used here{self._where(node)}.")

    def _unknown(self, node: Any) -> MeshplaneError:
        kind = ""
        if isinstance(node, dict):
            kind = str(node.get("class") or node.get("type") or "")
        what = grammar.CONSTRUCTS.get(kind, "A construct of this statement")
        return self._refused(node if isinstance(node, dict) else {}, what)
