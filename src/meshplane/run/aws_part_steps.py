"""The steps that make roles for the parts of a mesh, and let one of them own the portal."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Container, Iterable
from typing import TypeVar

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.datazone import CONFLICT, MISSING, DataZone
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import part_role
from meshplane.platform.aws.part_roles import Identities
from meshplane.run.aws_part_roles import part_policy, part_trust
from meshplane.run.aws_prepare import Step
from meshplane.run.aws_roles import POLICY

T = TypeVar("T")

_NO_ROLE, _THERE = "NoSuchEntity", "EntityAlreadyExists"
# What IAM and Lake Formation say of a principal that they do not know.
_UNKNOWN = frozenset({"MalformedPolicyDocument", "InvalidInputException"})
_PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0)


def part_role_steps(aws: Aws, parts: Iterable[str], mesh: Identities) -> list[Step]:
    """The roles of the parts, where they are to be made.

    Args:
        aws: as who prepares the account.
        parts: of the setting.
        mesh: who it is.
    """
    return [_role(aws, part, mesh) for part in parts] if mesh.made else []


def owner_steps(zone: DataZone, mesh: Identities) -> list[Step]:
    """What lets the mesh run the portal, where somebody else than the mesh prepares it.

    Args:
        zone: the domain of DataZone, as who prepares it and so owns it.
        mesh: who it is.
    """
    return [_owner(zone, arn) for arn in mesh.acting({"portal"})]


async def once_known(make: Callable[[], Awaitable[T]], unknown: Container[str] = _UNKNOWN) -> T:
    """Does what names a role, which not all of AWS knows the moment it is made. Needs AWS.

    Args:
        make: does it.
        unknown: the codes by which AWS refuses that.

    Raises:
        AwsRejected: also where it is not known after half a minute, and so is none.
    """
    for pause in _PAUSES_SECONDS:
        try:
            return await make()
        except AwsRejected as error:
            if error.aws_code not in unknown:
                raise
        await asyncio.sleep(pause)
    return await make()


def _role(aws: Aws, part: str, mesh: Identities) -> Step:
    name = part_role(aws.place, part)
    trust = json.dumps(part_trust(aws.place, mesh.processes))
    policy = part_policy(aws.place, part)

    async def look() -> object | None:
        try:
            role = (await aws.call("iam", "get_role", RoleName=name))["Role"]
            held = await aws.call("iam", "get_role_policy", RoleName=name, PolicyName=POLICY)
        except AwsRejected as error:
            if error.aws_code == _NO_ROLE:
                return None
            raise
        return [role.get("AssumeRolePolicyDocument"), held["PolicyDocument"]]

    async def put() -> None:
        try:
            await aws.call(
                "iam",
                "create_role",
                RoleName=name,
                AssumeRolePolicyDocument=trust,
                Description=f"The part {part} of the mesh works as it",
            )
        except AwsRejected as error:
            if error.aws_code != _THERE:
                raise
            await aws.call("iam", "update_assume_role_policy", RoleName=name, PolicyDocument=trust)

    async def make() -> None:
        await once_known(put)
        await aws.call(
            "iam",
            "put_role_policy",
            RoleName=name,
            PolicyName=POLICY,
            PolicyDocument=json.dumps(policy),
        )

    return Step(part, f"role {name}", look, make)


def _owner(zone: DataZone, arn: str) -> Step:
    async def there() -> dict[str, str]:
        return {"entityType": "DOMAIN_UNIT", "entityIdentifier": await zone.root()}

    async def look() -> object | None:
        domain = await zone.found()
        if domain is None:
            return None
        try:
            user = await zone.aws.call(
                "datazone",
                "get_user_profile",
                domainIdentifier=domain,
                userIdentifier=arn,
                type="IAM",
            )
        except AwsRejected as error:
            if error.aws_code != MISSING:
                raise
            return None
        pages = zone.aws.pages(
            "datazone", "list_entity_owners", domainIdentifier=domain, **await there()
        )
        async for page in pages:
            if {"user": {"userId": user["id"]}} in page["owners"]:
                return [user["id"]]
        return None

    async def make() -> None:
        owner = {"user": {"userIdentifier": await zone.profile(arn)}}
        try:
            await zone.aws.call(
                "datazone",
                "add_entity_owner",
                domainIdentifier=await zone.domain(),
                owner=owner,
                **await there(),
            )
        except AwsRejected as error:
            if error.aws_code != CONFLICT:
                raise

    return Step("portal", f"owner {arn} of the domain {zone.name}", look, make)
