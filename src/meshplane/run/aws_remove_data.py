"""What a mesh has of data in its account: the catalogue in Glue, workgroups of Athena, buckets."""

import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.identity import own_arn
from meshplane.platform.aws.names import SHARES_WORKGROUP, mesh_bucket, project_workgroup
from meshplane.run.aws_prepare import DENIED
from meshplane.run.aws_remove import Kind, Thing
from meshplane.run.aws_remove_own import Own, unless

_ABSENT = frozenset({"EntityNotFoundException"})
_NO_BUCKET = frozenset({"NoSuchBucket", "404"})
_MOST_OBJECTS = 1000


def catalogue_kinds(own: Own) -> list[Kind]:
    """Workgroups, rulesets, crawlers, buckets of domains, tables and databases of Glue.

    A database is what tells that much else is the mesh's, so it goes last.
    """
    proven = (
        "links", "shares", "grants", "filters", "places", "rulesets", "crawlers",
        "buckets of domains",
    )  # fmt: skip
    return [
        Kind("workgroups", partial(_workgroups, own)),
        Kind("rulesets", partial(_rulesets, own)),
        Kind("crawlers", partial(_crawlers, own)),
        Kind("tables of Glue", partial(_tables, own)),
        Kind("buckets of domains", partial(_domain_buckets, own)),
        Kind("databases of Glue", partial(_databases, own), ("tables of Glue", *proven)),
    ]


def bucket_kinds(own: Own) -> list[Kind]:
    """The mesh's own bucket, in which it is noted what it did to the data lake's settings."""
    return [Kind("buckets", partial(_mesh_bucket, own), ("administrators",))]


async def _workgroups(own: Own) -> AsyncIterator[Thing]:
    """Proof: the name that a project of the mesh gives, or the one for shares.

    Either writes its results into a bucket of the mesh.
    """
    aws, place = own.aws, own.aws.place
    wanted = {project_workgroup(place, one) for one in await own.project_roles()}
    wanted.add(f"{place.prefix}{SHARES_WORKGROUP}")
    token: dict[str, str] = {}
    while True:
        page = await aws.call("athena", "list_work_groups", **token)
        for name in sorted(wanted.intersection(one["Name"] for one in page["WorkGroups"])):
            told = await aws.call("athena", "get_work_group", WorkGroup=name)
            results = told["WorkGroup"].get("Configuration", {}).get("ResultConfiguration", {})
            if own.has_place(results.get("OutputLocation", "")):
                yield Thing(f"workgroup {name}", partial(_take_workgroup, aws, name))
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


async def _take_workgroup(aws: Aws, name: str) -> None:
    await aws.call("athena", "delete_work_group", WorkGroup=name, RecursiveDeleteOption=True)


async def _rulesets(own: Own) -> AsyncIterator[Thing]:
    """Proof: a name of the mesh's, with a table and a digest in it, and what they are for."""
    aws = own.aws
    named = re.compile(rf"{re.escape(aws.place.prefix)}meshplane-tbl-[0-9a-f]+-[0-9a-f]{{16}}")
    databases = await own.databases()
    token: dict[str, str] = {}
    while True:
        page = await aws.call("glue", "list_data_quality_rulesets", **token)
        for one in page.get("Rulesets", ()):
            on = (one.get("TargetTable") or {}).get("DatabaseName")
            if named.fullmatch(one["Name"]) and on in databases:
                yield Thing(f"ruleset {one['Name']}", partial(_take_ruleset, aws, one["Name"]))
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}


async def _take_ruleset(aws: Aws, name: str) -> None:
    await unless(aws.call("glue", "delete_data_quality_ruleset", Name=name), _ABSENT)


async def _crawlers(own: Own) -> AsyncIterator[Thing]:
    """Proof: the mesh's prefix; they fill a database of the mesh from its buckets alone."""
    databases = await own.databases()
    async for page in own.aws.pages("glue", "get_crawlers"):
        for one in page["Crawlers"]:
            targets = one.get("Targets") or {}
            paths = [each["Path"] for each in targets.get("S3Targets") or ()]
            for each in targets.get("IcebergTargets") or ():
                paths += each["Paths"]
            if (
                one["Name"].startswith(own.aws.place.prefix)
                and one.get("DatabaseName") in databases
                and paths
                and all(own.has_place(path) for path in paths)
            ):
                yield Thing(f"crawler {one['Name']}", partial(_take_crawler, own.aws, one["Name"]))


async def _take_crawler(aws: Aws, name: str) -> None:
    await unless(aws.call("glue", "delete_crawler", Name=name), _ABSENT)


