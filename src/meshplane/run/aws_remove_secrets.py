"""Secrets of the mesh, its user pool, and the keys of domains in KMS."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import SECRETS, USER_POOL, domain_key_alias
from meshplane.run.aws_remove import Kind, Thing
from meshplane.run.aws_remove_own import unless

_NO_KEY = frozenset({"NotFoundException"})
_NO_SECRET = frozenset({"ResourceNotFoundException"})
_LEAST_WINDOW_DAYS = 7
_POOLS = 60
_OURS = ("ManagedBy", "ManagementApp")


def secret_kinds(aws: Aws) -> list[Kind]:
    """What is encrypted by the keys is gone before they go."""
    return [
        Kind("secrets", partial(_secrets, aws)),
        Kind("user pools", partial(_pools, aws)),
        Kind(
            "keys",
            partial(_keys, aws),
            ("buckets of domains", "buckets", "tables", "secrets", "tables of Glue"),
        ),
    ]


async def _keys(aws: Aws) -> AsyncIterator[Thing]:
    """Proof: tags that say that the mesh made it for a domain, and the alias of that domain."""
    start = domain_key_alias(aws.place, "")
    async for page in aws.pages("kms", "list_aliases"):
        for one in page["Aliases"]:
            alias, key = one["AliasName"], one.get("TargetKeyId")
            if key is None or not alias.startswith(start):
                continue
            told = await unless(aws.call("kms", "list_resource_tags", KeyId=key), _NO_KEY)
            tags = {each["TagKey"]: each["TagValue"] for each in (told or {}).get("Tags", ())}
            is_own = domain_key_alias(aws.place, tags.get("Domain", "")) == alias
            if is_own and _OURS in tags.items():
                yield Thing(f"key {alias}", partial(_take_key, aws, alias, key))


async def _take_key(aws: Aws, alias: str, key: str) -> None:
    """KMS deletes a key after 7 days at the earliest; until then that can be taken back."""
    told = await unless(aws.call("kms", "describe_key", KeyId=key), _NO_KEY)
    if told is not None and told["KeyMetadata"]["KeyState"] != "PendingDeletion":
        await aws.call(
            "kms", "schedule_key_deletion", KeyId=key, PendingWindowInDays=_LEAST_WINDOW_DAYS
        )
    # The alias is what it is found by, so it goes last.
    await unless(aws.call("kms", "delete_alias", AliasName=alias), _NO_KEY)


async def _secrets(aws: Aws) -> AsyncIterator[Thing]:
    """Proof: their names, and the tag that says that a mesh made them."""
    for name in SECRETS:
        full = f"{aws.place.prefix}{name}"
        told = await unless(
            aws.call("secretsmanager", "describe_secret", SecretId=full), _NO_SECRET
        )
        if told is None or told.get("DeletedDate") is not None:
            continue
        if {"Key": _OURS[0], "Value": _OURS[1]} in told.get("Tags", ()):
            yield Thing(f"secret {full}", partial(_take_secret, aws, told["ARN"]))


async def _take_secret(aws: Aws, arn: str) -> None:
    """At once: a name that waits for its end could not be used by another mesh."""
    await unless(
        aws.call("secretsmanager", "delete_secret", SecretId=arn, ForceDeleteWithoutRecovery=True),
        _NO_SECRET,
    )


async def _pools(aws: Aws) -> AsyncIterator[Thing]:
    """Proof: its name, and the tag that says that a mesh made it. The people in it go along."""
    name = f"{aws.place.prefix}{USER_POOL}"
    async for page in aws.pages("cognito-idp", "list_user_pools", MaxResults=_POOLS):
        for one in page["UserPools"]:
            if one["Name"] != name:
                continue
            told = await aws.call("cognito-idp", "describe_user_pool", UserPoolId=one["Id"])
            if told["UserPool"].get("UserPoolTags", {}).get(_OURS[0]) == _OURS[1]:
                yield Thing(f"user pool {name}", partial(_take_pool, aws, told["UserPool"]))


async def _take_pool(aws: Aws, pool: Mapping[str, Any]) -> None:
    if pool.get("DeletionProtection") == "ACTIVE":
        # The call sets back what it does not name; that does not matter any more.
        await aws.call(
            "cognito-idp", "update_user_pool", UserPoolId=pool["Id"], DeletionProtection="INACTIVE"
        )
    if pool.get("Domain"):
        await aws.call(
            "cognito-idp", "delete_user_pool_domain", UserPoolId=pool["Id"], Domain=pool["Domain"]
        )
    await unless(aws.call("cognito-idp", "delete_user_pool", UserPoolId=pool["Id"]), _NO_SECRET)
