"""Calling AWS: sessions, clients, retries, errors."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ParamValidationError,
    ProfileNotFound,
)
from botocore.session import Session as BotocoreSession
from botocore.session import get_session

from meshplane.kit.errors import Invalid
from meshplane.platform.aws.attempts import Watch, perhaps_happened
from meshplane.platform.aws.budget import THROTTLES
from meshplane.platform.aws.circuit import Circuits
from meshplane.platform.aws.errors import NO_CREDENTIALS, AwsRejected, AwsUnavailable
from meshplane.platform.aws.place import AwsPlace

# For each service that is called: one that is slow takes no thread from the others.
_THREADS = 16

T = TypeVar("T")
# What AWS says when it wants the same call later, in the words of its services.
_LATER = THROTTLES | frozenset(
    {
        "TransactionInProgressException",
        "PriorRequestNotComplete",
        "ConcurrentModificationException",
        "InternalServerException",
        "InternalServiceException",
        "InternalServerError",
        "InternalError",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "OperationTimeoutException",
    }
)
_SERVER_FAULT = 500


class Aws:
    """Calls AWS as one principal.

    Thread-safe. Every call names its service and its operation by literals.

    Args:
        place: where AWS is.
        session: whose credentials; by default what boto3 finds, IRSA and profiles included.
        circuits: what is known of who answers there; roles share it.

    Raises:
        Invalid: AWS_PROFILE_UNKNOWN.
    """

    def __init__(
        self,
        place: AwsPlace,
        session: BotocoreSession | None = None,
        circuits: Circuits | None = None,
    ) -> None:
        self.place = place
        self.circuits = circuits if circuits is not None else Circuits.of_place(place)
        self._core = session if session is not None else get_session()
        try:
            self._boto = boto3.session.Session(
                botocore_session=self._core, region_name=place.region
            )
        except ProfileNotFound as error:
            raise Invalid(
                "AWS_PROFILE_UNKNOWN",
                "The profile that AWS_PROFILE names stands in none of AWS's files here.",
            ) from error
        self._clients: dict[str, Any] = {}
        self._roles: dict[tuple[str, str], Aws] = {}
        self._lock = threading.Lock()
        self._pools: dict[str, ThreadPoolExecutor] = {}

    def run(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """One call; blocks.

        Args:
            service: botocore's name: `lakeformation`.
            operation: boto3's method: `grant_permissions`.
            parameters: as botocore's model has them.

        Raises:
            AwsRejected: AWS said no.
            AwsUnavailable: no answer, or a request to come later, after all attempts; or at once,
                where nothing has answered for a while.
        """
        try:
            method = getattr(self.client(service), operation)
            answer: dict[str, Any] = method(**parameters)
        except ClientError as error:
            raise _refusal(service, operation, error) from error
        except ParamValidationError as error:
            # It never left this machine, and never will as it is.
            raise AwsRejected(
                service, operation, "ParamValidation", code="AWS_CALL_INVALID"
            ) from error
        except BotoCoreError as error:
            lost = perhaps_happened(error)
            reason = "no answer" if lost else type(error).__name__
            raise AwsUnavailable(service, operation, reason, may_have_happened=lost) from error
        return answer

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """As `run`, without blocking the event loop."""
        # Threads may all be waiting for a service that does not answer: this needs none.
        self._watch(service).demand_answers(operation)
        return await self.in_thread(service, partial(self.run, service, operation, **parameters))

    async def in_thread(self, service: str, work: Callable[[], T]) -> T:
        """Work that blocks, such as several calls of `run` one after another, in one thread.

        To wait for a thread takes up to half a millisecond, which short calls need not pay each.

        Args:
            service: that it calls: it takes one of the threads for that.
            work: what to do.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads(service), work)

    def run_pages(
        self, service: str, operation: str, /, **parameters: Any
    ) -> Iterator[dict[str, Any]]:
        """The pages of an operation for which botocore knows a paginator; blocks."""
        paginator = self.client(service).get_paginator(operation)
        pages = iter(paginator.paginate(**parameters))
        while True:
            try:
                page = next(pages)
            except StopIteration:
                return
            except ClientError as error:
                raise _refusal(service, operation, error) from error
            except BotoCoreError as error:
                # A list changes nothing, so a lost answer has no effect.
                raise AwsUnavailable(
                    service, operation, type(error).__name__, may_have_happened=False
                ) from error
            yield page

    async def pages(
        self, service: str, operation: str, /, **parameters: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """As `run_pages`, without blocking the event loop."""
        self._watch(service).demand_answers(operation)
        loop = asyncio.get_running_loop()
        pages = self.run_pages(service, operation, **parameters)
        while True:
            page = await loop.run_in_executor(self._threads(service), next, pages, None)
            if page is None:
                return
            yield page

    def as_role(self, role_arn: str, session_name: str, **more: Any) -> "Aws":
        r"""AWS as a role sees it; its credentials are renewed by themselves.

        Args:
            role_arn: whom to be.
            session_name: who it is for, 2 to 64 of `[\\w+=,.@-]`; CloudTrail shows it.
            more: further parameters of `sts assume_role`: `DurationSeconds`, `Tags`, `ExternalId`.

        Raises:
            AwsUnavailable: there are no credentials to take the role with.
        """
        key = (role_arn, session_name)
        with self._lock:
            if key not in self._roles:
                own = self._assumed(role_arn, session_name, more)
                self._roles[key] = Aws(self.place, own, self.circuits)
            return self._roles[key]

    def in_account(self, account: str) -> "Aws":
        """AWS as the mesh's role in another account sees it; itself for the mesh's own account.

        Raises:
            AwsRejected: ACCOUNT_UNKNOWN, the settings name no role there.
        """
        if account == self.place.account:
            return self
        role = self.place.account_roles.get(account)
        if role is None:
            raise AwsRejected("sts", "assume_role", "NoRole", code="ACCOUNT_UNKNOWN")
        said = self.place.external_id
        return self.as_role(role, "meshplane", **({} if said is None else {"ExternalId": said}))

    def client(self, service: str) -> Any:
        """The client of a service, for libraries that want one. Adapters use `call` and `run`."""
        with self._lock:
            if service not in self._clients:
                client = self._boto.client(
                    service,
                    endpoint_url=self.place.endpoint(service),
                    config=_config(self.place, service),
                )
                self._watch(service).over(client)
                self._clients[service] = client
            return self._clients[service]

    def frozen_credentials(self) -> Any:
        """Access key, secret key and token of now, for libraries that read S3 themselves."""
        credentials = self._core.get_credentials()
        return credentials.get_frozen_credentials() if credentials is not None else None

    def close(self) -> None:
        """Ends the threads and connections, of the roles as well."""
        with self._lock:
            roles, clients = list(self._roles.values()), list(self._clients.values())
            self._roles.clear()
            self._clients.clear()
            pools = list(self._pools.values())
            self._pools.clear()
        for role in roles:
            role.close()
        for client in clients:
            client.close()
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _watch(self, service: str) -> Watch:
        return Watch(service, self.place, self.circuits)

    def _threads(self, service: str) -> ThreadPoolExecutor:
        with self._lock:
            if service not in self._pools:
                name = f"aws-{service}"
                self._pools[service] = ThreadPoolExecutor(_THREADS, thread_name_prefix=name)
            return self._pools[service]

    def _assumed(
        self, role_arn: str, session_name: str, more: Mapping[str, Any]
    ) -> BotocoreSession:
        own = self._core.get_credentials()
        if own is None:
            raise AwsUnavailable("sts", "assume_role", NO_CREDENTIALS, may_have_happened=False)
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=_sts_of(self.place, self._core, self.circuits),
            source_credentials=own,
            role_arn=role_arn,
            extra_args={"RoleSessionName": session_name, **more},
        )
        session = get_session()
        # Models are read once for all roles: a client takes 8 ms then, and 170 ms otherwise.
        session.register_component("data_loader", self._core.get_component("data_loader"))
        session._credentials = DeferredRefreshableCredentials(
            method="assume-role", refresh_using=fetcher.fetch_credentials
        )
        return session


