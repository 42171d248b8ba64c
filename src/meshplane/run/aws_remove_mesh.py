"""What a mesh has once in its account, or for a project: stacks, portal, store, roles, policy."""

from collections.abc import AsyncIterator
from functools import partial

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.dynamodb_items import Shape
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.identity import own_arn
from meshplane.platform.aws.names import PORTAL_ROLE, projects_boundary_arn, role_name
from meshplane.platform.aws.polling import until
from meshplane.platform.templates.stack_names import stack_name
from meshplane.run.aws_project_roles import ProjectRole
from meshplane.run.aws_remove import Kind, Thing
from meshplane.run.aws_remove_own import Own, unless
from meshplane.services.projects.aws import POLICY as PROJECT_POLICY

_NO_ROLE = frozenset({"NoSuchEntity"})
_NO_STACK = frozenset({"ValidationError"})
_NO_TABLE = frozenset({"ResourceNotFoundException"})
_NO_DOMAIN = frozenset({"ResourceNotFoundException", "AccessDeniedException"})
_GOING = frozenset({"DELETING", "DELETED"})
_ENVIRONMENTS = ("dev", "staging", "prod")
_TABLES_AT_ONCE = 10  # DynamoDB takes 500
_STACK_SECONDS, _DOMAIN_SECONDS, _TABLE_SECONDS = 1800.0, 900.0, 600.0


def stack_kinds(own: Own) -> list[Kind]:
    """Stacks of deployments."""
    return [Kind("stacks", partial(_stacks, own))]


def portal_kinds(aws: Aws) -> list[Kind]:
    """The domain of DataZone, with all that is in it."""
    return [Kind("portals", partial(_portals, aws))]


def store_kinds(aws: Aws) -> list[Kind]:
    """The tables of DynamoDB."""
    return [Kind("tables", partial(_tables, aws), at_once=_TABLES_AT_ONCE)]


def role_kinds(own: Own) -> list[Kind]:
    """Roles, of projects and of the mesh itself; by them workgroups and stacks are known."""
    needed = ("stacks", "workgroups", "portals", "grants", "administrators")
    return [
        Kind("roles", partial(_roles, own), needed),
        # IAM keeps a policy as long as it is the boundary of a role.
        Kind("policies", partial(_policies, own.aws), ("roles",)),
    ]


async def _stacks(own: Own) -> AsyncIterator[Thing]:
    """Proof: the name that a project of the mesh gives it, and that it works as that project."""
    for project, role in (await own.project_roles()).items():
        for environment in _ENVIRONMENTS:
            name = stack_name(project, environment, own.aws.place.prefix)
            told = await unless(
                own.aws.call("cloudformation", "describe_stacks", StackName=name), _NO_STACK
            )
            for stack in told["Stacks"] if told is not None else ():
                is_gone = stack["StackStatus"] == "DELETE_COMPLETE"
                if stack.get("RoleARN") == role.arn and not is_gone:
                    yield Thing(f"stack {name}", partial(_take_stack, own.aws, stack["StackId"]))


async def _take_stack(aws: Aws, stack: str) -> None:
    async def is_gone() -> bool | None:
        told = await unless(
            aws.call("cloudformation", "describe_stacks", StackName=stack), _NO_STACK
        )
        state = told["Stacks"][0]["StackStatus"] if told is not None else "DELETE_COMPLETE"
        if state == "DELETE_FAILED":
            raise Unavailable(
                "STACK_NOT_REMOVED",
                "CloudFormation could not delete the stack: its events say what kept it.",
            )
        return True if state == "DELETE_COMPLETE" else None

    await aws.call("cloudformation", "delete_stack", StackName=stack)
    await until("the stack is gone", is_gone, _STACK_SECONDS)


async def _portals(aws: Aws) -> AsyncIterator[Thing]:
    """Proof: its name, and that it works as the mesh's role for it."""
    name, role = f"{aws.place.prefix}meshplane", role_name(aws.place, PORTAL_ROLE)
    async for page in aws.pages("datazone", "list_domains"):
        for one in page["items"]:
            if one["name"] != name or one["status"] in _GOING:
                continue
            told = await unless(
                aws.call("datazone", "get_domain", identifier=one["id"]), _NO_DOMAIN
            )
            if told is not None and told["domainExecutionRole"].endswith(f":role/{role}"):
                yield Thing(f"portal {name} ({one['id']})", partial(_take_portal, aws, one["id"]))


async def _take_portal(aws: Aws, identifier: str) -> None:
    """All that is in it goes along: projects, assets, listings, subscriptions, environments."""

    async def is_gone() -> bool | None:
        told = await unless(aws.call("datazone", "get_domain", identifier=identifier), _NO_DOMAIN)
        if told is not None and told["status"] == "DELETION_FAILED":
            raise Unavailable(
                "PORTAL_NOT_REMOVED", "DataZone could not delete the domain: its console says why."
            )
        return True if told is None or told["status"] == "DELETED" else None

    await unless(
        aws.call("datazone", "delete_domain", identifier=identifier, skipDeletionCheck=True),
        {"ResourceNotFoundException"},
    )
    await until("the portal is gone", is_gone, _DOMAIN_SECONDS)


