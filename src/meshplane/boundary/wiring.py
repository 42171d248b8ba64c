"""What the composition root hands to a service, and what it gets back."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.operation import OperationRoute
from meshplane.boundary.platform_api import PlatformApi
from meshplane.boundary.portal_links import PortalPart
from meshplane.boundary.portal_parts import PortalParts
from meshplane.events.consumer import Consumer
from meshplane.events.functions import Function
from meshplane.events.outbound import Outbound
from meshplane.events.queues import QueueHandler
from meshplane.events.right_of_way import RightOfWay
from meshplane.events.rules import Rule
from meshplane.kit.clock import Clock
from meshplane.kit.ids import IdMaker
from meshplane.platform.aws.part_roles import Identities
from meshplane.platform.sealing import NoSeal, Seal
from meshplane.platform.store import Store

if TYPE_CHECKING:  # it loads boto3
    from meshplane.platform.aws.calls import Aws
    from meshplane.platform.aws.datazone import DataZone
    from meshplane.platform.aws.metrics import Metrics

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Ground:
    """What every service of a process stands on.

    Args:
        boundary: runs operations.
        store: of this process's home.
        clock, new_id: the clock and the id maker.
        lake_folder: where local tables lie.
        scratch_folder: for files that nothing keeps; old ones are removed at each start.
        mask_key: 32 secret bytes of this mesh, for keyed hashes.
        seal: closes what is secret in rows.
        owners_folder: where processes of this home show that they live.
        platform: every operation of the mesh, by its name.
        outbound: the one way out of the mesh.
        internal_host: the host under which workflows reach the mesh itself.
        rules: those that come with the product.
        functions: what rules may call, by name.
        query_workers: warm processes that wait for queries.
        query_memory_mib: memory that one query may use.
        way: what runs in the background gives it to requests.
        subscription_routes: who must approve a request for data, by classification.
        subscription_notice_days: how long before its end a subscriber is told of it.
        aws: calls AWS; None where nothing runs there.
        identities: who the mesh is there; its parts may have roles of their own.
        on_aws: what runs there: `tables`, `lake`, `query`…
        portal: the mesh's domain in DataZone; None where nothing is shown there.
        shows_people: whether the mesh's people are those of AWS's single sign-on.
        aws_scan_usd_per_tib: what Athena charges for a TiB scanned.
        metrics: takes figures for CloudWatch; None where they are not shown there.
        shown: what the services of this process show in the portal, once all of them are built.
    """

    boundary: Boundary
    store: Store
    clock: Clock
    new_id: IdMaker
    lake_folder: Path
    scratch_folder: Path
    mask_key: bytes
    platform: PlatformApi
    outbound: Outbound
    internal_host: str
    owners_folder: Path
    rules: Sequence[Rule] = ()
    functions: Mapping[str, Function] = field(default_factory=dict)
    query_workers: int = 2
    query_memory_mib: int = 1024
    way: RightOfWay = field(default_factory=RightOfWay)
    subscription_routes: str = (
        "public:auto internal:steward|owner confidential:steward restricted:steward+owner"
    )
    subscription_notice_days: float = 7.0
    aws: "Aws | None" = None
    identities: Identities = field(default_factory=Identities)
    on_aws: frozenset[str] = frozenset()
    portal: "DataZone | None" = None
    shows_people: bool = False
    aws_scan_usd_per_tib: float = 5.0
    seal: Seal = field(default_factory=NoSeal)
    metrics: "Metrics | None" = None
    shown: PortalParts = field(default_factory=PortalParts)

    def aws_for(self, part: str) -> "Aws | None":
        """What calls AWS for a part that runs there; None for one that runs here."""
        if self.aws is None or part not in self.on_aws:
            return None
        return self.identities.session(self.aws, part)


async def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Built(Generic[A]):
    """A service, ready to run.

    Args:
        routes: its operations.
        api: what it offers to others; None where it offers nothing.
        consumers: the events that it follows.
        start, stop: for what it runs beside requests.
        queues: the queues that it works off.
        aside: the events that it follows to show them elsewhere. They have a relay of their own, as
            each takes many calls, and nobody waits for them.
        portal: what it does about the portal, where its things are shown there.
        hang_up: ends the requests that go on for as long as the client likes; called when the
            process is asked to stop, before the others are waited for.
    """

    routes: Sequence[OperationRoute]
    api: A
    consumers: Sequence[Consumer] = ()
    start: Callable[[], Awaitable[None]] = field(default=_nothing)
    stop: Callable[[], Awaitable[None]] = field(default=_nothing)
    queues: Sequence[QueueHandler] = ()
    aside: Sequence[Consumer] = ()
    portal: PortalPart | None = None
    hang_up: Callable[[], None] = field(default=lambda: None)


Needs = dict[str, Any]
"""The apis that a service's `NEEDS` names."""
