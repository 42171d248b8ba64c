"""Use cases of assets."""

import asyncio
from collections.abc import Mapping
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.etags import expected_version, stale
from meshplane.boundary.schemas import Page
from meshplane.events.assets import AssetSubmitted, AssetUpdated
from meshplane.kit.errors import Conflict, FieldProblem, Invalid, Missing
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH, Resource
from meshplane.services.assets import records
from meshplane.services.assets.api import PUBLISHED, SUBMITTED
from meshplane.services.assets.contract import Contract, column_problems, parse_contract
from meshplane.services.assets.rows import allowed, resource_of, sees_unpublished
from meshplane.services.assets.schemas import AssetChange, AssetQuery, AssetView, NewAsset
from meshplane.services.assets.store import ALL, ASSET_NAMES, ASSET_TABLES, ASSETS
from meshplane.services.projects.api import ProjectsApi, ProjectSummary, no_such_project
from meshplane.services.tables.api import TablesApi, TableSummary

_ORDER = ("public", "internal", "confidential", "restricted")


class Assets:
    """Publishes data products and keeps what is said of them.

    Args:
        projects, tables: the services below.
    """

    def __init__(self, projects: ProjectsApi, tables: TablesApi) -> None:
        self._projects = projects
        self._tables = tables

    async def publish(self, call: Call, body: NewAsset) -> AssetView:
        """Hands in a table of the project; it is listed when its publication has run.

        Raises:
            Missing: PROJECT_NOT_FOUND, TABLE_NOT_FOUND.
            Conflict: NAME_TAKEN, TABLE_PUBLISHED.
            Invalid: CONTRACT_INVALID, CONTRACT_MISMATCH, COLUMN_UNKNOWN.
        """
        project = await self._projects.find(call.actor, body.project_id)
        if project is None:
            raise no_such_project()
        await call.allow(
            Resource("Project", body.project_id, project.domain_id, project.project_id)
        )
        table = await self._tables.find(call.actor, body.table_id)
        if table is None or table.project_id != project.project_id:
            raise Missing(
                "TABLE_NOT_FOUND", "The project has no table with this id.", field="tableId"
            )
        contract = await asyncio.to_thread(parse_contract, body.contract)
        _demand_fit(contract, table)
        columns = _columns(body, contract, table)
        item = _new_item(call, body, project, contract, columns)
        if table.source is not None:
            item["format"] = table.source.kind
        _put_new(call, item)
        return records.view(Row(item, 1))

    async def get(self, call: Call, asset_id: str) -> AssetView:
        """The asset with that id."""
        return records.view(await allowed(call, asset_id))

    async def contract(self, call: Call, asset_id: str) -> str:
        """The contract, as it was given."""
        return str((await allowed(call, asset_id)).item["contract"])

    async def list(self, call: Call, query: AssetQuery) -> Page[AssetView]:
        """Listed assets by name, of one project or all; of a project, its members see the rest.

        What the caller may not see makes a page shorter than its limit.
        """
        await call.allow(MESH)
        index = "byProject" if query.project_id else "byName"
        page = await call.work.query(
            ASSETS, query.project_id or ALL, index=index, limit=query.limit, cursor=query.cursor
        )
        rows = [row for row in page.rows if row.item["status"] == PUBLISHED]
        if len(rows) < len(page.rows) and await sees_unpublished(call, resource_of(page.rows[0])):
            rows = list(page.rows)
        return Page[AssetView](items=[records.view(row) for row in rows], next_cursor=page.cursor)

    async def update(
        self, call: Call, asset_id: str, if_match: str | None, body: AssetChange
    ) -> AssetView:
        """Changes what is said of an asset."""
        row = await allowed(call, asset_id)
        version = expected_version(if_match)
        changes = body.model_dump(by_alias=True, exclude_none=True)
        item = {**row.item, **changes}
        call.work.put(ASSETS, item, expected=version, otherwise=stale())
        call.work.emit(
            AssetUpdated(
                asset_id=asset_id, updated_by=call.actor.name, fields=tuple(sorted(changes))
            ).event()
        )
        return records.view(Row(item, version + 1))


def _demand_fit(contract: Contract, table: TableSummary) -> None:
    problems = column_problems(contract, {column.name: column.type for column in table.columns})
    if problems:
        raise Invalid(
            "CONTRACT_MISMATCH", "The contract does not describe this table.", fields=problems
        )


def _columns(body: NewAsset, contract: Contract, table: TableSummary) -> list[dict[str, str]]:
    """The table's columns with what the contract and the request say of them."""
    given: Mapping[str, str] = body.column_classifications
    unknown = sorted(set(given) - {column.name for column in table.columns})
    if unknown:
        raise Invalid(
            "COLUMN_UNKNOWN",
            "The table has no such column.",
            fields=[FieldProblem(f"columnClassifications.{unknown[0]}", "is no column of it")],
        )
    described = {part.column_name: part for part in contract.schema[0].properties}
    columns = []
    for column in table.columns:
        said = described.get(column.name)
        classification = given.get(column.name) or _known(said.classification if said else None)
        columns.append(
            {
                "name": column.name,
                "type": column.type,
                "description": (said.description if said else None) or column.doc or "",
                "classification": classification or body.classification,
            }
        )
    return columns


def _known(classification: str | None) -> str | None:
    """A contract's classification, if it is one of ours; contracts may use any word."""
    return classification if classification in _ORDER else None


def _new_item(
    call: Call,
    body: NewAsset,
    project: ProjectSummary,
    contract: Contract,
    columns: list[dict[str, str]],
) -> dict[str, Any]:
    return {
        "assetId": call.new_id("asset"),
        "name": body.name,
        "domainId": project.domain_id,
        "domainName": project.domain_name,
        "projectId": project.project_id,
        "projectName": project.name,
        "tableId": body.table_id,
        "description": body.description,
        "owner": body.owner or call.actor.name,
        "classification": body.classification,
        "columns": columns,
        "columnNames": [column["name"] for column in columns],
        "columnDescriptions": [column["description"] for column in columns],
        "tags": list(contract.tags),
        "contract": body.contract,
        "contractVersion": contract.version,
        "status": SUBMITTED,
        "statusReason": None,
        "listedAt": None,
        "quality": None,
        "createdBy": call.actor.name,
        "createdAt": call.now,
    }


def _put_new(call: Call, item: dict[str, Any]) -> None:
    asset_id = item["assetId"]
    call.resource = f"Asset:{asset_id}"
    call.work.put(
        ASSET_NAMES,
        {"domainName": item["domainName"], "name": item["name"], "assetId": asset_id},
        expected=ABSENT,
        otherwise=Conflict(
            "NAME_TAKEN",
            "An asset of this name exists in the domain: choose another.",
            field="name",
        ),
    )
    call.work.put(
        ASSET_TABLES,
        {"tableId": item["tableId"], "assetId": asset_id},
        expected=ABSENT,
        otherwise=Conflict(
            "TABLE_PUBLISHED", "This table is published already: update its asset.", field="tableId"
        ),
    )
    call.work.put(ASSETS, item, expected=ABSENT)
    call.work.emit(
        AssetSubmitted(
            asset_id=asset_id,
            asset_name=item["name"],
            table_id=item["tableId"],
            project_id=item["projectId"],
            domain_id=item["domainId"],
            classification=item["classification"],
            submitted_by=call.actor.name,
            submitted_at=call.now,
        ).event()
    )