async def _tables(aws: Aws) -> AsyncIterator[Thing]:
    """Proof: the name of one of the mesh's tables, and its keys."""
    from meshplane.platform.aws import dynamodb_layout
    from meshplane.run.catalogue import SERVICES
    from meshplane.run.mesh import PLATFORM_TABLES

    own = [table for service in SERVICES for table in service.tables]
    declared = (*PLATFORM_TABLES, *own, *dynamodb_layout.OWN_TABLES)
    shapes = {shape.name: shape for shape in (Shape(one, aws.place.prefix) for one in declared)}
    async for page in aws.pages("dynamodb", "list_tables"):
        for name in shapes.keys() & set(page["TableNames"]):
            told = await unless(aws.call("dynamodb", "describe_table", TableName=name), _NO_TABLE)
            if told is None or told["Table"]["TableStatus"] == "DELETING":
                continue
            keys = {one["AttributeName"] for one in told["Table"]["KeySchema"]}
            if keys == set(shapes[name].primary):
                yield Thing(f"table {name}", partial(_take_table, aws, name))


async def _take_table(aws: Aws, name: str) -> None:
    async def is_gone() -> bool | None:
        told = await unless(aws.call("dynamodb", "describe_table", TableName=name), _NO_TABLE)
        return True if told is None else None

    await unless(aws.call("dynamodb", "delete_table", TableName=name), _NO_TABLE)
    await until("the table is gone", is_gone, _TABLE_SECONDS)


async def _roles(own: Own) -> AsyncIterator[Thing]:
    """Proof: of projects, see `Own.project_roles`; of the mesh itself, their names."""
    caller = await own_arn(own.aws)
    for role in (await own.project_roles()).values():
        if role.is_made:
            yield Thing(f"role {role.name}", partial(_take_role, own.aws, role.name))
        else:
            yield Thing(f"policy {PROJECT_POLICY} of role {role.name}", partial(_give, own, role))
    for arn in sorted(own.role_arns):
        name = arn.rpartition("/")[2]
        if await unless(own.aws.call("iam", "get_role", RoleName=name), _NO_ROLE) is not None:
            stays = "It is the one that removes." if arn == caller else ""
            yield Thing(f"role {name}", partial(_take_role, own.aws, name), stays)


async def _give(own: Own, role: ProjectRole) -> None:
    """Gives a role back that the mesh had taken over: without its boundary, and its policy.

    The policy goes last: by it the role is found again.
    """
    told = await unless(own.aws.call("iam", "get_role", RoleName=role.name), _NO_ROLE)
    bound = told["Role"].get("PermissionsBoundary", {}) if told is not None else {}
    if bound.get("PermissionsBoundaryArn") == projects_boundary_arn(own.aws.place):
        await unless(
            own.aws.call("iam", "delete_role_permissions_boundary", RoleName=role.name), _NO_ROLE
        )
    await unless(
        own.aws.call("iam", "delete_role_policy", RoleName=role.name, PolicyName=PROJECT_POLICY),
        _NO_ROLE,
    )


async def _policies(aws: Aws) -> AsyncIterator[Thing]:
    """Proof: its name."""
    arn = projects_boundary_arn(aws.place)
    if await unless(aws.call("iam", "get_policy", PolicyArn=arn), _NO_ROLE) is not None:
        yield Thing(f"policy {arn.rpartition('/')[2]}", partial(_take_policy, aws, arn))


async def _take_policy(aws: Aws, arn: str) -> None:
    try:
        async for page in aws.pages("iam", "list_policy_versions", PolicyArn=arn):
            for one in page["Versions"]:
                if not one["IsDefaultVersion"]:
                    await aws.call(
                        "iam", "delete_policy_version", PolicyArn=arn, VersionId=one["VersionId"]
                    )
        await aws.call("iam", "delete_policy", PolicyArn=arn)
    except AwsRejected as error:
        if error.aws_code not in _NO_ROLE:
            raise


async def _take_role(aws: Aws, name: str) -> None:
    try:
        async for page in aws.pages("iam", "list_role_policies", RoleName=name):
            for policy in page["PolicyNames"]:
                await aws.call("iam", "delete_role_policy", RoleName=name, PolicyName=policy)
        async for page in aws.pages("iam", "list_attached_role_policies", RoleName=name):
            for one in page["AttachedPolicies"]:
                await aws.call(
                    "iam", "detach_role_policy", RoleName=name, PolicyArn=one["PolicyArn"]
                )
        await aws.call("iam", "delete_role", RoleName=name)
    except AwsRejected as error:
        if error.aws_code not in _NO_ROLE:
            raise
