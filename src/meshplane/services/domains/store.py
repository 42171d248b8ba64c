"""The tables of the domains service."""

from meshplane.platform.tables import Index, Table

ALL = "all"
"""The one partition of the index that lists every domain by name."""

DOMAINS = Table("Domains", "domainId", indexes=(Index("byName", "listing", "name"),))
DOMAIN_NAMES = Table("DomainNames", "name")
DOMAIN_MEMBERS = Table("DomainMembers", "domainId", "principal")

TABLES = (DOMAINS, DOMAIN_NAMES, DOMAIN_MEMBERS)
