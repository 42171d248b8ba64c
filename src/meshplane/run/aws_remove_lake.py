"""What a mesh has in Lake Formation: grants, filters, tags, places, administrators."""

import json
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.run.aws_notes import noted_administrators
from meshplane.run.aws_remove import Kind, Thing
from meshplane.run.aws_remove_own import Own, unless
from meshplane.services.lake.aws_entries import ALL_PRINCIPALS
from meshplane.services.lake.aws_settings import deregister_location, take_administrator
from meshplane.services.lake.aws_tags import delete_expression, delete_tag, mark_of
from meshplane.services.lake.lake_formation import DOMAIN_TAG

_ABSENT = frozenset({"EntityNotFoundException"})
_PAGE = 1000
_MOST_VALUES = 50

Row = dict[str, Any]


def lake_kinds(own: Own) -> list[Kind]:
    """Grants first, then what they are on."""
    return [
        Kind("grants", partial(_grants, own)),
        Kind("filters", partial(_filters, own), ("grants",)),
        Kind("saved expressions", partial(_expressions, own), ("grants",)),
        Kind("places", partial(_places, own), ("grants",)),
    ]


def administrator_kinds(own: Own) -> list[Kind]:
    """Tags, when nothing of the mesh carries them any more, and administrators last."""
    needed = (
        "links", "shares", "grants", "filters", "saved expressions", "places", "tags",
        "tables of Glue", "databases of Glue",
    )  # fmt: skip
    return [
        Kind("tags", partial(_tags, own), ("saved expressions",)),
        Kind("administrators", partial(_administrators, own), needed),
    ]


async def permissions(aws: Aws, **asked: Any) -> list[Row]:
    """All of `list_permissions`, for which botocore knows no paginator."""
    found: list[Row] = []
    more: dict[str, str] = {}
    while True:
        page = await aws.call(
            "lakeformation", "list_permissions", MaxResults=_PAGE, **asked, **more
        )
        found += page.get("PrincipalResourcePermissions", ())
        if not page.get("NextToken"):
            return found
        more = {"NextToken": page["NextToken"]}


async def revoke(aws: Aws, row: Row) -> None:
    """Takes back what a row of `list_permissions` says is held; what is gone is no error."""
    try:
        await aws.call(
            "lakeformation",
            "revoke_permissions",
            Principal=row["Principal"],
            Resource=row["Resource"],
            Permissions=row["Permissions"],
            PermissionsWithGrantOption=row.get("PermissionsWithGrantOption") or [],
        )
    except AwsRejected as error:
        # One revoke may take another along, such as that of all columns that of some.
        if error.aws_code not in _ABSENT and _key(row) in map(_key, await permissions(aws)):
            raise


def told(row: Row) -> str:
    """A grant, for people."""
    principal = row["Principal"]["DataLakePrincipalIdentifier"]
    return f"{', '.join(row['Permissions'])} on {_named(row['Resource'])} of {principal}"


async def _grants(own: Own) -> AsyncIterator[Thing]:
    """Proof: they are on databases, tables, filters or places of the mesh, or of roles it made.

    Of grants on tags, those that name a domain of the mesh: all that the mesh makes do.
    """
    databases = await own.databases()
    # A role that was there before the mesh keeps what others granted it on what is theirs.
    roles = {role.arn for role in (await own.project_roles()).values() if role.is_made}
    roles.update(own.role_arns)
    marked = await marked_tags(own.aws)
    for row in await permissions(own.aws):
        principal = row["Principal"]["DataLakePrincipalIdentifier"]
        # What IAM opens by itself goes with what it is on.
        if principal == ALL_PRINCIPALS:
            continue
        if principal in roles or _is_on_own(own, row["Resource"], databases, marked):
            yield Thing(told(row), partial(revoke, own.aws, row))


def _is_on_own(
    own: Own, resource: Mapping[str, Any], databases: Mapping[str, str], marked: frozenset[str]
) -> bool:
    ((kind, on),) = resource.items()
    account = on.get("TableCatalogId") or on.get("CatalogId") or own.account
    if account != own.account:
        return False
    if kind == "DataLocation":
        return own.has_place(on["ResourceArn"])
    if kind == "LFTagPolicy":
        return DOMAIN_TAG in marked and any(
            term["TagKey"] == DOMAIN_TAG and databases.keys() >= set(term["TagValues"])
            for term in on.get("Expression") or ()
        )
    return (on.get("Name") if kind == "Database" else on.get("DatabaseName")) in databases


async def _filters(own: Own) -> AsyncIterator[Thing]:
    """Proof: they are on tables of the mesh's databases."""
    databases = await own.databases()
    async for page in own.aws.pages("lakeformation", "list_data_cells_filter"):
        for one in page.get("DataCellsFilters", ()):
            if one["TableCatalogId"] == own.account and one["DatabaseName"] in databases:
                name = f"{one['DatabaseName']}.{one['TableName']}.{one['Name']}"
                yield Thing(f"filter {name}", partial(_take_filter, own.aws, one))


