"""Walks over lineage: what a table or column came from, and what a change of it reaches.

Pure functions: the caller hands in how to look up the edges at a node, from wherever they are
stored. A walk goes breadth first, meets each node once whatever cycles there are, and stops at a
depth and at a number of nodes; the answer says where it stopped.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from meshplane.kit.errors import Invalid

DEPTH_MAX: Final = 100
NODES_MAX: Final = 10_000


class Node(NamedTuple):
    """A table or asset, or one column of it where `column` is given."""

    asset: str
    column: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """One dependency: `target` is made from `source` by a run of a job.

    `source_column` and `target_column` are empty on an edge between whole tables. `kind` and
    `subtype` are those of OpenLineage's ColumnLineageDatasetFacet; empty where not told.
    """

    source: str
    source_column: str
    target: str
    target_column: str
    kind: str = ""
    subtype: str = ""
    job: str = ""
    run: str = ""

    @property
    def upper(self) -> Node:
        """The node that the data comes from."""
        return Node(self.source, self.source_column or None)

    @property
    def lower(self) -> Node:
        """The node that the data goes to."""
        return Node(self.target, self.target_column or None)


EdgesOf = Callable[[Node], Iterable[Edge]]


@dataclass(frozen=True, slots=True)
class Reached:
    """A node of a view and its distance in edges from the start."""

    node: Node
    depth: int


@dataclass(frozen=True, slots=True)
class LineageView:
    """What a walk saw.

    Attributes:
        start: where it began.
        nodes: what it reached, the start first, then by depth and name.
        edges: the edges between those nodes, each once, in order of their fields.
        frontier: nodes that have further edges which were not followed, by name.
        truncated: whether the limit on nodes cut the walk; a depth limit only shows in `frontier`.
    """

    start: Node
    nodes: tuple[Reached, ...]
    edges: tuple[Edge, ...]
    frontier: tuple[Node, ...]
    truncated: bool


def upstream(
    edges_of: EdgesOf, start: Node, depth: int, *, nodes_max: int = NODES_MAX
) -> LineageView:
    """What a node was made from.

    Args:
        edges_of: the edges whose `lower` is a node.
        start: the node.
        depth: how many edges to follow, 0 to 100.
        nodes_max: the most nodes in the answer, 1 to 10,000.

    Raises:
        Invalid: LINEAGE_DEPTH_INVALID or LINEAGE_SIZE_INVALID, a limit is out of range.
    """
    return _walk(edges_of, start, depth, nodes_max, lambda edge: edge.upper)


def downstream(
    edges_of: EdgesOf, start: Node, depth: int, *, nodes_max: int = NODES_MAX
) -> LineageView:
    """What was made from a node.

    Args:
        edges_of: the edges whose `upper` is a node.
        start: the node.
        depth: how many edges to follow, 0 to 100.
        nodes_max: the most nodes in the answer, 1 to 10,000.

    Raises:
        Invalid: LINEAGE_DEPTH_INVALID or LINEAGE_SIZE_INVALID, a limit is out of range.
    """
    return _walk(edges_of, start, depth, nodes_max, lambda edge: edge.lower)


@dataclass(frozen=True, slots=True)
class Impacted:
    """A table that a change reaches.

    Attributes:
        asset: the table.
        depth: the fewest edges on the way to it.
        columns: its columns that are reached, by name; empty where only the table is known.
        direct: whether values flow to it all the way; otherwise the change only decides, in some
            step, which values or rows appear.
    """

    asset: str
    depth: int
    columns: tuple[str, ...]
    direct: bool


def impact(view: LineageView) -> tuple[Impacted, ...]:
    """The tables that a downstream view reaches, nearest first, then by name.

    Args:
        view: the answer of `downstream`.
    """
    carrying = _carried(view)
    depths: dict[str, int] = {}
    columns: dict[str, set[str]] = {}
    direct: dict[str, bool] = {}
    for reached in view.nodes:
        asset, column = reached.node
        if reached.node == view.start or (asset == view.start.asset and column is None):
            continue
        depths[asset] = min(reached.depth, depths.get(asset, reached.depth))
        if column is not None:
            columns.setdefault(asset, set()).add(column)
        direct[asset] = direct.get(asset, False) or reached.node in carrying
    return tuple(
        Impacted(asset, depth, tuple(sorted(columns.get(asset, ()))), direct[asset])
        for asset, depth in sorted(depths.items(), key=lambda item: (item[1], item[0]))
    )


def _carried(view: LineageView) -> set[Node]:
    """The nodes that the start reaches over edges which are not INDIRECT."""
    onward: dict[Node, list[Node]] = {}
    for edge in view.edges:
        if edge.kind != "INDIRECT":
            onward.setdefault(edge.upper, []).append(edge.lower)
    carried = {view.start}
    waiting = deque(carried)
    while waiting:
        for node in onward.get(waiting.popleft(), ()):
            if node not in carried:
                carried.add(node)
                waiting.append(node)
    return carried


def _walk(
    edges_of: EdgesOf, start: Node, depth: int, nodes_max: int, far_end: Callable[[Edge], Node]
) -> LineageView:
    _check("LINEAGE_DEPTH_INVALID", "depth", depth, 0, DEPTH_MAX)
    _check("LINEAGE_SIZE_INVALID", "nodes", nodes_max, 1, NODES_MAX)
    depths = {start: 0}
    edges: set[Edge] = set()
    frontier: set[Node] = set()
    truncated = False
    level: Sequence[Node] = (start,)
    for distance in range(depth + 1):
        following: set[Node] = set()
        for node in level:
            for edge in sorted(edges_of(node)):
                end = far_end(edge)
                if end in depths:
                    edges.add(edge)
                elif distance == depth:
                    frontier.add(node)
                elif len(depths) >= nodes_max:
                    frontier.add(node)
                    truncated = True
                else:
                    depths[end] = distance + 1
                    following.add(end)
                    edges.add(edge)
        level = sorted(following, key=_by_name)
    return LineageView(
        start,
        tuple(
            Reached(node, at)
            for node, at in sorted(depths.items(), key=lambda item: (item[1], _by_name(item[0])))
        ),
        tuple(sorted(edges)),
        tuple(sorted(frontier, key=_by_name)),
        truncated,
    )


def _by_name(node: Node) -> tuple[str, str]:
    return node.asset, node.column or ""


def _check(code: str, field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        message = f"'{field}' must be a whole number from {least} to {most}."
        raise Invalid(code, message, field=field)
