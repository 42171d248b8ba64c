"""A key of KMS for each domain, found by its alias."""

import re
from dataclasses import dataclass
from logging import WARNING

from meshplane.kit.errors import Conflict, Invalid
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.telemetry import log

# https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateAlias.html
_ALIAS = re.compile(r"[a-zA-Z0-9/_-]{1,250}")
_ROTATION_DAYS = 365
_LEAST_WINDOW_DAYS = 7


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
    """The keys of domains. Aliases begin with the prefix of the place.

    Args:
        aws: who makes them.
        policy: the key policy as JSON text; None: KMS's own, by which IAM decides.
        rotation_days: how often a key's material is renewed, 90 to 2560 days.
    """

    def __init__(
        self, aws: Aws, policy: str | None = None, rotation_days: int = _ROTATION_DAYS
    ) -> None:
        self._aws, self._policy, self._rotation_days = aws, policy, rotation_days

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

    async def ensure(self, domain: str) -> DomainKey:
        """The key of a domain, made where there is none, with rotation; as often as one likes.

        Raises:
            Invalid: as `find`.
            Conflict: as `find`.
        """
        found = await self.find(domain)
        if found is None:
            found = await self._make(domain)
        await self._ensure_rotation(found.key_id)
        return found

    async def _make(self, domain: str) -> DomainKey:
        alias = self._alias(domain)
        more = {"Policy": self._policy} if self._policy else {}
        made = await self._aws.call(
            "kms",
            "create_key",
            Description=f"Data of the domain {domain}",
            KeyUsage="ENCRYPT_DECRYPT",
            KeySpec="SYMMETRIC_DEFAULT",
            Origin="AWS_KMS",
            Tags=[
                {"TagKey": "ManagedBy", "TagValue": "ManagementApp"},
                {"TagKey": "Domain", "TagValue": domain},
            ],
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
        name = f"{self._aws.place.prefix}{domain}"
        if not _ALIAS.fullmatch(name) or name.startswith("aws/"):
            raise Invalid(
                "ALIAS_INVALID",
                "The name of an alias is letters, digits, '/', '_' and '-', and not of AWS's own.",
                field="domain",
            )
        return f"alias/{name}"
