"""A key of KMS for each domain, found by its alias."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from logging import WARNING
from typing import Any

from meshplane.kit.errors import Conflict, Invalid
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import domain_key_alias
from meshplane.platform.telemetry import log

# https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html
_ALIAS = re.compile(r"[a-zA-Z0-9/_-]{1,250}")
_ROTATION_DAYS = 365
_LEAST_WINDOW_DAYS = 7
_OURS = {"TagKey": "ManagedBy", "TagValue": "ManagementApp"}
_POLICY = "default"
"""The only name that a key's policy can have."""


@dataclass(frozen=True, slots=True)
class DomainKey:
    """A key of KMS.

    Args:
        key_id, arn: KMS's names of it.
        alias: the name that it is found by.
        made: whether it was made just now; otherwise it was there.
    """

    key_id: str
    arn: str
    alias: str
    made: bool


class DomainKeys:
    """The keys of domains; see `domain_key_alias`.

    Args:
        aws: who makes them.
        rotation_days: how often a key's material is renewed, 90 to 2560 days.
    """

    def __init__(self, aws: Aws, rotation_days: int = _ROTATION_DAYS) -> None:
        self._aws, self._rotation_days = aws, rotation_days

    async def find(self, domain: str) -> DomainKey | None:
        """The key of a domain; None: there is none.

        Raises:
            Invalid: ALIAS_INVALID, no alias can be made of the domain's name.
            Conflict: KEY_UNUSABLE, it is disabled, or about to be deleted.
        """
        alias = self._alias(domain)
        try:
            found = await self._aws.call("kms", "describe_key", KeyId=alias)
        except AwsRejected as refusal:
            if refusal.aws_code == "NotFoundException":
                return None
            raise
        told = found["KeyMetadata"]
        if told["KeyState"] not in {"Enabled", "Creating", "Updating"}:
            raise Conflict(
                "KEY_UNUSABLE",
                f"The key of {alias} is {told['KeyState']}: enable it, or move the alias.",
            )
        return DomainKey(told["KeyId"], told["Arn"], alias, made=False)

    async def ensure(self, domain: str, policy: Mapping[str, Any] | None = None) -> DomainKey:
        """The key of a domain, made where there is none, with rotation; as often as one likes.

        Args:
            domain: its name.
            policy: of the key; None: KMS's own, by which IAM decides. A key that somebody else
                made keeps the policy that it has.

        Raises:
            Invalid: as `find`.
            Conflict: as `find`.
        """
        found = await self.find(domain)
        if found is None:
            found = await self._make(domain, policy)
        if not found.made and policy is not None:
            await self._ensure_policy(found, policy)
        await self._ensure_rotation(found.key_id)
        return found

    async def _ensure_policy(self, key: DomainKey, policy: Mapping[str, Any]) -> None:
        told = await self._aws.call("kms", "list_resource_tags", KeyId=key.key_id)
        if _OURS not in told["Tags"]:
            log(WARNING, "key_of_others", alias=key.alias)
            return
        held = await self._aws.call("kms", "get_key_policy", KeyId=key.key_id, PolicyName=_POLICY)
        if json.loads(held["Policy"]) != policy:
            await self._aws.call(
                "kms",
                "put_key_policy",
                KeyId=key.key_id,
                PolicyName=_POLICY,
                Policy=json.dumps(policy),
            )

    async def _make(self, domain: str, policy: Mapping[str, Any] | None) -> DomainKey:
        alias = self._alias(domain)
        more = {"Policy": json.dumps(policy)} if policy else {}
        made = await self._aws.call(
            "kms",
            "create_key",
            Description=f"Data of the domain {domain}",
            KeyUsage="ENCRYPT_DECRYPT",
            KeySpec="SYMMETRIC_DEFAULT",
            Origin="AWS_KMS",
            Tags=[_OURS, {"TagKey": "Domain", "TagValue": domain}],
            **more,
        )
        key_id, arn = made["KeyMetadata"]["KeyId"], made["KeyMetadata"]["Arn"]
        try:
            await self._aws.call("kms", "create_alias", AliasName=alias, TargetKeyId=key_id)
        except AwsRejected as refusal:
            if refusal.aws_code != "AlreadyExistsException":
                raise
            other = await self.find(domain)
            if other is None:
                raise
            if other.key_id != key_id:
                # Another process was faster. A key without a name would cost for ever.
                await self._aws.call(
                    "kms",
                    "schedule_key_deletion",
                    KeyId=key_id,
                    PendingWindowInDays=_LEAST_WINDOW_DAYS,
                )
                log(WARNING, "second_key_removed", alias=alias)
            return other
        return DomainKey(key_id, arn, alias, made=True)

    async def _ensure_rotation(self, key_id: str) -> None:
        status = await self._aws.call("kms", "get_key_rotation_status", KeyId=key_id)
        if not status["KeyRotationEnabled"]:
            await self._aws.call(
                "kms",
                "enable_key_rotation",
                KeyId=key_id,
                RotationPeriodInDays=self._rotation_days,
            )

    def _alias(self, domain: str) -> str:
        alias = domain_key_alias(self._aws.place, domain)
        name = alias.removeprefix("alias/")
        if not _ALIAS.fullmatch(name) or name.startswith("aws/"):
            raise Invalid(
                "ALIAS_INVALID",
                "The name of an alias is letters, digits, '/', '_' and '-', and not of AWS's own.",
                field="domain",
            )
        return alias
