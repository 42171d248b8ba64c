"""`meshplane deployments`: plan what a template changes, carry it out, watch it, undo it."""

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.documents import read_text
from meshplane.cli.events_tail import events_of
from meshplane.cli.session import Session, connected
from meshplane.kit.errors import Unavailable

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(
    no_args_is_help=True, help="Deployments to environments: plan, deploy, watch, undo."
)

Project = Annotated[str, typer.Argument(help="The project's name or id.")]
Where = Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="dev, staging or prod.")]
Template = Annotated[str, typer.Argument(help="The template: a file, JSON, or - for stdin.")]
Id = Annotated[str, typer.Argument(help="The deployment: dep-….")]
Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", help="NAME=VALUE of the template; repeatable.")
]
Capabilities = Annotated[
    list[str] | None,
    typer.Option("--capability", help="What it may do besides: CAPABILITY_IAM; repeatable."),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="KEY=VALUE; repeatable.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed with --json.")]

_AT_WORK = frozenset({"PLANNING", "IN_PROGRESS", "CANCELLING", "ROLLING_BACK", "REMOVING"})
_LONGEST_WAIT_SECONDS = 7_200.0
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 5.0

_DEPLOYMENTS: present.Columns = (
    ("Environment", "environment"),
    ("Status", "status"),
    ("By", lambda one: present.person(one["deployedBy"])),
    ("Resources", "resources"),
    ("Id", "deploymentId"),
)
_CHANGES: present.Columns = (
    ("Action", "action"),
    ("Resource", "logicalId"),
    ("Type", "resourceType"),
    ("Made anew", "replacement"),
    ("Now", "physicalId"),
)
_STEPS: present.Columns = (
    ("Time", lambda one: present.moment(one["at"])),
    ("Status", "status"),
    ("Resource", "logicalId"),
    ("Type", "resourceType"),
    ("Why", "reason"),
)
_DRIFT: present.Columns = (
    ("Resource", "logicalId"),
    ("Type", "resourceType"),
    ("How", "how"),
    ("What differs", "properties"),
)


@app.command("list")
@connected
def list_deployments(session: Session, project: Project) -> None:
    """Lists the deployments of a project, the latest first."""
    project_id = resolve.project_id(session.api, project)
    items = list(session.api.items("/deployments", projectId=project_id))
    session.show(
        {"items": items}, lambda: present.listing(items, _DEPLOYMENTS, nothing="None yet.")
    )


@app.command()
@connected
def show(session: Session, deployment: Id) -> None:
    """Shows a deployment: its status, its changes, its outputs."""
    found = session.api.get(f"/deployments/{deployment}")
    session.show(found, lambda: _whole(found))


@app.command()
@connected
def plan(
    session: Session,
    project: Project,
    environment: Where,
    template: Template,
    *,
    parameter: Parameters = None,
    capability: Capabilities = None,
    tag: Tags = None,
) -> None:
    """Shows what a template would change. Nothing is changed; `execute` carries it out."""
    body = _wished(session, project, environment, template)
    body |= _besides(parameter, capability, tag)
    planned = _planned(session, body)
    session.show(planned, lambda: _plan(planned))
    _judge(planned)


@app.command()
@connected
def deploy(
    session: Session,
    project: Project,
    environment: Where,
    template: Template,
    *,
    parameter: Parameters = None,
    capability: Capabilities = None,
    tag: Tags = None,
    yes: Yes = False,
) -> None:
    """Plans, shows the plan, asks, and carries it out. Exit code 1 when it does not succeed."""
    _demand_answer(session, yes)
    body = _wished(session, project, environment, template)
    body |= _besides(parameter, capability, tag)
    planned = _planned(session, body)
    if planned["status"] != "PLANNED":
        session.show(planned, lambda: _plan(planned))
        raise typer.Exit(1)
    if not session.as_json:
        present.console().print(_plan(planned))
    _ask(session, planned["deploymentId"], yes)
    _carried_out(session, planned["deploymentId"])


@app.command()
@connected
def execute(session: Session, deployment: Id, yes: Yes = False) -> None:
    """Carries a plan out, after showing it. Exit code 1 when it does not succeed."""
    _demand_answer(session, yes)
    if not session.as_json:
        present.console().print(_plan(session.api.get(f"/deployments/{deployment}")))
    if not yes and not _confirmed("Carry it out?"):
        raise typer.Exit(1)
    _carried_out(session, deployment)


@app.command()
@connected
def cancel(session: Session, deployment: Id) -> None:
    """Drops a plan, or stops a deployment: its stack goes back to what it was."""
    _acted(session, deployment, "cancel")


@app.command()
@connected
def rollback(
    session: Session,
    deployment: Id,
    reason: Annotated[str, typer.Option(help="Why; it stands on record.")] = "",
) -> None:
    """Brings the stack of a failed deployment back to where it can be deployed to."""
    _acted(session, deployment, "rollback", {"reason": reason} if reason else {})


@app.command()
@connected
def remove(session: Session, deployment: Id, yes: Yes = False) -> None:
    """Removes the stack of an environment, with all it has: name its last deployment."""
    _demand_answer(session, yes)
    path = f"/deployments/{deployment}"
    found = session.api.get(path)
    if not yes:
        question = f"Remove {found['cfnStackId']} ({found['environment']}) with all it has?"
        if not _confirmed(question):
            raise typer.Exit(1)
    ended = _ended(session, session.api.delete(path, key=session.key()))
    session.show(ended, lambda: _whole(ended))
    if ended["status"] != "REMOVED":
        raise typer.Exit(1)


