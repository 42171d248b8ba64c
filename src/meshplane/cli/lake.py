"""`meshplane lake`: drift between the lake and what was granted, and its repair."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshplane.cli import lake_masks, lake_policy, present, resolve
from meshplane.cli.session import Session, connected
from meshplane.kit.errors import Unavailable

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(no_args_is_help=True, help="The lake: drift, reconciliation, tags and filters.")

Domain = Annotated[str, typer.Option(help="A domain's name or id; all when left out.")]

_LONGEST_WAIT_SECONDS = 300.0
_PAUSE_SECONDS = 0.2

_DRIFT: present.Columns = (
    ("Kind", "kind"),
    ("Severity", "severity"),
    ("Principal", "principal"),
    ("On", "described"),
    ("Made by", lambda one: present.person(one["madeBy"] or "")),
    ("What differs", lambda one: "; ".join(one["differences"])),
)
_STEPS: present.Columns = (
    ("What is done", "action"),
    ("Kind", "kind"),
    ("Grant", "grantId"),
    ("Key", "key"),
    ("Why", "why"),
)
_GRANTS: present.Columns = (
    ("Principal", "principal"),
    ("On", "described"),
    ("Permissions", "permissions"),
    ("Made by", lambda one: present.person(one["madeBy"] or "")),
    ("Made", lambda one: present.moment(one["madeAt"])),
    ("Key", "key"),
)
_FAILURES: present.Columns = (("Key", "key"), ("Code", "code"), ("Why", "reason"))


@app.command()
@connected
def drift(session: Session, domain: Domain = "") -> None:
    """Shows how the lake differs from what was granted. Exit code 1 when it does."""
    asked = {"domainId": resolve.domain_id(session.api, domain)} if domain else {}
    found = session.api.get("/lake/drift", limit=200, **asked)
    session.show(
        found,
        lambda: present.stacked(
            present.listing(found["items"], _DRIFT, nothing="The lake holds what was granted."),
            f"{found['excess']} excess, {found['changed']} changed, {found['missing']} missing; "
            f"{found['critical']} critical",
        ),
    )
    if found["items"]:
        raise typer.Exit(1)


@app.command()
@connected
def check(session: Session) -> None:
    """Looks for drift now, as is done every ten minutes (administrators)."""
    found = session.api.post("/lake/drift/check", key=session.key())
    session.show(found, lambda: present.facts(found.items()))


@app.command()
@connected
def reconcile(
    session: Session,
    domain: Domain = "",
    plan: Annotated[bool, typer.Option("--plan", help="Tell what would be done.")] = False,
) -> None:
    """Makes the lake what was granted. Exit code 1 when something could not be mended."""
    body = {"domainId": resolve.domain_id(session.api, domain)} if domain else {}
    asked = "true" if plan else None
    done = session.api.post("/lake/reconcile", body, key=session.key(), plan=asked)
    if not plan:
        steps = done["steps"]
        done = {**_awaited(session, done["reconciliationId"]), "steps": steps}
    session.show(done, lambda: _reconciled(done))
    if done["failed"]:
        raise typer.Exit(1)


@app.command()
@connected
def grants(session: Session) -> None:
    """Lists what the embedded lake itself holds (administrators)."""
    items = list(session.api.items("/lake/grants"))
    session.show({"items": items}, lambda: present.listing(items, _GRANTS, nothing="Nothing."))


@app.command()
@connected
def compiled(
    session: Session,
    grant: Annotated[str, typer.Argument(help="The grant's id.")],
    target: Annotated[str, typer.Option(help="lake-formation or embedded.")] = "lake-formation",
) -> None:
    """Shows what a lake must hold for a grant, and what it cannot do."""
    found = session.api.get(f"/lake/compiled/{grant}", target=target)
    session.show(
        found,
        lambda: present.stacked(
            present.listing(found["entries"], _GRANTS[:3], nothing="No entries."),
            *(f"View {view['database']}.{view['name']}:\n{view['sql']}" for view in found["views"]),
            *(f"Note: {present.escaped(note)}" for note in found["notes"]),
            *(f"Problem: {present.escaped(problem)}" for problem in found["problems"]),
        ),
    )


@app.command()
@connected
def policy(
    session: Session,
    domain: Annotated[str, typer.Argument(help="The domain's name or id.")],
    excess: Annotated[str, typer.Option(help="remove, adopt or report.")] = "",
    automatic: Annotated[
        bool | None, typer.Option("--automatic/--by-hand", help="Whether checks mend it.")
    ] = None,
) -> None:
    """Shows what becomes of a domain's drift, or says it (its owners)."""
    path = f"/lake/drift-policies/{resolve.domain_id(session.api, domain)}"
    found = session.api.get(path)
    if excess or automatic is not None:
        body = {
            "excess": excess or found["excess"],
            "automatic": found["automatic"] if automatic is None else automatic,
        }
        found = session.api.put(path, body, key=session.key())
    session.show(
        found,
        lambda: present.facts(
            (("Excess", found["excess"]), ("Mended by checks", found["automatic"]))
        ),
    )


def _awaited(session: Session, reconciliation_id: str) -> dict[str, Any]:
    """The reconciliation once it has ended.

    Raises:
        Unavailable: RECONCILIATION_SLOW.
    """
    give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
    while time.monotonic() < give_up:
        found: dict[str, Any] = session.api.get(f"/lake/reconciliations/{reconciliation_id}")
        if found["status"] == "COMPLETED":
            return found
        time.sleep(_PAUSE_SECONDS)
    raise Unavailable(
        "RECONCILIATION_SLOW", f"{reconciliation_id} goes on; look at it again later."
    )


def _reconciled(done: Mapping[str, Any]) -> "RenderableType":
    steps = present.listing(done["steps"], _STEPS, nothing="There is nothing to do.")
    if done["status"] == "PLANNED":
        return present.stacked(steps, f"{done['total']} steps; nothing was changed.")
    counts = ", ".join(
        f"{done[name]} {name}"
        for name in ("repaired", "removed", "adopted", "reported", "skipped", "failed")
    )
    failures = present.listing(done["failures"], _FAILURES, nothing="")
    return present.stacked(steps, counts, failures)


lake_policy.declare(app)
lake_masks.declare(app)
