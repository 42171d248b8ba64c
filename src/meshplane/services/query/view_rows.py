"""Views as they are kept: a SELECT, who it runs as, and what it reads."""

from dataclasses import asdict, dataclass
from typing import Any

from meshplane.platform.store import Store
from meshplane.services.query.store import VIEWS

READER, OWNER = "reader", "owner"
DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Read:
    """A relation that a view reads.

    Args:
        schema, name: as the view writes it; `schema` is None where it writes none.
        domain_name, asset_name, asset_id: what that was when the view was made.
    """

    schema: str | None
    name: str
    domain_name: str
    asset_name: str
    asset_id: str


@dataclass(frozen=True, slots=True)
class View:
    """A view.

    Args:
        table_id: of the table that stands for it: no rows, and the view's columns. It is published
            as an asset like any other, and so is the view.
        project_id, domain_id: where it was made.
        name: of the view and its table.
        sql: its SELECT.
        runs_as: `reader` or `owner`.
        reads: what it reads.
        depth: 1 over tables alone, else one more than the deepest view below.
    """

    table_id: str
    project_id: str
    domain_id: str
    name: str
    sql: str
    runs_as: str
    reads: tuple[Read, ...]
    depth: int

    def to_item(self, created_by: str, created_at: str) -> dict[str, Any]:
        """As a row holds it."""
        item = asdict(self)
        item["reads"] = [asdict(one) for one in self.reads]
        named = {_camel(name): value for name, value in item.items()}
        return {**named, "createdBy": created_by, "createdAt": created_at}

    @classmethod
    def from_item(cls, item: dict[str, Any]) -> "View":
        """What `to_item` wrote."""
        return cls(
            table_id=item["tableId"],
            project_id=item["projectId"],
            domain_id=item["domainId"],
            name=item["name"],
            sql=item["sql"],
            runs_as=item["runsAs"],
            reads=tuple(Read(**one) for one in item["reads"]),
            depth=item["depth"],
        )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class ViewBook:
    """Finds views by the tables that stand for them. A view never changes once it is made.

    Args:
        store: where they are kept; without one there are none.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._store = store

    async def find(self, table_id: str) -> View | None:
        """The view for which a table stands; None if it is a table."""
        if self._store is None:
            return None
        row = await self._store.begin().get(VIEWS, table_id)
        return View.from_item(row.item) if row else None