@app.command()
@connected
def events(
    session: Session,
    deployment: Id,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Until the deployment has ended.")
    ] = False,
) -> None:
    """Tells what happened in the stack of a deployment; with --follow as it happens."""
    if follow:
        _watch(session, deployment)
        return
    items = list(session.api.items(f"/deployments/{deployment}/events"))
    session.show({"items": items}, lambda: present.listing(items, _STEPS, nothing="Nothing yet."))


@app.command()
@connected
def drift(session: Session, deployment: Id) -> None:
    """Shows what others changed past a deployment's stack. Exit code 1 when they did."""
    found = session.api.get(f"/deployments/{deployment}/drift")
    session.show(
        found,
        lambda: present.listing(found["items"], _DRIFT, nothing="It is as its template says."),
    )
    if found["items"]:
        raise typer.Exit(1)


def _wished(session: Session, project: str, environment: str, template: str) -> dict[str, Any]:
    return {
        "projectId": resolve.project_id(session.api, project),
        "targetEnvironment": environment,
        "cfnTemplate": read_text(template, "template"),
    }


def _besides(
    parameters: list[str] | None, capabilities: list[str] | None, tags: list[str] | None
) -> dict[str, Any]:
    return {
        "parameters": _pairs(parameters, "--parameter"),
        "capabilities": capabilities or [],
        "tags": _pairs(tags, "--tag"),
    }


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    found = {}
    for text in given or []:
        name, sign, value = text.partition("=")
        if not (name and sign):
            raise typer.BadParameter(f"{option} {text}: write NAME=VALUE.")
        found[name] = value
    return found


def _planned(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    return _ended(session, session.api.post("/deployments/plan", body, key=session.key()))


def _demand_answer(session: Session, yes: bool) -> None:
    """Refuses where the question would spoil the document that is printed."""
    if session.as_json and not yes:
        raise typer.BadParameter("With --json nothing is asked: look at the plan, and say --yes.")


def _confirmed(question: str) -> bool:
    """Whether somebody says yes; nobody there is a no."""
    try:
        return typer.confirm(question)
    except typer.Abort:
        return False


def _ask(session: Session, deployment: str, yes: bool) -> None:
    if yes or _confirmed("Carry it out?"):
        return
    session.api.post(f"/deployments/{deployment}/cancel", key=session.key())
    present.console().print("Nothing was changed; the plan is dropped.")
    raise typer.Exit(1)


def _carried_out(session: Session, deployment: str) -> None:
    begun = session.api.post(f"/deployments/{deployment}/execute", key=session.key())
    if not session.as_json:
        _watch(session, deployment)
    ended = _ended(session, begun)
    session.show(ended, lambda: _whole(ended))
    _judge(ended)


def _acted(session: Session, deployment: str, act: str, body: Any = None) -> None:
    begun = session.api.post(f"/deployments/{deployment}/{act}", body, key=session.key())
    ended = _ended(session, begun)
    session.show(ended, lambda: _whole(ended))


def _ended(session: Session, found: dict[str, Any]) -> dict[str, Any]:
    """The deployment once nothing goes on with it.

    Raises:
        Unavailable: DEPLOYMENT_SLOW.
    """
    give_up, pause_seconds = time.monotonic() + _LONGEST_WAIT_SECONDS, _PAUSE_SECONDS
    path = f"/deployments/{found['deploymentId']}"
    is_fresh = False
    while found["status"] in _AT_WORK or not is_fresh:
        if time.monotonic() > give_up:
            raise Unavailable(
                "DEPLOYMENT_SLOW", f"{found['deploymentId']} goes on; look at it again later."
            )
        if is_fresh:
            time.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 1.5, _LONGEST_PAUSE_SECONDS)
        found, is_fresh = session.api.get(path), True
    return found


def _watch(session: Session, deployment: str) -> None:
    """Prints each step of a stack as it happens, until the deployment ends."""
    path, place = f"/deployments/{deployment}/events/stream", ""
    while True:
        for sent in events_of(session.api.stream(path, last_event_id=place or None)):
            place = sent.place or place
            told = json.loads(sent.data) if sent.data else {}
            if "ended" in told:
                return
            if told:
                _tell(session, told)


def _tell(session: Session, step: dict[str, Any]) -> None:
    if session.as_json:
        print(json.dumps(step, ensure_ascii=False), flush=True)
        return
    about = f"{step['logicalId']} ({step['resourceType']})"
    line = f"{present.moment(step['at'])}  {step['status']:<28}  {about}  {step['reason']}"
    present.console().print(present.escaped(line.rstrip()), soft_wrap=True)


def _plan(planned: dict[str, Any]) -> "RenderableType":
    nothing = "It changes nothing."
    if planned["status"] == "FAILED":
        nothing = f"It cannot be carried out: {planned['statusReason']}"
    return present.stacked(
        present.listing(planned["changes"], _CHANGES, nothing=present.escaped(nothing)),
        *(f"Warning: {present.escaped(each)}" for each in planned["warnings"]),
        f"{planned['deploymentId']} to {planned['environment']}: {planned['status']}",
    )


def _whole(found: dict[str, Any]) -> "RenderableType":
    return present.stacked(
        present.facts(
            (
                ("Deployment", found["deploymentId"]),
                ("Environment", found["environment"]),
                ("Status", found["status"]),
                ("Why", found["statusReason"]),
                ("Undone because", found["rollbackReason"]),
                ("By", present.person(found["deployedBy"])),
                ("Seconds", found["duration"]),
                ("Stack", found["cfnStackId"]),
                ("Tags", found["tags"]),
                ("Outputs", found["outputs"]),
            )
        ),
        present.listing(found["changes"], _CHANGES, nothing="No changes."),
    )


def _judge(found: dict[str, Any]) -> None:
    """Ends with exit code 1 unless all is well."""
    if found["status"] not in {"SUCCESS", "PLANNED"}:
        raise typer.Exit(1)
