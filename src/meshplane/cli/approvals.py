"""`meshplane approvals`: the inbox of what waits for a person's decision."""

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from meshplane.cli import present
from meshplane.cli.session import Session, connected

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(no_args_is_help=True, help="Workflows that wait for your decision.")

Id = Annotated[str, typer.Argument(help="The approval's id: workflow-…")]
Comment = Annotated[str, typer.Option(help="Why; it stands on record.")]

_INBOX: present.Columns = (
    ("Title", "title"),
    ("Step", "stepName"),
    ("Asked by", lambda step: present.person(step["requestedBy"] or "")),
    ("Until", lambda step: present.moment(step["approvalDeadline"])),
    ("Id", "workflowId"),
)
_STEPS: present.Columns = (
    ("No.", "stepNumber"),
    ("Step", "stepName"),
    ("Status", lambda step: step["status"].lower().replace("_", " ")),
    ("By", lambda step: present.person(step["approver"] or "")),
    ("Decided", lambda step: present.moment(step["decidedAt"])),
    ("Until", lambda step: present.moment(step["approvalDeadline"])),
    ("Comment", "approvalComment"),
)


@app.command("list")
@connected
def list_approvals(session: Session) -> None:
    """Lists the steps that you may decide, oldest first."""
    items = list(session.api.items("/approvals"))
    session.show(
        {"items": items},
        lambda: present.listing(items, _INBOX, nothing="Nothing waits for you."),
    )


@app.command()
@connected
def show(session: Session, workflow_id: Id) -> None:
    """Shows an approval with all its steps."""
    _show(session, session.api.get(_path(workflow_id)))


@app.command()
@connected
def approve(session: Session, workflow_id: Id, comment: Comment = "") -> None:
    """Says yes to the step that waits; after the last one the workflow goes on."""
    _decide(session, workflow_id, "approve", comment)


@app.command()
@connected
def reject(session: Session, workflow_id: Id, comment: Comment = "") -> None:
    """Says no: the workflow's task fails with APPROVAL_REJECTED."""
    _decide(session, workflow_id, "reject", comment)


def _decide(session: Session, workflow_id: str, decision: str, comment: str) -> None:
    body = {"comment": comment} if comment else {}
    _show(session, session.api.post(f"{_path(workflow_id)}/{decision}", body, key=session.key()))


def _path(workflow_id: str) -> str:
    return f"/approvals/{quote(workflow_id, safe='')}"


def _show(session: Session, approval: dict[str, Any]) -> None:
    session.show(approval, lambda: _drawn(approval))


def _drawn(approval: dict[str, Any]) -> "RenderableType":
    first = approval["steps"][0]
    return present.stacked(
        present.facts(
            [
                ("title", first["title"]),
                ("message", first["message"]),
                ("status", approval["status"].lower().replace("_", " ")),
                ("asked by", present.person(first["requestedBy"] or "")),
                ("execution", first["executionId"]),
                ("id", approval["workflowId"]),
            ]
        ),
        present.listing(approval["steps"], _STEPS, nothing="No steps."),
    )
