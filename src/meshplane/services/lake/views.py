"""How the lake service's values look over HTTP."""

from collections.abc import Mapping, Sequence

from meshplane.platform.tables import Row
from meshplane.services.lake.entries import described
from meshplane.services.lake.looking import Found
from meshplane.services.lake.policies import Step
from meshplane.services.lake.ports import LakeEntry
from meshplane.services.lake.schemas import (
    DriftItem,
    FailureView,
    LakeEntryView,
    ReconciliationView,
    StepView,
)


def entry_view(entry: LakeEntry) -> LakeEntryView:
    """An entry of a lake."""
    return LakeEntryView(
        key=entry.key,
        principal=entry.principal,
        resource=dict(entry.resource),
        described=described(entry.resource),
        permissions=list(entry.permissions),
        permissions_with_grant_option=list(entry.grantable),
        filter=None if entry.filter is None else dict(entry.filter),
        masks=dict(entry.masks),
        made_by=entry.made_by,
        made_at=entry.made_at,
    )


def drift_item(found: Found) -> DriftItem:
    """A difference."""
    difference = found.difference
    wanted = difference.wanted.entry if difference.wanted is not None else None
    actual = difference.actual
    shown = actual or wanted
    return DriftItem(
        kind=difference.kind,
        severity=difference.severity,
        key=difference.key,
        domain_id=found.domain_id or None,
        grant_id=difference.wanted.grant_id if difference.wanted is not None else None,
        principal=shown.principal if shown else "",
        described=described(shown.resource) if shown else "",
        differences=difference.sentences,
        made_by=actual.made_by if actual else None,
        made_at=actual.made_at if actual else None,
        desired=entry_view(wanted) if wanted else None,
        actual=entry_view(actual) if actual else None,
    )


def step_view(step: Step) -> StepView:
    """A step of a plan."""
    return StepView.model_validate(
        {
            "action": step.action,
            "kind": step.kind,
            "key": step.key,
            "domainId": step.domain_id or None,
            "grantId": step.grant_id,
            "why": step.why,
        }
    )


def reconciliation_view(
    row: Row, actions: Mapping[str, int] | None = None, steps: Sequence[StepView] = ()
) -> ReconciliationView:
    """A reconciliation; with the steps of its plan where they are at hand."""
    item = row.item
    return ReconciliationView(
        reconciliation_id=item["reconciliationId"],
        status=item["status"],
        domain_id=item["domainId"],
        trigger=item["trigger"],
        started_by=item["startedBy"],
        started_at=item["startedAt"],
        completed_at=item["completedAt"],
        total=item["total"],
        done=item["done"],
        repaired=item["repaired"],
        removed=item["removed"],
        adopted=item["adopted"],
        reported=item["reported"],
        skipped=item["skipped"],
        failed=item["failed"],
        actions=dict(actions or {}),
        steps=list(steps),
        failures=[FailureView(**one) for one in item["failures"]],
    )
