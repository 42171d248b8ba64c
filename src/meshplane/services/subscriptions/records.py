"""Rows of the store as the type that leaves the service."""

from meshplane.kit.clock import Clock, from_text
from meshplane.platform.tables import Row
from meshplane.services.subscriptions.schemas import SubscriptionView
from meshplane.services.subscriptions.scope import scope_view


def view(row: Row, clock: Clock) -> SubscriptionView:
    """A subscription for HTTP."""
    item = row.item
    ends = item["expiresAt"]
    expired = item["status"] == "active" and ends is not None and clock.now() >= from_text(ends)
    return SubscriptionView(
        request_id=item["requestId"],
        asset_id=item["assetId"],
        asset_name=item["assetName"],
        domain_id=item["domainId"],
        project_id=item["projectId"],
        project_name=item["projectName"],
        requested_by=item["requestedBy"],
        purpose=item["purpose"],
        status="expired" if expired else item["status"],
        requested_at=item["requestedAt"],
        requested_columns=item["requestedColumns"],
        requested_row_filter=item["requestedRowFilter"],
        scope=scope_view(item),
        expires_at=ends,
        decided_by=item["decidedBy"],
        decided_at=item["decidedAt"],
        decision_reason=item["decisionReason"],
        revoked_by=item["revokedBy"],
        revoked_at=item["revokedAt"],
        revocation_reason=item["revocationReason"],
        grant_id=item["grantId"],
        version=row.version,
    )
