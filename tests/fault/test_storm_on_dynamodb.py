"""DynamoDB throttles a third of all calls while people work: what was answered is there, once.

A real mesh, whose tables lie on the sandbox's DynamoDB, is asked over HTTP by several clients at
once. They send again, under the same key, what it could not carry out, as careful clients do.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import uuid4

import httpx
import pytest

pytest.importorskip("moto", reason="the sandbox of AWS is not installed")

from meshplane.platform.stillness import SETTLED_SECONDS
from meshplane.sandbox.faults import Fault
from tests.builders import seeds
from tests.builders.aws_flow_cases import say
from tests.builders.aws_mesh import ADMIN, AwsMesh, aws_mesh
from tests.builders.small_mesh import ARROW, COLUMNS, CONTRACT, arrow

pytestmark = [pytest.mark.fault]

THROTTLED = 0.3
CLIENTS = 3
LONG_SECONDS = 600.0
# How much more is called in the storm than without it, for the same work.
MOST_CALLS_FOR_ONE = 2.0
# Of the requests, those that people must send again.
MOST_PUT_OFF = 0.2
MOST_READS_AT_REST_A_SECOND = 8
ROWS = [{"station": "quay", "level": 3}, {"station": "pier", "level": 7}]
_LONGEST_SECONDS = 120.0
_READS = frozenset({"Query", "GetItem", "BatchGetItem"})
_CONFLICT, _SERVER_FAULT = 409, 500


@dataclass
class Made:
    """What a client was told that it has made, by id: its name.

    Args:
        user: who made it.
        requests, refused: how many it sent, and how many of them it had to send again.
    """

    user: str
    projects: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    assets: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    refused: int = 0


class Client:
    """Somebody who makes projects, tables in them, and publishes these.

    Args:
        mesh: whom to ask.
        name: of who asks.
        domain: where projects are made.
        chance: for pauses.
    """

    def __init__(self, mesh: AwsMesh, name: str, domain: str, chance: Random) -> None:
        self.made = Made(f"{name}@storm")
        self._name, self._domain, self._chance = name, domain, chance
        self._admin = mesh.server.client(ADMIN, ("mesh-admins",))
        self._own = mesh.server.client(self.made.user)
        self._rounds = 0

    def play(self) -> None:
        """One project, one table with rows, one asset that is published."""
        self._rounds += 1
        name = f"{self._name}{self._rounds}"
        member = {"principal": f"user:{self.made.user}", "role": "owner"}
        body: dict[str, Any] = {"domainId": self._domain, "name": name, "members": [member]}
        project = self._ask(self._admin, "POST", "/projects", json=body)["projectId"]
        self.made.projects[project] = name
        body = {"projectId": project, "name": name, "columns": COLUMNS}
        table = self._ask(self._own, "POST", "/tables", json=body)["tableId"]
        self.made.tables[table] = name
        headers = {"Content-Type": ARROW}
        path = f"/tables/{table}/rows"
        self._ask(self._own, "POST", path, content=arrow(ROWS), headers=headers)
        body = {
            "projectId": project,
            "tableId": table,
            "name": name,
            "description": "Water levels.",
            "classification": "internal",
            "contract": CONTRACT.replace("name: readings", f"name: {name}"),
        }
        asset = self._ask(self._own, "POST", "/assets", json=body)["assetId"]
        self.made.assets[asset] = name
        self._wait_for_listing(f"/assets/{asset}")

    def close(self) -> None:
        """Ends the connections."""
        self._admin.close()
        self._own.close()

    def _wait_for_listing(self, path: str) -> None:
        give_up = time.monotonic() + _LONGEST_SECONDS
        while self._ask(self._own, "GET", path)["status"] != "published":
            assert time.monotonic() < give_up, f"never published: {path}"
            time.sleep(0.5)

    def _ask(self, client: httpx.Client, method: str, path: str, **more: Any) -> Any:
        """The answer, however often it takes to send the request."""
        key = {"Idempotency-Key": uuid4().hex} if method != "GET" else {}
        headers = {**more.pop("headers", {}), **key}
        give_up = time.monotonic() + _LONGEST_SECONDS
        while True:
            self.made.requests += 1
            answer = client.request(method, f"/api/v1{path}", headers=headers, **more)
            if answer.is_success:
                return answer.json() if answer.content else None
            told = f"{method} {path}: {answer.status_code} {answer.text}"
            assert _is_for_later(answer), told
            assert time.monotonic() < give_up, told
            self.made.refused += 1
            time.sleep(self._chance.uniform(0.05, 0.4))


def _is_for_later(answer: httpx.Response) -> bool:
    is_under_way = answer.status_code == _CONFLICT and "IN_PROGRESS" in answer.text
    return answer.status_code > _SERVER_FAULT or is_under_way


@pytest.fixture(scope="module")
def mesh() -> Iterator[AwsMesh]:
    """A mesh whose tables lie in DynamoDB; the rest of it is on this machine."""
    with aws_mesh("store", MESHPLANE_AWS_ATTEMPTS="5") as running:
        for rule in running.all(ADMIN, "/events/rules"):
            # What fires by the clock would be counted among the calls of the clients.
            if rule["scheduleExpression"] is not None:
                running.ask(ADMIN, "POST", f"/events/rules/{rule['name']}/disable")
        yield running


@pytest.fixture
def seed() -> int:
    return seeds.fresh()


@contextmanager
def storm(mesh: AwsMesh, seed: int) -> Iterator[None]:
    """DynamoDB refuses some of all calls, chosen at random."""
    fault = Fault("dynamodb", None, "throttle", times=10**9, share=THROTTLED, seed=seed)
    number = mesh.sandbox.faults.add(fault)
    try:
        yield
    finally:
        mesh.sandbox.faults.remove(number)


def played(
    mesh: AwsMesh, what: str, seed: int, *, people: int = CLIENTS, seconds: float = 0.0
) -> tuple[list[Made], Counter[str]]:
    """Has several clients work at once; what they made, and what became of the calls meanwhile.

    Args:
        mesh: whom to ask.
        what: names are made of.
        seed: of the clients' pauses.
        people: how many clients.
        seconds: for how long, at the least; each plays once at the least.
    """
    chance, began = Random(seed), time.monotonic()
    domain = mesh.ask(ADMIN, "POST", "/domains", {"name": what})["domainId"]
    names = [f"{what}{letter}" for letter in "abcdefgh"[:people]]
    clients = [Client(mesh, name, domain, Random(chance.random())) for name in names]
    mesh.sandbox.calls.clear()
    counted: Counter[str] = Counter()
    lock = threading.Lock()

    def work(client: Client) -> None:
        while True:
            client.play()
            with lock:
                # The sandbox remembers the last 100,000 calls only.
                counted.update(call.outcome for call in mesh.sandbox.calls.all("dynamodb"))
                mesh.sandbox.calls.clear()
            if time.monotonic() - began >= seconds:
                return

    with ThreadPoolExecutor(people) as pool:
        for ended in [pool.submit(work, client) for client in clients]:
            ended.result()
    for client in clients:
        client.close()
    made = [client.made for client in clients]
    units = sum(len(one.assets) for one in made)
    say(
        f"{what}: {units} assets, {sum(one.requests for one in made)} requests, of which "
        f"{sum(one.refused for one in made)} were put off; calls {dict(counted)}; "
        f"{counted.total() / units:.0f} for an asset; {time.monotonic() - began:.1f} s"
    )
    return made, counted


def assert_all_is_there_once(mesh: AwsMesh, domain_name: str, made: list[Made]) -> None:
    """What clients were told is there, and nothing else under these names."""
    projects = {key: name for one in made for key, name in one.projects.items()}
    tables = {key: name for one in made for key, name in one.tables.items()}
    assets = {key: name for one in made for key, name in one.assets.items()}
    shown = [one for one in mesh.all(ADMIN, "/projects") if one["name"].startswith(domain_name)]
    assert {one["projectId"]: one["name"] for one in shown} == projects
    shown = [
        table
        for one in made
        for key in one.projects
        for table in mesh.all(one.user, f"/tables?projectId={key}")
    ]
    assert {one["tableId"]: one["name"] for one in shown} == tables
    assert len(shown) == len(tables)
    assert {one["rows"] for one in shown} == {len(ROWS)}
    for key in assets:
        assert mesh.ask(ADMIN, "GET", f"/assets/{key}")["status"] == "published"
    told = Counter(
        (record["operation"], record["resource"])
        for record in mesh.all(ADMIN, "/audit")
        if record["outcome"] == "allowed"
    )
    for operation, kind, ids in (
        ("createProject", "Project", projects),
        ("createTable", "Table", tables),
        ("publishAsset", "Asset", assets),
    ):
        assert {key: told[operation, f"{kind}:{key}"] for key in ids} == dict.fromkeys(ids, 1)


def assert_rests(mesh: AwsMesh) -> None:
    """Nothing is left to do, nothing was given up, and DynamoDB is left alone."""
    mesh.rest()
    assert mesh.dead_letters() == []
    time.sleep(SETTLED_SECONDS + 2)
    mesh.sandbox.calls.clear()
    began = time.monotonic()
    time.sleep(5)
    asked = Counter(call.operation for call in mesh.sandbox.calls.all("dynamodb"))
    assert set(asked) <= _READS
    assert asked.total() / (time.monotonic() - began) <= MOST_READS_AT_REST_A_SECOND, asked


def test_a_third_of_all_calls_is_throttled__all_that_was_answered_is_there_once(
    mesh: AwsMesh, seed: int
) -> None:
    _, calm = played(mesh, "calm", seed, people=1)
    mesh.rest()
    with storm(mesh, seed):
        made, counted = played(mesh, "storm", seed)
    assert counted["ThrottlingException"] > 0
    assert_rests(mesh)
    assert_all_is_there_once(mesh, "storm", made)
    assert_was_spared(made, counted, calm.total())


def assert_was_spared(made: list[Made], counted: Counter[str], calm_calls: int) -> None:
    """Neither DynamoDB nor people were asked much more often than without a storm."""
    units = sum(len(one.assets) for one in made)
    assert counted.total() / units <= MOST_CALLS_FOR_ONE * calm_calls
    requests, refused = sum(one.requests for one in made), sum(one.refused for one in made)
    assert refused <= MOST_PUT_OFF * requests


@pytest.mark.long
def test_a_third_of_all_calls_is_throttled_for_ten_minutes__all_is_there_once(
    mesh: AwsMesh, seed: int
) -> None:
    _, calm = played(mesh, "lull", seed, people=1)
    with storm(mesh, seed):
        made, counted = played(mesh, "gale", seed, seconds=LONG_SECONDS)
    assert_rests(mesh)
    assert_all_is_there_once(mesh, "gale", made)
    assert_was_spared(made, counted, calm.total())
