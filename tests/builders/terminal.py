"""Types commands into the command line as one person."""

import json
from typing import Any

from typer.testing import CliRunner, Result

from meshplane.cli.app import app
from tests.builders.server import Server


class Terminal:
    """Types commands as one person.

    Args:
        server: whom they ask.
        user: who it is.
        groups: of that person: `a,b`.
    """

    def __init__(self, server: Server, user: str, groups: str = "") -> None:
        self._who = ["--url", server.url, "--home", str(server.home), "--user", user]
        self._who += ["--groups", groups, "--token", ""]

    def type(self, *words: str, given: str | None = None) -> Result:
        """What a command prints, and its exit code; `given` is its standard input."""
        return CliRunner().invoke(app, [*words, *self._who], input=given)

    def json(self, *words: str, given: str | None = None) -> Any:
        """The document that a command prints with --json."""
        result = self.type(*words, "--json", given=given)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)


def type_offline(*words: str, given: str | None = None) -> Result:
    """What a command that asks no server prints, and its exit code."""
    return CliRunner().invoke(app, list(words), input=given)
