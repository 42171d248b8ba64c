"""`meshplane permissions`: who may do what with a data product, and why."""

from typing import Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.masks import FORMS, masks_of
from meshplane.cli.resources import resource_of
from meshplane.cli.session import Session, connected
from meshplane.cli.simulated import show_simulated

app = typer.Typer(no_args_is_help=True, help="Who may do what with a data product, and why.")

Asset = Annotated[str, typer.Argument(help="The data product: aviation.flights, or its id.")]
SomeAsset = Annotated[str, typer.Option("--asset", help="The data product: aviation.flights.")]
Principal = Annotated[str, typer.Option(help="user:ada@mesh, group:staff or project:proj-…")]
ProjectName = Annotated[str, typer.Option(help="A project's name or id.")]
Through = Annotated[
    list[str] | None, typer.Option(help="A project that the person is in; may be repeated.")
]
Groups = Annotated[
    list[str] | None, typer.Option("--group", help="A group that the person is in; repeatable.")
]
Domain = Annotated[str, typer.Option(help="A domain's name or id.")]
Columns = Annotated[
    list[str] | None, typer.Option("--column", help="Only this column; may be repeated.")
]
Without = Annotated[list[str] | None, typer.Option(help="All columns but this; may be repeated.")]
Filter = Annotated[str, typer.Option("--filter", help="A data filter of the product.")]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", help="classification=public|internal; repeatable.")
]
AllTables = Annotated[bool, typer.Option("--all-tables", help="All tables of the domain.")]
Permissions = Annotated[
    list[str] | None, typer.Option("--permission", help="SELECT, INSERT…; may be repeated.")
]

_COLUMNS: present.Columns = (
    ("Column", "name"),
    ("Access", "access"),
    ("Mask", lambda item: _mask(item["mask"])),
    ("By", "grants"),
)
_GRANTS: present.Columns = (
    ("Holder", "principal"),
    ("On", lambda item: _on(item["resource"])),
    ("Permits", "permissions"),
    ("Until", lambda item: present.moment(item["expiresAt"])),
    ("Status", "status"),
    ("Lake", "lakeState"),
    ("Id", "grantId"),
)
_VERDICTS: present.Columns = (
    ("Holder", "principal"),
    ("On", "target"),
    ("Applies", "applies"),
    ("Why", "sentence"),
    ("Id", "grantId"),
)
_REASONS: present.Columns = (("Column", "name"), ("Access", "access"), ("Why", "sentence"))


@app.command("list")
@connected
def list_grants(
    session: Session,
    *,
    asset: SomeAsset = "",
    principal: Principal = "",
    project: ProjectName = "",
    domain: Domain = "",
) -> None:
    """Lists the grants on a data product, of a holder, or that a domain answers for."""
    found = session.api.items(
        "/permissions",
        assetId=resolve.asset_id(session.api, asset) if asset else None,
        principal=_holder(session, principal, project) or None,
        domainId=resolve.domain_id(session.api, domain) if domain else None,
    )
    items = list(found)
    session.show(
        {"items": items}, lambda: present.listing(items, _GRANTS, nothing="There are none.")
    )


@app.command()
@connected
def grant(
    session: Session,
    *,
    reason: Annotated[str, typer.Option(help="Why; it stands on record.")],
    principal: Principal = "",
    project: ProjectName = "",
    permission: Permissions = None,
    asset: SomeAsset = "",
    column: Columns = None,
    without: Without = None,
    data_filter: Filter = "",
    tag: Tags = None,
    domain: Domain = "",
    all_tables: AllTables = False,
    mask: Annotated[list[str] | None, typer.Option(help=f"{FORMS}; may be repeated.")] = None,
    with_option: Annotated[
        bool, typer.Option("--with-grant-option", help="It may be passed on.")
    ] = False,
    expires_at: Annotated[str, typer.Option(help="Until: 2026-12-31T00:00:00Z")] = "",
    try_out: Annotated[
        bool, typer.Option("--simulate", help="Only tell what it would change, and for whom.")
    ] = False,
) -> None:
    """Grants, or adds to what is granted; SELECT where no permission is named."""
    body = {
        "principal": _demanded(session, principal, project),
        "resource": resource_of(
            session.api,
            asset=asset,
            domain=domain,
            columns=column or (),
            without=without or (),
            data_filter=data_filter,
            tags=tag or (),
            all_tables=all_tables,
        ),
        "permissions": permission or ["SELECT"],
        "reason": reason,
    }
    if with_option:
        body["permissionsWithGrantOption"] = body["permissions"]
    if mask:
        body["masks"] = masks_of(mask)
    if expires_at:
        body["expiresAt"] = expires_at
    if try_out:
        show_simulated(session, {"grant": body})
        return
    given = session.api.post("/permissions/grant", body, key=session.key())
    session.show(given, lambda: present.facts(given.items()))


@app.command()
@connected
def revoke(
    session: Session,
    *,
    grant_id: Annotated[
        str, typer.Argument(help="The grant's id; or name holder and resource.")
    ] = "",
    principal: Principal = "",
    project: ProjectName = "",
    permission: Permissions = None,
    asset: SomeAsset = "",
    column: Columns = None,
    without: Without = None,
    data_filter: Filter = "",
    tag: Tags = None,
    domain: Domain = "",
    all_tables: AllTables = False,
    option_only: Annotated[
        bool, typer.Option("--option-only", help="Only that it may be passed on.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; it stands on record.")] = "",
    try_out: Annotated[
        bool, typer.Option("--simulate", help="Only tell what it would change, and for whom.")
    ] = False,
) -> None:
    """Takes a grant away at once, or a part of it."""
    named = (principal, project, asset, column, without, data_filter, tag, domain, all_tables)
    if grant_id and any(named):
        raise typer.BadParameter("Give a grant's id alone, or holder and resource without an id.")
    body: dict[str, Any] = {"grantId": grant_id}
    if not grant_id:
        body = {
            "principal": _demanded(session, principal, project),
            "resource": resource_of(
                session.api,
                asset=asset,
                domain=domain,
                columns=column or (),
                without=without or (),
                data_filter=data_filter,
                tags=tag or (),
                all_tables=all_tables,
            ),
        }
    if permission:
        body["permissions"] = permission
    if option_only:
        body["grantOptionOnly"] = True
    if reason:
        body["reason"] = reason
    if try_out:
        show_simulated(session, {"revoke": body})
        return
    done = session.api.post("/permissions/revoke", body, key=session.key())
    session.show(done, lambda: _revoked(done))