def _sts_of(place: AwsPlace, core: BotocoreSession, circuits: Circuits) -> Callable[..., Any]:
    def create(service: str, **given: Any) -> Any:
        given.setdefault("region_name", place.region)
        client = core.create_client(
            service,
            endpoint_url=place.endpoint(service),
            config=_config(place, service),
            **given,
        )
        Watch(service, place, circuits).over(client)
        return client

    return create


def _config(place: AwsPlace, service: str) -> Config:
    local = place.endpoint(service) is not None
    return Config(
        retries={"mode": "standard", "total_max_attempts": place.most_attempts},
        connect_timeout=place.connect_seconds,
        read_timeout=place.read_seconds,
        max_pool_connections=_THREADS,
        # A sandbox answers at one address: no bucket or prefix may become part of the host.
        s3={"addressing_style": "path"} if local else None,
        inject_host_prefix=not local,
    )


def _refusal(service: str, operation: str, error: ClientError) -> AwsRejected | AwsUnavailable:
    told = error.response.get("Error", {})
    code = str(told.get("Code", "Unknown"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if error.operation_name == "AssumeRole":
        # A role's session is begun by the first call that needs one.
        service, operation = "sts", "assume_role"
    if code in _LATER or status >= _SERVER_FAULT:
        # An answer of 5xx may come after the effect, and so may one to a second attempt.
        perhaps = status >= _SERVER_FAULT or perhaps_happened(error)
        return AwsUnavailable(service, operation, code, may_have_happened=perhaps)
    return AwsRejected(service, operation, code, answer=error.response)
