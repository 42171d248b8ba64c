"""Plays the journey against a server of its own."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meshplane.cli.demo_aws import Called, calls_of, defects_of, running_sandbox
from meshplane.cli.demo_roles import as_process, renewed_process, with_roles
from meshplane.cli.demo_server import DemoServer, own_folder, running_server
from meshplane.cli.identity import local_issuer
from meshplane.client import Api, connect
from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Unavailable
from meshplane.run.environment import Variables, environment
from meshplane.sample.journey import Audience, Journey, Story
from meshplane.sample.nycflights import NycFlights
from meshplane.sample.people import ADMIN, Person
from meshplane.sample.progress import FileProgressStore
from meshplane.sample.stage import EMBEDDED_LAKE, Lake

_KEY_PREFIX = "demo"
_PATIENCE_SECONDS, _PATIENCE_ON_AWS_SECONDS = 30.0, 600.0
_TERMINAL_SECONDS = 300.0
_PREPARE_SECONDS = 1200.0
_SETTLE_SECONDS, _SETTLE_ON_AWS_SECONDS = 20.0, 600.0
_PAUSE_SECONDS = 0.2


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
            env=environment(self._server.variables),
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
    # Whatever the variables here say, this demo is of this machine alone.
    with running_server({"MESHPLANE_AWS_PARTS": None}) as server:
        return _played(audience, server, archive, EMBEDDED_LAKE)


@dataclass(frozen=True, slots=True)
class AwsStory:
    """What came of a journey on AWS, or on a sandbox of it.

    Args:
        story: the journey.
        drift: what Lake Formation held otherwise than it should, once all was done.
        called: what was called, and by whom; a sandbox alone tells.
        defects: what the sandbox found wrong with itself.
    """

    story: Story
    drift: tuple[str, ...]
    called: Called = field(default_factory=Called)
    defects: tuple[str, ...] = ()

    @property
    def trouble(self) -> bool:
        """Whether something is not as it should be, though every check may hold."""
        return bool(self.drift or self.defects or self.called.denied)


def play_on_account(audience: Audience, parts: str) -> AwsStory:
    """As `play`, in the account of AWS that the settings name; what it makes there stays.

    Args:
        audience: is told as each step begins and ends.
        parts: what of the mesh runs there, as the setting `aws_parts` has it.

    Raises:
        Missing: SAMPLE_ARCHIVE_MISSING.
        Unavailable: SERVER_NOT_STARTED; COMMAND_FAILED, the account could not be prepared.
    """
    archive = NycFlights()
    archive.require()
    administrator = with_roles({"MESHPLANE_AWS_PARTS": parts})
    _prepare(administrator)
    with own_folder() as folder, running_server(renewed_process(administrator, folder)) as server:
        story = _played(
            audience, server, archive, lake_of(parts), patience_seconds=_PATIENCE_ON_AWS_SECONDS
        )
        drift = _drift(server, _SETTLE_ON_AWS_SECONDS) if story.trouble is None else ()
    return AwsStory(story, drift)


def play_on_sandbox(audience: Audience, parts: str) -> AwsStory:
    """As `play`, on a sandbox of AWS.

    Args:
        audience: is told as each step begins and ends.
        parts: what of the mesh runs there, as the setting `aws_parts` has it.

    Raises:
        Missing: SAMPLE_ARCHIVE_MISSING.
        Unavailable: SERVER_NOT_STARTED; COMMAND_FAILED, the account could not be prepared.
    """
    archive = NycFlights()
    archive.require()
    with own_folder() as folder:
        with _mesh_on_sandbox(folder, parts) as (server, sandbox):
            story = _played(audience, server, archive, lake_of(parts))
            drift = _drift(server, _SETTLE_SECONDS) if story.trouble is None else ()
            called = calls_of(sandbox)
        return AwsStory(story, drift, called, defects_of(folder))


def lake_of(parts: str) -> Lake:
    """The lake of a mesh of which these parts are on AWS."""
    return Lake.on({part.strip() for part in parts.split(",")})


@contextlib.contextmanager
def _mesh_on_sandbox(folder: Path, parts: str) -> Iterator[tuple[DemoServer, str]]:
    """A server that runs, and where its sandbox answers."""
    with running_sandbox(folder, parts) as variables:
        administrator = with_roles(variables)
        _prepare(administrator)
        with running_server(as_process(administrator)) as server:
            yield server, str(variables["AWS_ENDPOINT_URL"])


def _drift(server: DemoServer, settle_seconds: float) -> tuple[str, ...]:
    """What differs in the lake once it had the time to follow."""
    with connect(server.url) as client:
        issuer = local_issuer(server.home, server.variables)
        api = Api(client, lambda: issuer.mint(ADMIN.user, ADMIN.groups))
        give_up = time.monotonic() + settle_seconds
        while True:
            found = tuple(f"{one['kind']} {one['key']}" for one in api.items("/lake/drift"))
            if not found or time.monotonic() >= give_up:
                return found
            time.sleep(_PAUSE_SECONDS)


def _prepare(variables: Variables) -> None:
    ran = subprocess.run(  # our own program, with our own arguments
        [sys.executable, "-m", "meshplane", "aws", "prepare"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_PREPARE_SECONDS,
        check=False,
        env=environment(variables),
    )
    if ran.returncode != 0:
        raise Unavailable(
            "COMMAND_FAILED",
            f"`meshplane aws prepare` ended with exit code {ran.returncode}:\n"
            + ran.stderr.decode("utf-8", errors="replace").strip(),
        )


def _played(
    audience: Audience,
    server: DemoServer,
    archive: NycFlights,
    lake: Lake,
    *,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> Story:
    with connect(server.url) as client:
        issuer = local_issuer(server.home, server.variables)
        journey = Journey(
            lambda token: Api(client, token, patience_seconds=patience_seconds),
            issuer.mint,
            FileProgressStore(server.home),
            archive=archive,
            clock=SystemClock(),
            key_prefix=_KEY_PREFIX,
            command_line=Terminal(server),
            lake=lake,
        )
        return journey.play(audience)
