"""`meshplane aws`: an account made ready for a mesh."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from meshplane.cli import present
from meshplane.cli.session import JsonOption, fail
from meshplane.kit.errors import Invalid, MeshplaneError

if TYPE_CHECKING:
    from meshplane.run.aws_prepare import Done
    from meshplane.run.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="An account of AWS, made ready for a mesh. Where it is, the MESHPLANE_AWS_… settings say.",
)

_COLUMNS: present.Columns = (
    ("Part", "part"),
    ("What", "what"),
    ("Told", "told"),
    ("Details", lambda done: "\n".join(done["details"])),
)


@app.callback()
def aws() -> None:
    """An account of AWS, made ready for a mesh."""


@app.command()
def prepare(
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only tell what would be made or changed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Makes what the parts of the setting aws_parts need once in the account.

    It looks first, makes what is missing, and brings what is otherwise to what it should be; so it
    may be run as often as one likes.
    """
    from meshplane.run.settings import read_settings

    done: list[Done] = []
    trouble: MeshplaneError | None = None
    with present.console(to_stderr=True).status("Looking…") as status:
        try:
            asyncio.run(_prepare(read_settings(), done, status.update, plan=plan))
        except MeshplaneError as error:
            trouble = error
    if not as_json:
        # What was done before it failed is done, and told.
        present.console().print(
            present.listing([_document(one) for one in done], _COLUMNS, nothing="Nothing was done.")
        )
    if trouble is not None:
        raise fail(trouble, as_json=as_json) from trouble
    if as_json:
        present.print_json({"items": [_document(one) for one in done]})


async def _prepare(
    settings: "Settings", done: "list[Done]", tell: Callable[[str], object], *, plan: bool
) -> None:
    """Takes the steps; tells of each, and keeps it in `done`."""
    from meshplane.run.aws import aws_of, portal_of
    from meshplane.run.aws_prepare import prepare as prepared
    from meshplane.run.aws_steps import steps_of

    found = aws_of(settings)
    if found is None:
        raise Invalid(
            "AWS_PARTS_MISSING",
            "Nothing of this mesh runs on AWS. Say what is to: MESHPLANE_AWS_PARTS=all, with "
            "MESHPLANE_AWS_REGION and MESHPLANE_AWS_ACCOUNT.",
            field="aws_parts",
        )
    try:
        steps = steps_of(found, settings.aws_parts, portal_of(settings, found))
        async for one in prepared(steps, plan=plan):
            done.append(one)
            tell(f"{one.what}: {one.told}")
    finally:
        found.close()


def _document(done: "Done") -> dict[str, object]:
    return {
        "part": done.part,
        "what": done.what,
        "told": done.told,
        "details": list(done.details),
    }
