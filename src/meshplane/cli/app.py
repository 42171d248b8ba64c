"""The `meshplane` command: every service's commands put together."""

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from meshplane import __version__
from meshplane.cli import (
    approvals,
    assets,
    audit,
    aws,
    catalog,
    demo,
    deployments,
    domains,
    events,
    lake,
    lineage,
    permissions,
    projects,
    quality,
    queries,
    query,
    sandbox,
    serve,
    subscriptions,
    tables,
    token,
    workflows,
)
from meshplane.cli.help_texts import let_flow

app = typer.Typer(
    name="meshplane",
    help="The control plane of a data mesh.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"meshplane {__version__}")
        raise typer.Exit


@app.callback()
def _of_all_commands(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Tell the version, and end."
        ),
    ] = False,
) -> None:
    """The control plane of a data mesh."""


app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("token")(token.token)
app.command("query")(query.query)
app.command("search")(catalog.search)
app.add_typer(catalog.app, name="catalog")
app.add_typer(domains.app, name="domains")
app.add_typer(projects.app, name="projects")
app.add_typer(deployments.app, name="deployments")
app.add_typer(tables.app, name="tables")
app.add_typer(assets.app, name="assets")
app.add_typer(quality.app, name="quality")
app.add_typer(subscriptions.app, name="subscriptions")
app.add_typer(permissions.app, name="permissions")
app.add_typer(queries.app, name="queries")
app.add_typer(lake.app, name="lake")
app.add_typer(lineage.app, name="lineage")
app.add_typer(events.app, name="events")
app.add_typer(workflows.app, name="workflows")
app.add_typer(approvals.app, name="approvals")
app.add_typer(audit.app, name="audit")
app.add_typer(aws.app, name="aws")
app.add_typer(sandbox.app, name="sandbox")
let_flow(app)


def main() -> None:
    """Runs the command line. Exit codes: 0 done, 1 refused or failed, 2 wrong use."""
    try:
        app()
    except Exception as error:  # noqa: BLE001 # a person gets words; the line says where to look
        _tell_of_defect(error)
        sys.exit(1)


def _tell_of_defect(error: Exception) -> None:
    """Names the kind and the place of an error that no command knows; never what it says."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "meshplane" in Path(frame.filename).parts]
    place = (own or frames)[-1]
    print(
        f"This is a defect in meshplane: {type(error).__name__} in {place.name}, "
        f"{place.filename}:{place.lineno}. Please report this line.",
        file=sys.stderr,
    )
