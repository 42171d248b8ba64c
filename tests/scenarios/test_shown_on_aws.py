"""What others change in the portal or in Glue is seen and mended, and people are told of things."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, TypeVar

import pytest

from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.tables import Table
from meshplane.services.domains.store import DOMAIN_PORTAL_LINKS
from meshplane.services.projects.store import PROJECT_PORTAL_LINKS
from tests.builders.small_mesh import SmallMesh

if find_spec("moto") is None:
    pytest.skip("The sandbox is not installed: run `make setup-dev`", allow_module_level=True)

from meshplane.events.notices import TOPICS
from tests.builders.aws_mesh import AwsMesh, aws_mesh
from tests.builders.sharing_world import OWNER

pytestmark = pytest.mark.scenario

T = TypeVar("T")
_PATIENCE_SECONDS = 60.0
_EARS = "ears"


@pytest.fixture(scope="module")
def there() -> Iterator[AwsMesh]:
    with aws_mesh("notices,portal,tables") as running:
        _listen(running)
        yield running


@pytest.fixture(scope="module")
def mesh(there: AwsMesh) -> Iterator[SmallMesh]:
    made = SmallMesh(there.server)
    yield made
    made.close()


def until(found: Callable[[], T | None]) -> T:
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not (it := found()):
        assert time.monotonic() < give_up, "it does not come"
        time.sleep(0.1)
    return it


def _listen(there: AwsMesh) -> None:
    aws = there.owner
    aws.run("sqs", "create_queue", QueueName=_EARS)
    at = f"{aws.place.region}:{OWNER}"
    for topic in TOPICS:
        aws.run(
            "sns",
            "subscribe",
            TopicArn=f"arn:aws:sns:{at}:{topic}",
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{at}:{_EARS}",
        )


def heard(there: AwsMesh, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All notices that came until now; those that were heard before are kept in `known`."""
    url = there.owner.run("sqs", "get_queue_url", QueueName=_EARS)["QueueUrl"]
    while True:
        answer = there.owner.run("sqs", "receive_message", QueueUrl=url, MaxNumberOfMessages=10)
        if not answer.get("Messages"):
            return known
        for message in answer["Messages"]:
            known.append(json.loads(message["Body"]))
            there.owner.run(
                "sqs", "delete_message", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]
            )


def in_portal(there: AwsMesh) -> tuple[str, str] | None:
    """The ids of the portal's domain, and of the project `tides` in it, once it is there."""
    (domain,) = there.owner.run("datazone", "list_domains")["items"]
    projects = there.owner.run("datazone", "list_projects", domainIdentifier=domain["id"])["items"]
    ids = [one["id"] for one in projects if one["name"] == "harbour tides"]
    return (domain["id"], ids[0]) if ids else None


def describe(there: AwsMesh, text: str) -> None:
    """Somebody describes the project otherwise, in the portal itself."""
    domain, project = until(lambda: in_portal(there))
    there.owner.run(
        "datazone",
        "update_project",
        domainIdentifier=domain,
        identifier=project,
        description=text,
    )


def drift(mesh: SmallMesh) -> list[tuple[str, str, str]]:
    items = mesh.ask("administrator", "GET", "/catalog/portal/drift")["items"]
    return [(one["kind"], one["field"], one["theirs"]) for one in items]


async def kept_drift(mesh: SmallMesh, table: Table, own_id: str) -> dict[str, str]:
    """What the mesh has kept of others' changes of a thing, without looking there."""
    clock = SystemClock()
    database = mesh.server.home / "meshplane.db"
    store = SqliteStore(database, [table], clock, id_maker(clock))
    try:
        row = await store.begin().get(table, own_id)
        return dict(row.item["drift"]) if row is not None else {}
    finally:
        await store.close()


def kept(mesh: SmallMesh, table: Table, own_id: str) -> dict[str, str]:
    return asyncio.run(kept_drift(mesh, table, own_id))


def test_a_domain_changed_in_the_portal__is_heard_and_kept_and_nothing_undone(
    there: AwsMesh, mesh: SmallMesh
) -> None:
    domain, _ = until(lambda: in_portal(there))
    root = there.owner.run("datazone", "get_domain", identifier=domain)["rootDomainUnitId"]
    units = there.owner.run(
        "datazone",
        "list_domain_units_for_parent",
        domainIdentifier=domain,
        parentDomainUnitIdentifier=root,
    )
    (unit,) = [one["id"] for one in units["items"] if one["name"] == "harbour"]
    there.owner.run(
        "datazone",
        "update_domain_unit",
        domainIdentifier=domain,
        identifier=unit,
        description="by hand",
    )
    until(lambda: kept(mesh, DOMAIN_PORTAL_LINKS, mesh.harbour) == {"description": "by hand"})
    assert ("domain", "description", "by hand") in drift(mesh)


