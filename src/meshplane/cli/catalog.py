"""`meshplane search`: finds data products by what they are about."""

from typing import Annotated

import typer

from meshplane.cli import present
from meshplane.cli.session import Session, connected

_FOUND: present.Columns = (
    ("Name", lambda hit: f"{hit['domainName']}.{hit['name']}"),
    ("About", lambda hit: present.shortened(hit["description"])),
    ("Classification", "classification"),
    ("Quality", "qualityScore"),
)


@connected
def search(
    session: Session,
    words: Annotated[list[str], typer.Argument(help="What it is about: departure delay")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most this many.")] = 20,
) -> None:
    """Finds data products by words in their names, descriptions and columns."""
    page = session.api.get("/catalog/search", q=" ".join(words), limit=limit)
    session.show(page, lambda: present.listing(page["items"], _FOUND, nothing="Nothing found."))
