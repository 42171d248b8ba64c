"""`meshplane subscriptions`: asks for data, decides, revokes."""

from typing import Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="Requests for data, and decisions on them.")

Request = Annotated[str, typer.Argument(help="The request's id: sub-req-…")]
Reason = Annotated[str, typer.Option(help="Why; it stands on record.")]

_SUBSCRIPTIONS: present.Columns = (
    ("Product", "assetName"),
    ("For", "projectName"),
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
    status: Annotated[str, typer.Option(help="Only in this status: requested, active…")] = "",
) -> None:
    """Lists the requests and subscriptions of a product, a project or a domain."""
    if [bool(asset), bool(project), bool(domain)].count(True) != 1:
        raise typer.BadParameter("Give one of --asset, --project and --domain.")
    found = session.api.items(
        "/subscriptions",
        assetId=resolve.asset_id(session.api, asset) if asset else None,
        projectId=resolve.project_id(session.api, project) if project else None,
        domainId=resolve.domain_id(session.api, domain) if domain else None,
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
    project: Annotated[str, typer.Option(help="The project that wants it (name or id).")],
    purpose: Annotated[str, typer.Option(help="What for; the steward decides on it.")],
    column: Annotated[
        list[str] | None, typer.Option(help="Only this column; may be repeated.")
    ] = None,
    row_filter: Annotated[str, typer.Option(help="Only these rows: origin = 'JFK'")] = "",
    expires_at: Annotated[str, typer.Option(help="Until: 2026-12-31T00:00:00Z")] = "",
) -> None:
    """Requests access to a data product for a project."""
    body: dict[str, Any] = {
        "assetId": resolve.asset_id(session.api, asset),
        "projectId": resolve.project_id(session.api, project),
        "purpose": purpose,
    }
    _add_given(body, columns=column, rowFilter=row_filter, expiresAt=expires_at)
    _show(session, session.api.post("/subscriptions", body, key=session.key()))


@app.command()
@connected
def approve(
    session: Session,
    *,
    request_id: Request,
    reason: Reason,
    row_filter: Annotated[str, typer.Option(help="Only these rows: origin = 'JFK'")] = "",
    hash_column: Annotated[
        list[str] | None, typer.Option(help="Show a keyed hash of this column; may be repeated.")
    ] = None,
    null_column: Annotated[
        list[str] | None, typer.Option(help="Show nothing in this column; may be repeated.")
    ] = None,
    exclude_column: Annotated[
        list[str] | None, typer.Option(help="Leave this column out; may be repeated.")
    ] = None,
    expires_at: Annotated[str, typer.Option(help="Until: 2026-12-31T00:00:00Z")] = "",
) -> None:
    """Approves a request, or a part of it (stewards and owners of the domain)."""
    masks = {name: {"kind": "hash"} for name in hash_column or []}
    masks |= {name: {"kind": "null"} for name in null_column or []}
    body: dict[str, Any] = {"reason": reason}
    _add_given(
        body,
        rowFilter=row_filter,
        masks=masks,
        excludedColumns=exclude_column,
        expiresAt=expires_at,
    )
    _decide(session, request_id, "approve", body)


@app.command()
@connected
def reject(session: Session, request_id: Request, reason: Reason) -> None:
    """Rejects a request (stewards and owners of the domain)."""
    _decide(session, request_id, "reject", {"reason": reason})


@app.command()
@connected
def revoke(session: Session, request_id: Request, reason: Reason) -> None:
    """Revokes a subscription at once (stewards and owners of the domain)."""
    _decide(session, request_id, "revoke", {"reason": reason})


def _decide(session: Session, request_id: str, decision: str, body: dict[str, Any]) -> None:
    path = f"/subscriptions/{request_id}/{decision}"
    _show(session, session.api.post(path, body, key=session.key()))


def _show(session: Session, subscription: dict[str, Any]) -> None:
    session.show(subscription, lambda: present.facts(subscription.items()))


def _add_given(body: dict[str, Any], **members: Any) -> None:
    body.update({name: value for name, value in members.items() if value})
