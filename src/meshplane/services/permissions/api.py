"""What the permissions service offers to others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from meshplane.boundary.actor import Actor

MaskKind = Literal["null", "hash", "constant"]


@dataclass(frozen=True, slots=True)
class MaskRule:
    """How a column is shown in place of its values.

    Args:
        kind: `null`; `hash`, keyed, so that equal values stay equal and nothing leads back; or
            `constant`.
        value: of a constant.
    """

    kind: MaskKind
    value: str | None = None


@dataclass(frozen=True, slots=True)
class GrantedColumn:
    """A column that may be read, and its mask if it has one."""

    name: str
    mask: MaskRule | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Some rows and columns of an asset, for a principal, until a date.

    Args:
        grant_id: chosen by the one who grants, so that granting twice is granting once.
        principal: `project:proj-…`, `user:…` or `group:…`.
        asset_id, domain_id: what may be read, and the domain that answers for it.
        row_filter: a checked SQL condition over the asset's columns; None is all rows.
        columns: those that may be read.
        excluded_columns: those that were left out, for people to read.
        expires_at: RFC 3339, or None.
        subscription_id: the subscription that it fulfils.
    """

    grant_id: str
    principal: str
    asset_id: str
    domain_id: str
    row_filter: str | None
    columns: tuple[GrantedColumn, ...]
    excluded_columns: tuple[str, ...]
    expires_at: str | None
    subscription_id: str


class PermissionsApi(Protocol):
    """Writes grants for fulfilled subscriptions, and reads those in force."""

    async def grant(self, actor: Actor, grant: Grant) -> None:
        """Puts a grant into force; a grant with that id stays as it is."""
        ...

    async def revoke(self, actor: Actor, grant_id: str) -> None:
        """Ends a grant; when this returns, no query that starts sees it. None is fine too."""
        ...

    async def in_force(self, actor: Actor, asset_id: str, principals: Sequence[str]) -> list[Grant]:
        """The grants on an asset that these principals hold now."""
        ...
