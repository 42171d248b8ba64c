"""`meshplane catalog forms`, `said` and `say`: metadata forms, and what is said of assets."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.glossary import glossary_id, term_id
from meshplane.cli.session import Session, connected
from meshplane.kit.errors import Conflict, Missing

if TYPE_CHECKING:
    from meshplane.client import Api

app = typer.Typer(no_args_is_help=True, help="Metadata forms.")

Name = Annotated[str, typer.Argument(help="The form's name (aviation.Retention) or id.")]
Fields = Annotated[
    list[str],
    typer.Option(
        "--field",
        help="NAME:TYPE of string, integer, decimal, boolean, date, timestamp; then :required, "
        ":one-of=A|B, :glossary=NAME. May be repeated.",
    ),
]
Asset = Annotated[str, typer.Argument(help="The data product's name (aviation.flights) or id.")]

_FORMS: present.Columns = (
    ("Name", lambda one: f"{one['domainName']}.{one['name']}"),
    ("Fields", lambda one: [field["name"] for field in one["fields"]]),
    ("Revision", "revision"),
    ("Status", "status"),
)
_FIELDS: present.Columns = (
    ("Field", "name"),
    ("Type", "type"),
    ("Required", "required"),
    ("Allowed", "allowed"),
    ("Meaning", "description"),
)
_PREFIX = "form-"


@app.command("list")
@connected
def list_forms(
    session: Session,
    domain: Annotated[str, typer.Option(help="Only this domain's (name or id).")] = "",
) -> None:
    """Lists the metadata forms."""
    domain_id = resolve.domain_id(session.api, domain) if domain else None
    items = list(session.api.items("/catalog/forms", domainId=domain_id))
    session.show({"items": items}, lambda: present.listing(items, _FORMS, nothing="No forms yet."))


@app.command()
@connected
def show(session: Session, name: Name) -> None:
    """Shows a form with its fields."""
    _show(session, form_of(session.api, name))


@app.command()
@connected
def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="Its name, unique in the domain.")],
    domain: Annotated[str, typer.Option(help="Whose it is (name or id).")],
    field: Fields,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Creates a form (owners and stewards of the domain)."""
    body = {
        "domainId": resolve.domain_id(session.api, domain),
        "name": name,
        "description": description,
        "fields": [parse_field(session.api, one) for one in field],
    }
    made = session.api.post("/catalog/forms", body, key=session.key())
    session.show(made, lambda: f"Created the form {name}: {made['formId']}")


@app.command()
@connected
def revise(session: Session, name: Name, field: Fields) -> None:
    """Gives a form other fields, all of them; what was filled before stays valid."""
    found = form_of(session.api, name)
    body = {"fields": [parse_field(session.api, one) for one in field]}
    path = f"/catalog/forms/{found['formId']}"
    _show(session, session.api.patch(path, body, version=found["version"], key=session.key()))


@connected
def said(session: Session, name: Asset) -> None:
    """Shows the terms and forms of a data product."""
    path = f"/catalog/assets/{resolve.asset_id(session.api, name)}/metadata"
    _show_said(session, session.api.get(path))


@connected
def say(
    session: Session,
    name: Asset,
    term: Annotated[
        list[str] | None,
        typer.Option(help="A term, or COLUMN=TERM for one of a column; may be repeated."),
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(help="A filled form as FORM:FIELD=VALUE; once for each field."),
    ] = None,
    *,
    nothing: Annotated[bool, typer.Option("--nothing", help="Take all of them away.")] = False,
) -> None:
    """Puts terms and filled forms on a data product, in place of those that are there."""
    if nothing == bool(term or form):
        raise typer.BadParameter("Give terms or forms, or --nothing to take all away.")
    api = session.api
    path = f"/catalog/assets/{resolve.asset_id(api, name)}/metadata"
    version = api.get(path)["version"]
    body = {**_terms(api, term or []), "forms": _filled(api, form or [])}
    _show_said(session, api.put(path, body, version=version, key=session.key()))


