"""Mints a caller's token with the issuer's key in the home folder (embedded mode)."""

from pathlib import Path
from typing import TYPE_CHECKING

from meshplane.kit.errors import Missing
from meshplane.run.environment import Variables, in_environment

if TYPE_CHECKING:
    from meshplane.gateway.issuer import EmbeddedIssuer


def local_issuer(home: Path, variables: Variables | None = None) -> "EmbeddedIssuer":
    """The issuer whose tokens the server with that home folder accepts.

    Args:
        home: the folder that holds the server's state; the issuer's key is there, or in Secrets
            Manager, as the settings say.
        variables: of the server's environment, where this process has others.

    Raises:
        Missing: there is no key; no server ever started there (`HOME_WITHOUT_KEY`).
        Invalid: the key or a setting is not acceptable.
    """
    from meshplane.run.links import issuer
    from meshplane.run.settings import read_settings

    with in_environment(variables or {}):
        settings = read_settings(home=home)
        if "secrets" in settings.aws_parts or (home / "keys").is_dir():
            return issuer(settings)
    raise Missing(
        "HOME_WITHOUT_KEY",
        f"There is no issuer's key in {home.resolve()}. Start the server there once with "
        "`meshplane serve`, name its folder with --home, or pass a --token.",
    )
