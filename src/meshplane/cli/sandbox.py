"""`meshplane sandbox`: AWS on this machine, for trying, and its calls that are told to fail."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from meshplane.cli import present
from meshplane.cli.session import JsonOption, fail
from meshplane.kit.errors import Invalid, MeshplaneError, Missing, Unavailable

if TYPE_CHECKING:
    from meshplane.sandbox.server import AwsSandbox

app = typer.Typer(
    no_args_is_help=True,
    help="AWS on this machine: no account, no Docker. What it cannot show is said in the guide.",
)

# Of the extra `[sandbox]`: moto with its server, which is made with Flask.
_ITS_EXTRA = ("boto3", "moto", "flask")
_PORT = 4566
_REGION = "eu-central-1"
_SECONDS = 30

Address = Annotated[
    str,
    typer.Option("--url", envvar="MESHPLANE_AWS_ENDPOINT_URL", help="The sandbox's address."),
]
_ADDRESS = f"http://127.0.0.1:{_PORT}"

_FAULTS: present.Columns = (
    ("No.", "number"),
    ("Service", "service"),
    ("Operation", lambda fault: fault["operation"] or "any"),
    ("Kind", "kind"),
    ("Which call", "nth"),
    ("Times", "times"),
    ("Came", "seen"),
    ("Account", lambda fault: fault["account"] or "any"),
)
_CALLS: present.Columns = (
    ("No.", "number"),
    ("At", lambda call: present.moment(call["at"])),
    ("Service", "service"),
    ("Operation", "operation"),
    ("Outcome", "outcome"),
    ("Account", "account"),
    ("Principal", "principal"),
)


@app.command()
def up(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="On 127.0.0.1; 0 takes any that is free.")
    ] = _PORT,
    home: Annotated[
        Path | None, typer.Option(help="A folder for what it keeps in files; none is left without.")
    ] = None,
    enforce_iam: Annotated[
        bool, typer.Option("--enforce-iam", help="Evaluate the policies of roles and users.")
    ] = False,
) -> None:
    """Starts it, and runs until Ctrl-C. Its state is gone when it ends."""
    import signal
    import threading

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    try:
        with _made(home, port, enforce_iam=enforce_iam) as sandbox:
            _tell(sandbox)
            ended.wait()
            for defect in sandbox.defects:
                present.console(to_stderr=True).print(f"Defect of the sandbox: {defect}")
    except MeshplaneError as error:
        raise fail(error, as_json=False) from error
    except OSError as error:
        taken = Invalid("PORT_TAKEN", f"Port {port} is taken. Give another with --port.")
        raise fail(taken, as_json=False) from error


@app.command()
def faults(url: Address = _ADDRESS, as_json: JsonOption = False) -> None:
    """Lists the calls that are to fail."""
    listed = _asked("GET", url, "faults", as_json=as_json)
    _show(listed, _FAULTS, "No call is to fail.", as_json=as_json)


@app.command(name="fail")
def plan_failure(
    *,
    service: Annotated[str, typer.Argument(help="As boto3 calls it: lakeformation")],
    operation: Annotated[
        str, typer.Argument(help="As boto3 calls it: grant_permissions; any without it.")
    ] = "",
    kind: Annotated[
        str, typer.Option(help="throttle, error, timeout or lost_answer.")
    ] = "throttle",
    nth: Annotated[int, typer.Option(min=1, help="Which call from now on.")] = 1,
    times: Annotated[int, typer.Option(min=1, help="How many calls in a row.")] = 1,
    code: Annotated[str, typer.Option(help="The error's code, where not the usual one.")] = "",
    account: Annotated[str, typer.Option(help="Only calls of this account.")] = "",
    url: Address = _ADDRESS,
    as_json: JsonOption = False,
) -> None:
    """Makes calls of a service fail."""
    fault = {
        "service": service,
        "operation": operation or None,
        "kind": kind,
        "nth": nth,
        "times": times,
        "code": code or None,
        "account": account or None,
    }
    planned = _asked("POST", url, "faults", json=fault, as_json=as_json)
    if as_json:
        present.print_json(planned)
    else:
        present.console().print(f"Planned as no. {planned['number']}.")


@app.command()
def mend(url: Address = _ADDRESS, as_json: JsonOption = False) -> None:
    """Lets every call through again."""
    done = _asked("DELETE", url, "faults", as_json=as_json)
    if as_json:
        present.print_json(done)
    else:
        present.console().print("No call is to fail.")


@app.command()
def lag(
    seconds: Annotated[
        float, typer.Argument(min=0, help="How long lists do not show a change; 0: no time.")
    ],
    url: Address = _ADDRESS,
    as_json: JsonOption = False,
) -> None:
    """Has lists show each change some seconds late, as AWS's may."""
    done = _asked("POST", url, "visibility", json={"seconds": seconds}, as_json=as_json)
    if as_json:
        present.print_json(done)
    else:
        present.console().print(f"Lists show each change after {seconds:g} s.")


