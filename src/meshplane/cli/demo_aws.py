"""What a demo on AWS runs against: a sandbox of AWS, in a process of its own."""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from meshplane.cli.demo_server import running_program
from meshplane.kit.errors import Unavailable
from meshplane.run.environment import Variables

SANDBOX_PARTS = "all"
"""What of a mesh runs there in a demo, unless another choice is made."""

_EXPORT = "export "
# What would lead a client of AWS to somebody's real account, or to another endpoint.
_ELSEWHERE = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
_NOWHERE = "/dev/null"
_ASK_SECONDS = 60.0
# What the names of the roles of a mesh's process and of its parts have in them.
_MESH_ROLES, _DENIED = "meshplane-p", "AccessDenied"


@contextlib.contextmanager
def running_sandbox(folder: Path, parts: str) -> Iterator[Variables]:
    """Starts `meshplane sandbox up`, and ends it afterwards.

    Args:
        folder: where it puts its files.
        parts: what of the mesh runs on AWS, as the setting `aws_parts` has it.

    Returns:
        The variables that lead a process of the mesh, and every client of AWS in it, there and
        nowhere else.

    Raises:
        Unavailable: it did not start (`SERVER_NOT_STARTED`).
    """
    command = ["sandbox", "up", "--port", "0", "--enforce-iam", "--home", str(folder / "sandbox")]
    with running_program("sandbox", command, folder):
        told = (folder / "sandbox.out").read_text("utf-8")
        yield {**_told(told), **_shut(), "MESHPLANE_AWS_PARTS": parts}


@dataclass(frozen=True, slots=True)
class Called:
    """What a sandbox was called for.

    Args:
        counts: how often, by service, the most called first.
        roles: by role of the mesh, the services that it called.
        denied: calls of these roles that were not allowed.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    denied: tuple[str, ...] = ()


def calls_of(url: str) -> Called:
    """What a sandbox was called for until now.

    Raises:
        Unavailable: it does not tell (`SANDBOX_UNREACHABLE`).
    """
    import httpx

    try:
        answer = httpx.get(f"{url}/_sandbox/calls", timeout=_ASK_SECONDS).raise_for_status()
        calls: list[dict[str, str]] = answer.json()
        counts = Counter(call["service"] for call in calls)
        roles: dict[str, set[str]] = defaultdict(set)
        denied: dict[str, None] = {}
        for call in calls:
            # Of a session: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION.
            role = call["principal"].partition(":assumed-role/")[2].partition("/")[0]
            if _MESH_ROLES not in role:
                continue
            roles[role].add(call["service"])
            if call["outcome"].startswith(_DENIED):
                denied[f"{role}: {call['service']} {call['operation']}"] = None
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise Unavailable("SANDBOX_UNREACHABLE", f"No sandbox answers at {url}.") from error
    told = {role: sorted(services) for role, services in sorted(roles.items())}
    return Called(dict(counts.most_common()), told, tuple(denied))


def defects_of(folder: Path) -> tuple[str, ...]:
    """What the sandbox, which has ended, found wrong with itself."""
    told = (folder / "sandbox.log").read_text("utf-8", errors="replace")
    found = told.split("Defect of the sandbox: ")[1:]
    return tuple(one.strip() for one in found)


def _told(text: str) -> dict[str, str]:
    """The variables that the sandbox says to export."""
    pairs = [
        line.removeprefix(_EXPORT).partition("=")
        for line in text.splitlines()
        if line.startswith(_EXPORT)
    ]
    return {name: value for name, _, value in pairs}


def _shut() -> dict[str, str | None]:
    """The variables by which nothing but the sandbox is found."""
    files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), _NOWHERE)
    return {**dict.fromkeys(_ELSEWHERE), **files, "AWS_EC2_METADATA_DISABLED": "true"}
