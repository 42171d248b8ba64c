"""Column lineage of one SELECT: for each column of its answer, the columns that it depends on.

The lineage is a promise in one direction: a column of a relation that is not listed for an output
column cannot change it. Where the exact set is not worked out, the answer holds every column of
the relations of the statement, with `exact=False`.

The statement is one that the engine has accepted and that calls built-in functions only: a macro
could read a relation that the text does not name.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshplane.platform.nesting import is_endless
from meshplane.services.query.column_flow import ColumnSource, Flow, RelationName
from meshplane.services.query.column_scope import NamedFlow, Rows, Undecidable

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["ColumnSource", "OutputColumn", "RelationName", "column_sources"]

Relations = Mapping[RelationName, Sequence[str]]


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """One column of an answer and what it depends on.

    `exact` is False when `sources` may hold columns that it does not depend on.
    """

    name: str
    sources: tuple[ColumnSource, ...]
    exact: bool


def column_sources(
    sql: str, relations: Relations, output_names: Sequence[str]
) -> list[OutputColumn]:
    """The sources of each column of a SELECT.

    Args:
        sql: one statement in DuckDB's dialect, which the engine has accepted.
        relations: the relations that the statement could read, with their columns in order.
            Names compare without case.
        output_names: the columns of the engine's answer, in its order.

    Returns:
        one entry for each of `output_names`, in that order. Sources are ordered by relation and
        column as given, DIRECT before INDIRECT. Kinds and subtypes are those of OpenLineage's
        ColumnLineageDatasetFacet 1-2-0.
    """
    statement = _parsed(sql)
    if statement is None:
        return _all_of(relations, output_names)
    used = _relations_of(statement, relations)
    rows = _worked_out(sql, statement, used, output_names)
    if rows is None:
        return _all_of(used, output_names)
    rank = _ranks(used)
    return [
        OutputColumn(
            name,
            _in_order(column.flow.sources | rows.decided_by.sources, rank),
            column.flow.exact and rows.decided_by.exact,
        )
        for name, column in zip(output_names, rows.columns, strict=True)
    ]


def _parsed(sql: str) -> "exp.Expr | None":
    """The tree of the one query in the text; None where the parser does not understand it."""
    import sqlglot
    from sqlglot import exp

    if is_endless(sql):
        return None
    try:
        statements = [s for s in sqlglot.parse(sql, read="duckdb") if s is not None]
    except Exception:  # noqa: BLE001  the parser fails in many ways; None says that it did
        return None
    if len(statements) == 1 and isinstance(statements[0], exp.Query):
        return statements[0]
    return None


def _worked_out(
    sql: str, statement: "exp.Expr", relations: Relations, output_names: Sequence[str]
) -> Rows | None:
    """The columns of the statement, or None where they cannot be told or are not the engine's."""
    from meshplane.services.query.column_queries import Queries

    def base_table(node: "exp.Table") -> tuple[str, Rows]:
        if node.catalog:
            raise Undecidable
        found = [
            relation
            for relation in relations
            if relation.name.lower() == node.name.lower()
            and node.db.lower() in ("", relation.schema.lower())
        ]
        if len(found) != 1:
            raise Undecidable
        return found[0].schema.lower(), _rows_of(found[0], relations[found[0]])

    universe = Flow(frozenset(_columns_of(relations)), exact=False)
    try:
        rows = Queries(universe, base_table).outermost(statement)
        if _lost_names(sql, statement, relations, every=rows.open):
            return None
    except Exception:  # noqa: BLE001  a by-product never fails a query: it says "not exact"
        return None
    if len(rows.columns) != len(output_names):
        return None
    for column, name in zip(rows.columns, output_names, strict=True):
        if column.name is not None and column.name.lower() != name.lower():
            return None
    return rows


def _rows_of(relation: RelationName, columns: Sequence[str]) -> Rows:
    return Rows(
        tuple(
            NamedFlow(
                column, Flow(frozenset({ColumnSource(relation, column, "DIRECT", "IDENTITY")}))
            )
            for column in columns
        ),
        Flow(),
    )


def _relations_of(statement: "exp.Expr", relations: Relations) -> Relations:
    """The relations that the statement names; all when it reads something else too."""
    from sqlglot import exp

    known = {relation.name.lower() for relation in relations}
    own = {cte.alias.lower() for cte in statement.find_all(exp.CTE)}
    named: set[str] = set()
    for table in statement.find_all(exp.Table):
        if isinstance(table.this, exp.GenerateSeries):
            continue
        name = table.name.lower()
        if not isinstance(table.this, exp.Identifier) or name not in known | own:
            return relations
        named.add(name)
    return {
        relation: columns
        for relation, columns in relations.items()
        if relation.name.lower() in named
    }


def _lost_names(sql: str, statement: "exp.Expr", relations: Relations, *, every: bool) -> bool:
    """Whether the text has a name that the tree has not: some calls turn columns into units.

    `every` counts any word as a name, for where columns may exist that are not known.
    """
    from sqlglot import TokenType, exp, tokenize

    in_tree: Counter[str] = Counter()
    for node in statement.find_all(exp.Identifier, exp.Var, exp.DataType):
        if isinstance(node, exp.DataType):
            in_tree[getattr(node.this, "value", str(node.this)).lower()] += 1
        else:
            in_tree[node.name.lower()] += 1
    names = {column.lower() for columns in relations.values() for column in columns}
    names |= {node.name.lower() for node in statement.find_all(exp.Identifier)}
    tokens = tokenize(sql, read="duckdb")
    followers = [token.token_type for token in tokens[1:]] + [None]
    in_text: Counter[str] = Counter()
    for token, follower in zip(tokens, followers, strict=True):
        word = token.text.lower()
        if token.token_type in (TokenType.STRING, TokenType.NUMBER):
            continue
        if follower is TokenType.L_PAREN or not word:
            continue
        if word in names or (every and token.token_type is TokenType.VAR):
            in_text[word] += 1
    return any(count > in_tree[word] for word, count in in_text.items())


def _columns_of(relations: Relations) -> list[ColumnSource]:
    return [
        ColumnSource(relation, column, "DIRECT", "TRANSFORMATION")
        for relation, columns in relations.items()
        for column in columns
    ]


def _all_of(relations: Relations, output_names: Sequence[str]) -> list[OutputColumn]:
    everything = tuple(_columns_of(relations))
    return [OutputColumn(name, everything, False) for name in output_names]


def _ranks(relations: Relations) -> dict[tuple[RelationName, str], int]:
    places = [(relation, column) for relation, columns in relations.items() for column in columns]
    return {place: rank for rank, place in enumerate(places)}


def _in_order(
    sources: frozenset[ColumnSource], rank: Mapping[tuple[RelationName, str], int]
) -> tuple[ColumnSource, ...]:
    return tuple(
        sorted(
            sources,
            key=lambda source: (
                rank[source.relation, source.column],
                source.kind,
                source.subtype,
            ),
        )
    )
