"""Webhooks through EventBridge: a connection and an API destination for each.

EventBridge sends over HTTPS only, waits 5 seconds for an answer, and cannot sign a body: the key
that a webhook's signatures are made with at home goes along in the header `webhook-key`. Whoever
needs signatures leaves webhooks to the mesh (`BusPlaces.webhooks`).

Sources: API Reference (`CreateConnection`, `CreateApiDestination`), User Guide, "API destinations".
"""

from typing import Any

from meshplane.events.aws import BusPlaces
from meshplane.events.aws_targets import destination_name, is_direct
from meshplane.events.rules import WEBHOOK_SECRETS, Rule, Target
from meshplane.events.webhooks import secret_about
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.sealing import NoSeal, Seal
from meshplane.platform.store import Store

KEY_HEADER = "webhook-key"
MOST_CALLS_A_SECOND = 100

_NOT_FOUND = "ResourceNotFoundException"


class ApiDestinations:
    """Makes and removes API destinations.

    Args:
        aws: calls EventBridge.
        store: holds the keys of webhooks.
        seal: opens them.
    """

    def __init__(self, aws: Aws, store: Store, seal: Seal | None = None) -> None:
        self._aws = aws
        self._store = store
        self._seal = seal or NoSeal()

    async def arn(self, rule: str, target: Target) -> str:
        """The ARN of a webhook's destination; empty where it is not as it should be."""
        found = await self._described(self._name(rule, target.id))
        if found is None or found["InvocationEndpoint"] != target.url:
            return ""
        return str(found["ApiDestinationArn"])

    async def ensure(self, rule: Rule, places: BusPlaces) -> None:
        """Makes what the webhooks of a rule need.

        Raises:
            AwsRejected: EventBridge refuses the address, such as one that is not HTTPS.
        """
        for target in rule.targets:
            if target.type == "webhook" and is_direct(rule, target, places):
                await self._ensure_one(rule.name, target)

    async def remove(self, rule: str, targets: list[str]) -> None:
        """Removes what the webhooks of a rule had; what is not there is no error."""
        for target in targets:
            name = self._name(rule, target)
            for delete in (self._delete_destination, self._delete_connection):
                try:
                    await delete(name)
                except AwsRejected as error:
                    if error.aws_code != _NOT_FOUND:
                        raise

    def _name(self, rule: str, target: str) -> str:
        return destination_name(self._aws.place.prefix, rule, target)

    async def _ensure_one(self, rule: str, target: Target) -> None:
        name = self._name(rule, target.id)
        found = await self._described(name)
        if found is not None:
            if found["InvocationEndpoint"] != target.url:
                await self._aws.call(
                    "events", "update_api_destination", Name=name, InvocationEndpoint=target.url
                )
            return
        await self._aws.call(
            "events",
            "create_api_destination",
            Name=name,
            ConnectionArn=await self._connection(rule, target, name),
            InvocationEndpoint=target.url,
            HttpMethod="POST",
            InvocationRateLimitPerSecond=MOST_CALLS_A_SECOND,
        )

    async def _connection(self, rule: str, target: Target, name: str) -> str:
        try:
            found = await self._aws.call("events", "describe_connection", Name=name)
            return str(found["ConnectionArn"])
        except AwsRejected as error:
            if error.aws_code != _NOT_FOUND:
                raise
        secret = await self._store.begin().get(WEBHOOK_SECRETS, rule, target.id)
        key = ""
        if secret is not None:
            key = await self._seal.open(secret.item["secret"], secret_about(secret.item))
        made = await self._aws.call(
            "events",
            "create_connection",
            Name=name,
            AuthorizationType="API_KEY",
            AuthParameters={"ApiKeyAuthParameters": {"ApiKeyName": KEY_HEADER, "ApiKeyValue": key}},
        )
        return str(made["ConnectionArn"])

    async def _described(self, name: str) -> dict[str, Any] | None:
        try:
            return await self._aws.call("events", "describe_api_destination", Name=name)
        except AwsRejected as error:
            if error.aws_code == _NOT_FOUND:
                return None
            raise

    async def _delete_destination(self, name: str) -> None:
        await self._aws.call("events", "delete_api_destination", Name=name)

    async def _delete_connection(self, name: str) -> None:
        await self._aws.call("events", "delete_connection", Name=name)
