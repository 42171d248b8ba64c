"""What Lake Formation must be set to before it decides anything: administrators, defaults, places.

Each function looks first and changes only what differs, so doing it again changes nothing.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.services.lake.aws_batches import Piece, carry_out
from meshplane.services.lake.aws_entries import ALL_PRINCIPALS, holdings
from meshplane.services.lake.entries import database_of

CROSS_ACCOUNT_VERSION = "4"
"""How grants to other accounts are shared; 3 and later share to roles and organizations."""

_TRIES = 5
_PAUSE_SECONDS = 0.2
_PAGE = 1000


async def ensure_settings(
    aws: Aws,
    administrators: Collection[str],
    *,
    cross_account_version: str = CROSS_ACCOUNT_VERSION,
) -> list[str]:
    """Makes the mesh's roles administrators, and lets Lake Formation decide about what is new.

    The call that writes replaces everything, and knows no version: what others changed meanwhile
    is read again and kept.

    Args:
        aws: as an administrator of the data lake, or of the account where there is none yet.
        administrators: ARNs that must be among the data lake's; others stay.
        cross_account_version: at least this one; a later one stays.

    Returns:
        What was changed, for people; nothing if all was so.

    Raises:
        AwsRejected, AwsUnavailable: as `Aws.call`.
        Unavailable: LAKE_SETTINGS_CONTESTED, somebody else writes them all the while.
    """
    changed: list[str] = []
    for turn in range(_TRIES):
        held = await _settings(aws)
        meant, differs = _meant(held, administrators, cross_account_version)
        if not differs:
            return changed
        changed = list(dict.fromkeys((*changed, *differs)))
        await aws.call("lakeformation", "put_data_lake_settings", DataLakeSettings=meant)
        if turn:
            await asyncio.sleep(_PAUSE_SECONDS * turn)
    raise Unavailable(
        "LAKE_SETTINGS_CONTESTED",
        "Somebody else keeps changing the data lake's settings: see who, and try again.",
    )


async def settings_drift(
    aws: Aws,
    administrators: Collection[str],
    *,
    cross_account_version: str = CROSS_ACCOUNT_VERSION,
) -> list[str]:
    """What of the settings is not as `ensure_settings` makes it, for people."""
    return _meant(await _settings(aws), administrators, cross_account_version)[1]


async def administrators_of(aws: Aws) -> frozenset[str]:
    """The ARNs of the data lake's administrators."""
    named = (await _settings(aws)).get("DataLakeAdmins") or ()
    return frozenset(one["DataLakePrincipalIdentifier"] for one in named)


async def take_administrator(aws: Aws, arn: str) -> bool:
    """Makes somebody no administrator of the data lake any more; whether he was one.

    The others and all else of the settings stay. It is not read again: who takes himself away may
    read them no more.

    Args:
        aws: as an administrator of the data lake.
        arn: of whom.

    Raises:
        AwsRejected, AwsUnavailable: as `Aws.call`.
    """
    held = await _settings(aws)
    named = list(held.get("DataLakeAdmins") or ())
    others = [one for one in named if one["DataLakePrincipalIdentifier"] != arn]
    if others == named:
        return False
    meant = {**held, "DataLakeAdmins": others}
    await aws.call("lakeformation", "put_data_lake_settings", DataLakeSettings=meant)
    return True


async def close_to_iam(aws: Aws, is_ours: Callable[[str], bool]) -> int:
    """Revokes what IAM alone opens, so that Lake Formation decides; how many grants that were.

    Args:
        aws: as an administrator of the data lake.
        is_ours: says of a database whether it is the mesh's.

    Raises:
        AwsRejected: also what a single revoke was refused with.
        AwsUnavailable: perhaps after some of it.
    """
    pieces = await _opened_by_iam(aws, is_ours)
    refused = await carry_out(aws, "revoke", pieces)
    if refused:
        # Somebody else may have revoked it: what counts is that it is gone.
        left = {one.key for one in await _opened_by_iam(aws, is_ours)}
        stuck = [code for key, code in refused.items() if key in left]
        if stuck:
            raise AwsRejected("lakeformation", "batch_revoke_permissions", stuck[0])
    return len(pieces)


