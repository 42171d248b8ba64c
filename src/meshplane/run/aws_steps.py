"""What each part of a mesh needs once in its account.

Not among it: what the mesh makes by itself when it is needed first, such as the bucket and the
database of a domain, the role and the workgroup of a project, rules, schedules and state machines.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.datazone import DataZone
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.identity import own_arn
from meshplane.platform.aws.names import SHARES_WORKGROUP, mesh_bucket, role_name
from meshplane.platform.aws.part_roles import Identities
from meshplane.platform.aws.polling import until
from meshplane.run.aws_notes import note_administrator
from meshplane.run.aws_part_steps import once_known, owner_steps, part_role_steps
from meshplane.run.aws_prepare import Given, Step
from meshplane.run.aws_roles import POLICY, ServiceRole, roles_of
from meshplane.run.aws_steps_bus import bus_steps, listener_step, topic_steps, workflow_steps
from meshplane.run.aws_steps_identity import identity_steps
from meshplane.run.aws_steps_principals import account_role_steps, principal_steps
from meshplane.run.aws_steps_projects import project_steps

_NO_ROLE, _NO_BUCKET = "NoSuchEntity", frozenset({"404", "NoSuchBucket", "NotFound"})
_NO_WORKGROUP = "InvalidRequestException"
_TOO_SLOW = "AWS_TOO_SLOW"
_PORTAL_SECONDS = 600.0
_UNSET = frozenset(
    {"ServerSideEncryptionConfigurationNotFoundError", "NoSuchLifecycleConfiguration"}
)


def steps_of(
    aws: Aws,
    parts: Iterable[str],
    portal: DataZone | None = None,
    user_groups: Sequence[str] | None = None,
    identities: Identities | None = None,
    *,
    template_services: Sequence[str] = (),
) -> list[Step | Given]:
    """The steps for some parts of `aws_parts`, each after those that it needs.

    First of all it is looked whether those are there whom the settings name.

    Args:
        aws: as who prepares the account.
        parts: of the setting.
        portal: the mesh's domain of DataZone, for the part `portal`.
        user_groups: of administrators and auditors, for the part `identity`; None: people are in a
            user pool that is there already.
        identities: who the mesh is, as far as that is said; None: who prepares the account.
        template_services: of the setting.
    """
    wanted = set(parts)
    mesh = identities or Identities()
    steps: list[Step | Given] = [*principal_steps(aws, mesh), *part_role_steps(aws, parts, mesh)]
    steps += project_steps(aws, wanted, template_services, mesh)
    for part in ("store", "lake", "shares", "bus", "blueprints"):
        if part in wanted:
            steps.append(_bucket(aws, part))
            break
    if "lake" in wanted:
        steps.append(_lake_settings(aws, mesh.administrators(wanted)))
    if "store" in wanted:
        steps.append(_tables(aws))
    if "shares" in wanted:
        steps.append(_workgroup(aws))
    if "bus" in wanted:
        steps += [*_roles(aws, "bus"), *bus_steps(aws)]
    if "workflows" in wanted:
        steps += [*_roles(aws, "workflows"), *workflow_steps(aws)]
    for part in ("notices", "workflows"):
        if part in wanted:
            steps += topic_steps(aws, part)
            break
    for part in ("tables", "quality", "portal"):
        if part in wanted:
            steps += _roles(aws, part)
    if "portal" in wanted and portal is not None:
        steps += [_portal(aws, portal), *owner_steps(portal, mesh), listener_step(aws)]
    steps += identity_steps(aws, wanted, user_groups)
    return [*steps, *account_role_steps(aws, wanted, mesh)]


def _lake_settings(aws: Aws, administrators: Sequence[str]) -> Step:
    from meshplane.services.lake.aws_settings import (
        administrators_of,
        ensure_settings,
        settings_drift,
    )

    async def look() -> object:
        return sorted(await administrators_of(aws))

    async def meant() -> list[str]:
        # Who prepares removes as well, and for that must undo what the mesh granted.
        return list(dict.fromkeys((*administrators, await own_arn(aws))))

    async def lacks() -> Sequence[str]:
        return await settings_drift(aws, await meant())

    async def make() -> object:
        wanted = await meant()
        held = await administrators_of(aws)
        for one in wanted:
            if one not in held:
                await note_administrator(aws, one)
        return await once_known(lambda: ensure_settings(aws, wanted))

    return Step("lake", "settings of the data lake", look, make, lacks)


def _bucket(aws: Aws, part: str) -> Step:
    from meshplane.services.tables.aws_buckets import DomainBuckets

    name = mesh_bucket(aws.place)

    async def look() -> object | None:
        try:
            await aws.call("s3", "head_bucket", Bucket=name, ExpectedBucketOwner=aws.place.account)
        except AwsRejected as error:
            if error.aws_code in _NO_BUCKET:
                return None
            raise
        versions = await aws.call("s3", "get_bucket_versioning", Bucket=name)
        return [versions.get("Status"), await _encryption_of(aws, name)]

    async def make() -> None:
        await DomainBuckets(aws).prepare(name, folders=())

    return Step(part, f"bucket {name}", look, make)


async def _encryption_of(aws: Aws, bucket: str) -> object:
    try:
        told = await aws.call("s3", "get_bucket_encryption", Bucket=bucket)
    except AwsRejected as error:
        if error.aws_code in _UNSET:
            return None
        raise
    return told["ServerSideEncryptionConfiguration"]


def _tables(aws: Aws) -> Step:
    from meshplane.platform.aws import dynamodb_layout
    from meshplane.platform.aws.dynamodb_items import Shape
    from meshplane.run.catalogue import SERVICES
    from meshplane.run.mesh import PLATFORM_TABLES

    own = [table for service in SERVICES for table in service.tables]
    declared = (*PLATFORM_TABLES, *own, *dynamodb_layout.OWN_TABLES)
    shapes = [Shape(table, aws.place.prefix) for table in declared]
    names = {shape.name for shape in shapes}

    async def there() -> set[str]:
        found: set[str] = set()
        async for page in aws.pages("dynamodb", "list_tables"):
            found |= names.intersection(page["TableNames"])
        return found

    async def look() -> object | None:
        return sorted(await there()) or None

    async def lacks() -> Sequence[str]:
        return [f"There is no table {name}." for name in sorted(names - await there())]

    async def make() -> object:
        return await asyncio.to_thread(dynamodb_layout.prepare, aws, shapes)

    return Step("store", f"{len(shapes)} tables of DynamoDB", look, make, lacks)


def _workgroup(aws: Aws) -> Step:
    from meshplane.services.query.aws_athena import Workgroups, WorkgroupSettings

    name = f"{aws.place.prefix}{SHARES_WORKGROUP}"
    workgroups = Workgroups(aws, WorkgroupSettings())

    async def look() -> object | None:
        try:
            told = await aws.call("athena", "get_work_group", WorkGroup=name)
        except AwsRejected as error:
            if error.aws_code == _NO_WORKGROUP:
                return None
            raise
        found: object = told["WorkGroup"].get("Configuration")
        return found

    async def make() -> None:
        await workgroups.ensure(name, f"s3://{mesh_bucket(aws.place)}/temp/")

    return Step("shares", f"workgroup {name} of Athena", look, make)


def _portal(aws: Aws, zone: DataZone) -> Step:
    async def look() -> object | None:
        async for page in aws.pages("datazone", "list_domains", status="AVAILABLE"):
            for domain in page["items"]:
                if domain["name"] == zone.name:
                    return [domain["id"]]
        return None

    async def made() -> str | None:
        try:
            return await zone.domain()
        except Unavailable as error:
            if error.code != _TOO_SLOW:
                raise
            return None  # DataZone is at it

    async def make() -> object:
        return await until("the portal's domain is available", made, _PORTAL_SECONDS)

    return Step("portal", f"domain {zone.name} of DataZone", look, make)


def _roles(aws: Aws, part: str) -> list[Step]:
    return [_role(aws, part, role) for role in roles_of(part, aws.place)]


def _role(aws: Aws, part: str, role: ServiceRole) -> Step:
    name = role_name(aws.place, role.name)
    trust = json.dumps(role.trust(aws.place.account))

    async def look() -> object | None:
        try:
            told = await aws.call("iam", "get_role", RoleName=name)
        except AwsRejected as error:
            if error.aws_code == _NO_ROLE:
                return None
            raise
        return [told["Role"].get("AssumeRolePolicyDocument"), await _policy_of(aws, name)]

    async def make() -> object:
        try:
            await aws.call(
                "iam",
                "create_role",
                RoleName=name,
                AssumeRolePolicyDocument=trust,
                Description=f"Taken by {role.service} for the mesh",
            )
        except AwsRejected as error:
            if error.aws_code != "EntityAlreadyExists":
                raise
            await aws.call("iam", "update_assume_role_policy", RoleName=name, PolicyDocument=trust)
        if role.managed is not None:
            return await aws.call(
                "iam", "attach_role_policy", RoleName=name, PolicyArn=role.managed
            )
        return await aws.call(
            "iam",
            "put_role_policy",
            RoleName=name,
            PolicyName=POLICY,
            PolicyDocument=json.dumps(role.policy()),
        )

    return Step(part, f"role {name}", look, make)


async def _policy_of(aws: Aws, role: str) -> Any:
    try:
        told = await aws.call("iam", "get_role_policy", RoleName=role, PolicyName=POLICY)
    except AwsRejected as error:
        if error.aws_code == _NO_ROLE:
            return None
        raise
    return told["PolicyDocument"]
