"""A call: one operation by one actor in one unit of work."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

from meshplane.boundary.actor import Actor
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import Missing, Refused
from meshplane.kit.ids import IdMaker
from meshplane.platform.store import UnitOfWork
from meshplane.policy.engine import Engine
from meshplane.policy.model import Asker, Membership, Resource

Keeper = Callable[[UnitOfWork, str | None], Awaitable[None]]
"""Adds rows to the unit of work that holds an audit record; gets the code of a failure, if any."""


class Memberships(Protocol):
    """Tells which roles an actor holds in a domain and a project."""

    async def of(
        self, actor: Actor, domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        """The actor's roles in these, by himself or through his groups."""
        ...


@dataclass(frozen=True, slots=True)
class Judge:
    """What it takes to decide: the policies, the memberships, and the roles of whole groups.

    Args:
        engine: decides.
        memberships: looked up for each decision, never remembered.
        mesh_roles: the role in the mesh that each group gives: `{"mesh-admins": "administrator"}`.
    """

    engine: Engine
    memberships: Memberships
    mesh_roles: dict[str, str]

    async def allows(self, actor: Actor, operation: str, resource: Resource) -> bool:
        """Whether the policies allow it."""
        held = await self.memberships.of(actor, resource.domain_id, resource.project_id)
        roles = frozenset(role for group, role in self.mesh_roles.items() if group in actor.groups)
        groups = frozenset() if actor.is_service else actor.groups
        asker = Asker(
            actor.kind, actor.subject, groups, frozenset() if actor.is_service else roles, held
        )
        return self.engine.decide(asker, operation, resource).allowed


@dataclass(slots=True)
class Call:
    """One operation under way.

    Args:
        operation: its operationId.
        actor: who asked for it.
        work: the unit of work that the boundary will commit.
        clock, new_id: the clock and the id maker.
        judge: decides what is allowed.
        denied: whether the policies said no, openly or not.
        once: names the request if it came with an idempotency key, for effects in other services.
        held: what `hold` entered.
        keepers: what `keep` was given.
    """

    operation: str
    actor: Actor
    work: UnitOfWork
    clock: Clock
    new_id: IdMaker
    judge: Judge
    decided: bool = False
    denied: bool = False
    resource: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    once: str | None = None
    held: AsyncExitStack | None = None
    keepers: list[Keeper] = field(default_factory=list)
    _now: str | None = None

    @property
    def now(self) -> str:
        """When this operation runs, as rows hold it; the same each time it is asked."""
        if self._now is None:
            self._now = to_text(self.clock.now())
        return self._now

    async def hold(self, lock: AbstractAsyncContextManager[Any]) -> None:
        """Enters a context, such as a lock, that ends when the unit of work has ended."""
        if self.held is None:
            self.held = AsyncExitStack()
        await self.held.enter_async_context(lock)

    def keep(self, keeper: Keeper) -> None:
        """Has `keeper` add to the commit that holds the audit record, whatever comes of this.

        An operation that fails loses what it wrote; its audit record has a commit of its own, and
        what `keeper` writes is in it.
        """
        self.keepers.append(keeper)

    async def allow(
        self,
        resource: Resource,
        *,
        hide: Missing | None = None,
        known_by: str | None = None,
        also: str | None = None,
    ) -> None:
        """Goes on only if the policies allow this operation on the resource.

        Args:
            resource: what is asked for.
            also: another action of the policies that allows it as well.
            hide: raised in place of a refusal where the caller may not learn that it exists.
            known_by: the operation that shows it; whoever may do that knows that it exists, and
                is refused openly.

        Raises:
            Refused: FORBIDDEN; the audit trail keeps it, and what is hidden as well.
        """
        self.decided = True
        self.resource = f"{resource.kind}:{resource.id}"
        if await self.judge.allows(self.actor, self.operation, resource):
            return
        if also is not None and await self.judge.allows(self.actor, also, resource):
            return
        self.denied = True
        known = known_by is not None and await self.judge.allows(self.actor, known_by, resource)
        if hide is not None and not known:
            raise hide
        # The same words whatever it is asked of: others would tell what is there.
        raise Refused(
            "FORBIDDEN",
            f"You may not do {self.operation} here. An owner of the domain or project can give you "
            "a role that may; of the whole mesh, an administrator.",
        )

    def note(self, **detail: Any) -> None:
        """Adds to what the audit record says; never values from data, never secrets."""
        self.detail.update(detail)