async def _tables_in(own: Own, database: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async for page in own.aws.pages("glue", "get_tables", DatabaseName=database):
        found += page["TableList"]
    return found


def _is_own(own: Own, table: dict[str, Any]) -> bool:
    """Proof: it lies in a bucket of the mesh, or the mesh's crawler made it of files there."""
    at = (table.get("StorageDescriptor") or {}).get("Location", "")
    metadata = (table.get("Parameters") or {}).get("metadata_location", "")
    return own.has_place(at or metadata)


async def _tables(own: Own) -> AsyncIterator[Thing]:
    """Proof: they are in a database of the mesh, and their files in a bucket of it."""
    for database in await own.databases():
        for table in await _tables_in(own, database):
            if _is_own(own, table):
                name = table["Name"]
                yield Thing(f"table {database}.{name}", partial(_take_table, own, database, name))


async def _take_table(own: Own, database: str, name: str) -> None:
    aws = own.aws
    on = {"Table": {"CatalogId": own.account, "DatabaseName": database, "Name": name}}
    try:
        await unless(aws.call("glue", "delete_table", DatabaseName=database, Name=name), _ABSENT)
    except AwsRejected as error:
        await _may_drop(own, on, error)
        await unless(aws.call("glue", "delete_table", DatabaseName=database, Name=name), _ABSENT)


async def _may_drop(own: Own, resource: dict[str, Any], error: AwsRejected) -> None:
    """Lets who removes drop something, if that was what was missing.

    An administrator of the data lake may grant all, and drop but what he made himself. Needs AWS:
    what is asked for here.
    """
    if error.aws_code not in DENIED:
        raise error
    await own.aws.call(
        "lakeformation",
        "grant_permissions",
        Principal={"DataLakePrincipalIdentifier": await own_arn(own.aws)},
        Resource=resource,
        Permissions=["DROP"],
    )


async def _databases(own: Own) -> AsyncIterator[Thing]:
    """Proof: see `Own.databases`. Tables of others keep them."""
    for name in await own.databases():
        others = [table["Name"] for table in await _tables_in(own, name) if not _is_own(own, table)]
        stays = f"Others' tables are in it: {', '.join(others)}." if others else ""
        yield Thing(f"database {name}", partial(_take_database, own, name), stays)


async def _take_database(own: Own, name: str) -> None:
    on = {"Database": {"CatalogId": own.account, "Name": name}}
    try:
        await unless(own.aws.call("glue", "delete_database", Name=name), _ABSENT)
    except AwsRejected as error:
        await _may_drop(own, on, error)
        await unless(own.aws.call("glue", "delete_database", Name=name), _ABSENT)


async def _domain_buckets(own: Own) -> AsyncIterator[Thing]:
    """Proof: see `Own.has_bucket`; of names that were cut, the database of Glue knows which."""
    of_databases = set((await own.databases()).values())
    whole = f"-{own.account}-{own.aws.place.region}"
    for name in await _buckets(own.aws):
        is_own = name in of_databases or (own.has_bucket(name) and name.endswith(whole))
        if is_own and name != mesh_bucket(own.aws.place):
            yield Thing(f"bucket {name}", partial(_take_bucket, own.aws, name))


async def _mesh_bucket(own: Own) -> AsyncIterator[Thing]:
    """Proof: see `Own.has_bucket`."""
    name = mesh_bucket(own.aws.place)
    if name in await _buckets(own.aws):
        yield Thing(f"bucket {name}", partial(_take_bucket, own.aws, name))


async def _buckets(aws: Aws) -> list[str]:
    found: list[str] = []
    async for page in aws.pages("s3", "list_buckets"):
        found += [one["Name"] for one in page.get("Buckets", ())]
    return found


async def _take_bucket(aws: Aws, bucket: str) -> None:
    """Empties it of all versions and of what was never finished, and removes it."""
    try:
        async for page in aws.pages("s3", "list_multipart_uploads", Bucket=bucket):
            for one in page.get("Uploads", ()):
                await aws.call(
                    "s3",
                    "abort_multipart_upload",
                    Bucket=bucket,
                    Key=one["Key"],
                    UploadId=one["UploadId"],
                )
        async for page in aws.pages("s3", "list_object_versions", Bucket=bucket):
            await _delete(aws, bucket, [*page.get("Versions", ()), *page.get("DeleteMarkers", ())])
        await aws.call("s3", "delete_bucket", Bucket=bucket)
    except AwsRejected as error:
        if error.aws_code not in _NO_BUCKET:
            raise


async def _delete(aws: Aws, bucket: str, versions: list[dict[str, Any]]) -> None:
    for begin in range(0, len(versions), _MOST_OBJECTS):
        some = [
            {"Key": one["Key"], "VersionId": one["VersionId"]}
            for one in versions[begin : begin + _MOST_OBJECTS]
        ]
        told = await aws.call(
            "s3", "delete_objects", Bucket=bucket, Delete={"Objects": some, "Quiet": True}
        )
        if told.get("Errors"):
            raise Unavailable(
                "BUCKET_NOT_EMPTY",
                f"S3 kept {len(told['Errors'])} objects ({told['Errors'][0].get('Code')}).",
            )
