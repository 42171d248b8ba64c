"""`meshplane token`: mints a token with the key in the home folder (embedded mode)."""

from typing import Annotated

import typer

from meshplane.cli.session import DEFAULT_HOME, HomeOption, JsonOption, fail, split_groups
from meshplane.kit.errors import MeshplaneError


def token(
    user: Annotated[str, typer.Option(help="Whose token: steward@aviation")],
    groups: Annotated[str, typer.Option(help="Their groups: a,b")] = "",
    lifetime: Annotated[
        int, typer.Option(min=1, max=86_400, help="Seconds that it is valid.")
    ] = 3600,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Prints a token for a user, to pass as --token or MESHPLANE_TOKEN."""
    from meshplane.cli import present
    from meshplane.cli.identity import local_issuer

    try:
        minted = local_issuer(home).mint(user, split_groups(groups), lifetime)
    except MeshplaneError as error:
        raise fail(error, as_json=as_json) from error
    if as_json:
        present.print_json({"token": minted, "lifetimeSeconds": lifetime})
    else:
        print(minted)
