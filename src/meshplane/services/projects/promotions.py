"""Use cases of promotions: what runs in one environment of a project shall run in the next.

A request is PENDING, then APPROVED or REJECTED; an approved one is COMPLETED or FAILED. People ask
and approve; the promotion workflow does the rest and records what came of it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, get_args

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.events.promotions import PromotionCompleted, PromotionRequested
from meshplane.kit.errors import BaseMoved, Conflict, Invalid, Missing, Refused
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Between, Row
from meshplane.platform.templates.checking import checked
from meshplane.platform.templates.document import resources_of
from meshplane.platform.templates.lint import Lint
from meshplane.platform.templates.resource_names import check_names
from meshplane.policy.model import Resource
from meshplane.services.projects.rows import existing, resource_of
from meshplane.services.projects.schemas import (
    Environment,
    NewPromotion,
    PromotionOutcome,
    PromotionQuery,
    PromotionView,
)
from meshplane.services.projects.store import PROMOTION_REQUESTS

ENVIRONMENTS: tuple[str, ...] = get_args(Environment)
"""In the order in which what a project runs goes through them."""

_TRIED = "staging"
"""The environment that every promotion goes to first."""

_NEXT = {
    "PENDING": {"APPROVED", "REJECTED", "FAILED"},
    "APPROVED": {"COMPLETED", "FAILED"},
}
_ENDS = {"REJECTED", "COMPLETED", "FAILED"}
_LEFT_OUT = {
    "PARAMETERS_INVALID": (
        "A promotion gives its template no parameters: give each a default in the template."
    ),
    "CAPABILITY_MISSING": (
        "A promotion deploys with no capabilities, and this template needs some: deploy it by "
        "itself, and say there what it may do."
    ),
}
_REASONS = {
    "APPROVED": "approvalReason",
    "REJECTED": "rejectionReason",
    "FAILED": "failureReason",
    "COMPLETED": "completionReason",
}


class Promotions:
    """Takes requests for promotions and keeps what became of them.

    Args:
        lint: looks at templates before they are accepted; None: nobody does.
        stack_of: the name of the stack of a project's environment, which bounds what its resources
            are called; None: nothing does.
    """

    def __init__(
        self, lint: Lint | None = None, stack_of: Callable[[str, str], str] | None = None
    ) -> None:
        self._lint = lint
        self._stack_of = stack_of

    async def request(self, call: Call, body: NewPromotion) -> PromotionView:
        """Asks for a promotion.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Invalid: ENVIRONMENTS_INVALID; of a template that could not be deployed:
                TEMPLATE_INVALID, PARAMETERS_INVALID, CAPABILITY_MISSING,
                TEMPLATE_NAMES_INVALID.
            TooLarge, LimitReached: TEMPLATE_TOO_LARGE, TEMPLATE_TOO_SLOW.
        """
        project = await existing(call, body.project_id)
        await call.allow(resource_of(project))
        source, target = body.source_environment, body.target_environment
        if ENVIRONMENTS.index(target) <= ENVIRONMENTS.index(source):
            raise Invalid(
                "ENVIRONMENTS_INVALID",
                "A promotion goes from dev to staging to prod: choose a later target.",
                field="targetEnvironment",
            )
        if body.cfn_template is not None:
            await self._accept(body.cfn_template, body.project_id, target)
        item = _without_nulls(
            {
                "requestId": call.new_id("prom-req"),
                "createdAt": call.now,
                "projectId": body.project_id,
                "domainId": project.item["domainId"],
                "sourceEnvironment": source,
                "targetEnvironment": target,
                "status": "PENDING",
                "createdBy": call.actor.on_behalf_of or call.actor.name,
                "reason": body.reason,
                "cfnTemplate": body.cfn_template,
            }
        )
        call.resource = f"Promotion:{item['requestId']}"
        call.note(project=body.project_id, source=source, target=target)
        call.work.put(PROMOTION_REQUESTS, item, expected=ABSENT)
        call.work.emit(
            PromotionRequested(
                request_id=item["requestId"],
                project_id=body.project_id,
                domain_id=item["domainId"],
                source_environment=source,
                target_environment=target,
                cfn_template=body.cfn_template,
                created_by=item["createdBy"],
                created_at=call.now,
            ).event()
        )
        return _view(Row(item, 1))

    async def _accept(self, template: str, project_id: str, target: str) -> None:
        """Refuses a template that its deployments would refuse."""
        # It is deployed to staging whatever its target is; see the workflow.
        wanted = dict.fromkeys((_TRIED, target))
        stacks = [self._stack_of(project_id, one) for one in wanted] if self._stack_of else []
        await asyncio.to_thread(_demand_deployable, template, stacks)
        if self._lint is not None:
            await self._lint(template)

    async def get(self, call: Call, request_id: str) -> PromotionView:
        """The request with that id."""
        return _view(await _allowed(call, request_id))

    async def list(self, call: Call, query: PromotionQuery) -> Page[PromotionView]:
        """The requests of a project, by status."""
        await call.allow(resource_of(await existing(call, query.project_id)))
        page = await call.work.query(
            PROMOTION_REQUESTS,
            query.project_id,
            index="projectId-status-index",
            where=Between(query.status, query.status) if query.status else None,
            limit=query.limit,
            cursor=query.cursor,
        )
        return Page[PromotionView](items=[_view(row) for row in page.rows], next_cursor=page.cursor)

    async def record(self, call: Call, request_id: str, body: PromotionOutcome) -> PromotionView:
        """Moves a request on; told what it is already, it changes nothing.

        Raises:
            Missing: PROMOTION_NOT_FOUND.
            Conflict: PROMOTION_MOVED_ON.
            Refused: SELF_APPROVAL.
        """
        row = await _allowed(call, request_id)
        status = row.item["status"]
        if status == body.status:
            return _view(row)
        if body.status not in _NEXT.get(status, ()):
            raise Conflict(
                "PROMOTION_MOVED_ON",
                f"The promotion is {status}: it cannot become {body.status}.",
                field="status",
            )
        if body.approved_by is not None and body.approved_by == row.item["createdBy"]:
            raise Refused(
                "SELF_APPROVAL",
                "Who asked for the promotion does not approve it: somebody else must.",
                field="approvedBy",
            )
        item = _without_nulls(
            {
                **row.item,
                "status": body.status,
                "approvedBy": body.approved_by or row.item.get("approvedBy"),
                _REASONS[body.status]: body.reason,
                "completedAt": call.now if body.status in _ENDS else None,
            }
        )
        call.note(project=item["projectId"], status=body.status)
        moved = BaseMoved("STALE", "The promotion was changed meanwhile: try again.")
        call.work.put(PROMOTION_REQUESTS, item, expected=row.version, otherwise=moved)
        if body.status in _ENDS:
            call.work.emit(_completed(item, body.reason).event())
        return _view(Row(item, row.version + 1))


def _demand_deployable(template: str, stacks: Sequence[str]) -> None:
    resources_of(template)
    try:
        document = checked(template, {}, frozenset())
        for stack in stacks:
            check_names(document, stack, {})
    except Invalid as error:
        if error.code not in _LEFT_OUT:
            raise
        raise Invalid(error.code, _LEFT_OUT[error.code], field="cfnTemplate") from error


def _completed(item: dict[str, Any], reason: str | None) -> PromotionCompleted:
    return PromotionCompleted(
        request_id=item["requestId"],
        project_id=item["projectId"],
        source_environment=item["sourceEnvironment"],
        target_environment=item["targetEnvironment"],
        status=item["status"],
        reason=reason,
        completed_at=item["completedAt"],
    )


async def _allowed(call: Call, request_id: str) -> Row:
    """The request; for those who may not know of it, it is not there."""
    missing = Missing(
        "PROMOTION_NOT_FOUND", "There is no promotion with this id.", field="requestId"
    )
    page = await call.work.query(PROMOTION_REQUESTS, request_id, limit=1)
    if not page.rows:
        await call.allow(Resource("Project", request_id), hide=missing, known_by="getPromotion")
        raise missing
    row = page.rows[0]
    project_id = row.item["projectId"]
    resource = Resource("Project", project_id, row.item["domainId"], project_id)
    await call.allow(resource, hide=missing, known_by="getPromotion")
    call.resource = f"Promotion:{request_id}"
    return row


def _without_nulls(item: dict[str, Any]) -> dict[str, Any]:
    """An attribute that is the key of an index is left out where it has no value."""
    return {name: value for name, value in item.items() if value is not None}


def _view(row: Row) -> PromotionView:
    item = row.item
    return PromotionView(
        request_id=item["requestId"],
        project_id=item["projectId"],
        source_environment=item["sourceEnvironment"],
        target_environment=item["targetEnvironment"],
        status=item["status"],
        reason=item.get("reason"),
        created_by=item["createdBy"],
        created_at=item["createdAt"],
        approved_by=item.get("approvedBy"),
        approval_reason=item.get("approvalReason"),
        rejection_reason=item.get("rejectionReason"),
        failure_reason=item.get("failureReason"),
        completed_at=item.get("completedAt"),
        version=row.version,
    )