def test_a_project_changed_in_the_portal__is_heard_from_the_trail_of_calls(
    there: AwsMesh, mesh: SmallMesh
) -> None:
    domain, project = until(lambda: in_portal(there))
    describe(there, "by hand")
    # DataZone tells of it by itself only what CloudTrail notes; the sandbox has no CloudTrail.
    called = {"domainIdentifier": domain, "identifier": project, "description": "by hand"}
    told = {"eventSource": "datazone.amazonaws.com", "requestParameters": called}
    entry = {
        "Source": "aws.datazone",
        "DetailType": "AWS API Call via CloudTrail",
        "Detail": json.dumps({**told, "eventName": "UpdateProject"}),
    }
    there.owner.run("events", "put_events", Entries=[entry])
    until(lambda: kept(mesh, PROJECT_PORTAL_LINKS, mesh.tides) == {"description": "by hand"})
    assert ("project", "description", "by hand") in drift(mesh)


def test_reconcile__brings_all_and_leaves_what_others_wrote_until_it_is_to_be_mended(
    there: AwsMesh, mesh: SmallMesh
) -> None:
    describe(there, "by hand again")
    left = mesh.ask("administrator", "POST", "/catalog/portal/reconcile", {})
    left = until(lambda: ended(mesh, "/catalog/portal", left["reconciliationId"]))
    assert (left["mend"], left["failed"]) == (False, 0)
    assert left["brought"] >= 5
    assert ("project", "description", "by hand again") in drift(mesh)
    mended = mesh.ask("administrator", "POST", "/catalog/portal/reconcile", {"mend": True})
    mended = until(lambda: ended(mesh, "/catalog/portal", mended["reconciliationId"]))
    assert (mended["mend"], mended["failed"], mended["trigger"]) == (True, 0, "person")
    assert drift(mesh) == []


def ended(mesh: SmallMesh, path: str, reconciliation_id: str) -> dict[str, Any] | None:
    """A reconciliation, once it is done."""
    path = f"{path}/reconciliations/{reconciliation_id}"
    found: dict[str, Any] = mesh.ask("administrator", "GET", path)
    return found if found["status"] == "COMPLETED" else None


@pytest.mark.parametrize("path", ["/catalog/portal", "/tables/projection"])
def test_the_clock__brings_what_is_shown(mesh: SmallMesh, path: str) -> None:
    with mesh.server.service("workflows") as clock:
        begun = clock.post(f"/api/v1{path}/reconcile", json={})
    assert begun.status_code == 200, begun.text
    done = until(lambda: ended(mesh, path, begun.json()["reconciliationId"]))
    assert (done["trigger"], done["failed"]) == ("schedule", 0)


def test_a_table_deleted_in_glue__is_told_and_made_again(there: AwsMesh, mesh: SmallMesh) -> None:
    def is_there() -> bool:
        tables = there.owner.run("glue", "get_tables", DatabaseName="harbour")["TableList"]
        return "readings" in [one["Name"] for one in tables]

    until(is_there)
    there.owner.run("glue", "delete_table", DatabaseName="harbour", Name="readings")
    (lost,) = mesh.ask("administrator", "GET", "/tables/projection/drift")["items"]
    assert (lost["database"], lost["name"], lost["standing"]) == ("harbour", "readings", "gone")
    done = mesh.ask("administrator", "POST", "/tables/projection/reconcile", {})
    done = until(lambda: ended(mesh, "/tables/projection", done["reconciliationId"]))
    assert (done["mended"], done["failed"], done["left"]) == (1, 0, 0)
    assert mesh.ask("administrator", "GET", "/tables/projection/drift")["items"] == []
    assert is_there()


def test_whose_version_to_keep__is_said_of_one_table(mesh: SmallMesh) -> None:
    answer = mesh.clients["administrator"].post(
        "/api/v1/tables/projection/reconcile", json={"keep": "ours"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "TABLE_NOT_NAMED")


def test_a_table_that_is_not_published__cannot_be_brought_in_step(mesh: SmallMesh) -> None:
    done = mesh.ask(
        "administrator", "POST", "/tables/projection/reconcile", {"tableId": mesh.logbook}
    )
    done = until(lambda: ended(mesh, "/tables/projection", done["reconciliationId"]))
    assert done["failures"] == [{"id": mesh.logbook, "code": "TABLE_NOT_FOUND"}]


def test_what_happens_to_a_request__is_told_on_its_topic_once(
    there: AwsMesh, mesh: SmallMesh
) -> None:
    asked = mesh.new_subscription()
    path = f"/subscriptions/{asked}/reject"
    mesh.ask("steward", "POST", path, {"reason": "It is not for maps."})
    known: list[dict[str, Any]] = []

    def subjects() -> list[str]:
        found = [one for one in heard(there, known) if asked in one["Message"]]
        return sorted(str(one["Subject"]) for one in found)

    both = ["Data was asked for", "Subscription was rejected"]
    assert until(lambda: subjects() if len(subjects()) >= len(both) else None) == both
    time.sleep(1.0)
    assert subjects() == both
    (first,) = [one for one in known if one["Subject"] == both[0] and asked in one["Message"]]
    assert first["TopicArn"].endswith(":subscription-notifications")
    assert first["MessageAttributes"]["assetId"]["Value"] == mesh.readings


def test_the_embedded_schedules__have_those_of_the_parts_beside_them(mesh: SmallMesh) -> None:
    rules = mesh.ask("administrator", "GET", "/events/rules?limit=200")["items"]
    names = {rule["name"] for rule in rules}
    assert {"portal-reconciliations", "projection-reconciliations"} <= names
