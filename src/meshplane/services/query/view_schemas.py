"""Bodies of views."""

from typing import Literal

from meshplane.boundary.schemas import ApiModel, Id, SqlName
from meshplane.services.query.schemas import SqlText


class NewView(ApiModel):
    """A SELECT to be kept as a view of the project.

    `runsAs` is `reader`: each reader sees of what lies below what he may see himself; or `owner`:
    he sees what the project sees, for as long as it may pass that on.
    """

    project_id: Id
    name: SqlName
    sql: SqlText
    runs_as: Literal["reader", "owner"]


class ViewedRelation(ApiModel):
    """A relation that a view reads."""

    name: str
    asset_id: str


class ViewView(ApiModel):
    """A view. `tableId` is the table that stands for it: publish that as an asset."""

    view_id: str
    table_id: str
    project_id: str
    name: str
    sql: str
    runs_as: str
    relations: list[ViewedRelation]
    depth: int
