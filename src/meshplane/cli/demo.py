"""`meshplane demo`: plays the sample journey in a fresh home, and tells it."""

from typing import Annotated

import typer

from meshplane.cli.demo_aws import SANDBOX_PARTS
from meshplane.cli.session import JsonOption, fail
from meshplane.kit.errors import MeshplaneError


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
    as_json: JsonOption = False,
) -> None:
    """Plays the journey on real data and checks every step of it.

    Exit code 0 only when every check held.
    """
    from meshplane.cli.demo_play import play, play_on_sandbox
    from meshplane.cli.demo_tell import SANDBOX, JsonTeller, TableTeller

    ground = f"{SANDBOX} On it run: {parts}." if aws else None
    teller = JsonTeller(ground) if as_json else TableTeller(ground)
    there = None
    try:
        with teller:
            if aws:
                there = play_on_sandbox(teller, parts)
            story = play(teller) if there is None else there.story
    except MeshplaneError as error:
        raise fail(error, as_json=as_json) from error
    teller.ends(story, there)
    if not story.held or (there is not None and (there.drift or there.defects)):
        raise typer.Exit(1)
