"""The settings of a mesh that runs on AWS, wholly or in part."""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode

from meshplane.platform.aws.part_roles import MADE
from meshplane.services.projects.aws_boundary import NEVER_SERVICES
from meshplane.services.projects.aws_policies import NAMED_SERVICES

PARTS = (
    "store", "tables", "lake", "query", "bus", "workflows", "portal", "shares", "quality",
    "blueprints", "metrics", "notices", "identity", "keys", "secrets",
)  # fmt: skip
"""What can run on AWS, each by itself but for what it needs there."""

_NEEDS = {
    "lake": ("tables",),
    "query": ("tables", "lake"),
    "portal": ("tables",),
    "shares": ("tables", "lake"),
    "quality": ("tables", "lake"),
    "keys": ("tables",),
}

_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:((role|user)/[\w+=,.@/-]+|root)")
# "AssumeRole" in the API reference of STS.
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_SERVICE = re.compile(r"[a-z][a-z0-9-]{1,39}")
_PREFIX = re.compile(r"([a-z][a-z0-9-]{0,20})?")
# "CreateUserPool" and "CreateUserPoolClient" in Cognito's API reference.
_POOL = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]_[0-9A-Za-z]{1,45}")
_CLIENT = re.compile(r"[\w+]{1,128}", re.ASCII)


