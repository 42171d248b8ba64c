"""`meshplane demo`: plays the sample journey in a fresh home, and tells it."""

import typer

from meshplane.cli.session import JsonOption, fail
from meshplane.kit.errors import MeshplaneError


def demo(as_json: JsonOption = False) -> None:
    """Plays the journey on real data and checks every step of it.

    Exit code 0 only when every check held.
    """
    from meshplane.cli.demo_play import play
    from meshplane.cli.demo_tell import JsonTeller, TableTeller

    teller = JsonTeller() if as_json else TableTeller()
    try:
        with teller:
            story = play(teller)
    except MeshplaneError as error:
        raise fail(error, as_json=as_json) from error
    teller.ends(story)
    if not story.held:
        raise typer.Exit(1)
