"""What the assets service needs of the outside: a place in the portal for each data product."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

ACTIVE, INACTIVE = "ACTIVE", "INACTIVE"
"""A listing that everyone finds, and one that was taken out of the catalogue."""

TERM, TERMS_OF, FORM = "term ", "terms of ", "form "
"""How the fields of `Product.said` begin that hold the catalog's words (`portal_words.py`)."""

ON = "on"
"""That a term is on a product."""


@dataclass(frozen=True, slots=True)
class Product:
    """A data product as it is to be shown.

    Args:
        own_id: ours, which no other thing of the portal has.
        database, table: where its table stands in the lake's catalogue.
        said: texts by field: `name`, `description`, `owner`, `classification`, `contractVersion`,
            `domain`, `project`; `columns` with the types by name, as JSON in the table's order; and
            `column NAME` with what is said of that column; and terms and forms.
    """

    own_id: str
    database: str
    table: str
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ProductThere:
    """A data product as the portal has it.

    Args:
        portal_id: the portal's name for it.
        revision: the latest.
        said: as in `Product`.
        listing_id: empty while it was never listed.
        listing: `ACTIVE`, `INACTIVE`, or empty.
        listed_revision: the one that the catalogue shows.
    """

    portal_id: str
    revision: str
    said: Mapping[str, str]
    listing_id: str = ""
    listing: str = ""
    listed_revision: str = ""


class AssetPortal(Protocol):
    """Shows data products in the portal.

    Every method may raise `Unavailable`, and then it is called again.
    """

    async def ensure(self, project: str, product: Product) -> ProductThere:
        """The product with our id; made in that project of the portal where there is none."""
        ...

    async def look(self, portal_id: str) -> ProductThere | None:
        """The product as it is there now; None if it is gone."""
        ...

    async def revise(self, portal_id: str, product: Product) -> ProductThere:
        """Makes a new revision of it.

        Of terms and forms it keeps those that are not said at all, as others have added them; one
        that is said to be empty it takes off.
        """
        ...

    async def publish(self, portal_id: str) -> ProductThere:
        """Lists the latest revision, and returns when the catalogue has it."""
        ...

    async def withdraw(self, portal_id: str) -> ProductThere:
        """Takes its listing out of the catalogue."""
        ...
