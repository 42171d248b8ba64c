"""Tokens of people, made with the key in a server's home."""

import time
from pathlib import Path

from meshplane.gateway.issuer import EmbeddedIssuer
from meshplane.kit.errors import Unavailable
from meshplane.run.links import issuer
from meshplane.run.settings import read_settings

_TOKEN_SECONDS = 600


class Minter:
    """Makes tokens with the key that the server made, once it has made one."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._issuer: EmbeddedIssuer | None = None
        self._tokens: dict[tuple[str, tuple[str, ...]], tuple[float, str]] = {}

    def mint(self, user: str, groups: tuple[str, ...]) -> str:
        """A token that is valid for minutes."""
        made_at, token = self._tokens.get((user, groups), (0.0, ""))
        if not token or time.monotonic() - made_at > _TOKEN_SECONDS / 2:
            made_at, token = time.monotonic(), self._mint(user, groups)
            self._tokens[user, groups] = made_at, token
        return token

    def _mint(self, user: str, groups: tuple[str, ...]) -> str:
        if self._issuer is None:
            if not (self._home / "keys" / "issuer.pem").exists():
                raise Unavailable("SERVER_UNREACHABLE", "The server was never up yet.")
            self._issuer = issuer(read_settings(home=self._home))
        return self._issuer.mint(user, groups, lifetime_seconds=_TOKEN_SECONDS)
