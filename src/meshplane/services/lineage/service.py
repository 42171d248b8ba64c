"""Use cases of lineage."""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from meshplane.boundary.call import Call
from meshplane.platform.store import UnitOfWork
from meshplane.policy.model import MESH, Resource
from meshplane.services.assets.api import AssetsApi, AssetSummary, no_such_asset
from meshplane.services.lineage.graph import Edge, LineageView, Node, upstream
from meshplane.services.lineage.schemas import (
    AcceptedView,
    AssetLineageView,
    ColumnLineageView,
    LineageQuery,
    SourceView,
    UpstreamView,
)
from meshplane.services.lineage.store import EDGES

if TYPE_CHECKING:
    from meshplane.services.lineage.openlineage import ColumnEdge, DatasetName

OWN_NAMESPACE = "meshplane"
_PAGE = 500
_MOST_EDGES_OF_ONE = 20_000


class Lineage:
    """Keeps edges and shows what an asset was made from."""

    def __init__(self, assets: AssetsApi) -> None:
        self._assets = assets

    async def receive(self, call: Call, event: dict[str, Any]) -> AcceptedView:
        """Takes an OpenLineage event from outside.

        Raises:
            Invalid: LINEAGE_EVENT_INVALID.
        """
        # Loaded with the first event: it is a large schema.
        from meshplane.services.lineage.openlineage import column_lineage_of

        await call.allow(MESH)
        edges = column_lineage_of(event)
        for edge in edges:
            put_edge(call.work, _from_outside(edge))
        call.note(edges=len(edges))
        return AcceptedView(edges=len(edges))

    async def of_asset(self, call: Call, asset_id: str, query: LineageQuery) -> AssetLineageView:
        """What an asset was made from, column by column."""
        asset = await self._assets.find(call.actor, asset_id)
        missing = no_such_asset()
        if asset is None or not await _is_visible(call, asset):
            await call.allow(Resource("Asset", asset_id), hide=missing)
            raise missing
        await call.allow(_resource(asset))
        edges = await _edges_above(call.work, asset.table_id, query.depth)
        tables = {edge.source for edge in edges}
        found = await self._assets.of_tables(call.actor, sorted(tables))
        # One that is not listed has no name here, but for those who may know of it.
        own_project = {asset.project_id} if not asset.is_published else set()
        named = {
            one.table_id: one for one in found if one.is_published or one.project_id in own_project
        }
        own = [edge for edge in edges if edge.target == asset.table_id]
        return AssetLineageView(
            asset_id=asset_id,
            upstream=_upstream(_whole_tables(edges, asset.table_id, query.depth), named),
            columns=_columns(asset, own, named),
            runs=sorted({edge.run for edge in own if edge.run}),
        )


def _resource(asset: AssetSummary) -> Resource:
    return Resource("Asset", asset.asset_id, asset.domain_id, asset.project_id)


async def _is_visible(call: Call, asset: AssetSummary) -> bool:
    """One that is not listed is there only for those who may know of it."""
    return asset.is_published or await call.judge.allows(
        call.actor, "seeUnpublishedAssets", _resource(asset)
    )


def put_edge(work: UnitOfWork, edge: Edge) -> None:
    """Stores an edge; the same edge stored again is one edge."""
    key = (edge.target_column, edge.source, edge.source_column, edge.kind, edge.subtype)
    work.put(
        EDGES,
        {
            "target": edge.target,
            "edge": "\n".join(key),
            "targetColumn": edge.target_column,
            "source": edge.source,
            "sourceColumn": edge.source_column,
            "kind": edge.kind,
            "subtype": edge.subtype,
            "job": edge.job,
            "run": edge.run,
        },
    )


def _dataset(name: "DatasetName") -> str:
    return name.name if name.namespace == OWN_NAMESPACE else f"{name.namespace}/{name.name}"


def _from_outside(edge: "ColumnEdge") -> Edge:
    return Edge(
        source=_dataset(edge.source),
        source_column=edge.source_field,
        target=_dataset(edge.target),
        target_column=edge.target_field,
        kind=edge.kind,
        subtype=edge.subtype,
        job=_dataset(edge.job) if edge.job else "",
        run=edge.run or "",
    )


async def _edges_above(work: UnitOfWork, table_id: str, depth: int) -> list[Edge]:
    """The edges within so many steps above a table."""
    edges: list[Edge] = []
    level, seen = {table_id}, {table_id}
    for _ in range(depth):
        above: set[str] = set()
        for dataset in sorted(level):
            found = await _edges_of(work, dataset)
            edges += found
            above.update(edge.source for edge in found)
        level = above - seen
        seen |= level
    return edges


async def _edges_of(work: UnitOfWork, dataset: str) -> list[Edge]:
    edges: list[Edge] = []
    cursor: str | None = None
    while len(edges) < _MOST_EDGES_OF_ONE:
        page = await work.query(EDGES, dataset, limit=_PAGE, cursor=cursor)
        edges += [
            Edge(
                source=row.item["source"],
                source_column=row.item["sourceColumn"],
                target=row.item["target"],
                target_column=row.item["targetColumn"],
                kind=row.item["kind"],
                subtype=row.item["subtype"],
                job=row.item["job"],
                run=row.item["run"],
            )
            for row in page.rows
        ]
        cursor = page.cursor
        if cursor is None:
            break
    return edges


def _whole_tables(edges: list[Edge], table_id: str, depth: int) -> LineageView:
    """The walk between whole tables; columns are left to the table asked for."""
    above: defaultdict[Node, set[Edge]] = defaultdict(set)
    for edge in edges:
        above[Node(edge.target)].add(Edge(edge.source, "", edge.target, ""))
    return upstream(lambda node: above[node], Node(table_id), depth)


def _upstream(view: LineageView, named: dict[str, AssetSummary]) -> list[UpstreamView]:
    return [
        UpstreamView(
            asset_id=named[reached.node.asset].asset_id if reached.node.asset in named else None,
            name=_name(reached.node.asset, named),
            domain_name=(
                named[reached.node.asset].domain_name if reached.node.asset in named else None
            ),
            table_id=reached.node.asset if reached.node.asset in named else None,
            depth=reached.depth,
        )
        for reached in view.nodes[1:]
    ]


def _columns(
    asset: AssetSummary, edges: list[Edge], named: dict[str, AssetSummary]
) -> list[ColumnLineageView]:
    sources: defaultdict[str, list[SourceView]] = defaultdict(list)
    for edge in edges:
        known = named.get(edge.source)
        sources[edge.target_column].append(
            SourceView(
                asset_id=known.asset_id if known else None,
                asset_name=_name(edge.source, named),
                column=edge.source_column,
                type=edge.kind,
                subtype=edge.subtype,
            )
        )
    return [
        ColumnLineageView(column=column.name, sources=sources[column.name])
        for column in asset.columns
    ]


def _name(dataset: str, named: dict[str, AssetSummary]) -> str:
    """What may be told of a dataset: a table that nobody published has no name here."""
    if dataset in named:
        return named[dataset].name
    return "(unpublished table)" if "/" not in dataset else dataset
