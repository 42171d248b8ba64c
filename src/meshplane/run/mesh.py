"""Puts one process together: store, boundary, the services that it runs, links to the others."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp

from meshplane.boundary import remote
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Judge
from meshplane.boundary.idempotency import IDEMPOTENCY_KEYS
from meshplane.boundary.wiring import Built, Ground
from meshplane.events.lane import CURSORS, PARKED
from meshplane.events.outbound import Outbound
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.relay import Relay
from meshplane.gateway.app import application
from meshplane.gateway.identity import TokenVerifier
from meshplane.gateway.issuer import EmbeddedIssuer
from meshplane.kit.clock import Clock, SystemClock
from meshplane.kit.ids import IdMaker, id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.store import Store
from meshplane.platform.tables import Table
from meshplane.policy.engine import Engine, policy_texts
from meshplane.run.aws import aws_of, portal_of
from meshplane.run.catalogue import SERVICES, Service, chosen
from meshplane.run.home import Home
from meshplane.run.links import HttpCaller, issuer
from meshplane.run.memberships import ServiceMemberships
from meshplane.run.operations import PlatformOperations
from meshplane.run.settings import Settings
from meshplane.workflows.built_in_rules import BUILT_IN_RULES
from meshplane.workflows.function_calls import rule_functions

if TYPE_CHECKING:  # it loads boto3
    from meshplane.platform.aws.calls import Aws

_SWEEP_SECONDS = 60.0
# A sweep of DynamoDB reads all of it, and DynamoDB itself removes what has ended.
_SWEEP_AWS_SECONDS = 86_400.0
_WARM_AFTER_SECONDS = 0.05
PLATFORM_TABLES = (IDEMPOTENCY_KEYS, CURSORS, PARKED)


class Mesh:
    """One process of the mesh. Made on the event loop that will run it."""

    def __init__(self, settings: Settings) -> None:
        home = Home(settings.home)
        home.prepare()
        home.sweep_scratch()
        clock = SystemClock()
        new_id = id_maker(clock)
        tables = [table for service in SERVICES for table in service.tables]
        self._aws = aws_of(settings)
        self.store = _store(settings, self._aws, home, tables, clock=clock, new_id=new_id)
        self._settings, self._clock = settings, clock
        memberships = ServiceMemberships()
        roles = {settings.admin_group: "administrator", settings.auditor_group: "auditor"}
        self._engine = Engine(policy_texts().values())
        judge = Judge(self._engine, memberships, roles)
        boundary = Boundary(self.store, judge, clock, new_id, home.scratch)
        own = chosen(settings.only)
        self._caller = HttpCaller(own[0].name, lambda: self.issuer, settings.links)
        others = [service.name for service in SERVICES if service not in own]
        platform = PlatformOperations(others, self._caller)
        ground = Ground(
            boundary=boundary,
            store=self.store,
            clock=clock,
            new_id=new_id,
            lake_folder=home.lake,
            scratch_folder=home.scratch,
            mask_key=home.mask_key(),
            platform=platform,
            outbound=Outbound(settings.outbound_hosts),
            internal_host=settings.internal_host,
            owners_folder=home.owners,
            rules=BUILT_IN_RULES,
            functions=rule_functions(platform),
            query_workers=settings.query_workers,
            query_memory_mib=settings.query_memory_mib,
            subscription_routes=settings.subscription_routes,
            subscription_notice_days=settings.subscription_notice_days,
            aws=self._aws,
            on_aws=frozenset(settings.aws_parts),
            portal=portal_of(settings, self._aws),
            shows_people=settings.aws_portal_people,
            aws_scan_usd_per_tib=settings.aws_scan_usd_per_tib,
        )
        self._built = _build(own, ground, self._caller, memberships)
        consumers = [consumer for built in self._built.values() for consumer in built.consumers]
        self._relay = Relay(self.store, consumers, clock)
        aside = [consumer for built in self._built.values() for consumer in built.aside]
        self._relay_aside = Relay(self.store, aside, clock)
        queues = [queue for built in self._built.values() for queue in built.queues]
        self._queue_worker = QueueWorker(self.store, queues, clock, way=ground.way)
        operations = [route for built in self._built.values() for route in built.routes]
        platform.serve(operations)
        self._ready = False
        self.app: ASGIApp = application(
            boundary=boundary,
            verifier=lambda: self._verifier,
            operations=operations,
            internal=[
                route
                for service in own
                for route in _internal(service, self._built[service.name].api, boundary)
            ],
            issuer=lambda: self.issuer,
            is_ready=lambda: self._ready,
            run=self._run,
            way=ground.way,
        )

    @cached_property
    def issuer(self) -> EmbeddedIssuer:
        """The issuer of this home."""
        return issuer(self._settings, self._clock)

    @cached_property
    def _verifier(self) -> TokenVerifier:
        return TokenVerifier([self.issuer.trusted(may_name_services=True)], self._clock)

    def hang_up(self) -> None:
        """Ends the answers that go on for as long as clients like, such as live streams."""
        for built in self._built.values():
            built.hang_up()

    async def _warm_soon(self) -> None:
        """Loads what the first requests need, once the port is open and answers.

        A request that comes before it is loaded loads it, and takes so much longer.
        """
        await asyncio.sleep(_WARM_AFTER_SECONDS)
        await asyncio.to_thread(self._warm)

    def _warm(self) -> None:
        self._verifier.warm()
        self._engine.warm()

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        for built in self._built.values():
            await built.start()
        self._relay.start()
        self._relay_aside.start()
        self._queue_worker.start()
        sweep = asyncio.create_task(self._sweep(), name="sweep")
        warming = asyncio.create_task(self._warm_soon(), name="warming")
        self._ready = True
        try:
            yield
        finally:
            self._ready = False
            sweep.cancel()
            warming.cancel()
            await asyncio.gather(warming, return_exceptions=True)
            await self._queue_worker.stop()
            await self._relay.stop()
            await self._relay_aside.stop()
            for built in reversed(self._built.values()):
                await built.stop()
            await self._caller.close()
            await self.store.close()
            if self._aws is not None:
                self._aws.close()

    async def _sweep(self) -> None:
        while True:
            is_on_aws = "store" in self._settings.aws_parts
            await asyncio.sleep(_SWEEP_AWS_SECONDS if is_on_aws else _SWEEP_SECONDS)
            await self.store.remove_expired()


def _store(
    settings: Settings,
    aws: "Aws | None",
    home: Home,
    tables: Sequence[Table],
    *,
    clock: Clock,
    new_id: IdMaker,
) -> Store:
    if aws is None or "store" not in settings.aws_parts:
        return SqliteStore(home.database, [*PLATFORM_TABLES, *tables], clock, new_id)
    from meshplane.platform.aws.at_once import at_once
    from meshplane.platform.aws.dynamodb import DynamoStore
    from meshplane.platform.aws.names import mesh_bucket

    all_tables = [*PLATFORM_TABLES, *tables]
    store = DynamoStore(aws, all_tables, clock, new_id, bucket=mesh_bucket(aws.place))
    at_once(store.prepare())
    return store


def _build(
    own: tuple[Service, ...],
    ground: Ground,
    caller: HttpCaller,
    memberships: ServiceMemberships,
) -> dict[str, Built[Any]]:
    """The services of this process; what they need from others is called over HTTP."""
    names = {service.name for service in own}
    apis: dict[str, Any] = {}
    built: dict[str, Built[Any]] = {}
    for service in SERVICES:
        if service.name in names:
            wire = service.module("wire")
            built[service.name] = wire.build(ground, {need: apis[need] for need in wire.NEEDS})
            apis[service.name] = built[service.name].api
        else:
            protocol = _protocol(service)
            if protocol is not None:
                apis[service.name] = remote.stand_in(service.name, protocol, caller)
    memberships.domains, memberships.projects = apis["domains"], apis["projects"]
    return built


def _protocol(service: Service) -> type | None:
    """The Protocol of a service's `api.py`; None where it offers nothing to others."""
    try:
        module = service.module("api")
    except ModuleNotFoundError:
        return None
    protocol: type = getattr(module, f"{service.name.capitalize()}Api")
    return protocol


def _internal(service: Service, api: object, boundary: Boundary) -> list[Any]:
    protocol = _protocol(service)
    return remote.routes(service.name, protocol, api, boundary) if protocol is not None else []
