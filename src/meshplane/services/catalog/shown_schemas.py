"""Bodies of what is done about the portal."""

from pydantic import Field

from meshplane.boundary.mending_schemas import MendingView
from meshplane.boundary.schemas import ApiModel, Page


class PortalDifferenceView(ApiModel):
    """Something that others have changed in the portal.

    `field` is what differs: `description`, `member user:ann@maps`, `listing`; it is empty where the
    thing itself is gone. `ours` is what the mesh would have there, `theirs` what stands there.
    """

    kind: str
    own_id: str
    portal_id: str
    field: str
    ours: str
    theirs: str


class PortalDriftView(Page[PortalDifferenceView]):
    """A page of what others have changed in the portal.

    `compared` is false where this mesh shows nothing in a portal, so that there is nothing to
    compare. A page may hold fewer items than its limit, and none, before the last one.
    """

    compared: bool


class PortalReconcile(ApiModel):
    """How the portal is to be brought to what the mesh has."""

    mend: bool = Field(
        default=False,
        description="Whether what others wrote there is overwritten, and what they deleted made "
        "again; otherwise it stays.",
    )


class PortalReconciliationView(MendingView):
    """Work on the portal: how many things were brought, of how many kinds.

    `kinds` is 0 where this mesh shows nothing in a portal.
    """

    mend: bool
    kinds: int
    brought: int
