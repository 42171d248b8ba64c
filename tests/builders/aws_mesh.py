"""A whole mesh on a sandbox of AWS: a real server, all of whose parts run there."""

import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from meshplane.platform.aws.calls import Aws
from meshplane.run.environment import environment
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import REGION, aws_of, sandbox_in
from tests.builders.server import Server, running_server
from tests.builders.sharing_world import CONSUMER, MESH_THERE, OWNER, READER, administer, make_roles

T = TypeVar("T")

ADMIN, STEWARD = "ada@mesh", "sam@harbour"
STRANGER = "777788889999"
"""A third account, in which the mesh has no role."""

READ_SECONDS = 5.0
"""How long the mesh waits for an answer: what a time-out costs."""

# What goes on in a mesh that rests: it asks its tables and queues whether there is anything to do.
_LOOKS = {
    ("dynamodb", "Query"),
    ("dynamodb", "GetItem"),
    ("dynamodb", "BatchGetItem"),
    ("sqs", "ReceiveMessage"),
}
_SERVER_FAULT, _CONFLICT = 500, 409
_TRIES, _TRY_SECONDS = 12, 0.25
_QUIET_SECONDS, _STUCK_SECONDS, _LONGEST_SECONDS = 0.6, 1.2, 90.0
_LOOK_SECONDS = 0.05
_LONGEST_WAIT_OF_A_MACHINE_SECONDS = 0.3
_PARKED, _MESSAGES = "ParkedEvents", "Messages"


class AwsMesh:
    """A mesh that runs, and the AWS that it runs on.

    Attributes:
        sandbox: with two accounts.
        server: the mesh, in the first account.
        owner, root_there: AWS as the roots of the two accounts.
        there: AWS as the mesh's role in the other account.
    """

    def __init__(self, sandbox: AwsSandbox, server: Server) -> None:
        self.sandbox, self.server = sandbox, server
        self.owner: Aws = aws_of(sandbox, OWNER)
        self.root_there = aws_of(sandbox, CONSUMER)
        self.there = self.root_there.as_role(MESH_THERE, "looking")
        groups = {ADMIN: ("mesh-admins",)}
        self._client: Callable[[str], httpx.Client] = lambda user: server.client(
            user, groups.get(user, ())
        )
        self._clients: dict[str, httpx.Client] = {}

    def close(self) -> None:
        """Ends the connections."""
        for client in self._clients.values():
            client.close()
        self.owner.close()
        self.root_there.close()

    def client(self, user: str) -> httpx.Client:
        """The connections of a user."""
        if user not in self._clients:
            self._clients[user] = self._client(user)
        return self._clients[user]

    def ask(self, user: str, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """The answer to a request that succeeds in the end.

        As a careful client does, it is sent again, under the same key, where the mesh says that it
        cannot be carried out now.
        """
        headers = {**more.pop("headers", {})}
        if method != "GET":
            headers["Idempotency-Key"] = uuid4().hex
        if body is not None:
            more["json"] = body
        tries = 1
        while True:
            answer = self.client(user).request(method, f"/api/v1{path}", headers=headers, **more)
            if tries == _TRIES or not _is_for_later(answer):
                break
            tries += 1
            time.sleep(_TRY_SECONDS)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def all(self, user: str, path: str) -> list[Any]:
        """All items of a list."""
        found: list[Any] = []
        cursor: str | None = ""
        sign = "&" if "?" in path else "?"
        while cursor is not None:
            more = f"&cursor={cursor}" if cursor else ""
            page = self.ask(user, "GET", f"{path}{sign}limit=200{more}")
            found += page["items"]
            cursor = page["nextCursor"]
        return found

    def until(self, what: str, found: Callable[[], T | None]) -> T:
        """Waits for something that the mesh brings about."""
        give_up = time.monotonic() + _LONGEST_SECONDS
        while (it := found()) is None:
            assert time.monotonic() < give_up, f"never: {what}; open: {self.open_work()}"
            time.sleep(_LOOK_SECONDS)
            self._hurry(give_up)
        return it

    def calls(self) -> Counter[tuple[str, str]]:
        """How often each operation was called, without the looks of a mesh that rests."""
        told = Counter((one.service, one.operation) for one in self.sandbox.calls.all())
        return Counter({key: count for key, count in told.items() if key not in _LOOKS})

    def rest(self) -> None:
        """Waits until nothing goes on any more, and nothing is left to do."""
        give_up = time.monotonic() + _LONGEST_SECONDS
        seen, since = -1, time.monotonic()
        while True:
            calls = self.calls().total()
            if calls != seen or self._waits_for_answers():
                seen, since = calls, time.monotonic()
            elif time.monotonic() - since > _QUIET_SECONDS:
                left = self.open_work()
                if not left:
                    return
                assert time.monotonic() < give_up, f"the mesh does not rest: {left}"
                self._hurry(give_up)
            time.sleep(_LOOK_SECONDS)

    def open_work(self) -> list[str]:
        """What waits to be done: events, messages, in the store and in SQS."""
        from moto.sqs.models import sqs_backends

        found = [
            f"{name}: {item.get('consumer') or item.get('queue')}"
            for name in (_PARKED, _MESSAGES)
            for item in self._items(name)
            if not _waits_for_people(item)
        ]
        for name, queue in list(sqs_backends[OWNER][REGION].queues.items()):
            if not name.endswith("-dead") and "dead" not in name:
                found += [f"SQS {name}"] * len(queue._messages)
        return found

    def dead_letters(self) -> list[str]:
        """What was given up."""
        return [str(item) for item in self._items("DeadLetters")]

    def executions(self, machine: str) -> list[Any]:
        """The executions of a state machine, as moto keeps them."""
        from moto.stepfunctions.parser.models import stepfunctions_parser_backends

        machines = stepfunctions_parser_backends[OWNER][REGION].state_machines
        return [
            execution
            for one in list(machines)
            if one.name == machine
            for execution in list(one.executions)
        ]

    def _items(self, table: str) -> list[dict[str, Any]]:
        from moto.dynamodb.models import dynamodb_backends

        found = dynamodb_backends[OWNER][REGION].get_table(table)
        return [
            {name: value.value for name, value in item.attrs.items()}
            for item in list(found.all_items())
        ]

    def _waits_for_answers(self) -> bool:
        """Whether a call goes on: one that gets no answer does until the mesh gives it up."""
        return any(
            not one.ended and (one.service, one.operation) not in _LOOKS
            for one in self.sandbox.calls.all()
        )

    def _hurry(self, give_up: float) -> None:
        """Shows what SQS hides: on AWS a message that failed comes again after a minute."""
        from moto.sqs.models import sqs_backends

        if time.monotonic() < give_up - _LONGEST_SECONDS + _STUCK_SECONDS:
            return
        for queue in list(sqs_backends[OWNER][REGION].queues.values()):
            for message in list(queue._messages):
                if not message.visible and _is_old(message):
                    message.visible_at = 0


def _is_for_later(answer: httpx.Response) -> bool:
    """Whether the same request may be carried out later."""
    is_under_way = answer.status_code == _CONFLICT and "IN_PROGRESS" in answer.text
    return answer.status_code >= _SERVER_FAULT or is_under_way


def _is_old(message: Any) -> bool:
    """Whether a message was received so long ago that whoever did has failed."""
    received = getattr(message, "approximate_first_receive_timestamp", None)
    return received is not None and time.time() - received / 1000 > READ_SECONDS + 1


def _waits_for_people(item: Mapping[str, Any]) -> bool:
    due = float(item.get("dueAt") or 0)
    return due > (time.time() + 3600) * 1000


@contextlib.contextmanager
def aws_mesh(
    parts: str = "all", *, arguments: Sequence[str] = (), **variables: str
) -> Iterator[AwsMesh]:
    """Starts a sandbox and a mesh on it, prepared as the guide says.

    Args:
        parts: what runs on AWS.
        arguments: further ones of `meshplane serve`.
        variables: further ones of the mesh's environment.
    """
    accounts = (OWNER, CONSUMER, STRANGER)
    with sandbox_in(accounts=accounts) as sandbox, _quick_machines():
        _other_account(sandbox)
        _warm(sandbox)
        with _set({**_variables(sandbox, parts), **variables}):
            _prepare()
            with running_server(*arguments) as server:
                mesh = AwsMesh(sandbox, server)
                try:
                    yield mesh
                finally:
                    sandbox.faults.clear()
                    mesh.close()


def _variables(sandbox: AwsSandbox, parts: str) -> dict[str, str]:
    key, secret = sandbox.keys(OWNER)
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MESHPLANE_AWS_REGION": REGION,
        "MESHPLANE_AWS_ACCOUNT": OWNER,
        "MESHPLANE_AWS_ENDPOINT_URL": sandbox.url,
        "MESHPLANE_AWS_PARTS": parts,
        "MESHPLANE_AWS_ACCOUNT_ROLES": f"{CONSUMER}={MESH_THERE}",
        # A client of AWS that tries again by itself would hide what these tests are about.
        "MESHPLANE_AWS_ATTEMPTS": "1",
        "MESHPLANE_AWS_READ_SECONDS": str(READ_SECONDS),
    }


