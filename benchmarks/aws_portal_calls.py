"""DataZone and Lake Formation: an adapter's usual call, and the same calls of bare boto3."""

import json
import uuid
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.datazone import DataZone
from meshplane.platform.aws.names import PORTAL_ASSET_TYPE
from meshplane.services.assets.aws_portal import DataZoneAssets
from meshplane.services.assets.ports import Product
from meshplane.services.lake.aws import LakeFormationLake
from meshplane.services.lake.entries import entry
from meshplane.services.lake.ports import LakeChange
from meshplane.services.projects.aws_portal import DataZoneProjects

Pair = tuple[str, Callable[[], Awaitable[Any]], Callable[[], Any]]

TABLES = 40
_ABOUT = {
    "owner": "user:ana",
    "classification": "internal",
    "contractVersion": "1.0.0",
    "domain": "sea",
    "project": "ana",
}
_TYPES = {"id": "bigint", "port": "string", "seen": "timestamp", "pay": "decimal(9,2)"}
_SAID = {"id": "The number of a sailor", "port": "Where he signed on"}


async def portal(aws: Aws, account: str) -> list[Pair]:
    """A project made, and a data product made in one and looked at."""
    role = f"arn:aws:iam::{account}:role/meshplane-portal"
    zone = DataZone(aws, name="bench", execution_role=role, acting=lambda _: aws)
    domain, root = await zone.domain(), await zone.root()
    projects, assets = DataZoneProjects(zone), DataZoneAssets(zone)
    client, numbers = aws.client("datazone"), count()

    async def project() -> None:
        name = f"sea ours-{next(numbers)}"
        assert (await projects.ensure(root, name, "Of the sea")).name == name

    def project_by_hand() -> None:
        name = f"sea bare-{next(numbers)}"
        pages = client.get_paginator("list_projects").paginate(domainIdentifier=domain, name=name)
        assert not [one for page in pages for one in page["items"] if one["name"] == name]
        made = client.create_project(
            domainIdentifier=domain, domainUnitId=root, name=name, description="Of the sea"
        )
        assert made["name"] == name

    owner = (await projects.ensure(root, "sea owner", "Of the sea")).portal_id
    said = {"name": "crew", "description": "Who sails", **_ABOUT, "columns": json.dumps(_TYPES)}
    said |= {f"column {name}": text for name, text in _SAID.items()}

    async def product() -> None:
        made = await assets.ensure(owner, Product(f"ours-{next(numbers)}", "sea", "crew", said))
        assert made.said["description"] == "Who sails"

    def product_by_hand() -> None:
        own_id = f"bare-{next(numbers)}"
        made = client.create_asset(
            domainIdentifier=domain,
            owningProjectIdentifier=owner,
            externalIdentifier=own_id,
            typeIdentifier=PORTAL_ASSET_TYPE,
            name="crew",
            description="Who sails",
            formsInput=_forms(aws, own_id),
            clientToken=uuid.uuid4().hex,
        )
        there = client.get_asset(domainIdentifier=domain, identifier=made["id"])
        told = {one["formName"]: json.loads(one["content"]) for one in there["formsOutput"]}
        assert told["MeshplaneProduct"]["assetId"] == own_id

    await product()
    return [
        ("DataZone: a project made ÷ list, create", project, project_by_hand),
        ("DataZone: an asset made ÷ create, get", product, product_by_hand),
    ]


def _forms(aws: Aws, own_id: str) -> list[dict[str, str]]:
    """What the adapter makes of the product, by hand."""
    account, region = aws.place.account, aws.place.region
    columns = [{"columnName": name, "dataType": kind} for name, kind in _TYPES.items()]
    told = [{"columnIdentifier": name, "description": text} for name, text in _SAID.items()]
    table = {
        "tableName": "crew",
        "databaseName": "sea",
        "catalogId": account,
        "region": region,
        "tableArn": f"arn:aws:glue:{region}:{account}:table/sea/crew",
        "columns": columns,
    }
    contents: dict[str, Any] = {
        "MeshplaneProduct": {"assetId": own_id, **_ABOUT},
        "GlueTableForm": table,
        "ColumnBusinessMetadataForm": {"columnsBusinessMetadata": told},
    }
    return [{"formName": name, "content": json.dumps(it)} for name, it in contents.items()]


async def lake(aws: Aws, account: str, database: str) -> list[Pair]:
    """A grant on a table that a few others may read; what is there is read before."""
    columns = [{"Name": name, "Type": "string"} for name in ("id", "port")]
    for number in range(TABLES):
        made = {"Name": f"t{number}", "StorageDescriptor": {"Columns": columns}}
        await aws.call("glue", "create_table", DatabaseName=database, TableInput=made)
    grants, client, numbers = LakeFormationLake(aws), aws.client("lakeformation"), count()

    def next_grant() -> tuple[str, dict[str, Any]]:
        number = next(numbers)
        role = f"arn:aws:iam::{account}:role/reader-{number // 2}"
        # Neighbours in time are one of each side on the same table.
        return role, {"Table": {"DatabaseName": database, "Name": f"t{number // 2 % TABLES}"}}

    async def ours() -> None:
        role, resource = next_grant()
        assert not await grants.apply([LakeChange("put", entry(role, resource, ("SELECT",)))])

    def bare() -> None:
        role, resource = next_grant()
        there = client.list_permissions(Resource=resource, MaxResults=1000)
        assert "NextToken" not in there
        wanted = {
            "Id": "0",
            "Principal": {"DataLakePrincipalIdentifier": role + "-bare"},
            "Resource": resource,
            "Permissions": ["SELECT"],
        }
        assert not client.batch_grant_permissions(Entries=[wanted]).get("Failures")

    return [("Lake Formation: a grant ÷ list, batch of one", ours, bare)]
