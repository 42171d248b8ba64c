"""What a mesh has once in its account, and what that is called. Pure."""

from meshplane.platform.aws.place import AwsPlace

WORKFLOWS_ROLE = "meshplane-workflows"
"""What the product's own state machines run as."""

AUTHORS_ROLE = "meshplane-workflow-authors"
"""What people's state machines run as."""

SCHEDULER_ROLE = "meshplane-scheduler"
"""What EventBridge Scheduler sends to the mesh's queue as."""

TARGETS_ROLE = "meshplane-targets"
"""What EventBridge starts state machines and calls API destinations as."""

QUALITY_ROLE = "meshplane-quality"
"""What Glue reads tables as, to evaluate rulesets."""

PORTAL_ROLE = "meshplane-portal"
"""What the domain of DataZone works as."""

PORTAL_ASSET_TYPE = "MeshplaneTable"
"""The type of the mesh's products in DataZone, which leaves granting to the mesh."""

SHARES_WORKGROUP = "meshplane"
"""The workgroup of Athena in which shares are tried out."""


def role_arn(place: AwsPlace, role: str) -> str:
    """The ARN of one of the mesh's roles."""
    return f"arn:aws:iam::{place.account}:role/{role_name(place, role)}"


def project_role_arn(place: AwsPlace, project_id: str) -> str:
    """The ARN of the role that acts as a project; grants in Lake Formation name it."""
    return f"arn:aws:iam::{place.account}:role/project-{project_id}-role"


def project_workgroup(place: AwsPlace, project_id: str) -> str:
    """The name of a project's workgroup in Athena; the policy of its role names it."""
    return f"{place.prefix}{project_id}"


def role_name(place: AwsPlace, role: str) -> str:
    """The name of one of the mesh's roles."""
    return f"{place.prefix}{role}"


def mesh_bucket(place: AwsPlace) -> str:
    """The bucket for what belongs to no domain: large rows, results of the mesh's own queries.

    Names of buckets are one for all of AWS, so the account and the region are part of it.
    """
    return f"{place.prefix}meshplane-{place.account}-{place.region}"