class AwsSettings(BaseSettings):
    """What a process must know of AWS. Credentials come as boto3 finds them, IRSA included."""

    aws_region: str | None = Field(None, description="The region: `eu-central-1`.")
    aws_account: str | None = Field(None, description="The account of the mesh, 12 digits.")
    aws_endpoint_url: str | None = Field(
        None,
        description="Where every AWS service answers, for a sandbox; where AWS does if empty.",
    )
    aws_account_roles: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict,
        description="The role that the mesh takes in other accounts: `ACCOUNT=ARN,…`.",
    )
    aws_external_id: str | None = Field(
        None,
        description="What the mesh says as `sts:ExternalId` when it takes a role in another "
        "account, whose trust policy can demand it.",
    )
    aws_part_roles: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict,
        description="The role that a part calls AWS as: `store=ARN,lake=ARN,…`, or `made` for "
        "those that `meshplane aws prepare` makes. A part with none calls as the process.",
    )
    aws_principals: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="ARNs of the roles that the mesh's processes run as: they alone may take the "
        "roles of its parts and projects. Whoever in the account may assume roles, if empty.",
    )
    aws_template_services: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Services of which templates may make what they like, by their prefixes in "
        "IAM: `kms,kinesis`. Of "
        + ", ".join(f"`{one}`" for one in sorted(NAMED_SERVICES))
        + " they may make what bears the name of their stack, without this setting.",
    )
    aws_attempts: int = Field(
        5, ge=1, le=20, description="How often one call of AWS is tried in all."
    )
    aws_read_seconds: float = Field(
        60.0, ge=2, le=900, description="How long one attempt waits for an answer of AWS."
    )
    aws_prefix: str = Field(
        "",
        description="What names on AWS begin with, where several meshes share an account.",
    )
    aws_portal_people: bool = Field(
        False, description="Whether the mesh's people are those of AWS's single sign-on."
    )
    aws_cognito_pool: str | None = Field(
        None,
        description="The user pool whose people are the mesh's: `eu-central-1_Ab12Cd34E`. With the "
        "part `identity` and none named, it is the one that `meshplane aws prepare` made.",
    )
    aws_cognito_clients: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="The app clients of the user pool whose tokens are for the mesh."
    )
    aws_cognito_id_tokens: bool = Field(
        False, description="Whether ID tokens of the user pool are taken beside access tokens."
    )
    aws_cognito_names: bool = Field(
        False,
        description="Whether people of the user pool are known by their user names instead of "
        "their `sub`, which is never given to another.",
    )
    aws_metrics_seconds: float = Field(
        60.0, gt=0, le=3600, description="How often figures are sent to CloudWatch."
    )
    aws_scan_usd_per_tib: float = Field(
        5.0, ge=0, description="What Athena charges for a TiB scanned, for the costs of queries."
    )
    aws_parts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="What runs on AWS instead of this machine: `all`, or some of "
        + ", ".join(f"`{part}`" for part in PARTS)
        + ".",
    )

    @field_validator("aws_parts", mode="before")
    @classmethod
    def _parts(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = tuple(name.strip() for name in value.split(",") if name.strip())
        return PARTS if tuple(value) == ("all",) else value

    @field_validator("aws_parts")
    @classmethod
    def _are_parts(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        where = (info.data.get("aws_region"), info.data.get("aws_account"))
        if value and None in where:
            raise ValueError("needs aws_region and aws_account")
        for name in value:
            if name not in PARTS:
                raise ValueError(f"there is no part {name}; there are {', '.join(PARTS)}, and all")
        for name in value:
            lacking = [need for need in _NEEDS.get(name, ()) if need not in value]
            if lacking:
                raise ValueError(f"{name} needs {' and '.join(lacking)} on AWS as well")
        return value

    @field_validator("aws_cognito_clients", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("aws_cognito_clients")
    @classmethod
    def _are_clients(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_CLIENT.fullmatch(name) for name in value):
            raise ValueError("must be ids of app clients, with commas between")
        return value

    @field_validator("aws_cognito_pool")
    @classmethod
    def _is_pool(cls, value: str | None) -> str | None:
        if value is not None and not _POOL.fullmatch(value):
            raise ValueError("must be the id of a user pool, such as eu-central-1_Ab12Cd34E")
        return value

    @field_validator("aws_account_roles", "aws_part_roles", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.strip() == MADE:
            return {MADE: ""}
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        return {account.strip(): role.strip() for account, _, role in pairs}

    @field_validator("aws_account_roles")
    @classmethod
    def _are_roles(cls, value: dict[str, str]) -> dict[str, str]:
        for account, role in value.items():
            if not _ACCOUNT.fullmatch(account) or not _ROLE.fullmatch(role):
                raise ValueError("must be 444455556666=arn:aws:iam::444455556666:role/NAME,…")
            if role.split(":")[4] != account:
                raise ValueError(f"names for {account} a role of another account")
        return value

    @field_validator("aws_part_roles")
    @classmethod
    def _are_part_roles(cls, value: dict[str, str]) -> dict[str, str]:
        if value == {MADE: ""}:
            return value
        for part, role in value.items():
            if part not in PARTS or not _ROLE.fullmatch(role):
                raise ValueError(
                    f"must be {MADE}, or pairs such as lake=arn:aws:iam::111122223333:role/NAME "
                    f"for some of {', '.join(PARTS)}"
                )
        return value

    @field_validator("aws_principals", "aws_template_services", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(one.strip() for one in value.split(",") if one.strip())
        return value

    @field_validator("aws_principals")
    @classmethod
    def _are_principals(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_PRINCIPAL.fullmatch(one) for one in value):
            raise ValueError("must be ARNs such as arn:aws:iam::111122223333:role/NAME")
        return value

    @field_validator("aws_template_services")
    @classmethod
    def _are_services(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not _SERVICE.fullmatch(one):
                raise ValueError("must be prefixes of services in IAM, such as kms, with commas")
            if one in NEVER_SERVICES | NAMED_SERVICES:
                why = "is the mesh's own, or gives rights" if one in NEVER_SERVICES else "is there"
                raise ValueError(f"{one} {why}: leave it out")
        return value

    @field_validator("aws_external_id")
    @classmethod
    def _is_external_id(cls, value: str | None) -> str | None:
        if value is not None and not _EXTERNAL_ID.fullmatch(value):
            raise ValueError("must be 2 to 1224 letters, digits and signs of +=,.@:/_-")
        return value

    @field_validator("aws_region")
    @classmethod
    def _is_region(cls, value: str | None) -> str | None:
        if value is not None and not _REGION.fullmatch(value):
            raise ValueError("must be a region of AWS, such as eu-central-1")
        return value

    @field_validator("aws_account")
    @classmethod
    def _is_account(cls, value: str | None) -> str | None:
        if value is not None and not _ACCOUNT.fullmatch(value):
            raise ValueError("must be the 12 digits of an account")
        return value

    @field_validator("aws_endpoint_url")
    @classmethod
    def _is_endpoint(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("must be an http or https address")
        return value

    @field_validator("aws_prefix")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        if not _PREFIX.fullmatch(value):
            raise ValueError("must be up to 21 lower-case letters, digits and hyphens")
        return value
