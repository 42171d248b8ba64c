"""What permissions must know of the services above it: the port."""

from dataclasses import dataclass
from typing import Any, Protocol

from meshplane.boundary.actor import Actor
from meshplane.services.permissions.model import GovernedAsset, Grant, RowFilter


@dataclass(frozen=True, slots=True)
class DescribedAsset:
    """An asset as it is now, and whether it is listed for everyone to find."""

    asset: GovernedAsset
    is_published: bool


class Schemas(Protocol):
    """Looks up what things are. It is asked when the policy is written or explained, not enforced.

    Every method may raise `Unavailable`, where the service that knows runs elsewhere and is not to
    be had.
    """

    async def asset(self, actor: Actor, asset_id: str) -> DescribedAsset | None:
        """An asset with its table's columns as they are now."""
        ...

    async def domain_name(self, actor: Actor, domain_id: str) -> str | None:
        """The name of a domain; None if there is none with that id."""
        ...

    async def project_name(self, actor: Actor, project_id: str) -> str | None:
        """The name of a project; None if there is none with that id."""
        ...

    async def check_row_filter(self, actor: Actor, asset_id: str, expression: str) -> RowFilter:
        """A condition over the asset's columns, checked and in its canonical form.

        Raises:
            Invalid: ROW_FILTER_INVALID.
        """
        ...

    async def preview_approval(
        self, actor: Actor, request_id: str, approval: dict[str, Any]
    ) -> Grant:
        """The grant that approving a subscription request would write, for one who may approve it.

        Raises:
            MeshplaneError: what the approval would be refused for.
        """
        ...
