"""`meshplane query`: runs one SELECT over what the caller may see."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected
from meshplane.kit.errors import Invalid

if TYPE_CHECKING:
    from rich.console import RenderableType

AsOf = Annotated[
    str, typer.Option(help="The data as it was then: 2026-01-31T12:00:00Z, or a snapshot's id.")
]
Snapshots = Annotated[
    list[str] | None,
    typer.Option(help="The snapshot to read of one product: domain.product=ID. Repeatable."),
]


def asked(
    session: Session, sql: str, project: str, as_of: str, snapshots: list[str]
) -> dict[str, Any]:
    """The body that asks for a statement, from what the command line gives.

    Raises:
        Invalid: SNAPSHOT_INVALID.
    """
    body: dict[str, Any] = {"sql": sql}
    if project:
        body["projectId"] = resolve.project_id(session.api, project)
    if as_of:
        body["asOf"] = as_of
    named = [text.partition("=") for text in snapshots]
    if any(not (name and sign and snapshot_id) for name, sign, snapshot_id in named):
        raise Invalid(
            "SNAPSHOT_INVALID", "Write a snapshot as domain.product=ID.", field="snapshot"
        )
    if named:
        body["snapshots"] = {name: snapshot_id for name, _, snapshot_id in named}
    return body


@connected
def query(
    session: Session,
    sql: Annotated[str, typer.Argument(help="One SELECT over domain.product names.")],
    project: Annotated[
        str, typer.Option(help="The project on whose behalf you ask (name or id).")
    ] = "",
    *,
    as_of: AsOf = "",
    snapshot: Snapshots = None,
    max_rows: Annotated[int | None, typer.Option(min=1, help="At most this many rows.")] = None,
    query_id: Annotated[
        str, typer.Option("--id", help="An id of your own, to cancel the query by.")
    ] = "",
) -> None:
    """Runs a query over what you, or your project, were granted."""
    body = asked(session, sql, project, as_of, snapshot or [])
    if max_rows is not None:
        body["maxRows"] = max_rows
    if query_id:
        body["queryId"] = query_id
    answer = session.api.post("/query", body)
    session.show(answer, lambda: _drawn(answer))


def _drawn(answer: dict[str, Any]) -> "RenderableType":
    names = [column["name"] for column in answer["columns"]]
    rows = [dict(enumerate(row)) for row in answer["rows"]]
    columns = [(name, _nth(index)) for index, name in enumerate(names)]
    relations = ", ".join(relation["name"] for relation in answer["relations"])
    more = ", more were left off" if answer["truncated"] else ""
    return present.stacked(
        present.listing(rows, columns, nothing="No rows.", group_digits=False),  # type: ignore[arg-type]
        f"{answer['rowCount']:,} rows{more} from {relations or 'no table'} "
        f"in {answer['seconds']:.3f} s",
    )


def _nth(index: int) -> Any:
    return lambda row: row[index]
