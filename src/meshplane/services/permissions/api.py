"""What the permissions service offers to others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from meshplane.boundary.actor import Actor
from meshplane.services.permissions.grant_ids import grant_id_of
from meshplane.services.permissions.mask_strength import can_make, strength
from meshplane.services.permissions.model import (
    AssetAccess,
    AssetTags,
    DataFilter,
    FilterColumn,
    GovernedAsset,
    GovernedColumn,
    Grant,
    GrantedColumn,
    LakeState,
    MaskKind,
    MaskRule,
    RowFilter,
    RowScope,
    TagMask,
    Target,
)
from meshplane.services.permissions.semantics import needed
from meshplane.services.permissions.tag_expressions import (
    Expression,
    checked,
    column_tags,
    matches,
    table_tags,
)

__all__ = [
    "AccessAt",
    "AssetAccess",
    "AssetTags",
    "DataFilter",
    "Expression",
    "FilterColumn",
    "FilterPage",
    "GovernedAsset",
    "GovernedColumn",
    "Grant",
    "GrantPage",
    "GrantedColumn",
    "HeldAt",
    "LakeState",
    "LfTag",
    "LfTagPage",
    "MaskKind",
    "MaskRule",
    "PermissionsApi",
    "RowFilter",
    "RowScope",
    "TagAssignment",
    "TagExpression",
    "TagExpressionPage",
    "TagMask",
    "TagMaskPage",
    "Target",
    "can_make",
    "checked",
    "column_tags",
    "grant_id_of",
    "matches",
    "needed",
    "strength",
    "table_tags",
]


@dataclass(frozen=True, slots=True)
class GrantPage:
    """Some grants; `cursor` is where the next page starts, None at the end."""

    grants: tuple[Grant, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class LfTag:
    """A tag and the values that it may have."""

    key: str
    values: tuple[str, ...]
    created_by: str
    created_at: str


@dataclass(frozen=True, slots=True)
class LfTagPage:
    """Some tags, by key."""

    tags: tuple[LfTag, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class TagAssignment:
    """A tag on a resource, `domain:…` or `asset:…`; `column` is "" for the whole of it."""

    resource: str
    column: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class TagExpression:
    """A named expression: each key with its values; keys AND, values OR."""

    name: str
    expression: tuple[tuple[str, tuple[str, ...]], ...]
    description: str
    created_by: str
    created_at: str


@dataclass(frozen=True, slots=True)
class TagExpressionPage:
    """Some expressions, by name."""

    expressions: tuple[TagExpression, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class TagMaskPage:
    """Some masks of tags, by key and value."""

    masks: tuple[TagMask, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class FilterPage:
    """Some data filters of an asset, by name."""

    filters: tuple[DataFilter, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class HeldAt:
    """A grant as it was in force at an instant.

    Args:
        grant: as it was.
        changed_by, changed_at: who made it what it was then, and when.
        how: `granted`, or `changed` if it was another before.
    """

    grant: Grant
    changed_by: str
    changed_at: str
    how: Literal["granted", "changed"]


@dataclass(frozen=True, slots=True)
class AccessAt:
    """Who had what on a resource at an instant.

    Args:
        resource: `asset:…`, `domain:…` or `tags`.
        domain_id: the domain that answers for it; "" for `tags`.
        at: RFC 3339.
        grants: those in force then that bear on the resource.
        tags: those that the resource and its domain carried then.
        tag_masks: those in force then.
        filters: the data filters of the asset then.
    """

    resource: str
    domain_id: str
    at: str
    grants: tuple[HeldAt, ...]
    tags: tuple[TagAssignment, ...]
    tag_masks: tuple[TagMask, ...]
    filters: tuple[DataFilter, ...]


class PermissionsApi(Protocol):
    """Writes grants for fulfilled subscriptions, keeps the policy, and says what it comes to."""

    async def grant(self, actor: Actor, grant: Grant) -> None:
        """Puts a grant into force; one with that id stays as it is, and a revoked one ended."""
        ...

    async def revoke(self, actor: Actor, grant_id: str) -> None:
        """Ends a grant; when this returns, no query that starts sees it. None is fine too."""
        ...

    async def extend(self, actor: Actor, grant_id: str, expires_at: str | None) -> None:
        """Gives a grant that is in force another end; RFC 3339, or None for no end.

        Raises:
            Conflict: GRANT_ENDED, it is not in force any more.
        """
        ...

    async def access(
        self, actor: Actor, asset: GovernedAsset, principals: Sequence[str]
    ) -> AssetAccess:
        """What these principals together have on an asset now."""
        ...

    async def table_rights(
        self, actor: Actor, table_id: str | None, domain_id: str, principals: Sequence[str]
    ) -> list[str]:
        """The permissions that grants give these principals on a table, or in a domain.

        SELECT is among them only beside DELETE, and only where they see the table whole: which rows
        a condition deletes, and how many, tells of rows and columns.

        Args:
            actor: who asks.
            table_id: the table; None asks of the domain alone (`CREATE_TABLE`).
            domain_id: the domain in which it lies.
            principals: whose grants.
        """
        ...

    async def find(self, actor: Actor, grant_id: str) -> Grant | None:
        """The grant with that id, unless it was revoked."""
        ...

    async def desired(self, actor: Actor, limit: int, cursor: str | None) -> GrantPage:
        """A page of all grants in force, by id. A page may be shorter than its limit."""
        ...

    async def record_lake_state(
        self, actor: Actor, grant_id: str, state: LakeState, reason: str | None
    ) -> None:
        """Notes what is known of a grant in the lake; `missing`, `changed`, `failed` close it."""
        ...

    async def put_tag(self, actor: Actor, key: str, values: Sequence[str]) -> LfTag:
        """Makes a tag, or gives it other values.

        Raises:
            Conflict: LF_TAG_IN_USE, a value that would go is in use; `details` says where.
        """
        ...

    async def delete_tag(self, actor: Actor, key: str) -> None:
        """Removes a tag.

        Raises:
            Missing: LF_TAG_NOT_FOUND.
            Conflict: LF_TAG_IN_USE.
        """
        ...

    async def tags(self, actor: Actor, limit: int, cursor: str | None) -> LfTagPage:
        """A page of all tags, by key."""
        ...

    async def assign_tags(
        self, actor: Actor, resource: str, column: str | None, tags: Mapping[str, str | None]
    ) -> list[TagAssignment]:
        """Puts tags on a resource or a column of it; None takes one away. What is there then.

        Raises:
            Missing: LF_TAG_NOT_FOUND.
            Invalid: LF_TAG_VALUE_UNKNOWN.
        """
        ...

    async def assigned(self, actor: Actor, resource: str) -> list[TagAssignment]:
        """The tags that a resource and its columns carry themselves."""
        ...

    async def put_expression(
        self,
        actor: Actor,
        name: str,
        expression: Sequence[tuple[str, tuple[str, ...]]],
        description: str,
    ) -> TagExpression:
        """Makes a named expression, or changes it; grants keep what it said when they were made."""
        ...

    async def delete_expression(self, actor: Actor, name: str) -> None:
        """Removes a named expression.

        Raises:
            Missing: LF_TAG_EXPRESSION_NOT_FOUND.
        """
        ...

    async def expressions(self, actor: Actor, limit: int, cursor: str | None) -> TagExpressionPage:
        """A page of all named expressions, by name."""
        ...

    async def put_tag_mask(self, actor: Actor, mask: TagMask) -> None:
        """Says how columns with a tag are shown."""
        ...

    async def delete_tag_mask(
        self, actor: Actor, key: str, value: str, domain_id: str | None
    ) -> None:
        """Removes the mask of a tag.

        Raises:
            Missing: LF_TAG_MASK_NOT_FOUND.
        """
        ...

    async def tag_masks(self, actor: Actor, limit: int, cursor: str | None) -> TagMaskPage:
        """A page of the masks of tags, of the whole mesh and of all domains."""
        ...

    async def put_filter(self, actor: Actor, data_filter: DataFilter) -> DataFilter:
        """Makes a data filter of an asset, or changes it; as it is then."""
        ...

    async def delete_filter(self, actor: Actor, asset_id: str, name: str) -> None:
        """Removes a data filter.

        Raises:
            Missing: DATA_FILTER_NOT_FOUND.
            Conflict: DATA_FILTER_IN_USE; `details` says by which grants.
        """
        ...

    async def filters(
        self, actor: Actor, asset_id: str, limit: int, cursor: str | None
    ) -> FilterPage:
        """A page of the data filters of an asset, by name."""
        ...

    async def domain_of(self, actor: Actor, resource: str) -> str:
        """The domain that answers for `asset:…`, `domain:…` or `tags`; "" for the last.

        Raises:
            Missing: RESOURCE_NOT_FOUND.
        """
        ...

    async def access_at(self, actor: Actor, resource: str, at: datetime) -> AccessAt:
        """Who had what on a resource at an instant, replayed from the history.

        Raises:
            Missing: RESOURCE_NOT_FOUND.
        """
        ...