async def _take_filter(aws: Aws, one: Mapping[str, Any]) -> None:
    named = {key: one[key] for key in ("TableCatalogId", "DatabaseName", "TableName", "Name")}
    await unless(aws.call("lakeformation", "delete_data_cells_filter", **named), _ABSENT)


async def _expressions(own: Own) -> AsyncIterator[Thing]:
    """Proof: they are made of tags that bear the mesh's mark, and of no other."""
    marked = await marked_tags(own.aws)
    async for page in own.aws.pages("lakeformation", "list_lf_tag_expressions"):
        for one in page.get("LFTagExpressions", ()):
            if {term["TagKey"] for term in one["Expression"]} <= marked:
                yield Thing(
                    f"expression {one['Name']}", partial(delete_expression, own.aws, one["Name"])
                )


async def _places(own: Own) -> AsyncIterator[Thing]:
    """Proof: they lie in buckets of the mesh."""
    more: dict[str, str] = {}
    while True:
        page = await own.aws.call("lakeformation", "list_resources", **more)
        for one in page.get("ResourceInfoList", ()):
            arn = one["ResourceArn"]
            if own.has_place(arn):
                yield Thing(f"place {arn}", partial(deregister_location, own.aws, arn))
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


async def _tags(own: Own) -> AsyncIterator[Thing]:
    """Proof: the mesh's mark among its values. What others have tagged with it keeps it."""
    databases = await own.databases()
    rows = await permissions(own.aws)
    for key in sorted(await marked_tags(own.aws)):
        others = [
            *await _carriers(own.aws, key, databases),
            *(told(row) for row in rows if _names_tag(own, row, key, databases)),
        ]
        stays = f"Others use it: {', '.join(others)}." if others else ""
        yield Thing(f"tag {key}", partial(delete_tag, own.aws, key), stays)


async def marked_tags(aws: Aws) -> frozenset[str]:
    """The keys of the tags that this mesh made."""
    found: set[str] = set()
    async for page in aws.pages("lakeformation", "list_lf_tags"):
        for one in page.get("LFTags", ()):
            if mark_of(aws.place) in one["TagValues"]:
                found.add(one["TagKey"])
    return frozenset(found)


async def _carriers(aws: Aws, key: str, databases: Mapping[str, str]) -> list[str]:
    """What carries a tag and is not the mesh's."""
    found = []
    tag = await unless(aws.call("lakeformation", "get_lf_tag", TagKey=key), _ABSENT)
    values = sorted(tag["TagValues"]) if tag is not None else []
    for begin in range(0, len(values), _MOST_VALUES):
        asked = [{"TagKey": key, "TagValues": values[begin : begin + _MOST_VALUES]}]
        async for page in aws.pages(
            "lakeformation", "search_databases_by_lf_tags", Expression=asked
        ):
            found += [one["Database"]["Name"] for one in page.get("DatabaseList", ())]
        async for page in aws.pages("lakeformation", "search_tables_by_lf_tags", Expression=asked):
            found += [
                f"{one['Table']['DatabaseName']}.{one['Table']['Name']}"
                for one in page.get("TableList", ())
            ]
    return sorted({one for one in found if one.partition(".")[0] not in databases})


def _names_tag(own: Own, row: Row, key: str, databases: Mapping[str, str]) -> bool:
    """Whether data of somebody else is granted by a tag."""
    ((kind, on),) = row["Resource"].items()
    if kind != "LFTagPolicy" or _is_on_own(
        own, row["Resource"], databases, frozenset({DOMAIN_TAG})
    ):
        return False
    return any(term["TagKey"] == key for term in on.get("Expression") or ())


async def _administrators(own: Own) -> AsyncIterator[Thing]:
    """Proof: they are roles of the mesh, or it is noted that the mesh added them."""
    settings = await own.aws.call("lakeformation", "get_data_lake_settings")
    named = settings.get("DataLakeSettings", {}).get("DataLakeAdmins") or ()
    added = {*own.role_arns, *await noted_administrators(own.aws)}
    for one in named:
        arn = one["DataLakePrincipalIdentifier"]
        if arn in added:
            yield Thing(f"administrator {arn}", partial(take_administrator, own.aws, arn))


def _key(row: Row) -> str:
    return json.dumps(
        [row["Principal"], row["Resource"], sorted(row["Permissions"])], sort_keys=True
    )


def _named(resource: Mapping[str, Any]) -> str:
    ((kind, on),) = resource.items()
    parts = [on.get(key) for key in ("DatabaseName", "TableName", "Name", "ResourceArn", "TagKey")]
    found = ".".join(part for part in parts if part)
    terms = [f"{one['TagKey']}={'|'.join(one['TagValues'])}" for one in on.get("Expression") or ()]
    return found or " and ".join(terms) or kind