@app.command()
@connected
def effective(
    session: Session,
    *,
    asset: Asset,
    project: ProjectName = "",
    principal: Principal = "",
    through: Through = None,
    group: Groups = None,
) -> None:
    """Shows which columns and rows come of all grants together.

    A person sees what was granted to himself, and through his projects and groups: name these.
    """
    who = _demanded(session, principal, project)
    answer = _asked(session, "effective", asset, who, through=through, group=group)
    session.show(
        answer,
        lambda: present.stacked(
            present.listing(answer["columns"], _COLUMNS, nothing="No columns."),
            f"Rows: {_rows(answer)}",
            f"Permitted: {', '.join(one['permission'] for one in answer['permissions']) or '-'}",
            *(f"Broken: {one['grantId']}, because {one['why']}." for one in answer["broken"]),
        ),
    )


@app.command()
@connected
def explain(
    session: Session,
    *,
    asset: Asset,
    project: ProjectName = "",
    principal: Principal = "",
    through: Through = None,
    group: Groups = None,
) -> None:
    """Tells why somebody sees a data product as he does, grant by grant.

    A person sees what was granted to himself, and through his projects and groups: name these.
    """
    who = _demanded(session, principal, project)
    answer = _asked(session, "explain", asset, who, through=through, group=group)
    session.show(
        answer,
        lambda: present.stacked(
            *answer["conclusion"],
            present.listing(answer["grants"], _VERDICTS, nothing="There are no grants."),
            present.listing(answer["columns"], _REASONS, nothing="No columns."),
        ),
    )


@app.command()
@connected
def simulate(
    session: Session,
    *,
    approve: Annotated[str, typer.Option(help="A request's id: sub-req-…")] = "",
    asset: SomeAsset = "",
    domain: Domain = "",
    column: Annotated[str, typer.Option(help="The column that is tagged.")] = "",
    tag: Annotated[str, typer.Option(help="The tag: team=ops; team= takes it away.")] = "",
) -> None:
    """Tells what an approval or a tag would change, and for whom; nothing is written.

    For a grant, a revoke, or an approval of a part, give that command the option --simulate.
    """
    if bool(approve) == bool(tag):
        raise typer.BadParameter("Give either --approve, or --tag with --asset or --domain.")
    if approve:
        show_simulated(session, {"approve": {"requestId": approve, "approval": {"reason": "-"}}})
        return
    key, equals, value = tag.partition("=")
    if not (key and equals) or bool(asset) == bool(domain):
        raise typer.BadParameter("Write --tag key=value, and either --asset or --domain.")
    if asset:
        resource = f"asset:{resolve.asset_id(session.api, asset)}"
    else:
        resource = f"domain:{resolve.domain_id(session.api, domain)}"
    change: dict[str, Any] = {"resource": resource, "key": key, "value": value or None}
    if column:
        change["column"] = column
    show_simulated(session, {"tag": change})


def _holder(session: Session, principal: str, project: str) -> str:
    if principal and project:
        raise typer.BadParameter("Give either --project or --principal.")
    return f"project:{resolve.project_id(session.api, project)}" if project else principal


def _asked(
    session: Session, what: str, asset: str, who: str, *, through: Through, group: Groups
) -> dict[str, Any]:
    """The answer about what somebody has of a product, through these projects and groups too."""
    projects = [resolve.project_id(session.api, name) for name in through or ()]
    answer: dict[str, Any] = session.api.get(
        f"/permissions/{what}",
        principal=who,
        assetId=resolve.asset_id(session.api, asset),
        projects=",".join(projects) or None,
        groups=",".join(group or ()) or None,
    )
    return answer


def _demanded(session: Session, principal: str, project: str) -> str:
    if bool(project) == bool(principal):
        raise typer.BadParameter("Give either --project or --principal.")
    return _holder(session, principal, project)


def _rows(answer: dict[str, Any]) -> str:
    if answer["allRows"]:
        return "all"
    return " or ".join(answer["rowFilters"]) or "none, as there is no grant"


def _mask(mask: dict[str, Any] | None) -> str:
    if mask is None:
        return ""
    parts = {name: value for name, value in mask.items() if name != "kind" and value is not None}
    return f"{mask['kind']} {present.text_of(parts)}".strip()


def _on(resource: dict[str, Any]) -> str:
    """What a grant is on, short: the product's id last, the kind first."""
    ((kind, parts),) = resource.items()
    said = [present.text_of(value) for name, value in parts.items() if name != "assetId"]
    if "assetId" in parts:
        said.append(f"of {parts['assetId']}")
    return f"{'all but' if 'excluded' in parts else kind} {' '.join(said)}"


def _revoked(done: dict[str, Any]) -> Any:
    lines = [f"Ended {grant_id}." for grant_id in done["ended"]]
    lines += [
        f"{one['grantId']} permits {', '.join(one['permissions'])} now." for one in done["changed"]
    ]
    lines += [f"{one['grantId']} gives some of the same yet." for one in done["still"]]
    return present.stacked(*lines)
