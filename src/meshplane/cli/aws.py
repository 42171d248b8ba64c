"""`meshplane aws`: an account made ready for a mesh, and what the mesh made taken away again."""

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from meshplane.cli import present
from meshplane.cli.session import JsonOption, fail
from meshplane.kit.errors import Invalid, MeshplaneError

if TYPE_CHECKING:
    from meshplane.run.aws_prepare import Done
    from meshplane.run.aws_remove import Gone
    from meshplane.run.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="An account of AWS, made ready for a mesh, or left by one. Where it is, the "
    "MESHPLANE_AWS_… settings say.",
)

_COLUMNS: present.Columns = (
    ("Part", "part"),
    ("What", "what"),
    ("Told", "told"),
    ("Details", lambda done: "\n".join(done["details"])),
)
_REMOVED: present.Columns = (
    ("Kind", "kind"),
    ("What", "what"),
    ("Told", "told"),
    ("Why", "why"),
)


@app.callback()
def aws() -> None:
    """An account of AWS, made ready for a mesh, or left by one."""


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
    if not as_json and (done or trouble is None):
        # What was done before it failed is done, and told.
        present.console().print(
            present.listing([_document(one) for one in done], _COLUMNS, nothing="Nothing to do.")
        )
        for name, value in (pair for one in done for pair in one.settings.items()):
            # As a line of its own, which can be copied whole.
            print(f"export {name}={value}")
    if trouble is not None:
        raise fail(trouble, as_json=as_json) from trouble
    if as_json:
        present.print_json({"items": [_document(one) for one in done]})


