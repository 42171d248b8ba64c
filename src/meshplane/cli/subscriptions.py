"""`meshplane subscriptions`: asks for data, decides, revokes."""

from typing import Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.masks import FORMS, masks_of, tags_of
from meshplane.cli.session import Session, connected
from meshplane.cli.simulated import show_simulated

app = typer.Typer(no_args_is_help=True, help="Requests for data, and decisions on them.")

Request = Annotated[str, typer.Argument(help="The request's id: sub-req-…")]
Reason = Annotated[str, typer.Option(help="Why; it stands on record.")]
Until = Annotated[str, typer.Option(help="Until: 2026-12-31T00:00:00Z")]
Rows = Annotated[str, typer.Option(help="Only these rows: origin = 'JFK'")]
Masks = Annotated[list[str] | None, typer.Option(help=f"{FORMS}; may be repeated.")]
Version = Annotated[
    int, typer.Option(help="The version that you have read; a changed request needs it.")
]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", help="classification=public|internal; repeatable.")
]

_APPROVALS: present.Columns = (
    ("Approved by", lambda one: present.person(one["by"])),
    ("At", lambda one: present.moment(one["at"])),
    ("As", "roles"),
    ("Counts", lambda one: not one["lapsed"]),
    ("Rows", lambda one: one["rowFilter"] or "as asked"),
    ("Masks", "masks"),
    ("Left out", "excludedColumns"),
    ("Until", lambda one: present.moment(one["expiresAt"])),
    ("Why", "reason"),
)
_LEFT_OUT: present.Columns = (("Left out", "name"), ("Why", "why"), ("Code", "code"))

_SUBSCRIPTIONS: present.Columns = (
    ("Product", "assetName"),
    ("For", lambda item: item["projectName"] or item["subscriber"]),
    ("Status", "status"),
    ("Id", "requestId"),
)


@app.command("list")
@connected
def list_subscriptions(
    session: Session,
    *,
    asset: Annotated[str, typer.Option(help="Of this product (name or id).")] = "",
    project: Annotated[str, typer.Option(help="Of this project (name or id).")] = "",
    domain: Annotated[str, typer.Option(help="Of this domain's products (name or id).")] = "",
    subscriber: Annotated[str, typer.Option(help="What you read yourself: user:you.")] = "",
    status: Annotated[str, typer.Option(help="Only in this status: requested, active…")] = "",
) -> None:
    """Lists the requests and subscriptions of a product, a project or a domain, or your own."""
    if [bool(asset), bool(project), bool(domain), bool(subscriber)].count(True) != 1:
        raise typer.BadParameter("Give one of --asset, --project, --domain and --subscriber.")
    found = session.api.items(
        "/subscriptions",
        assetId=resolve.asset_id(session.api, asset) if asset else None,
        projectId=resolve.project_id(session.api, project) if project else None,
        domainId=resolve.domain_id(session.api, domain) if domain else None,
        subscriber=subscriber or None,
    )
    items = [item for item in found if status in ("", item["status"])]
    session.show({"items": items}, lambda: present.listing(items, _SUBSCRIPTIONS, nothing="None."))


@app.command()
@connected
def show(session: Session, request_id: Request) -> None:
    """Shows a request: its purpose, the decision, what was granted and until when."""
    _show(session, session.api.get(f"/subscriptions/{request_id}"))


@app.command()
@connected
def request(
    session: Session,
    *,
    asset: Annotated[str, typer.Argument(help="The data product: aviation.flights, or its id.")],
    purpose: Annotated[str, typer.Option(help="What for; the steward decides on it.")],
    project: Annotated[
        str, typer.Option(help="The project that wants it (name or id); without, yourself.")
    ] = "",
    column: Annotated[
        list[str] | None, typer.Option(help="Only this column; may be repeated.")
    ] = None,
    row_filter: Rows = "",
    expires_at: Until = "",
) -> None:
    """Requests access to a data product for a project, or for yourself."""
    body: dict[str, Any] = {
        "assetId": resolve.asset_id(session.api, asset),
        "purpose": purpose,
    }
    _add_given(
        body,
        projectId=resolve.project_id(session.api, project) if project else "",
        columns=column,
        rowFilter=row_filter,
        expiresAt=expires_at,
    )
    _show(session, session.api.post("/subscriptions", body, key=session.key()))


@app.command("request-tagged")
@connected
def request_tagged(
    session: Session,
    *,
    purpose: Annotated[str, typer.Option(help="What for; the stewards decide on it.")],
    tag: Tags = None,
    project: Annotated[
        str, typer.Option(help="The project that wants them (name or id); without, yourself.")
    ] = "",
    expires_at: Until = "",
) -> None:
    """Requests each data product whose tags match, up to 100: a request for each."""
    body: dict[str, Any] = {"tags": tags_of(tag or ()), "purpose": purpose}
    _add_given(
        body,
        projectId=resolve.project_id(session.api, project) if project else "",
        expiresAt=expires_at,
    )
    _show_many(session, session.api.post("/subscriptions/bulk", body, key=session.key()))


