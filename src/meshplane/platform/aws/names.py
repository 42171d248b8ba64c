"""What a mesh has in its account, and what that is called. Pure."""

import re
from base64 import b32encode
from hashlib import sha256

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

CRAWL_ROLE = "meshplane-crawls"
"""What Glue's crawlers read the raw areas of projects as."""

CRAWL_DATABASE = "meshplane_crawls"
"""The database of Glue that crawlers fill. No domain can have this name: theirs take no _."""

PORTAL_ROLE = "meshplane-portal"
"""What the domain of DataZone works as."""

PART_ROLE = "meshplane-part-"
"""What a part of the mesh itself calls AWS as, by the part's name; see `part_role`."""

PROCESS_ROLE = "meshplane-process"
"""What the process of a demo runs as: it may take the roles of the parts, and nothing else."""

PROJECTS_BOUNDARY = "meshplane-projects"
"""The managed policy that is the permissions boundary of the roles of projects."""

PORTAL_ASSET_TYPE = "MeshplaneTable"
"""The type of the mesh's products in DataZone, which leaves granting to the mesh."""

SHARES_WORKGROUP = "meshplane"
"""The workgroup of Athena in which shares are tried out."""

MASK_KEY_SECRET = "meshplane/mask-key"  # noqa: S105 - its name
"""The key of hash masks in Secrets Manager, in base64; never renewed."""

ISSUER_KEYS_SECRET = "meshplane/issuer-keys"  # noqa: S105 - its name
"""The signing keys of the mesh's own issuer in Secrets Manager, in PEM, newest first."""

SEALING_KEYS_SECRET = "meshplane/sealing-keys"  # noqa: S105 - its name
"""The keys that secrets in rows are sealed with, newest first; all are needed."""

SECRETS = (MASK_KEY_SECRET, ISSUER_KEYS_SECRET, SEALING_KEYS_SECRET)
"""All secrets of a mesh in Secrets Manager, after its prefix."""

LAKE_SERVICE_ROLE = "AWSServiceRoleForLakeFormationDataAccess"
"""The service-linked role as which Lake Formation reads and writes in registered places."""

USER_POOL = "meshplane"
"""The mesh's user pool in Cognito, and its app client, after the mesh's prefix."""

_DATA_LAKE = "data-lake-"
_LONGEST_BUCKET = 63  # "General purpose bucket naming rules" of S3
_DIGEST = 12  # characters of base 32: 60 bits


def role_arn(place: AwsPlace, role: str) -> str:
    """The ARN of one of the mesh's roles."""
    return f"arn:aws:iam::{place.account}:role/{role_name(place, role)}"


def part_role(place: AwsPlace, part: str) -> str:
    """The name of the role that a part of `aws_parts` calls AWS as, where it has one of its own."""
    return f"{place.prefix}{PART_ROLE}{part}"


def projects_boundary_arn(place: AwsPlace) -> str:
    """The ARN of the managed policy that bounds what roles of projects may ever do."""
    return f"arn:aws:iam::{place.account}:policy/{place.prefix}{PROJECTS_BOUNDARY}"


def project_role_arn(place: AwsPlace, project_id: str) -> str:
    """The ARN of the role that acts as a project; grants in Lake Formation name it."""
    return f"arn:aws:iam::{place.account}:role/project-{project_id}-role"


def project_workgroup(place: AwsPlace, project_id: str) -> str:
    """The name of a project's workgroup in Athena; the policy of its role names it."""
    return f"{place.prefix}{project_id}"


def crawl_database(place: AwsPlace) -> str:
    """The database of Glue that the mesh's crawlers fill."""
    return f"{place.prefix}{CRAWL_DATABASE}"


def crawl_place(place: AwsPlace) -> str:
    """What that database says to lie in, by which it is known as this mesh's; nothing lies there.

    The names of buckets are one for all of AWS, so it is nobody else's.
    """
    return f"s3://{mesh_bucket(place)}/crawls/"


def project_crawler(place: AwsPlace, project_id: str) -> str:
    """The name of a project's crawler in Glue."""
    return f"{place.prefix}meshplane-{project_id}"


def role_name(place: AwsPlace, role: str) -> str:
    """The name of one of the mesh's roles."""
    return f"{place.prefix}{role}"


def mesh_bucket(place: AwsPlace) -> str:
    """The bucket for what belongs to no domain: large rows, results of the mesh's own queries.

    Names of buckets are one for all of AWS, so the account and the region are part of it.
    """
    return f"{place.prefix}meshplane-{place.account}-{place.region}"


def domain_bucket(place: AwsPlace, domain: str) -> str:
    """The bucket of a domain: `data-lake-DOMAIN-ACCOUNT-REGION`, after the mesh's prefix.

    Names of buckets are one for all of AWS, so `data-lake-DOMAIN` is anybody's. A name longer than
    S3 takes is cut, and told apart by a digest in place of the region: no name that is whole ends
    as those do that are cut.

    Args:
        place: the mesh's.
        domain: its name, a slug.
    """
    start, end = f"{place.prefix}{_DATA_LAKE}", f"-{place.account}"
    whole = f"{start}{domain}{end}-{place.region}"
    if len(whole) <= _LONGEST_BUCKET:
        return whole
    digest = b32encode(sha256(whole.encode()).digest()).decode().lower()[:_DIGEST]
    room = _LONGEST_BUCKET - len(start) - len(end) - 1 - _DIGEST
    return f"{start}{domain[:room].rstrip('-')}-{digest}{end}"


def domain_bucket_arns(place: AwsPlace) -> list[str]:
    """The ARNs of the buckets of all domains, as patterns for policies."""
    named = f"arn:aws:s3:::{place.prefix}{_DATA_LAKE}*-{place.account}"
    return [named, f"{named}-{place.region}"]


def is_domain_bucket(place: AwsPlace, bucket: str) -> bool:
    """Whether a bucket can be a domain's of this mesh, by its name."""
    named = re.escape(f"{place.prefix}{_DATA_LAKE}")
    whole = rf"{named}[a-z0-9-]+-{place.account}-{re.escape(place.region)}"
    cut = rf"{named}[a-z0-9-]+-[a-z2-7]{{{_DIGEST}}}-{place.account}"
    return re.fullmatch(f"{whole}|{cut}", bucket) is not None


def lake_service_role_arn(place: AwsPlace) -> str:
    """The ARN of the service-linked role of Lake Formation."""
    path = "aws-service-role/lakeformation.amazonaws.com"
    return f"arn:aws:iam::{place.account}:role/{path}/{LAKE_SERVICE_ROLE}"


def domain_key_alias(place: AwsPlace, domain: str) -> str:
    """The alias of a domain's key in KMS.

    Args:
        place: the mesh's.
        domain: its name, a slug.
    """
    return f"alias/{place.prefix}meshplane-{domain}"
