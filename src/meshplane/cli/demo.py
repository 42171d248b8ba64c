"""`meshplane demo`: plays the sample journey in a fresh home, and tells it."""

from typing import Annotated

import typer

from meshplane.cli.demo_aws import SANDBOX_PARTS
from meshplane.cli.session import JsonOption, fail
from meshplane.kit.errors import Invalid, MeshplaneError


def demo(
    *,
    aws: Annotated[
        bool,
        typer.Option(
            "--aws", help="On a sandbox of AWS on this machine; AWS itself is not called."
        ),
    ] = False,
    parts: Annotated[
        str,
        typer.Option(help="With --aws: what of the mesh runs there, as aws_parts has it."),
    ] = SANDBOX_PARTS,
    account: Annotated[
        str,
        typer.Option(
            help="With --aws: in this account of AWS itself, which the MESHPLANE_AWS_… settings "
            "name as well. What is made there stays and costs, until `meshplane aws remove`."
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Plays the journey on real data and checks every step of it.

    Exit code 0 only when every check held.
    """
    if parts != SANDBOX_PARTS and not aws:
        raise typer.BadParameter("--parts says what runs on AWS: give --aws, too.")
    if aws:
        _check_parts(parts)
    from meshplane.cli.demo_play import play, play_on_account, play_on_sandbox
    from meshplane.cli.demo_tell import ACCOUNT, SANDBOX, JsonTeller, TableTeller
    from meshplane.cli.sandbox import demand_sandbox

    ground = f"{ACCOUNT if account else SANDBOX} On it run: {parts}." if aws else None
    teller = JsonTeller(ground) if as_json else TableTeller(ground)
    there = None
    try:
        if account:
            _check_account(account, aws=aws)
        elif aws:
            demand_sandbox()
        with teller:
            if account:
                there = play_on_account(teller, parts)
            elif aws:
                there = play_on_sandbox(teller, parts)
            story = play(teller) if there is None else there.story
    except MeshplaneError as error:
        raise fail(error, as_json=as_json) from error
    teller.ends(story, there)
    if not story.held or (there is not None and there.trouble):
        raise typer.Exit(1)


def _check_parts(parts: str) -> None:
    """Makes sure that there are such parts, before anything is started for them.

    Raises:
        BadParameter: there are none, or one is unknown.
    """
    from meshplane.run.aws_settings import PARTS

    named = [part.strip() for part in parts.split(",") if part.strip()]
    unknown = [part for part in named if part not in PARTS and named != ["all"]]
    if unknown or not named:
        wrong = f"there is no part {unknown[0]}" if unknown else "no part is named"
        raise typer.BadParameter(f"--parts: {wrong}; there are {', '.join(PARTS)}, or all.")


def _check_account(account: str, *, aws: bool) -> None:
    """Makes sure that a demo in an account is meant, and can be taken away again.

    Raises:
        Invalid: ACCOUNT_NOT_MEANT, PREFIX_MISSING, EXTRA_MISSING.
    """
    from meshplane.run.aws import demand_client
    from meshplane.run.settings import read_settings

    settings = read_settings()
    if not aws or settings.aws_account != account:
        raise Invalid(
            "ACCOUNT_NOT_MEANT",
            "A demo in an account is asked for with --aws, and the account is that of "
            "MESHPLANE_AWS_ACCOUNT.",
            field="account",
        )
    if not settings.aws_prefix:
        raise Invalid(
            "PREFIX_MISSING",
            "A demo's names on AWS need a prefix, so that they can be told from others: set "
            "MESHPLANE_AWS_PREFIX.",
            field="aws_prefix",
        )
    demand_client()
