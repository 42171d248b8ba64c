"""Plays the journey against a server of its own."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from meshplane.cli.demo_server import DemoServer, running_server
from meshplane.cli.identity import local_issuer
from meshplane.client import Api, connect
from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Unavailable
from meshplane.sample.journey import Audience, Journey, Story
from meshplane.sample.nycflights import NycFlights
from meshplane.sample.people import Person
from meshplane.sample.progress import FileProgressStore

_KEY_PREFIX = "demo"
_PATIENCE_SECONDS = 30.0
_TERMINAL_SECONDS = 120.0


class Terminal:
    """Runs `meshplane query` as a person would.

    Args:
        server: the server it asks.
    """

    def __init__(self, server: DemoServer) -> None:
        self._server = server

    def query(self, person: Person, sql: str, project_id: str) -> Mapping[str, Any]:
        """What `meshplane query SQL --json` prints, parsed.

        Raises:
            Unavailable: it ended with another exit code than 0 (`COMMAND_FAILED`).
        """
        command = [sys.executable, "-m", "meshplane", "query", sql, "--json"]
        # An empty token, so that one in the caller's environment does not speak for the person.
        who = ["--user", person.user, "--groups", ",".join(person.groups), "--token", ""]
        where = ["--url", self._server.url, "--home", str(self._server.home)]
        ran = subprocess.run(  # noqa: S603 # our own program, with our own arguments
            [*command, "--project", project_id, *who, *where],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TERMINAL_SECONDS,
            check=False,
        )
        if ran.returncode != 0:
            raise Unavailable(
                "COMMAND_FAILED", f"`meshplane query` ended with exit code {ran.returncode}."
            )
        answer: dict[str, Any] = json.loads(ran.stdout)
        return answer


def play(audience: Audience) -> Story:
    """Plays the whole journey in a fresh home, before an audience.

    Raises:
        Missing: the sample data is not there (`SAMPLE_ARCHIVE_MISSING`).
        Unavailable: the server did not start (`SERVER_NOT_STARTED`).
    """
    archive = NycFlights()
    archive.require()
    with running_server() as server, connect(server.url) as client:
        issuer = local_issuer(server.home)
        journey = Journey(
            lambda token: Api(client, token, patience_seconds=_PATIENCE_SECONDS),
            issuer.mint,
            FileProgressStore(server.home),
            archive=archive,
            clock=SystemClock(),
            key_prefix=_KEY_PREFIX,
            command_line=Terminal(server),
        )
        return journey.play(audience)
