"""Names resolved over the columns that a statement's sender sees, and types where they matter."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SchemaError
from sqlglot.optimizer.annotate_types import TypeAnnotator
from sqlglot.optimizer.qualify_columns import qualify_columns, validate_qualify_columns
from sqlglot.optimizer.qualify_tables import qualify_tables
from sqlglot.schema import Schema

from meshplane.services.query.aws_flat import is_flat, resolved
from meshplane.services.query.aws_grammar import TEMPORAL
from meshplane.services.query.aws_survey import Survey

# By its name it would be looked up some forty times for each statement.
DIALECT = Dialect.get_or_raise("duckdb")
# What is written for Athena in the same way whatever its types are.
UNTYPED: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Abs, exp.Alias, exp.And, exp.Between, exp.Boolean, exp.Case, exp.Coalesce, exp.Column,
        exp.Count, exp.CTE, exp.DenseRank, exp.Distinct, exp.EQ, exp.Exists, exp.Filter, exp.From,
        exp.Group, exp.GT, exp.GTE, exp.Having, exp.Identifier, exp.If, exp.In, exp.Is, exp.Join,
        exp.Like, exp.Limit, exp.Literal, exp.Lower, exp.LT, exp.LTE, exp.Max, exp.Min, exp.Mul,
        exp.Neg, exp.NEQ, exp.Not, exp.Null, exp.Nullif, exp.NullSafeEQ, exp.NullSafeNEQ,
        exp.Offset, exp.Or, exp.Order, exp.Ordered, exp.Paren, exp.Placeholder, exp.Qualify,
        exp.Rank, exp.RowNumber, exp.Select, exp.Star, exp.Subquery, exp.Sum, exp.Table,
        exp.TableAlias, exp.Tuple, exp.Union, exp.Upper, exp.Where, exp.Window, exp.With,
    }
)  # fmt: skip


# These have no value, so their types need not be made.
_CLAUSES = (
    exp.CTE, exp.From, exp.Group, exp.Having, exp.Identifier, exp.Join, exp.Limit, exp.Offset,
    exp.Table, exp.TableAlias, exp.Where, exp.With,
)  # fmt: skip
_METADATA: dict[Any, Any] = {
    **DIALECT.EXPRESSION_METADATA,
    **{kind: {"annotator": lambda annotator, node: node} for kind in _CLAUSES},
}


class Columns(Schema):
    """The columns that a statement may name, as its names are looked up in them.

    For one statement: the nodes of the types belong to its tree.

    Args:
        tables: the columns of each, with their types in DuckDB's words, by database and table;
            all names are folded.
    """

    def __init__(self, tables: Mapping[tuple[str, str], Mapping[str, str]]) -> None:
        self._tables = tables
        self._types: dict[str, exp.DataType] = {}

    @property
    def dialect(self) -> Dialect:
        """By whose rules names are compared."""
        return DIALECT

    @property
    def supported_table_args(self) -> tuple[str, ...]:
        """What tells tables apart."""
        return ("this", "db")

    @property
    def empty(self) -> bool:
        """Whether there are no tables."""
        return not self._tables

    def column_names(self, table: exp.Table | str, *_: Any, **__: Any) -> list[str]:
        """The names of a table's columns, in their order."""
        return list(self.names_of(table))

    def get_column_type(
        self, table: exp.Table | str, column: exp.Column | str, *_: Any, **__: Any
    ) -> exp.DataType:
        """The type of a column; unknown of one that is not there."""
        text = self.names_of(table).get(column if isinstance(column, str) else column.name)
        if text is None:
            return exp.DType.UNKNOWN.into_expr()
        if text not in self._types:
            self._types[text] = _type(text).copy()
        return self._types[text]

    def add_table(self, table: exp.Table | str, *_: Any, **__: Any) -> None:
        """Refused: what is seen is settled before names are looked up.

        Raises:
            SchemaError: always.
        """
        raise SchemaError(f"{table} cannot be added.")

    def kinds(self) -> set[Any]:
        """Of what types there are columns, and fields of structs."""
        texts = {text for columns in self._tables.values() for text in columns.values()}
        return {kind for text in texts for kind in _kinds(text)}

    def names_of(self, table: exp.Table | str) -> Mapping[str, str]:
        """The types of a table's columns, by their names.

        Raises:
            SchemaError: it is not one of those that are seen.
        """
        key = ("", table) if isinstance(table, str) else (table.db, table.name)
        found = self._tables.get(key)
        if found is None:
            raise SchemaError("A table is not among those that are seen.")
        return found


@lru_cache(4096)
def folded(name: str) -> str:
    """A name as it is compared."""
    return str(DIALECT.normalize_identifier(exp.to_identifier(name, quoted=True)).name)


@lru_cache(1024)
def _type(text: str) -> exp.DataType:
    return exp.DataType.from_str(text, dialect=DIALECT, udt=True)


@lru_cache(1024)
def _kinds(text: str) -> frozenset[Any]:
    """A type, and those that are inside of it: a struct's field can be named as a column can."""
    return frozenset(part.this for part in _type(text).find_all(exp.DataType))


def qualified(tree: exp.Expr, held: Survey, columns: Columns) -> exp.Expr:
    """The statement with every column under the name of its table, and stars spelled out.

    Args:
        tree: its tables have their aliases and the names that `columns` knows them by.
        held: what it holds.
        columns: that it may name.

    Raises:
        SqlglotError: a name cannot be resolved.
    """
    for name in held.of(exp.Identifier):
        name.set("this", folded(name.name))
    is_one = is_flat(tree, held)
    if is_one:
        by_alias = {table.alias: columns.names_of(table) for table in held.of(exp.Table)}
        if resolved(tree, held, by_alias):
            return tree
    if not is_one or any(column.args.get("db") for column in held.of(exp.Column)):
        tree = qualify_tables(tree, dialect=DIALECT)
    return validate_qualify_columns(qualify_columns(tree, columns))


def typed(tree: exp.Expr, columns: Columns) -> exp.Expr:
    """A qualified statement with the types of all that it says."""
    return TypeAnnotator(columns, expression_metadata=_METADATA).annotate(tree)


def asks_for_types(held: Survey, columns: Columns) -> bool:
    """Whether what is written for Athena depends on types."""
    if not held.by_kind.keys() <= UNTYPED:
        return True
    kinds = columns.kinds()
    # A text may be compared with a time; of what a list is one is told with the answer.
    return exp.DType.ARRAY in kinds or (has_text(held) and not kinds.isdisjoint(TEMPORAL))


def has_text(held: Survey) -> bool:
    """Whether a statement has a text in it, or a value that may be one."""
    return exp.Placeholder in held.by_kind or any(one.is_string for one in held.of(exp.Literal))
