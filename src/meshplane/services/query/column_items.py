"""The SELECT list: its items, the names that they get, and what of it names columns elsewhere.

Imported only when a statement is analysed, since it loads sqlglot.
"""

from collections.abc import Callable, Sequence

from sqlglot import exp

from meshplane.services.query.column_flow import NOTHING, Flow
from meshplane.services.query.column_scope import NamedFlow, agreed


class Item:
    """One column of a SELECT list; its flow is worked out when first asked for."""

    def __init__(
        self, name: str | None, node: exp.Expr | None, work_out: Callable[[], Flow]
    ) -> None:
        self.name = name
        self.node = node
        self._work_out = work_out
        self._flow: Flow | None = None
        self._busy = False

    def flow(self) -> Flow:
        """What the column is made from."""
        if self._flow is None:
            if self._busy:
                return NOTHING  # its own name: whatever else it reads is being collected
            self._busy = True
            try:
                self._flow = self._work_out()
            finally:
                self._busy = False
        return self._flow


def aliases(items: Sequence[Item]) -> dict[str, Callable[[], Flow]]:
    """The names that SELECT items were given, lower case."""
    named: dict[str, list[Item]] = {}
    for item in items:
        if isinstance(item.node, exp.Alias):
            named.setdefault(item.node.alias.lower(), []).append(item)
    return {name: _agreement(same) for name, same in named.items()}


def _agreement(items: Sequence[Item]) -> Callable[[], Flow]:
    return lambda: agreed([item.flow() for item in items])


def constant(column: NamedFlow) -> Callable[[], Flow]:
    """What works out a column that is known already."""
    return lambda: column.flow


def unfolds(item: Item) -> bool:
    """Whether a SELECT item makes several rows, and perhaps columns, of one."""
    if item.node is None:
        return False
    own = item.node.walk(prune=lambda part: isinstance(part, exp.Query))
    return any(_explodes(part) for part in own)


def is_counted_or_inner(star: exp.Expr, item: exp.Expr) -> bool:
    """Whether a star is that of `count(*)`, or belongs to a subquery of the item."""
    if isinstance(star.parent, exp.Count):
        return True
    above = star.parent
    while above is not None and above is not item.parent:
        if isinstance(above, exp.Query):
            return True
        above = above.parent
    return False


def name_of(node: exp.Expr) -> str | None:
    """The name that DuckDB gives a SELECT item; None where it is made up from the expression."""
    if isinstance(node, exp.Alias):
        return None if _explodes(node.this) else node.alias
    if isinstance(node, exp.Paren):
        return name_of(node.this)
    if isinstance(node, exp.Column):
        return node.name
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
        return node.expression.name
    return None


def _explodes(node: exp.Expr) -> bool:
    return isinstance(node, exp.Explode | exp.Unnest)