@app.command()
def calls(
    service: Annotated[str, typer.Option(help="Only of this service.")] = "",
    operation: Annotated[str, typer.Option(help="Only of this operation.")] = "",
    url: Address = _ADDRESS,
    as_json: JsonOption = False,
) -> None:
    """Lists the calls that came, in order."""
    chosen = {"service": service, "operation": operation}
    given = {name: value for name, value in chosen.items() if value}
    listed = _asked("GET", url, "calls", params=given, as_json=as_json)
    _show(listed, _CALLS, "No calls yet.", as_json=as_json)


def demand_sandbox() -> None:
    """Makes sure that the sandbox is installed.

    Raises:
        Missing: SANDBOX_MISSING.
    """
    if any(find_spec(name) is None for name in _ITS_EXTRA):
        raise Missing(
            "SANDBOX_MISSING",
            "The sandbox is not installed: run `make setup-dev`, or `pip install '.[sandbox]'` in "
            "the repository's folder.",
        )


def _made(home: Path | None, port: int, *, enforce_iam: bool) -> "AwsSandbox":
    """A sandbox that does not run yet.

    Raises:
        Missing: SANDBOX_MISSING.
    """
    demand_sandbox()
    from meshplane.sandbox.server import AwsSandbox

    return AwsSandbox(home, port, enforce_iam=enforce_iam)


def _tell(sandbox: "AwsSandbox") -> None:
    account = sandbox.accounts[0]
    key, secret = sandbox.keys(account)
    lines = [
        f"ready {sandbox.url}",
        f"Accounts: {', '.join(sandbox.accounts)}; their roots' keys differ by the account alone.",
        "For programs that call AWS, and for `meshplane serve`:",
        f"export AWS_ACCESS_KEY_ID={key}",
        f"export AWS_SECRET_ACCESS_KEY={secret}",
        f"export AWS_REGION={_REGION}",
        f"export AWS_ENDPOINT_URL={sandbox.url}",
        f"export MESHPLANE_AWS_REGION={_REGION}",
        f"export MESHPLANE_AWS_ACCOUNT={account}",
        f"export MESHPLANE_AWS_ENDPOINT_URL={sandbox.url}",
        "export MESHPLANE_AWS_PARTS=all",
        "It runs until Ctrl-C. It is a stand-in for AWS, and nothing of it is kept.",
    ]
    print("\n".join(lines), flush=True)


def _asked(method: str, url: str, what: str, *, as_json: bool, **given: Any) -> Any:
    """What the sandbox answers under `/_sandbox`."""
    import httpx

    try:
        answer = httpx.request(
            method, f"{url.rstrip('/')}/_sandbox/{what}", timeout=_SECONDS, **given
        )
        content = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        away = Unavailable(
            "SANDBOX_UNREACHABLE",
            f"No sandbox answers at {url}. Start one with `meshplane sandbox up`, or give --url.",
        )
        raise fail(away, as_json=as_json) from error
    if answer.is_error:
        raise fail(Invalid(content["code"], content["message"]), as_json=as_json)
    return content


def _show(items: Any, columns: present.Columns, nothing: str, *, as_json: bool) -> None:
    if as_json:
        present.print_json({"items": items})
    else:
        present.console().print(present.listing(items, columns, nothing=nothing))
