"""Bodies of the domains service."""

from typing import Literal

from pydantic import Field

from meshplane.boundary.schemas import ApiModel, PrincipalName, Slug, Text

DomainRole = Literal["owner", "steward", "viewer"]


class NewDomainMember(ApiModel):
    """A role for somebody, given when the domain is created."""

    principal: PrincipalName
    role: DomainRole


class NewDomain(ApiModel):
    """A domain to be created."""

    name: Slug
    description: Text = ""
    members: list[NewDomainMember] = Field(default_factory=list, max_length=100)


class DomainChange(ApiModel):
    """What may be changed of a domain."""

    description: Text


class DomainRoleChange(ApiModel):
    """The role that somebody shall hold."""

    role: DomainRole


class DomainView(ApiModel):
    """A domain."""

    domain_id: str
    name: str
    description: str
    bucket: str
    version: int
    created_by: str
    created_at: str


class DomainMemberView(ApiModel):
    """Somebody's role in a domain."""

    principal: str
    role: DomainRole
    added_by: str
    added_at: str
