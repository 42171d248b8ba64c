"""What a statement holds, from one look at its whole tree.

Some ten things are asked of every statement, and a walk through its tree for each of them would
take as long as to parse it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlglot import exp

T = TypeVar("T", bound=exp.Expr)


@dataclass(frozen=True, slots=True)
class Survey:
    """The nodes of a tree as it was.

    Args:
        nodes: all of them; parents stand before their children.
        by_kind: the same by their classes, each in the same order.
    """

    nodes: Sequence[exp.Expr]
    by_kind: Mapping[type[exp.Expr], Sequence[exp.Expr]]

    def of(self, kind: type[T]) -> Sequence[T]:
        """The nodes of one class; those of its subclasses are not among them."""
        found: Sequence[T] = self.by_kind.get(kind, ())  # type: ignore[assignment]
        return found


def survey(tree: exp.Expr) -> Survey:
    """Looks at all nodes of a tree once."""
    nodes = [tree]
    by_kind: dict[type[exp.Expr], list[exp.Expr]] = {}
    for node in nodes:  # which grows meanwhile
        by_kind.setdefault(type(node), []).append(node)
        for value in node.args.values():
            if isinstance(value, exp.Expr):
                nodes.append(value)
            elif isinstance(value, list):
                nodes += [one for one in value if isinstance(one, exp.Expr)]
    return Survey(nodes, by_kind)
