"""The tables of the domains service."""

from meshplane.boundary.portal_links import portal_table
from meshplane.platform.tables import Index, Table

ALL = "all"
"""The one partition of the index that lists every domain by name."""

DOMAINS = Table(
    "Domains",
    "domainId",
    indexes=(Index("byName", "listing", "name"), Index("byBucket", "bucket")),
)
DOMAIN_NAMES = Table("DomainNames", "name")
DOMAIN_MEMBERS = Table("DomainMembers", "domainId", "principal")
DOMAIN_PORTAL_LINKS = portal_table("DomainPortalLinks")

TABLES = (DOMAINS, DOMAIN_NAMES, DOMAIN_MEMBERS, DOMAIN_PORTAL_LINKS)
