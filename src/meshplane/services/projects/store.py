"""The tables of the projects service."""

from meshplane.boundary.portal_links import portal_table
from meshplane.platform.tables import Index, Table

ALL = "all"
"""The one partition of the index that lists every project by name."""

PROJECTS = Table(
    "Projects",
    "projectId",
    indexes=(Index("byName", "listing", "name"), Index("byDomain", "domainId", "name")),
)
PROJECT_NAMES = Table("ProjectNames", "domainId", "name")
PROJECT_MEMBERS = Table(
    "ProjectMembers",
    "projectId",
    "principal",
    indexes=(Index("byPrincipal", "principal", "projectId"),),
)
PROJECT_ROLES = Table("ProjectRoles", "projectId")
PROMOTION_REQUESTS = Table(
    "PromotionRequests",
    "requestId",
    "createdAt",
    indexes=(
        Index("projectId-status-index", "projectId", "status"),
        Index("approverId-createdAt-index", "approvedBy", "createdAt"),
    ),
)
PROJECT_PORTAL_LINKS = portal_table("ProjectPortalLinks")

TABLES = (
    PROJECTS,
    PROJECT_NAMES,
    PROJECT_MEMBERS,
    PROJECT_ROLES,
    PROMOTION_REQUESTS,
    PROJECT_PORTAL_LINKS,
)