async def register_location(
    aws: Aws, arn: str, role_arn: str | None = None, *, hybrid: bool = False
) -> Literal["there", "registered", "adopted"]:
    """Puts a place in S3 under Lake Formation.

    Args:
        aws: as an administrator of the data lake.
        arn: `arn:aws:s3:::bucket/path`, without a slash at its end.
        role_arn: reads and writes there for Lake Formation; None: the service-linked role.
        hybrid: whether IAM goes on to decide for those who have not opted in.

    Returns:
        `there` if it was so, `adopted` if somebody had registered it otherwise.

    Raises:
        AwsRejected, AwsUnavailable: as `Aws.call`.
    """
    found = await location(aws, arn)
    if found is None:
        how: dict[str, Any] = (
            {"UseServiceLinkedRole": True} if role_arn is None else {"RoleArn": role_arn}
        )
        try:
            await aws.call(
                "lakeformation",
                "register_resource",
                ResourceArn=arn,
                HybridAccessEnabled=hybrid,
                **how,
            )
        except AwsRejected as error:
            if error.aws_code != "AlreadyExistsException":
                raise
            found = await location(aws, arn)
        if found is None:
            return "registered"
    same_role = role_arn is None or found.get("RoleArn") == role_arn
    if same_role and bool(found.get("HybridAccessEnabled")) == hybrid:
        return "there"
    role = role_arn or found.get("RoleArn")
    if role is not None:
        await aws.call(
            "lakeformation",
            "update_resource",
            ResourceArn=arn,
            RoleArn=role,
            HybridAccessEnabled=hybrid,
        )
    return "adopted"


async def deregister_location(aws: Aws, arn: str) -> bool:
    """Takes a place out from under Lake Formation; whether it was there."""
    try:
        await aws.call("lakeformation", "deregister_resource", ResourceArn=arn)
    except AwsRejected as error:
        if error.aws_code != "EntityNotFoundException":
            raise
        return False
    return True


async def location(aws: Aws, arn: str) -> dict[str, Any] | None:
    """What Lake Formation knows of a registered place; None if it is not one."""
    try:
        told = await aws.call("lakeformation", "describe_resource", ResourceArn=arn)
    except AwsRejected as error:
        if error.aws_code != "EntityNotFoundException":
            raise
        return None
    found: dict[str, Any] = told.get("ResourceInfo", {})
    return found


async def _settings(aws: Aws) -> dict[str, Any]:
    told = await aws.call("lakeformation", "get_data_lake_settings")
    found: dict[str, Any] = told.get("DataLakeSettings", {})
    return found


def _meant(
    held: Mapping[str, Any], administrators: Collection[str], version: str
) -> tuple[dict[str, Any], list[str]]:
    """The settings as they should be, and what of them differs."""
    meant, differs = dict(held), []
    named = list(held.get("DataLakeAdmins") or ())
    known = {one["DataLakePrincipalIdentifier"] for one in named}
    lacking = sorted(set(administrators) - known)
    if lacking:
        differs.append("The mesh's role is no administrator of the data lake.")
        meant["DataLakeAdmins"] = [
            *named,
            *({"DataLakePrincipalIdentifier": one} for one in lacking),
        ]
    for member, what in (
        ("CreateDatabaseDefaultPermissions", "databases"),
        ("CreateTableDefaultPermissions", "tables"),
    ):
        if held.get(member):
            differs.append(f"New {what} are open to whoever IAM lets in.")
        meant[member] = []
    parameters = dict(held.get("Parameters") or {})
    if int(parameters.get("CROSS_ACCOUNT_VERSION") or 1) < int(version):
        differs.append(f"Grants to other accounts are not of version {version}.")
        parameters["CROSS_ACCOUNT_VERSION"] = version
    meant["Parameters"] = parameters
    return meant, differs


async def _opened_by_iam(aws: Aws, is_ours: Callable[[str], bool]) -> list[Piece]:
    listed: list[dict[str, Any]] = []
    for kind in ("DATABASE", "TABLE"):
        more: dict[str, Any] = {}
        while True:
            page = await aws.call(
                "lakeformation", "list_permissions", ResourceType=kind, MaxResults=_PAGE, **more
            )
            listed += page.get("PrincipalResourcePermissions", ())
            if not page.get("NextToken"):
                break
            more = {"NextToken": page["NextToken"]}
    by_iam = [
        one
        for one in listed
        if one["Principal"].get("DataLakePrincipalIdentifier") == ALL_PRINCIPALS
    ]
    return [
        Piece(one.key, one.principal, one.resource, one.permissions, one.grantable)
        for one in holdings(by_iam, {}, aws.place.account).entries.values()
        if is_ours(database_of(one.resource) or "")
    ]
