"""`meshplane catalog glossary`: the words of a domain."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected
from meshplane.kit.errors import Conflict, Missing

if TYPE_CHECKING:
    from meshplane.client import Api

app = typer.Typer(no_args_is_help=True, help="Glossaries and their terms.")

Name = Annotated[str, typer.Argument(help="The glossary's name (aviation.Delays) or id.")]
Term = Annotated[str, typer.Argument(help="The term's name (aviation.Delays.Late) or id.")]
Short = Annotated[str | None, typer.Option(help="What it means, in a line.")]
Long = Annotated[str | None, typer.Option(help="What it means, in full.")]
IsA = Annotated[list[str] | None, typer.Option("--is-a", help="A broader term; may be repeated.")]
Narrower = Annotated[
    list[str] | None, typer.Option("--classifies", help="A narrower term; may be repeated.")
]

_GLOSSARIES: present.Columns = (
    ("Name", lambda one: f"{one['domainName']}.{one['name']}"),
    ("About", lambda one: present.shortened(one["description"])),
    ("Status", "status"),
)
_TERMS: present.Columns = (
    ("Name", "name"),
    ("Meaning", lambda one: present.shortened(one["shortDescription"])),
    ("Status", "status"),
    ("Id", "termId"),
)
_PREFIX, _TERM_PREFIX = "gloss-", "term-"


@app.command("list")
@connected
def list_glossaries(
    session: Session,
    domain: Annotated[str, typer.Option(help="Only this domain's (name or id).")] = "",
) -> None:
    """Lists the glossaries."""
    domain_id = resolve.domain_id(session.api, domain) if domain else None
    items = list(session.api.items("/catalog/glossaries", domainId=domain_id))
    session.show(
        {"items": items}, lambda: present.listing(items, _GLOSSARIES, nothing="No glossaries yet.")
    )


@app.command()
@connected
def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="Its name, unique in the domain.")],
    domain: Annotated[str, typer.Option(help="Whose it is (name or id).")],
    description: Annotated[str, typer.Option(help="What it is about.")] = "",
) -> None:
    """Creates a glossary (owners and stewards of the domain)."""
    body = {
        "domainId": resolve.domain_id(session.api, domain),
        "name": name,
        "description": description,
    }
    made = session.api.post("/catalog/glossaries", body, key=session.key())
    session.show(made, lambda: f"Created the glossary {name}: {made['glossaryId']}")


@app.command()
@connected
def terms(session: Session, name: Name) -> None:
    """Lists the terms of a glossary."""
    items = list(session.api.items(f"/catalog/glossaries/{glossary_id(session.api, name)}/terms"))
    session.show({"items": items}, lambda: present.listing(items, _TERMS, nothing="No terms yet."))


@app.command("add-term")
@connected
def add_term(
    session: Session,
    name: Name,
    term: Annotated[str, typer.Argument(help="Its name, unique in the glossary.")],
    *,
    short: Short = None,
    long: Long = None,
    is_a: IsA = None,
    classifies: Narrower = None,
) -> None:
    """Creates a term (owners and stewards of the glossary's domain)."""
    body = {"name": term, **_said(session.api, short, long, is_a, classifies)}
    path = f"/catalog/glossaries/{glossary_id(session.api, name)}/terms"
    made = session.api.post(path, body, key=session.key())
    session.show(made, lambda: f"Created the term {term}: {made['termId']}")


@app.command("change-term")
@connected
def change_term(
    session: Session,
    term: Term,
    *,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    short: Short = None,
    long: Long = None,
    is_a: IsA = None,
    classifies: Narrower = None,
    status: Annotated[str | None, typer.Option(help="enabled or disabled.")] = None,
) -> None:
    """Changes a term. Disabled, it is put on nothing new, and stays where it is."""
    found = term_of(session.api, term)
    changes = _said(session.api, short, long, is_a, classifies)
    if "relations" in changes:  # what is not spoken of stays
        kinds = (("isA", is_a), ("classifies", classifies))
        changes["relations"] |= {kind: found["relations"][kind] for kind, new in kinds if not new}
    changes |= {key: value for key, value in (("name", name), ("status", status)) if value}
    if not changes:
        raise typer.BadParameter("Say what to change: see --help.")
    path = f"/catalog/glossaries/{found['glossaryId']}/terms/{found['termId']}"
    changed = session.api.patch(path, changes, version=found["version"], key=session.key())
    session.show(changed, lambda: f"Changed the term {changed['name']}.")


@app.command("remove-term")
@connected
def remove_term(session: Session, term: Term) -> None:
    """Removes a term that nothing uses."""
    found = term_of(session.api, term)
    path = f"/catalog/glossaries/{found['glossaryId']}/terms/{found['termId']}"
    session.api.delete(path, key=session.key())
    session.show({"termId": found["termId"]}, lambda: f"Removed the term {found['name']}.")


def glossary_id(api: "Api", text: str) -> str:
    """The id of a glossary, named `aviation.Delays`, `Delays` or by its id.

    Raises:
        Missing: there is none of that name.
        Conflict: there are several.
    """
    return str(_glossary(api, text)["glossaryId"])


def term_of(api: "Api", text: str) -> dict[str, Any]:
    """A term, named `aviation.Delays.Late`, `Delays.Late` or by its id.

    Raises:
        Missing: there is none of that name.
        Conflict: there are several glossaries of that name.
    """
    glossary, dot, name = text.rpartition(".")
    if text.startswith(_TERM_PREFIX) and not dot:
        found = (
            term
            for one in api.items("/catalog/glossaries")
            for term in api.items(f"/catalog/glossaries/{one['glossaryId']}/terms")
            if term["termId"] == text
        )
    elif dot:
        path = f"/catalog/glossaries/{glossary_id(api, glossary)}/terms"
        found = (one for one in api.items(path) if one["name"].casefold() == name.casefold())
    else:
        raise Missing("NAME_UNKNOWN", f"Name the term {text} with its glossary: GLOSSARY.{text}.")
    term = next(found, None)
    if term is None:
        raise Missing("NAME_UNKNOWN", f"There is no term named {text}.")
    return term


def term_id(api: "Api", text: str) -> str:
    """The id of a term, named as for `term_of`."""
    is_id = text.startswith(_TERM_PREFIX) and "." not in text
    return text if is_id else str(term_of(api, text)["termId"])


def _glossary(api: "Api", text: str) -> dict[str, Any]:
    if text.startswith(_PREFIX):
        found: dict[str, Any] = api.get(f"/catalog/glossaries/{text}")
        return found
    wanted = text.casefold()
    several = [
        one
        for one in api.items("/catalog/glossaries")
        if wanted in (one["name"].casefold(), f"{one['domainName']}.{one['name']}".casefold())
    ]
    if not several:
        raise Missing("NAME_UNKNOWN", f"There is no glossary named {text}.")
    if len(several) > 1:
        names = ", ".join(f"{one['domainName']}.{one['name']}" for one in several)
        raise Conflict("NAME_AMBIGUOUS", f"{len(several)} are named {text}: {names}.")
    return several[0]


def _said(
    api: "Api",
    short: str | None,
    long: str | None,
    is_a: list[str] | None,
    classifies: list[str] | None,
) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if short is not None:
        said["shortDescription"] = short
    if long is not None:
        said["longDescription"] = long
    if is_a or classifies:
        said["relations"] = {
            "isA": [term_id(api, one) for one in is_a or ()],
            "classifies": [term_id(api, one) for one in classifies or ()],
        }
    return said
