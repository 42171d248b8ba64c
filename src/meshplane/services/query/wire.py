"""Puts the query service together."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from meshplane.boundary.actor import Actor
from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.consumer import Consumer
from meshplane.services.query.access import hash_key
from meshplane.services.query.api import FilterColumn, QueryApi, RowFilter
from meshplane.services.query.cancelling import Cancelling
from meshplane.services.query.embedded import EmbeddedEngine
from meshplane.services.query.filter_checks import FilterChecks, filter_routes
from meshplane.services.query.governing import Governing
from meshplane.services.query.history import History
from meshplane.services.query.in_flight import InFlight
from meshplane.services.query.materializing import Below
from meshplane.services.query.oversight_routes import oversight_routes
from meshplane.services.query.ports import QueryEngine
from meshplane.services.query.routes import routes
from meshplane.services.query.sampling import Sampling
from meshplane.services.query.sandbox import Sandbox
from meshplane.services.query.service import Queries
from meshplane.services.query.turns import Turns
from meshplane.services.query.view_routes import view_routes
from meshplane.services.query.view_rows import ViewBook
from meshplane.services.query.viewing import Viewing
from meshplane.services.tables.api import ExternalSource

if TYPE_CHECKING:  # it loads boto3
    from meshplane.services.query.aws_redshift_rights import RedshiftRights

_START_AFTER_SECONDS = 0.05

NEEDS = ("assets", "tables", "projects", "permissions")


class _Checker:
    """What other services may ask; see `QueryApi`."""

    def __init__(self, checks: FilterChecks) -> None:
        self._checks = checks

    async def check_row_filter(
        self,
        actor: Actor,
        expression: str,
        columns: Sequence[FilterColumn],
        source: ExternalSource | None = None,
    ) -> RowFilter:
        return await self._checks.checked(expression, columns, source)


def build(ground: Ground, needs: Needs) -> Built[QueryApi]:
    """The service on that ground."""
    sandbox = Sandbox(pool_size=ground.query_workers)
    in_flight, views = InFlight(), ViewBook(ground.store)
    here = Governing(EmbeddedEngine(sandbox, hash_key(ground.mask_key)), Turns(), in_flight)
    rights = _rights(ground, needs)
    aside: Sequence[Consumer] = ()
    if rights is not None:
        from meshplane.services.query.aws_redshift_following import FollowingRedshift

        aside = FollowingRedshift(rights, needs["assets"], needs["tables"]).consumers
    there = _engine_on_aws(ground, rights)
    governing = here if there is None else Governing(there, Turns(), in_flight)
    queries = Queries(
        ground.boundary,
        sandbox,
        governing,
        in_flight,
        below=Below(**needs),
        memory_mib=ground.query_memory_mib,
        scratch=ground.scratch_folder,
        views=views,
        here=here,
    )
    starting: list[asyncio.Task[None]] = []

    async def start_soon() -> None:
        # The engine loads once the port is open; a query that comes before it is up waits.
        await asyncio.sleep(_START_AFTER_SECONDS)
        await sandbox.start()

    async def start() -> None:
        starting.append(asyncio.create_task(start_soon(), name="sandbox"))

    async def stop() -> None:
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        await sandbox.stop()

    checks = FilterChecks(sandbox, needs["assets"], needs["tables"])
    sampling = Sampling(queries, needs["assets"], views)
    oversight = oversight_routes(Cancelling(in_flight), History(), ground.boundary)
    return Built(
        [
            *routes(queries, sampling, ground.boundary),
            *filter_routes(checks, ground.boundary),
            *oversight,
            *view_routes(Viewing(queries, here, views), ground.boundary),
        ],
        _Checker(checks),
        start=start,
        stop=stop,
        aside=aside,
    )


def _rights(ground: Ground, needs: Needs) -> "RedshiftRights | None":
    """What carries grants into Redshift, where queries run on AWS."""
    aws = ground.aws_for("query")
    if aws is None:
        return None
    from meshplane.platform.aws.names import project_role_arn
    from meshplane.services.query.aws_redshift_rights import RedshiftRights

    place = aws.place
    # As Redshift names the user that a role is.
    return RedshiftRights(
        aws,
        lambda project_id: f"IAMR:{project_role_arn(place, project_id).rpartition('/')[2]}",
        needs["permissions"],
        ground.store,
    )


def _engine_on_aws(ground: Ground, rights: "RedshiftRights | None") -> QueryEngine | None:
    aws = ground.aws_for("query")
    if aws is None or rights is None:
        return None
    from meshplane.platform.aws.names import project_role_arn, project_workgroup
    from meshplane.services.query.aws import AthenaQueries
    from meshplane.services.query.aws_athena import WorkgroupSettings
    from meshplane.services.query.aws_redshift_engine import RedshiftEngine

    place = aws.place
    role_of = partial(project_role_arn, place)
    return AthenaQueries(
        aws,
        role_of=role_of,
        workgroup_of=lambda project_id: project_workgroup(place, project_id),
        settings=WorkgroupSettings(
            usd_per_tebibyte=ground.aws_scan_usd_per_tib,
            as_bucket=ground.aws_for("keys") is not None,
        ),
        redshift=RedshiftEngine(aws, role_of, rights),
    )
