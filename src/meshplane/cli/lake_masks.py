"""Commands of `meshplane lake` for masks by tag, and for taking tags and data filters away."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from meshplane.cli import present, resolve
from meshplane.cli.masks import FORMS, assigned_of, masks_of
from meshplane.cli.session import Session, connected

Asset = Annotated[str, typer.Argument(help="The data product: aviation.flights, or its id.")]
Tag = Annotated[str, typer.Argument(help="The tag and its value: classification=confidential")]
Domain = Annotated[
    str, typer.Option(help="Only in this domain (name or id); else in the whole mesh.")
]

_MASKS: present.Columns = (
    ("Tag", lambda one: f"{one['key']}={one['value']}"),
    ("Mask", lambda one: present.text_of(one["mask"])),
    ("Domain", lambda one: one["domainId"] or "all"),
)
_ASSIGNED: present.Columns = (("Key", "key"), ("Value", "value"))


def declare(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(masks)
    app.command("mask")(put_mask)
    app.command("unmask")(remove_mask)
    app.command("assign-domain")(assign_domain)
    app.command("untag")(remove_tag)
    app.command("unfilter")(remove_filter)


@connected
def masks(session: Session) -> None:
    """Lists the masks that tags bring with them."""
    items = list(session.api.items("/lake/lf-tag-masks"))
    session.show({"items": items}, lambda: present.listing(items, _MASKS, nothing="No masks."))


@connected
def put_mask(
    session: Session,
    *,
    tag: Tag,
    mask: Annotated[str, typer.Argument(help=f"The mask, as in {FORMS}: hash, last:4, round:2")],
    domain: Domain = "",
) -> None:
    """Masks all columns that carry a tag (stewards in their domain; administrators)."""
    key, value = _pair(tag)
    body: dict[str, Any] = {"key": key, "value": value, "mask": masks_of([f"it={mask}"])["it"]}
    if domain:
        body["domainId"] = resolve.domain_id(session.api, domain)
    made = session.api.put("/lake/lf-tag-masks", body, key=session.key())
    session.show(made, lambda: present.listing([made], _MASKS, nothing=""))


@connected
def remove_mask(session: Session, *, tag: Tag, domain: Domain = "") -> None:
    """Takes the mask of a tag away."""
    key, value = _pair(tag)
    path = f"/lake/lf-tag-masks/{quote(key, safe='')}/{quote(value, safe='')}"
    where = resolve.domain_id(session.api, domain) if domain else None
    session.api.delete(path, key=session.key(), domainId=where)
    session.show({}, lambda: present.escaped(f"{key}={value} masks nothing now."))


@connected
def assign_domain(
    session: Session,
    domain: Annotated[str, typer.Argument(help="The domain's name or id.")],
    pairs: Annotated[list[str], typer.Argument(help="key=value; key= takes the tag away.")],
) -> None:
    """Puts tags on a domain, from which its data products inherit (its stewards)."""
    found = assigned_of(pairs)
    body = {"resource": f"domain:{resolve.domain_id(session.api, domain)}", "tags": found}
    answer = session.api.post("/lake/lf-tag-assignments", body, key=session.key())
    session.show(answer, lambda: present.listing(answer["tags"], _ASSIGNED, nothing="No tags."))


@connected
def remove_tag(
    session: Session, key: Annotated[str, typer.Argument(help="The tag's key.")]
) -> None:
    """Removes a tag that nothing carries (administrators)."""
    session.api.delete(f"/lake/lf-tags/{quote(key, safe='')}", key=session.key())
    session.show({}, lambda: present.escaped(f"{key} is gone."))


@connected
def remove_filter(
    session: Session,
    asset: Asset,
    name: Annotated[str, typer.Argument(help="The filter's name.")],
) -> None:
    """Removes a data filter that no grant is on (its domain's stewards)."""
    path = f"/lake/data-filters/{resolve.asset_id(session.api, asset)}/{quote(name, safe='')}"
    session.api.delete(path, key=session.key())
    session.show({}, lambda: present.escaped(f"{name} is gone."))


def _pair(tag: str) -> tuple[str, str]:
    key, equals, value = tag.partition("=")
    if not (key and equals and value):
        raise typer.BadParameter(f"Write the tag as key=value, not {tag}.")
    return key, value
