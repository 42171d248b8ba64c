"""Good requests with random damage, for every write: answered or refused, and never a failure."""

import secrets
from collections.abc import Iterator
from random import Random

import pytest

from tests.builders.mutations import mutated
from tests.builders.refusals import problem_of
from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh
from tests.builders.valid_requests import SENDER, WRITES, request_for

pytestmark = pytest.mark.scenario

SEED = 20_261_121
REQUESTS_OF_EACH = 35
REQUESTS_OF_EACH_LONG = 2_000
_RENEWED_AFTER = 14  # a damaged request may still hold, and then its base is used up


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()
        assert server.unforeseen() == []


def play(mesh: SmallMesh, operation: str, seed: int, requests: int) -> dict[int, int]:
    """Sends so many damaged requests; how many of them got which status."""
    chance = Random(f"{seed} {operation}")
    client = mesh.clients[SENDER.get(operation, "owner")]
    found: dict[int, int] = {}
    good = request_for(mesh, operation, f"seed-{seed}-first")
    for number in range(requests):
        if number % _RENEWED_AFTER == 0:
            good = request_for(mesh, operation, f"seed-{seed}-{number}")
        request = mutated(good, chance)
        answer = request.send(client)
        which = f"seed {seed}, {operation}, request {number}: {request!r}"
        assert answer.status_code < 500, f"{which}\n{answer.text}"
        if answer.status_code >= 400:
            assert problem_of(answer)["code"], which
        found[answer.status_code] = found.get(answer.status_code, 0) + 1
    return found


@pytest.mark.parametrize("operation", WRITES)
def test_writes__survive_damaged_requests(mesh: SmallMesh, operation: str) -> None:
    found = play(mesh, operation, SEED, REQUESTS_OF_EACH)
    assert sum(found.values()) == REQUESTS_OF_EACH
    assert any(status >= 400 for status in found), f"nothing was damaged: {found}"


def test_writes__leave_a_mesh_whose_trail_and_lists_hold(mesh: SmallMesh) -> None:
    verified = mesh.ask("administrator", "GET", "/audit/verify")
    assert (verified["valid"], verified["firstBroken"]) == (True, None)
    for path in ("/domains", "/projects", "/assets", f"/tables?projectId={mesh.tides}"):
        assert mesh.ask("owner", "GET", path)["items"]
    assert mesh.ask("owner", "POST", "/query", {"sql": "SELECT 1 AS one"})["rows"] == [[1]]


@pytest.mark.long
@pytest.mark.parametrize("operation", WRITES)
def test_writes__survive_many_damaged_requests(mesh: SmallMesh, operation: str) -> None:
    seed = secrets.randbelow(2**32)
    print(f"seed {seed}")  # noqa: T201 - a failed run is repeated from it
    found = play(mesh, operation, seed, REQUESTS_OF_EACH_LONG)
    assert sum(found.values()) == REQUESTS_OF_EACH_LONG
