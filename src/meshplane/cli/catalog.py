"""`meshplane search` and `meshplane catalog`: finding data products, and showing them elsewhere."""

from typing import Annotated

import typer

from meshplane.cli import glossary, metadata_forms, present, shown
from meshplane.cli.session import Session, connected

app = typer.Typer(
    no_args_is_help=True, help="The words of the catalog, and what it shows in the portal."
)
shown.declare_portal(app)
app.add_typer(glossary.app, name="glossary")
app.add_typer(metadata_forms.app, name="forms")
app.command("said")(metadata_forms.said)
app.command("say")(metadata_forms.say)

_FOUND: present.Columns = (
    ("Name", lambda hit: f"{hit['domainName']}.{hit['name']}"),
    ("About", lambda hit: present.shortened(hit["description"])),
    ("Classification", "classification"),
    ("Quality", "qualityScore"),
)


@connected
def search(
    session: Session,
    words: Annotated[
        list[str] | None, typer.Argument(help="What it is about: departure delay")
    ] = None,
    term: Annotated[
        str, typer.Option(help="Only with this glossary term (aviation.Delays.Late).")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=100, help="At most this many.")] = 20,
) -> None:
    """Finds data products by words in what is said of them, or by a term of a glossary."""
    if not words and not term:
        raise typer.BadParameter("Say words to look for, or --term.")
    page = session.api.get(
        "/catalog/search",
        q=" ".join(words or ()) or None,
        term=glossary.term_id(session.api, term) if term else None,
        limit=limit,
    )
    session.show(page, lambda: present.listing(page["items"], _FOUND, nothing="Nothing found."))
