"""Use cases: showing drift, looking for it on the clock, and reconciling it."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, PageQuery, position
from meshplane.events.lake import LakeDriftFound
from meshplane.kit.errors import BaseMoved, Missing
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH, Resource
from meshplane.services.domains.api import DomainsApi, no_such_domain
from meshplane.services.lake.looking import Found, Look, Looking
from meshplane.services.lake.reconciling import RUNNING, Reconciling
from meshplane.services.lake.schemas import (
    DriftCheckView,
    DriftPolicyBody,
    DriftPolicyView,
    DriftQuery,
    DriftView,
    NewReconciliation,
    ReconcileQuery,
    ReconciliationView,
)
from meshplane.services.lake.store import (
    ALL,
    DRIFT_CHECKS,
    DRIFT_POLICIES,
    RECONCILIATIONS,
)
from meshplane.services.lake.views import drift_item, reconciliation_view, step_view
from meshplane.services.permissions.api import PermissionsApi

_SCOPE = "mesh"
_AT_ONCE = 50
_MOST_STEPS_SHOWN = 200


class DriftCases:
    """Shows drift, looks for it, and has it mended.

    Args:
        looking: compares the lake with what was granted.
        reconciling: carries out what is to be done.
        permissions, domains: the services below.
    """

    def __init__(
        self,
        looking: Looking,
        reconciling: Reconciling,
        permissions: PermissionsApi,
        domains: DomainsApi,
    ) -> None:
        self._looking = looking
        self._reconciling = reconciling
        self._permissions = permissions
        self._domains = domains

    async def show(self, call: Call, query: DriftQuery) -> DriftView:
        """What differs now. It is read from both sides, and nothing is changed or noted.

        Raises:
            Missing: DOMAIN_NOT_FOUND.
            Unavailable: LAKE_UNAVAILABLE.
        """
        await self._allow(call, query.domain_id)
        look = await self._looking.look(itself(call), query.domain_id)
        begin = position(query.cursor)
        end = begin + query.limit
        found = [one for one in look.found if query.kind in (None, one.difference.kind)]
        return DriftView(
            checked_at=call.now,
            domain_id=query.domain_id,
            **_counts(look.found),
            items=[drift_item(one) for one in found[begin:end]],
            next_cursor=str(end) if end < len(found) else None,
        )

    async def check(self, call: Call) -> DriftCheckView:
        """Looks for drift, closes what the lake lacks, tells of it, and mends what may be mended.

        What the lake is found to lack or to hold otherwise is closed in permissions at once; what
        it is found to hold again is opened. Then each domain's policy says what is mended.

        Raises:
            Unavailable: LAKE_UNAVAILABLE; nothing is changed then.
        """
        await call.allow(MESH)
        actor = itself(call)
        look = await self._looking.look(actor)
        await self._note_states(actor, look)
        steps = [step for step in await self._looking.steps(look.found) if step.automatic]
        started = None
        if steps and not await self._is_running(call):
            started = self._reconciling.begin(call, steps, None, "schedule")["reconciliationId"]
        counts = _counts(look.found)
        call.note(**counts)
        await self._tell(call, look.found, counts)
        return DriftCheckView(
            checked_at=call.now, **counts, problems=len(look.scan.problems), reconciliation=started
        )

    async def reconcile(
        self, call: Call, body: NewReconciliation, query: ReconcileQuery
    ) -> ReconciliationView:
        """Plans what is to be done about drift, and begins to do it unless only a plan is wanted.

        Raises:
            Missing: DOMAIN_NOT_FOUND.
            Unavailable: LAKE_UNAVAILABLE.
        """
        await self._allow(call, body.domain_id)
        look = await self._looking.look(itself(call), body.domain_id)
        steps = await self._looking.steps(look.found)
        actions = {"put": 0, "remove": 0, "adopt": 0, "report": 0}
        for step in steps:
            actions[step.action] += 1
        call.note(plan=query.plan, **actions)
        shown = [step_view(step) for step in steps[:_MOST_STEPS_SHOWN]]
        if query.plan:
            return ReconciliationView(
                reconciliation_id=None,
                status="PLANNED",
                domain_id=body.domain_id,
                trigger="person",
                started_by=call.actor.name,
                started_at=call.now,
                total=len(steps),
                actions=actions,
                steps=shown,
            )
        item = self._reconciling.begin(call, steps, body.domain_id, "person")
        call.resource = f"Reconciliation:{item['reconciliationId']}"
        return reconciliation_view(Row(item, 1), actions, shown)

    async def get(self, call: Call, reconciliation_id: str) -> ReconciliationView:
        """A reconciliation as it is now.

        Raises:
            Missing: RECONCILIATION_NOT_FOUND.
        """
        row = await call.work.get(RECONCILIATIONS, reconciliation_id)
        missing = Missing(
            "RECONCILIATION_NOT_FOUND",
            "There is no reconciliation with this id.",
            field="reconciliationId",
        )
        domain_id = row.item["domainId"] if row is not None else None
        resource = Resource("Domain", domain_id, domain_id) if domain_id else MESH
        await call.allow(resource, hide=missing)
        if row is None:
            raise missing
        return reconciliation_view(row)

    async def list(self, call: Call, query: PageQuery) -> Page[ReconciliationView]:
        """All reconciliations, the last first."""
        await call.allow(MESH)
        page = await call.work.query(
            RECONCILIATIONS,
            ALL,
            index="byTime",
            limit=query.limit,
            cursor=query.cursor,
            descending=True,
        )
        return Page[ReconciliationView](
            items=[reconciliation_view(row) for row in page.rows], next_cursor=page.cursor
        )

    async def put_policy(
        self, call: Call, domain_id: str, body: DriftPolicyBody
    ) -> DriftPolicyView:
        """Says what becomes of a domain's drift.

        Raises:
            Missing: DOMAIN_NOT_FOUND.
        """
        await self._allow(call, domain_id)
        row = await call.work.get(DRIFT_POLICIES, domain_id)
        item = {
            "domainId": domain_id,
            "excess": body.excess,
            "automatic": body.automatic,
            "changedBy": call.actor.name,
            "changedAt": call.now,
        }
        call.note(excess=body.excess, automatic=body.automatic)
        moved = BaseMoved("POLICY_MOVED", "The policy was changed meanwhile: try again.")
        call.work.put(
            DRIFT_POLICIES, item, expected=row.version if row else ABSENT, otherwise=moved
        )
        return _policy_view(domain_id, item)

    async def get_policy(self, call: Call, domain_id: str) -> DriftPolicyView:
        """What becomes of a domain's drift.

        Raises:
            Missing: DOMAIN_NOT_FOUND.
        """
        await self._allow(call, domain_id)
        row = await call.work.get(DRIFT_POLICIES, domain_id)
        return _policy_view(domain_id, row.item if row else None)

    async def _allow(self, call: Call, domain_id: str | None) -> None:
        """Goes on for those who answer for the domain, or for the mesh where none is named."""
        if domain_id is None:
            await call.allow(MESH)
            return
        if await self._domains.find(call.actor, domain_id) is None:
            await call.allow(Resource("Domain", domain_id, domain_id), hide=no_such_domain())
            raise no_such_domain()
        await call.allow(Resource("Domain", domain_id, domain_id))

    async def _note_states(self, actor: Actor, look: Look) -> None:
        """Notes what is known of each grant in the lake, some at once: they share commits."""
        notes: list[tuple[str, str, str | None]] = []
        differing = set()
        for one in look.found:
            seen = one.difference
            differing.add(seen.key)
            if seen.wanted is None:
                continue
            if seen.kind == "changed":
                notes.append((seen.wanted.grant_id, "changed", _what(seen.sentences)))
            elif seen.wanted.state in {"applied", "missing", "changed"}:
                notes.append((seen.wanted.grant_id, "missing", "The lake does not hold it."))
        for key, (_, grant_id, _, state) in look.scan.marks.items():
            if state != "applied" and key in look.held and key not in differing:
                notes.append((grant_id, "applied", None))
        notes += [(grant, "failed", why) for grant, why in look.scan.problems.items()]
        for begin in range(0, len(notes), _AT_ONCE):
            await asyncio.gather(
                *(
                    self._permissions.record_lake_state(actor, grant_id, state, reason)  # type: ignore[arg-type] # states
                    for grant_id, state, reason in notes[begin : begin + _AT_ONCE]
                )
            )

    async def _is_running(self, call: Call) -> bool:
        """Whether an earlier one that the clock began is not done yet."""
        page = await call.work.query(RECONCILIATIONS, ALL, index="byTime", descending=True)
        return any(
            row.item["status"] == RUNNING and row.item["trigger"] == "schedule" for row in page.rows
        )

    async def _tell(self, call: Call, found: Sequence[Found], counts: dict[str, int]) -> None:
        """Tells of drift, once for as long as it stays the same."""
        said = hashlib.sha256()
        for one in found:
            actual = one.difference.actual
            fingerprint = actual.fingerprint if actual is not None else ""
            said.update(f"{one.difference.kind} {one.difference.key} {fingerprint}\n".encode())
        digest = said.hexdigest()
        row = await call.work.get(DRIFT_CHECKS, _SCOPE)
        item = {"scope": _SCOPE, "digest": digest, "checkedAt": call.now, **counts}
        moved = BaseMoved("CHECK_MOVED", "Another process looked meanwhile: try again.")
        call.work.put(DRIFT_CHECKS, item, expected=row.version if row else ABSENT, otherwise=moved)
        if found and (row is None or row.item["digest"] != digest):
            event = LakeDriftFound(scope=_SCOPE, found_at=call.now, **counts)
            call.work.emit(event.event())


def itself(call: Call) -> Actor:
    """The lake service, on behalf of whoever called."""
    behalf = call.actor.on_behalf_of or call.actor.name
    return service_actor("lake", behalf, call.actor.trace_id)


def _counts(found: Sequence[Found]) -> dict[str, int]:
    kinds = [one.difference.kind for one in found]
    critical = sum(one.difference.severity == "critical" for one in found)
    return {
        "missing": kinds.count("missing"),
        "excess": kinds.count("excess"),
        "changed": kinds.count("changed"),
        "critical": critical,
    }


def _what(sentences: list[str]) -> str:
    return f"The lake holds another: it {'; it '.join(sentences)}." if sentences else "It differs."


def _policy_view(domain_id: str, item: dict[str, Any] | None) -> DriftPolicyView:
    if item is None:
        return DriftPolicyView(domain_id=domain_id, excess="report", automatic=False)
    return DriftPolicyView(
        domain_id=domain_id,
        excess=item["excess"],
        automatic=item["automatic"],
        changed_by=item["changedBy"],
        changed_at=item["changedAt"],
    )