@contextlib.contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets variables of this process, which its children inherit, and sets them back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _quick_machines() -> Iterator[None]:
    """Has state machines of moto wait a moment where they would wait for seconds or minutes."""
    asl = "moto.stepfunctions.parser.asl.component"
    retrier: Any = import_module(f"{asl}.common.retry.retrier_decl")
    waiting = import_module(f"{asl}.state.wait.wait_function.wait_function").WaitFunction
    interval, real = waiting._wait_interval, time.sleep

    def shortened(_self: Any, env: Any, wait_seconds: float) -> None:
        env.program_state_event.wait(min(wait_seconds, _LONGEST_WAIT_OF_A_MACHINE_SECONDS))

    def sleep(seconds: float) -> None:
        real(min(seconds, _LONGEST_WAIT_OF_A_MACHINE_SECONDS))

    waiting._wait_interval, retrier.time = shortened, SimpleNamespace(sleep=sleep)
    try:
        yield
    finally:
        waiting._wait_interval, retrier.time = interval, time


def _prepare() -> None:
    command = [sys.executable, "-m", "meshplane", "aws", "prepare", "--json"]
    patient = environment({"MESHPLANE_AWS_ATTEMPTS": None, "MESHPLANE_AWS_READ_SECONDS": None})
    ran = subprocess.run(command, capture_output=True, check=False, timeout=300, env=patient)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _warm(sandbox: AwsSandbox) -> None:
    """Has the sandbox load what takes it longer than the mesh waits."""
    aws = aws_of(sandbox, OWNER, read_seconds=120.0)
    aws.run("stepfunctions", "list_state_machines")
    aws.run("cloudformation", "list_stacks")
    aws.close()


def _other_account(sandbox: AwsSandbox) -> None:
    """The other account: the mesh's role there, which administers its lake, and a reader."""
    there = aws_of(sandbox, CONSUMER)
    make_roles(there, [MESH_THERE, READER])
    administer(there, MESH_THERE)
    bucket = f"results-{CONSUMER}"
    there.run(
        "s3",
        "create_bucket",
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": REGION},
    )
    there.run(
        "athena",
        "create_work_group",
        Name="meshplane",
        Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{bucket}/"}},
    )
    there.close()