def form_of(api: "Api", text: str) -> dict[str, Any]:
    """A form, named `aviation.Retention`, `Retention` or by its id.

    Raises:
        Missing: there is none of that name.
        Conflict: there are several.
    """
    if text.startswith(_PREFIX):
        found: dict[str, Any] = api.get(f"/catalog/forms/{text}")
        return found
    wanted = text.casefold()
    several = [
        one
        for one in api.items("/catalog/forms")
        if wanted in (one["name"].casefold(), f"{one['domainName']}.{one['name']}".casefold())
    ]
    if not several:
        raise Missing("NAME_UNKNOWN", f"There is no form named {text}.")
    if len(several) > 1:
        raise Conflict("NAME_AMBIGUOUS", f"{len(several)} are named {text}: say DOMAIN.{text}.")
    return several[0]


def parse_field(api: "Api", text: str) -> dict[str, Any]:
    """A field from a text such as `days:integer:required:one-of=7|30`.

    Raises:
        typer.BadParameter: it is not of that form.
    """
    name, kind, *more = [*text.split(":"), ""] if ":" not in text else text.split(":")
    if not (name and kind):
        raise typer.BadParameter(f"{text!r} is not NAME:TYPE (days:integer).")
    field: dict[str, Any] = {"name": name, "type": kind}
    for part in more:
        word, _, value = part.partition("=")
        if word == "required":
            field["required"] = True
        elif word == "one-of":
            field["allowed"] = [
                _value(one) if kind != "string" else one for one in value.split("|")
            ]
        elif word == "glossary":
            field["glossaryId"] = glossary_id(api, value)
        else:
            raise typer.BadParameter(f"{part!r} is none of required, one-of=A|B, glossary=NAME.")
    return field


def _terms(api: "Api", texts: list[str]) -> dict[str, Any]:
    terms: list[str] = []
    columns: dict[str, list[str]] = {}
    for text in texts:
        column, equals, name = text.partition("=")
        if equals:
            columns.setdefault(column, []).append(term_id(api, name))
        else:
            terms.append(term_id(api, text))
    return {"terms": terms, "columns": columns}


def _filled(api: "Api", texts: list[str]) -> list[dict[str, Any]]:
    forms: dict[str, dict[str, Any]] = {}
    values: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, colon, filled = text.partition(":")
        field, equals, value = filled.partition("=")
        if not (colon and equals):
            raise typer.BadParameter(f"{text!r} is not FORM:FIELD=VALUE (Retention:days=30).")
        if name not in forms:
            forms[name] = form_of(api, name)
        fields = forms[name]["fields"]
        asked: dict[str, Any] = next((one for one in fields if one["name"] == field), {})
        if asked.get("glossaryId"):
            value = term_id(api, value)
        is_text = asked.get("type") not in ("integer", "decimal", "boolean")
        values.setdefault(name, {})[field] = value if is_text else _value(value)
    return [{"formId": forms[name]["formId"], "values": values[name]} for name in forms]


def _value(text: str) -> Any:
    """A number or a truth value, as JSON has it; otherwise the text, for the server to refuse."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _show(session: Session, form: dict[str, Any]) -> None:
    session.show(
        form,
        lambda: present.stacked(
            present.facts((key, value) for key, value in form.items() if key != "fields"),
            present.listing(form["fields"], _FIELDS, nothing="No fields."),
        ),
    )


def _show_said(session: Session, document: dict[str, Any]) -> None:
    facts: list[tuple[str, Any]] = [("terms", [one["name"] for one in document["terms"]])]
    facts += [
        (f"column {name}", [one["name"] for one in terms])
        for name, terms in document["columns"].items()
    ]
    facts += [
        (f"form {form['name']}", {**form["values"], **form["termNames"]})
        for form in document["forms"]
    ]
    is_said = any(value for _, value in facts)
    session.show(document, lambda: present.facts(facts) if is_said else "Nothing is said of it.")
