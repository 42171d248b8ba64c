"""What a demo on AWS runs against: a sandbox of AWS, in a process of its own."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from meshplane.cli.demo_server import running_program
from meshplane.kit.errors import Missing, Unavailable
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
        Missing: it is not installed (`SANDBOX_MISSING`).
        Unavailable: it did not start (`SERVER_NOT_STARTED`).
    """
    require_sandbox()
    command = ["sandbox", "up", "--port", "0", "--enforce-iam", "--home", str(folder / "sandbox")]
    with running_program("sandbox", command, folder):
        told = (folder / "sandbox.out").read_text("utf-8")
        yield {**_told(told), **_shut(), "MESHPLANE_AWS_PARTS": parts}


def require_sandbox() -> None:
    """Makes sure that the sandbox is installed.

    Raises:
        Missing: it is not (`SANDBOX_MISSING`).
    """
    from importlib.util import find_spec

    if find_spec("moto") is None or find_spec("boto3") is None:
        raise Missing(
            "SANDBOX_MISSING",
            "The sandbox is not installed. Install it with `pip install 'meshplane[sandbox]'`.",
        )


def calls_of(url: str) -> dict[str, int]:
    """How often each service of a sandbox was called, the most called first.

    Raises:
        Unavailable: it does not tell (`SANDBOX_UNREACHABLE`).
    """
    import httpx

    try:
        answer = httpx.get(f"{url}/_sandbox/calls", timeout=_ASK_SECONDS).raise_for_status()
        called = Counter(str(call["service"]) for call in answer.json())
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise Unavailable("SANDBOX_UNREACHABLE", f"No sandbox answers at {url}.") from error
    return dict(called.most_common())


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
