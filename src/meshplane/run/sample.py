"""Loads the sample mesh beside a server that has just started."""

import sys
import threading
from pathlib import Path

from meshplane.gateway.issuer import EmbeddedIssuer
from meshplane.kit.errors import MeshplaneError


def start_loading(base_url: str, issuer: EmbeddedIssuer, home: Path) -> None:
    """Plays the journey over HTTP in a thread of its own; at once done where it is loaded.

    Args:
        base_url: of the server.
        issuer: mints the tokens of the people of the sample.
        home: keeps how far the loading came.
    """
    thread = threading.Thread(
        target=_load, args=(base_url, issuer, home), name="sample", daemon=True
    )
    thread.start()


def _load(base_url: str, issuer: EmbeddedIssuer, home: Path) -> None:
    from rich.console import Console

    from meshplane.sample.loader import is_loaded, load

    if is_loaded(home):
        return
    try:
        load(
            base_url,
            lambda user, groups: issuer.mint(user, groups),
            home,
            None,
            Console(file=sys.stderr),
        )
    except MeshplaneError as error:
        sys.stderr.write(f"The sample mesh was not loaded: {error.message} ({error.code})\n")
        sys.stderr.write("The server goes on; the next start goes on loading.\n")
