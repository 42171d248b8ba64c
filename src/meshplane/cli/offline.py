"""What commands share that need no server: how they speak, and how they fail.

`@offline` gives a command the option --json, and hands it a `Voice`.
"""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from meshplane.cli.session import JsonOption, fail
from meshplane.kit.errors import MeshplaneError

if TYPE_CHECKING:
    from rich.console import RenderableType

P = ParamSpec("P")


class Voice:
    """How one command speaks.

    Args:
        as_json: whether to print JSON.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def show(self, document: Any, draw: Callable[[], "RenderableType"]) -> None:
        """Prints the document with --json, and otherwise what `draw` makes of it."""
        from meshplane.cli import present

        if self.as_json:
            present.print_json(document)
        else:
            present.console().print(draw())


def _shared(as_json: JsonOption = False) -> Voice:
    return Voice(as_json=as_json)


def offline(command: Callable[Concatenate[Voice, P], None]) -> Callable[..., None]:
    """Makes a command of a function whose first parameter is a `Voice`.

    An error becomes a panel (with --json a problem document) and exit code 1.
    """
    own = list(inspect.signature(command).parameters.values())[1:]
    shared = inspect.signature(_shared).parameters["as_json"]

    def run(**chosen: Any) -> None:
        voice = _shared(chosen.pop("as_json"))
        try:
            command(voice, **chosen)  # type: ignore[call-arg] # by name, as typer gives them
        except MeshplaneError as error:
            raise fail(error, as_json=voice.as_json) from error

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, shared)]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # typer reads it
    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    return run
