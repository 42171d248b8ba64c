"""What shares have left: links and grants in other accounts, and shares in RAM."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.run.aws_remove import Kind, Thing
from meshplane.run.aws_remove_lake import Row, permissions, revoke, told
from meshplane.run.aws_remove_own import Own, unless
from meshplane.services.shares.aws_links import MARK, mark_of

_ABSENT = frozenset({"EntityNotFoundException"})
_GONE = frozenset({"UnknownResourceException"})


def link_kinds(own: Own) -> list[Kind]:
    """In other accounts, as long as what the links lead to is there."""
    return [
        Kind("grants elsewhere", partial(_grants, own)),
        Kind("links", partial(_links, own), ("grants elsewhere",)),
        Kind("databases of links", partial(_link_databases, own), ("links",)),
    ]


def share_kinds(own: Own) -> list[Kind]:
    """What Lake Formation has left in RAM, once the grants are revoked."""
    return [Kind("shares", partial(_shares, own), ("grants", "links"))]


@dataclass(frozen=True, slots=True)
class _Link:
    """A link in another account, with the database and the name of what it leads to."""

    database: str
    name: str
    leads_to: tuple[str, str]


def _elsewhere(own: Own) -> list[tuple[str, Aws]]:
    """The other accounts in which the mesh has a role."""
    others = own.aws.place.account_roles.keys() - {own.account}
    return [(account, own.aws.in_account(account)) for account in sorted(others)]


async def _databases(there: Aws) -> AsyncIterator[dict[str, Any]]:
    """The databases of another account, but for those that are links themselves."""
    async for page in there.pages("glue", "get_databases"):
        for database in page["DatabaseList"]:
            if not database.get("TargetDatabase"):
                yield database


async def _tables(there: Aws, database: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async for page in there.pages("glue", "get_tables", DatabaseName=database):
        found += page["TableList"]
    return found


async def _linked(own: Own, there: Aws) -> list[_Link]:
    """Proof: they lead to a table of the mesh's account, in a database of the mesh."""
    databases = await own.databases()
    found = []
    async for database in _databases(there):
        for table in await _tables(there, database["Name"]):
            target = table.get("TargetTable") or {}
            if target.get("CatalogId") == own.account and target["DatabaseName"] in databases:
                leads_to = (target["DatabaseName"], target["Name"])
                found.append(_Link(database["Name"], table["Name"], leads_to))
    return found


async def _grants(own: Own) -> AsyncIterator[Thing]:
    """Proof: they are on links to the mesh's tables, or on what these lead to."""
    for account, there in _elsewhere(own):
        rows: list[Row] = []
        for link in await _linked(own, there):
            here = {"CatalogId": account, "DatabaseName": link.database, "Name": link.name}
            database, name = link.leads_to
            target = {"CatalogId": own.account, "DatabaseName": database, "Name": name}
            for on in (here, target):
                rows += await permissions(there, Resource={"Table": on})
        for row in rows:
            yield Thing(f"{told(row)}, in {account}", partial(revoke, there, row))


async def _links(own: Own) -> AsyncIterator[Thing]:
    """Proof: see `_linked`."""
    for account, there in _elsewhere(own):
        for link in await _linked(own, there):
            yield Thing(
                f"link {link.database}.{link.name}, in {account}",
                partial(_take_link, there, link.database, link.name),
            )


async def _take_link(there: Aws, database: str, name: str) -> None:
    await unless(there.call("glue", "delete_table", DatabaseName=database, Name=name), _ABSENT)


async def _link_databases(own: Own) -> AsyncIterator[Thing]:
    """Proof: the mesh's mark among its parameters. What others have put into it keeps it."""
    for account, there in _elsewhere(own):
        links = {(one.database, one.name) for one in await _linked(own, there)}
        async for database in _databases(there):
            name = database["Name"]
            if (database.get("Parameters") or {}).get(MARK) != mark_of(own.aws.place):
                continue
            others = [
                table["Name"]
                for table in await _tables(there, name)
                if (name, table["Name"]) not in links
            ]
            stays = f"Others' tables are in it: {', '.join(others)}." if others else ""
            what = f"database {name}, in {account}"
            yield Thing(what, partial(_take_database, there, account, name), stays)


async def _take_database(there: Aws, account: str, name: str) -> None:
    on = {"Database": {"CatalogId": account, "Name": name}}
    for row in await permissions(there, Resource=on):
        await revoke(there, row)
    await unless(there.call("glue", "delete_database", Name=name), _ABSENT)


async def _shares(own: Own) -> AsyncIterator[Thing]:
    """Proof: all that the share holds are tables and databases of the mesh.

    Lake Formation takes its shares away by itself when it revokes; what it leaves is taken here.
    Needs AWS: that it does.
    """
    place, databases = own.aws.place, await own.databases()
    start = f"arn:aws:glue:{place.region}:{place.account}:"
    is_own: dict[str, bool] = {}
    async for page in own.aws.pages("ram", "list_resources", resourceOwner="SELF"):
        for one in page["resources"]:
            share = one["resourceShareArn"]
            if one["arn"] == f"{start}catalog":
                continue  # it is in each of Lake Formation's shares
            is_own[share] = is_own.get(share, True) and _is_own(one["arn"], start, databases)
    for share in sorted(share for share, own_alone in is_own.items() if own_alone):
        name = share.rpartition("/")[2]
        yield Thing(f"share {name}", partial(_take_share, own.aws, share))


def _is_own(arn: str, start: str, databases: Mapping[str, str]) -> bool:
    kind, *rest = arn.removeprefix(start).split("/")
    return kind in ("database", "table") and bool(rest) and rest[0] in databases


async def _take_share(aws: Aws, share: str) -> None:
    await unless(aws.call("ram", "delete_resource_share", resourceShareArn=share), _GONE)
