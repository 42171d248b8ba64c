"""The table of the subscriptions service."""

from meshplane.boundary.portal_links import portal_table
from meshplane.platform.tables import Index, Table

SUBSCRIPTIONS = Table(
    "Subscriptions",
    "requestId",
    indexes=(
        Index("byAsset", "assetId", "requestId"),
        Index("byProject", "projectId", "requestId"),
        Index("byDomain", "domainId", "requestId"),
        Index("bySubscriber", "subscriber", "requestId"),
        Index("byEnd", "status", "expiresAt"),
        Index("byNotice", "notice", "noticeAt"),
    ),
)

NOTICE_DUE = "due"
"""The partition of `byNotice`: subscriptions whose subscriber must still be told of the end."""

SUBSCRIPTION_PORTAL_LINKS = portal_table("SubscriptionPortalLinks")

TABLES = (SUBSCRIPTIONS, SUBSCRIPTION_PORTAL_LINKS)
