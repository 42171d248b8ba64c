"""Puts one process together: store, boundary, the services that it runs, links to the others."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute
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
from meshplane.events.rules import Rule
from meshplane.gateway.app import application
from meshplane.gateway.identity import TokenVerifier
from meshplane.gateway.issuer import EmbeddedIssuer
from meshplane.gateway.metrics import RequestMetrics
from meshplane.gateway.token_claims import TrustedIssuer
from meshplane.kit.clock import Clock, SystemClock
from meshplane.kit.ids import IdMaker, id_maker
from meshplane.platform.aws.part_roles import Identities
from meshplane.platform.configuration_cache import CONFIGURATION_CACHE
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.store import Store
from meshplane.platform.tables import Table
from meshplane.policy.engine import Engine, policy_texts
from meshplane.run.aws import aws_to_serve, identities_of, metrics_of, part_aws, portal_of
from meshplane.run.beside import parts_beside
from meshplane.run.catalogue import SERVICES, Service, chosen
from meshplane.run.home import Home
from meshplane.run.kept_secrets import kept_secrets
from meshplane.run.links import HttpCaller, issuer
from meshplane.run.memberships import ServiceMemberships
from meshplane.run.operations import PlatformOperations
from meshplane.run.people import issuers_of_people
from meshplane.run.settings import Settings
from meshplane.workflows.built_in_rules import BUILT_IN_RULES, RULES_OF_PARTS
from meshplane.workflows.function_calls import rule_functions

if TYPE_CHECKING:  # it loads boto3
    from meshplane.platform.aws.calls import Aws

_SWEEP_SECONDS = 60.0
# A sweep of DynamoDB reads all of it, and DynamoDB itself removes what has ended.
_SWEEP_AWS_SECONDS = 86_400.0
_WARM_AFTER_SECONDS = 0.05
_KEYS_SECONDS = 300.0
PLATFORM_TABLES = (IDEMPOTENCY_KEYS, CURSORS, PARKED, CONFIGURATION_CACHE)


class Mesh:
    """One process of the mesh. Made on the event loop that will run it."""

    _people: Sequence[TrustedIssuer] = ()

    def __init__(self, settings: Settings) -> None:
        home = Home(settings.home)
        home.prepare()
        home.sweep_scratch()
        clock = SystemClock()
        new_id = id_maker(clock)
        tables = [table for service in SERVICES for table in service.tables]
        self._aws = aws_to_serve(settings)
        self.store = _store(settings, self._aws, home, tables, clock=clock, new_id=new_id)
        self._settings, self._clock = settings, clock
        self._kept = kept_secrets(settings, home, self._aws, clock)
        memberships = ServiceMemberships()
        roles = {settings.admin_group: "administrator", settings.auditor_group: "auditor"}
        self._engine = Engine(policy_texts().values())
        judge = Judge(self._engine, memberships, roles)
        boundary = Boundary(self.store, judge, clock, new_id, home.scratch, seal=self._kept.seal)
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
            mask_key=self._kept.mask_key,
            seal=self._kept.seal,
            platform=platform,
            outbound=Outbound(settings.outbound_hosts),
            internal_host=settings.internal_host,
            owners_folder=home.owners,
            rules=_rules(settings.aws_parts),
            functions=rule_functions(platform),
            query_workers=settings.query_workers,
            query_memory_mib=settings.query_memory_mib,
            subscription_routes=settings.subscription_routes,
            subscription_notice_days=settings.subscription_notice_days,
            aws=self._aws,
            identities=_identities(settings, self._aws),
            on_aws=frozenset(settings.aws_parts),
            portal=portal_of(settings, self._aws),
            shows_people=settings.aws_portal_people,
            aws_scan_usd_per_tib=settings.aws_scan_usd_per_tib,
            metrics=metrics_of(settings, self._aws, clock),
        )
        self._built = _build(own, ground, self._caller, memberships)
        counted = RequestMetrics()
        self._beside = parts_beside(settings, ground, counted, ground.shown)
        built = tuple(self._built.values())
        self._relay = Relay(self.store, [it for one in built for it in one.consumers], clock)
        self._relay_aside = Relay(self.store, [it for one in built for it in one.aside], clock)
        queues = [queue for one in built for queue in one.queues]
        self._queue_worker = QueueWorker(self.store, queues, clock, way=ground.way)
        operations = [route for one in built for route in one.routes]
        platform.serve(operations)
        self._ready = False
        self.app: ASGIApp = application(
            boundary=boundary,
            verifier=lambda: self._verifier,
            operations=operations,
            internal=_internal(own, self._built, boundary),
            issuer=lambda: self.issuer,
            is_ready=lambda: self._ready,
            run=self._run,
            way=ground.way,
            metrics=counted,
        )

    @cached_property
    def issuer(self) -> EmbeddedIssuer:
        """The issuer of this mesh."""
        return issuer(self._settings, self._clock, self._kept.issuer_keys())

    @cached_property
    def _verifier(self) -> TokenVerifier:
        own = self.issuer.trusted(may_name_services=True)
        return TokenVerifier([own, *self._people], self._clock)

    async def find_people(self) -> None:
        """Finds whose tokens are taken beside its own; to be done before it serves.

        Raises:
            Invalid, Missing: as `issuers_of_people`.
        """
        self._people = await issuers_of_people(
            self._settings, self._aws, self.store, self._clock, self._caller.client
        )

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
        for part in self._beside:
            part.start()
        sweep = asyncio.create_task(self._sweep(), name="sweep")
        warming = asyncio.create_task(self._warm_soon(), name="warming")
        renewing = asyncio.create_task(self._renew_keys(), name="keys")
        self._ready = True
        try:
            yield
        finally:
            self._ready = False
            for task in (sweep, warming, renewing):
                task.cancel()
            await asyncio.gather(warming, renewing, return_exceptions=True)
            await self._queue_worker.stop()
            await self._relay.stop()
            await self._relay_aside.stop()
            for part in reversed(self._beside):
                await part.stop()
            for built in reversed(self._built.values()):
                await built.stop()
            await self._caller.close()
            await self.store.close()
            if self._aws is not None:
                self._aws.close()

    async def _renew_keys(self) -> None:
        """Looks for new keys of issuers, so that those that were withdrawn are forgotten."""
        while True:
            await asyncio.sleep(_KEYS_SECONDS)
            await self._verifier.refresh_keys()

    async def _sweep(self) -> None:
        while True:
            is_on_aws = "store" in self._settings.aws_parts
            await asyncio.sleep(_SWEEP_AWS_SECONDS if is_on_aws else _SWEEP_SECONDS)
            await self.store.remove_expired()


def _identities(settings: Settings, aws: "Aws | None") -> Identities:
    return Identities() if aws is None else identities_of(settings, aws.place)


def _rules(parts: Collection[str]) -> tuple[Rule, ...]:
    return (*BUILT_IN_RULES, *(rule for part, rule in RULES_OF_PARTS.items() if part in parts))


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
    aws = part_aws(settings, aws, "store")
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
    # What is said of assets must be in the portal before the assets of which it is said.
    for name in sorted(built, key=lambda name: (name == "subscriptions", name == "assets")):
        portal = built[name].portal
        if portal is not None:
            ground.shown.add(portal)
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


def _internal(
    own: tuple[Service, ...], built: dict[str, Built[Any]], boundary: Boundary
) -> list[BaseRoute]:
    """The routes by which other processes call these services."""
    return [
        route
        for service in own
        if (protocol := _protocol(service)) is not None
        for route in remote.routes(service.name, protocol, built[service.name].api, boundary)
    ]
