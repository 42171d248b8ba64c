"""Bodies of what is done about the lake's own catalogue."""

from typing import Literal

from pydantic import Field

from meshplane.boundary.mending_schemas import MendingView
from meshplane.boundary.schemas import ApiModel, Id, Page

Standing = Literal["in-step", "gone", "behind", "ahead", "diverged", "schema", "foreign"]
Keep = Literal["ours", "theirs"]


class ProjectedTableView(ApiModel):
    """How a published table stands in the lake's catalogue, where others see it.

    `gone`: it is not there. `behind`: it points to a version that ours was made from. `ahead`: to
    one that another engine made from ours. `diverged`: to one that was not made from ours.
    `schema`: its columns were changed by hand. `foreign`: what goes by its name is no table of this
    mesh.
    """

    table_id: str
    database: str
    name: str
    standing: Standing
    metadata_location: str | None


class ProjectionDriftView(Page[ProjectedTableView]):
    """A page of the published tables that are not in step in the lake's catalogue.

    `compared` is false where this mesh keeps its tables in its own catalogue alone, so that there
    is nothing to compare. A page may hold fewer items than its limit, and none, before the last
    one.
    """

    compared: bool


class ProjectionReconcile(ApiModel):
    """Which tables are to be brought in step; all that are published if none is named.

    What others made from our versions is taken over. Of versions that have diverged both stay
    until somebody says which to `keep`; the other one is lost then.
    """

    table_id: Id | None = None
    keep: Keep | None = Field(default=None, description="Whose version of the table to keep.")


class ProjectionReconciliationView(MendingView):
    """Work on the lake's catalogue, and how many tables it concerned.

    They were in step already, were mended, were adopted from another engine, or were left, as
    somebody has to choose. `compared` is false where there is no such catalogue beside the mesh's
    own.
    """

    table_id: str | None
    compared: bool
    in_step: int
    mended: int
    adopted: int
    left: int
