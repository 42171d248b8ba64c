"""What every command shares: who asks which server, how it speaks, and how it fails.

`@connected` gives a command the options --url, --token, --user, --groups, --home and --json, and
hands it a `Session`.
"""

import contextlib
import inspect
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import typer

from meshplane.kit.errors import MeshplaneError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from meshplane.client import Api

P = ParamSpec("P")

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_HOME = Path(".meshplane")

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="MESHPLANE_HOME", help="The folder that holds the state."),
]


class Session:
    """One command's connection to the server, and its voice.

    Args:
        until_done: closes the connection when the command is done.
        url: the server.
        token: a bearer token; empty to mint one.
        user: whom to mint a token for, with the key in `home`.
        groups: the groups of that user.
        home: the folder that holds the server's state.
        as_json: whether to print JSON.
    """

    def __init__(
        self,
        until_done: contextlib.ExitStack,
        *,
        url: str,
        token: str,
        user: str,
        groups: tuple[str, ...],
        home: Path,
        as_json: bool,
    ) -> None:
        self.as_json = as_json
        self._until_done = until_done
        self._url = url
        self._token = token
        self._user = user
        self._groups = groups
        self._home = home
        self._api: Api | None = None

    @property
    def api(self) -> "Api":
        """The server, as the caller sees it.

        Raises:
            typer.BadParameter: nobody said who is calling.
        """
        if self._api is None:
            from meshplane.client import Api, connect

            token = self._bearer()
            client = self._until_done.enter_context(connect(self._url))
            self._api = Api(client, lambda: token)
        return self._api

    def key(self) -> str:
        """A fresh idempotency key for one write."""
        return f"cli-{uuid.uuid4()}"

    def show(self, document: Any, draw: Callable[[], "RenderableType"]) -> None:
        """Prints the document with --json, and otherwise what `draw` makes of it."""
        from meshplane.cli import present

        if self.as_json:
            present.print_json(document)
        else:
            present.console().print(draw())

    def _bearer(self) -> str:
        if self._token:
            return self._token
        if not self._user:
            raise typer.BadParameter(
                "Say who you are: --user steward@aviation --groups aviation-stewards "
                "(embedded mode), or --token, or the variable MESHPLANE_TOKEN."
            )
        from meshplane.cli.identity import local_issuer

        return local_issuer(self._home).mint(self._user, self._groups)


def split_groups(text: str) -> tuple[str, ...]:
    """The groups in `a,b`."""
    return tuple(group.strip() for group in text.split(",") if group.strip())


def fail(error: MeshplaneError, *, as_json: bool) -> typer.Exit:
    """Tells of the error and gives the exit that ends the command with 1."""
    from meshplane.cli import present

    if as_json:
        present.print_json(present.problem_document(error))
    else:
        present.console(to_stderr=True).print(present.problem_panel(error))
    return typer.Exit(1)


def _shared(
    until_done: contextlib.ExitStack,
    *,
    url: Annotated[
        str, typer.Option("--url", envvar="MESHPLANE_URL", help="The server's address.")
    ] = DEFAULT_URL,
    token: Annotated[
        str, typer.Option("--token", envvar="MESHPLANE_TOKEN", help="A bearer token.")
    ] = "",
    user: Annotated[
        str, typer.Option("--user", envvar="MESHPLANE_USER", help="Who you are (embedded mode).")
    ] = "",
    groups: Annotated[
        str, typer.Option("--groups", envvar="MESHPLANE_GROUPS", help="Your groups: a,b")
    ] = "",
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> Session:
    return Session(
        until_done,
        url=url,
        token=token,
        user=user,
        groups=split_groups(groups),
        home=home,
        as_json=as_json,
    )


def connected(command: Callable[Concatenate[Session, P], None]) -> Callable[..., None]:
    """Makes a command of a function whose first parameter is a `Session`.

    An error becomes a panel (with --json a problem document) and exit code 1.
    """
    own = list(inspect.signature(command).parameters.values())[1:]
    shared = dict(list(inspect.signature(_shared).parameters.items())[1:])

    def run(**chosen: Any) -> None:
        with contextlib.ExitStack() as until_done:
            session = _shared(until_done, **{name: chosen.pop(name) for name in shared})
            try:
                command(session, **chosen)  # type: ignore[call-arg] # by name, as typer gives them
            except MeshplaneError as error:
                raise fail(error, as_json=session.as_json) from error

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined] # typer reads it
        [*parameters, *shared.values()]
    )
    run.__name__ = command.__name__
    run.__doc__ = command.__doc__
    return run
