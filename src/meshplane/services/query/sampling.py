"""Use case: a sample of a data product for those who develop, with what is sensitive masked."""

from collections.abc import Sequence
from dataclasses import dataclass

from meshplane.boundary.call import Call
from meshplane.kit.errors import Invalid
from meshplane.policy.model import Resource
from meshplane.services.assets.api import AssetsApi, AssetSummary, no_such_asset
from meshplane.services.query.access import Access, Reach
from meshplane.services.query.materializing import Materializing, Target
from meshplane.services.query.sandbox import Mask, RelationName, Scope
from meshplane.services.query.schemas import NewSample, SampleView
from meshplane.services.query.view_rows import ViewBook

_SENSITIVE = frozenset({"confidential", "restricted"})
_SUFFIX = "_dev"
_LONGEST_NAME = 63
_HASH_STEPS = 65_536  # as many as four hexadecimal digits tell apart


@dataclass(slots=True)
class SampleAccess(Access):
    """The access of a sample: one asset, all rows, sensitive columns as hashes.

    Args:
        asset: the only relation that is there.
    """

    asset: AssetSummary | None = None

    async def _own_projects(self) -> list[str]:
        return []

    async def _readable(
        self, name: RelationName, projects: Sequence[str]
    ) -> tuple[AssetSummary, Reach]:
        if self.asset is None:
            raise no_such_asset()
        columns = {
            column.name: Mask("hash") if column.classification in _SENSITIVE else None
            for column in self.asset.columns
        }
        return self.asset, Reach((Scope(None, columns),))


class Sampling:
    """Makes samples.

    Args:
        materializing: makes tables of results.
        assets: the service below.
        views: finds views, of which there are no samples.
    """

    def __init__(self, materializing: Materializing, assets: AssetsApi, views: ViewBook) -> None:
        self._materializing = materializing
        self._assets = assets
        self._views = views

    async def sync(self, call: Call, body: NewSample) -> SampleView:
        """Makes or renews the table `{name}_dev` in the project that publishes the asset.

        Which rows it holds is decided by a hash of what is shown of them, so that the same data
        gives the same sample.

        Raises:
            Missing: ASSET_NOT_FOUND.
            Invalid: SAMPLE_OF_VIEW, the asset is a view, which has no rows of its own.
            Conflict: NAME_TAKEN, a table of that name is there and is no sample of this asset.
        """
        asset = await self._assets.find(call.actor, body.asset_id)
        if asset is None or not asset.is_published:
            raise no_such_asset()
        await call.allow(Resource("Asset", asset.asset_id, asset.domain_id, asset.project_id))
        if await self._views.find(asset.table_id) is not None:
            raise Invalid(
                "SAMPLE_OF_VIEW",
                "The asset is a view: sample the tables that it is made of.",
                field="assetId",
            )
        below = self._materializing.below
        access = SampleAccess(
            call.actor,
            asset.project_id,
            None,
            below.assets,
            below.tables,
            below.projects,
            below.permissions,
            asset=asset,
        )
        name = asset.name[: _LONGEST_NAME - len(_SUFFIX)] + _SUFFIX
        target = Target(asset.project_id, name, sample_of=asset.table_id)
        _, table = await self._materializing.make(call, _sql(asset, body.percent), access, target)
        return SampleView(
            asset_id=asset.asset_id, table_id=table.table_id, name=name, rows=table.rows
        )


def _sql(asset: AssetSummary, percent: float) -> str:
    relation = f"{_identifier(asset.domain_name)}.{_identifier(asset.name)}"
    columns = [_identifier(column.name) for column in asset.columns]
    shown = ", ".join(columns)
    steps = round(_HASH_STEPS * percent / 100)
    if steps >= _HASH_STEPS:
        return f"SELECT {shown} FROM {relation}"  # noqa: S608 - names are quoted
    texts = ", ".join(f"coalesce(CAST({column} AS VARCHAR), '')" for column in columns)
    chosen = f"substr(md5(concat_ws('|', {texts})), 1, 4) < '{steps:04x}'"
    return f"SELECT {shown} FROM {relation} WHERE {chosen}"  # noqa: S608 - names are quoted


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
