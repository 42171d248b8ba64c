"""Use cases on a deployment that is there: carry its plan out, stop it, undo it, look into it."""

from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.events.blueprints import DeploymentCompleted
from meshplane.kit.errors import BaseMoved, Conflict, Stale
from meshplane.platform.tables import Row
from meshplane.services.blueprints.deploying import StackDeployments
from meshplane.services.blueprints.finding import Finding, is_last, last_touch
from meshplane.services.blueprints.schemas import (
    DeploymentDriftView,
    DeploymentStatusView,
    DeploymentView,
    DriftedResourceView,
    NewRollback,
    StackEventView,
)
from meshplane.services.blueprints.states import REMOVABLE
from meshplane.services.blueprints.store import DEPLOYMENT_EVENTS, DEPLOYMENT_HISTORY
from meshplane.services.blueprints.views import deployment_view, event_view, status_view


class Acting:
    """Does more with deployments.

    Each use case says in the deployment's row what is to be done, and leaves a message; what was
    asked for already is not asked for again.

    Args:
        finding: finds deployments, for those who may do this with them.
        deployments: makes stacks of templates.
    """

    def __init__(self, finding: Finding, deployments: StackDeployments) -> None:
        self._finding = finding
        self._deployments = deployments

    async def execute(self, call: Call, deployment_id: str) -> DeploymentView:
        """Has a plan carried out. One that is carried out already is left to that.

        Raises:
            Missing: DEPLOYMENT_NOT_FOUND.
            Conflict: DEPLOYMENT_NOT_PLANNED.
            Stale: PLAN_OUTDATED, the environment was changed since; plan again.
        """
        row = await self._finding.deployment(call, deployment_id, changes=True)
        status = row.item["status"]
        if status == "PLANNING" or "plan" not in row.item or status in {"CANCELLED", "REMOVED"}:
            raise Conflict(
                "DEPLOYMENT_NOT_PLANNED",
                f"The deployment is {status}: only a plan is carried out. Plan a new one.",
                field="deploymentId",
            )
        if status != "PLANNED":
            return deployment_view(row)
        where = row.item["projectId"], row.item["environment"]
        if await last_touch(call.work, *where, deployment_id) != row.item["plannedOn"]:
            raise Stale(
                "PLAN_OUTDATED",
                "The environment was changed since this was planned: plan again.",
                field="deploymentId",
            )
        now = int(call.clock.now().timestamp() * 1000)
        item = {**row.item, "status": "IN_PROGRESS", "startTime": now}
        item["deployedBy"] = call.actor.on_behalf_of or call.actor.name
        _put(call, row, item)
        self._deployments.carry_out(call.work, item)
        return deployment_view(Row(item, row.version + 1))

    async def cancel(self, call: Call, deployment_id: str) -> DeploymentView:
        """Drops a plan, or stops what goes on: an update goes back, a new stack is removed.

        Raises:
            Missing: DEPLOYMENT_NOT_FOUND.
            Conflict: DEPLOYMENT_ENDED.
        """
        row = await self._finding.deployment(call, deployment_id, changes=True)
        status = row.item["status"]
        if status in {"CANCELLING", "CANCELLED"}:
            return deployment_view(row)
        if status in {"PLANNING", "PLANNED"}:
            return self._dropped(call, row)
        if status != "IN_PROGRESS":
            raise Conflict(
                "DEPLOYMENT_ENDED",
                f"The deployment is {status}: there is nothing to stop.",
                field="deploymentId",
            )
        # Whoever carries it out reads this at his next step.
        item = {**row.item, "status": "CANCELLING"}
        _put(call, row, item)
        return deployment_view(Row(item, row.version + 1))

    async def roll_back(self, call: Call, deployment_id: str, body: NewRollback) -> DeploymentView:
        """Brings the stack of a deployment that failed back; one that goes on is stopped.

        Raises:
            Missing: DEPLOYMENT_NOT_FOUND.
            Conflict: DEPLOYMENT_NOT_FAILED, DEPLOYMENT_HAS_NO_STACK, DEPLOYMENT_DID_NOTHING,
                DEPLOYMENT_SUPERSEDED.
        """
        row = await self._finding.deployment(call, deployment_id, changes=True)
        status = row.item["status"]
        if status in {"CANCELLING", "CANCELLED", "ROLLING_BACK", "ROLLED_BACK"}:
            return deployment_view(row)
        if status == "IN_PROGRESS":
            item = {**row.item, "status": "CANCELLING", "rollbackReason": body.reason}
            _put(call, row, item)
            return deployment_view(Row(item, row.version + 1))
        if status != "FAILED":
            raise Conflict(
                "DEPLOYMENT_NOT_FAILED",
                f"The deployment is {status}: it did not fail. To go back to what ran before, "
                "deploy that again.",
                field="deploymentId",
            )
        return await self._undone(call, row, "ROLLING_BACK", rollbackReason=body.reason)

    async def remove(self, call: Call, deployment_id: str) -> DeploymentView:
        """Removes the stack of an environment with all it has.

        Args:
            call: the operation.
            deployment_id: of the last deployment there.

        Raises:
            Missing: DEPLOYMENT_NOT_FOUND.
            Conflict: DEPLOYMENT_AT_WORK, DEPLOYMENT_HAS_NO_STACK, DEPLOYMENT_DID_NOTHING,
                DEPLOYMENT_SUPERSEDED.
        """
        row = await self._finding.deployment(call, deployment_id, changes=True)
        status = row.item["status"]
        if status in {"REMOVING", "REMOVED"}:
            return deployment_view(row)
        if status not in REMOVABLE:
            raise Conflict(
                "DEPLOYMENT_AT_WORK",
                f"The deployment is {status}: cancel it, or wait for its end, and then remove it.",
                field="deploymentId",
            )
        return await self._undone(call, row, "REMOVING")

    async def status(self, call: Call, deployment_id: str) -> DeploymentStatusView:
        """How far a deployment has come."""
        return status_view(await self._finding.deployment(call, deployment_id))

    async def events(
        self, call: Call, deployment_id: str, query: PageQuery
    ) -> Page[StackEventView]:
        """What happened to a deployment's stack, oldest first."""
        await self._finding.deployment(call, deployment_id)
        page = await call.work.query(
            DEPLOYMENT_EVENTS, deployment_id, limit=query.limit, cursor=query.cursor
        )
        items = [event_view(row.item) for row in page.rows]
        return Page[StackEventView](items=items, next_cursor=page.cursor)

    async def drift(self, call: Call, deployment_id: str) -> DeploymentDriftView:
        """What others changed past a deployment's stack.

        Raises:
            Missing: DEPLOYMENT_NOT_FOUND, STACK_NOT_FOUND.
            Conflict: DEPLOYMENT_HAS_NO_STACK, STACK_CHANGING, DRIFT_UNKNOWN.
            Unavailable: AWS_TOO_SLOW.
        """
        row = await self._finding.deployment(call, deployment_id)
        _demand_stack(row)
        found = await self._deployments.drift(row.item)
        return DeploymentDriftView(
            deployment_id=deployment_id,
            cfn_stack_id=row.item["cfnStackId"],
            items=[
                DriftedResourceView(
                    logical_id=each.logical_id,
                    resource_type=each.resource_type,
                    how=each.how,
                    properties=list(each.properties),
                )
                for each in found
            ],
        )

    def _dropped(self, call: Call, row: Row) -> DeploymentView:
        """Ends a plan that nobody carries out. Nothing was made of it."""
        now = int(call.clock.now().timestamp() * 1000)
        item = {**row.item, "status": "CANCELLED", "endTime": now, "duration": 0.0}
        _put(call, row, item)
        self._deployments.drop(call.work, item)
        call.work.emit(
            DeploymentCompleted(
                deployment_id=item["deploymentId"],
                project_id=item["projectId"],
                environment=item["environment"],
                status="CANCELLED",
                deployed_by=item["deployedBy"],
                completed_at=call.now,
            ).event()
        )
        return deployment_view(Row(item, row.version + 1))

    async def _undone(self, call: Call, row: Row, status: str, **more: Any) -> DeploymentView:
        _demand_stack(row)
        if row.item["status"] != "SUCCESS" and not row.item.get("stackEvents"):
            # Its stack is as others left it, and not its own to undo.
            raise Conflict(
                "DEPLOYMENT_DID_NOTHING",
                "The deployment changed nothing in its stack: there is nothing to undo.",
                field="deploymentId",
            )
        if not await is_last(call, row):
            raise Conflict(
                "DEPLOYMENT_SUPERSEDED",
                "Another deployment to this environment came later, and its stack is the same: "
                "name that one.",
                field="deploymentId",
            )
        item = {
            **row.item,
            **more,
            "status": status,
            "before": row.item["status"],
            "firstFailure": None,
            "undoTime": int(call.clock.now().timestamp() * 1000),
        }
        _put(call, row, item)
        self._deployments.undo(call.work, item)
        return deployment_view(Row(item, row.version + 1))


def _put(call: Call, row: Row, item: dict[str, Any]) -> None:
    call.note(project=item["projectId"], environment=item["environment"], status=item["status"])
    moved = BaseMoved("STALE", "The deployment was changed meanwhile: try again.")
    call.work.put(DEPLOYMENT_HISTORY, item, expected=row.version, otherwise=moved)


def _demand_stack(row: Row) -> None:
    if not row.item.get("cfnStackId"):
        raise Conflict(
            "DEPLOYMENT_HAS_NO_STACK",
            "The deployment had no template, or failed before its stack was there.",
            field="deploymentId",
        )