@app.command()
def remove(
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Only tell what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    without_prefix: Annotated[
        str | None,
        typer.Option(help="For a mesh without a prefix: its account, said once more."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Takes away all that this mesh made on AWS, with all data. Stop its servers first.

    What others made stays, whatever it is called. It may be run as often as one likes. Exit code 1
    where something of the mesh is left.
    """
    from meshplane.run.settings import read_settings

    gone: list[Gone] = []
    trouble: MeshplaneError | None = None
    try:
        settings = read_settings()
        if not plan and not yes:
            _ask(settings, as_json=as_json)
        with present.console(to_stderr=True).status("Looking…") as status:
            asyncio.run(_remove(settings, gone, status.update, plan=plan, account=without_prefix))
    except MeshplaneError as error:
        trouble = error
    if not as_json and (gone or trouble is None):
        present.console().print(
            present.listing([_removal(one) for one in gone], _REMOVED, nothing="Nothing is there.")
        )
    if trouble is not None:
        raise fail(trouble, as_json=as_json) from trouble
    if as_json:
        present.print_json({"items": [_removal(one) for one in gone]})
    if any(one.is_left for one in gone):
        raise typer.Exit(1)


def _ask(settings: "Settings", *, as_json: bool) -> None:
    """Has it said once more what is to go.

    Raises:
        Invalid: NOT_CONFIRMED.
    """
    name = settings.aws_prefix or settings.aws_account or ""
    said = ""
    if not as_json and sys.stdin.isatty():
        said = typer.prompt(f"All of the mesh goes, with its data. Type {name} to go on")
    if not name or said != name:
        raise Invalid("NOT_CONFIRMED", "Nothing was removed. See --plan, and confirm with --yes.")


async def _remove(
    settings: "Settings",
    gone: "list[Gone]",
    tell: Callable[[str], object],
    *,
    plan: bool,
    account: str | None,
) -> None:
    """Removes what there is of any part; tells of each thing, and keeps it in `gone`."""
    from meshplane.run.aws import aws_of, demand_client

    demand_client()
    from meshplane.run.aws_remove import check_account
    from meshplane.run.aws_remove import remove as removed
    from meshplane.run.aws_remove_all import kinds_of
    from meshplane.run.aws_settings import PARTS

    found = aws_of(settings.model_copy(update={"aws_parts": PARTS}))
    if found is None:
        raise Invalid(
            "AWS_PLACE_MISSING",
            "Say where the mesh is: MESHPLANE_AWS_REGION and MESHPLANE_AWS_ACCOUNT.",
            field="aws_account",
        )
    try:
        await check_account(found, without_prefix=account)
        async for one in removed(kinds_of(found), plan=plan):
            gone.append(one)
            tell(f"{one.what}: {one.told}")
    finally:
        found.close()


@app.command(name="roll-keys")
def roll_keys(as_json: JsonOption = False) -> None:
    """Renews what can be renewed in Secrets Manager: the issuer's signing key, and sealing keys.

    Tokens that are out hold until they end. The key of hash masks stays as it is, since masked
    values would be others with another.
    """
    from meshplane.kit.clock import SystemClock
    from meshplane.run.aws import aws_of, part_aws
    from meshplane.run.settings import read_settings

    try:
        settings = read_settings()
        found = aws_of(settings)
        if found is None or "secrets" not in settings.aws_parts:
            raise Invalid(
                "AWS_PARTS_MISSING",
                "The secrets of this mesh are not in Secrets Manager: MESHPLANE_AWS_PARTS does not "
                "name the part secrets.",
                field="aws_parts",
            )
        from meshplane.run.aws_secrets import roll

        try:
            rolled = asyncio.run(roll(part_aws(settings, found, "secrets"), SystemClock()))
        finally:
            found.close()
    except MeshplaneError as error:
        raise fail(error, as_json=as_json) from error
    if as_json:
        present.print_json({"items": rolled})
    else:
        present.console().print("\n".join(f"{name}: renewed" for name in rolled))


@app.command(name="sign-in")
def sign_in(
    user: Annotated[str, typer.Argument(help="The name in the user pool.")],
    client: Annotated[
        str, typer.Option(help="The app client; the first of aws_cognito_clients without it.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Signs a person in to the user pool, and prints the access token, for MESHPLANE_TOKEN.

    It asks for the password, and for what else the pool wants. No credentials of AWS are needed.
    """
    from meshplane.run.aws import caller_of_nobody
    from meshplane.run.settings import read_settings

    try:
        settings = read_settings()
        chosen = client or next(iter(settings.aws_cognito_clients), "")
        if not chosen:
            raise Invalid(
                "CLIENT_MISSING",
                "Name the app client: --client, or MESHPLANE_AWS_COGNITO_CLIENTS.",
                field="client",
            )
        found = caller_of_nobody(settings)
        from meshplane.platform.aws.identity_sign_in import sign_in as signed_in

        try:
            got = signed_in(found, chosen, user, _secret("Password"), _secret)
        finally:
            found.close()
    except MeshplaneError as error:
        raise fail(error, as_json=as_json) from error
    if as_json:
        present.print_json({"token": got.access_token, "lifetimeSeconds": got.lifetime_seconds})
    else:
        print(got.access_token)


def _secret(what: str) -> str:
    """Asks on the terminal, without showing the answer."""
    asked: str = typer.prompt(what.replace("_", " ").capitalize(), hide_input=True, err=True)
    return asked


async def _prepare(
    settings: "Settings", done: "list[Done]", tell: Callable[[str], object], *, plan: bool
) -> None:
    """Takes the steps; tells of each, and keeps it in `done`."""
    from meshplane.run.aws import aws_of, demand_client, identities_of, zone_of

    demand_client()
    from meshplane.run.aws_prepare import demand_account
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
        await demand_account(found)
        groups = (settings.admin_group, settings.auditor_group)
        steps = steps_of(
            found,
            settings.aws_parts,
            zone_of(found) if "portal" in settings.aws_parts else None,
            groups if settings.aws_cognito_pool is None else None,
            identities_of(settings, found.place),
            template_services=settings.aws_template_services,
        )
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
        "settings": dict(done.settings),
    }


def _removal(gone: "Gone") -> dict[str, object]:
    return {"kind": gone.kind, "what": gone.what, "told": gone.told, "why": gone.why}