@app.command()
@connected
def change(
    session: Session,
    *,
    request_id: Request,
    purpose: Annotated[str, typer.Option(help="Another purpose.")] = "",
    column: Annotated[
        list[str] | None, typer.Option(help="Only this column; may be repeated.")
    ] = None,
    row_filter: Rows = "",
    expires_at: Until = "",
) -> None:
    """Changes your request while it is open; approvals given before count no more."""
    body: dict[str, Any] = {}
    _add_given(body, purpose=purpose, columns=column, rowFilter=row_filter, expiresAt=expires_at)
    path = f"/subscriptions/{request_id}"
    version = session.api.get(path)["version"]
    _show(session, session.api.patch(path, body, version=version, key=session.key()))


@app.command()
@connected
def withdraw(session: Session, request_id: Request, reason: Reason) -> None:
    """Takes your request back while it is open."""
    _decide(session, request_id, "withdraw", {"reason": reason})


@app.command()
@connected
def renew(
    session: Session,
    *,
    request_id: Request,
    purpose: Annotated[str, typer.Option(help="What for; it is decided anew.")],
    expires_at: Until = "",
) -> None:
    """Requests that a subscription goes on after its end, with what was granted."""
    body: dict[str, Any] = {"purpose": purpose}
    _add_given(body, expiresAt=expires_at)
    _decide(session, request_id, "renew", body)


@app.command()
@connected
def approve(
    session: Session,
    *,
    request_id: Request,
    reason: Reason,
    row_filter: Rows = "",
    mask: Masks = None,
    hash_column: Annotated[
        list[str] | None, typer.Option(help="Show a keyed hash of this column; may be repeated.")
    ] = None,
    null_column: Annotated[
        list[str] | None, typer.Option(help="Show nothing in this column; may be repeated.")
    ] = None,
    exclude_column: Annotated[
        list[str] | None, typer.Option(help="Leave this column out; may be repeated.")
    ] = None,
    expires_at: Until = "",
    version: Version = 0,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show the grant that would be written.")
    ] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Only tell what it would change, and for whom.")
    ] = False,
) -> None:
    """Approves a request, or a part of it (stewards and owners of the domain)."""
    masks = {name: {"kind": "hash"} for name in hash_column or []}
    masks |= {name: {"kind": "null"} for name in null_column or []}
    body: dict[str, Any] = {"reason": reason}
    _add_given(
        body,
        rowFilter=row_filter,
        masks=masks | masks_of(mask or ()),
        excludedColumns=exclude_column,
        expiresAt=expires_at,
        version=version,
    )
    if simulate:
        show_simulated(session, {"approve": {"requestId": request_id, "approval": body}})
        return
    _decide(session, request_id, "preview" if preview else "approve", body)


@app.command("approve-tagged")
@connected
def approve_tagged(
    session: Session,
    *,
    domain: Annotated[str, typer.Option(help="The domain of the products (name or id).")],
    reason: Reason,
    tag: Tags = None,
    expires_at: Until = "",
) -> None:
    """Approves each open request for a domain's products whose tags match, each on its own."""
    body: dict[str, Any] = {
        "domainId": resolve.domain_id(session.api, domain),
        "tags": tags_of(tag or ()),
        "reason": reason,
    }
    _add_given(body, expiresAt=expires_at)
    _show_many(session, session.api.post("/subscriptions/bulk/approve", body, key=session.key()))


@app.command()
@connected
def reject(session: Session, request_id: Request, reason: Reason, version: Version = 0) -> None:
    """Rejects a request (stewards and owners of the domain)."""
    body: dict[str, Any] = {"reason": reason}
    _add_given(body, version=version)
    _decide(session, request_id, "reject", body)


@app.command()
@connected
def revoke(session: Session, request_id: Request, reason: Reason) -> None:
    """Revokes a subscription at once (stewards and owners of the domain)."""
    _decide(session, request_id, "revoke", {"reason": reason})


def _decide(session: Session, request_id: str, decision: str, body: dict[str, Any]) -> None:
    path = f"/subscriptions/{request_id}/{decision}"
    _show(session, session.api.post(path, body, key=session.key()))


def _show(session: Session, subscription: dict[str, Any]) -> None:
    approvals = subscription.get("approvals") or ()
    rest = [(name, value) for name, value in subscription.items() if name != "approvals"]
    session.show(
        subscription,
        lambda: present.stacked(
            present.facts(rest),
            *([present.listing(approvals, _APPROVALS, nothing="")] if approvals else ()),
        ),
    )


def _show_many(session: Session, answer: dict[str, Any]) -> None:
    session.show(
        answer,
        lambda: present.stacked(
            present.listing(answer["subscriptions"], _SUBSCRIPTIONS, nothing="None."),
            present.listing(answer["leftOut"], _LEFT_OUT, nothing="Nothing was left out."),
        ),
    )


def _add_given(body: dict[str, Any], **members: Any) -> None:
    body.update({name: value for name, value in members.items() if value})
