"""Who may do what over HTTP: every role with every route of the API, on a real server.

The routes are those of the server's own OpenAPI document, so a new one fails here until somebody
says who may use it.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders.kept_state import audit_records, kept_state
from tests.builders.request import Request
from tests.builders.server import running_server
from tests.builders.small_mesh import HIDDEN, PEOPLE, SmallMesh
from tests.builders.valid_requests import SENDER, SERVICE_WRITES, WRITES, request_for, writes

pytestmark = pytest.mark.scenario

# viewer, contributor, owner: of the project `tides`, which publishes. steward, d-owner: of its
# domain. other: owner of the project `maps` in another domain, which subscribes.
#   401 who are you?   403 you may not   404 there is no such thing, as far as you may know
# The execution is the contributor's, and asks the stewards of the harbour. The replay and the query
# have ended, so that who may cancel them learns that (409), as has the quality run, and the
# deployment did not fail and has no stack. The query is the owner's.
MATRIX = """
operation               stranger unrelated viewer contributor owner steward d-owner admin auditor other
createDomain            401      403       403    403         403   403     403     201   403     403
listDomains             401      200       200    200         200   200     200     200   200     200
getDomain               401      200       200    200         200   200     200     200   200     200
updateDomain            401      403       403    403         403   403     200     200   403     403
listDomainMembers       401      200       200    200         200   200     200     200   200     200
putDomainMember         401      403       403    403         403   403     200     200   403     403
removeDomainMember      401      403       403    403         403   403     204     204   403     403
createProject           401      403       403    403         403   403     201     201   403     403
listProjects            401      200       200    200         200   200     200     200   200     200
getProject              401      200       200    200         200   200     200     200   200     200
updateProject           401      403       403    403         200   403     403     200   403     403
listProjectMembers      401      200       200    200         200   200     200     200   200     200
putProjectMember        401      403       403    403         200   403     403     200   403     403
removeProjectMember     401      403       403    403         204   403     403     204   403     403
setupProject            401      403       403    403         200   403     403     200   403     403
requestPromotion        401      403       403    201         201   403     403     403   403     403
listPromotions          401      403       200    200         200   200     200     200   403     403
getPromotion            401      404       200    200         200   200     200     200   404     404
recordPromotionOutcome  401      404       403    403         403   403     403     403   404     404
validateEnvironment     401      403       200    200         200   200     200     200   403     403
createDeployment        401      403       403    403         201   403     403     201   403     403
planDeployment          401      403       403    403         201   403     403     201   403     403
executeDeployment       401      404       403    403         200   403     403     200   404     404
cancelDeployment        401      404       403    403         200   403     403     200   404     404
rollBackDeployment      401      404       403    403         409   403     403     409   404     404
removeDeployment        401      404       403    403         200   403     403     200   404     404
getDeploymentStatus     401      404       200    200         200   200     200     200   404     404
listDeploymentEvents    401      404       200    200         200   200     200     200   404     404
streamDeploymentEvents  401      404       200    200         200   200     200     200   404     404
getDeploymentDrift      401      404       409    409         409   409     409     409   404     404
listDeployments         401      403       200    200         200   200     200     200   403     403
getDeployment           401      404       200    200         200   200     200     200   404     404
runEnvironmentTests     401      403       403    403         200   403     403     200   403     403
verifyDeployment        401      403       200    200         200   200     200     200   403     403
createTable             401      403       403    201         201   403     403     403   403     403
createExternalTable     401      403       403    409         409   403     403     403   403     403
listTables              401      403       200    200         200   403     403     403   403     403
getTable                401      404       200    200         200   404     404     404   404     404
startCrawl              401      403       403    202         202   403     403     403   403     403
listCrawls              401      403       200    200         200   403     403     403   403     403
getCrawl                401      404       200    200         200   404     404     404   404     404
createTableFromCrawl    401      404       403    201         201   404     404     404   404     404
listSnapshots           401      404       200    200         200   404     404     404   404     404
appendRows              401      404       403    201         201   404     404     404   404     404
deleteRows              401      404       403    200         200   404     404     404   404     404
expireSnapshots         401      404       403    403         200   404     404     404   404     404
listAllTables           401      403       403    403         403   403     403     403   403     403
publishAsset            401      403       403    201         201   403     403     403   403     403
listAssets              401      200       200    200         200   200     200     200   200     200
getAsset                401      200       200    200         200   200     200     200   200     200
getAssetContract        401      200       200    200         200   200     200     200   200     200
updateAsset             401      403       403    200         200   403     403     403   403     403
validateAssetMetadata   401      403       200    200         200   200     200     403   403     403
checkApprovalRequired   401      403       200    200         200   200     200     403   403     403
listAssetInCatalog      401      403       403    403         403   403     403     403   403     403
indexAsset              401      403       403    403         403   403     403     403   403     403
rejectAssetPublication  401      403       403    403         403   403     403     403   403     403
searchCatalog           401      200       200    200         200   200     200     200   200     200
listGlossaries          401      200       200    200         200   200     200     200   200     200
getGlossary             401      200       200    200         200   200     200     200   200     200
createGlossary          401      403       403    403         403   201     201     403   403     403
updateGlossary          401      403       403    403         403   200     200     403   403     403
listGlossaryTerms       401      200       200    200         200   200     200     200   200     200
getGlossaryTerm         401      200       200    200         200   200     200     200   200     200
createGlossaryTerm      401      403       403    403         403   201     201     403   403     403
updateGlossaryTerm      401      403       403    403         403   200     200     403   403     403
deleteGlossaryTerm      401      403       403    403         403   204     204     403   403     403
listMetadataForms       401      200       200    200         200   200     200     200   200     200
getMetadataForm         401      200       200    200         200   200     200     200   200     200
listMetadataFormRevisions 401      200       200    200         200   200     200     200   200     200
createMetadataForm      401      403       403    403         403   201     201     403   403     403
updateMetadataForm      401      403       403    403         403   200     200     403   403     403
getAssetMetadata        401      200       200    200         200   200     200     200   200     200
putAssetMetadata        401      403       403    200         200   200     200     403   403     403
putRuleset              401      403       403    200         200   403     403     403   403     403
getRuleset              401      403       200    200         200   200     200     403   403     403
startQualityRun         401      403       403    200         200   403     403     403   403     403
listQualityRuns         401      403       200    200         200   200     200     403   403     403
getQualityRun           401      403       200    200         200   200     200     403   403     403
cancelQualityRun        401      403       403    409         409   403     403     403   403     403
runAllQualityChecks     401      403       403    403         403   403     403     200   403     403
listPortalDrift         401      403       403    403         403   403     403     200   403     403
reconcilePortal         401      403       403    403         403   403     403     200   403     403
getPortalReconciliation 401      403       403    403         403   403     403     200   403     403
listProjectionDrift     401      403       403    403         403   403     403     200   403     403
reconcileProjection     401      403       403    403         403   403     403     200   403     403
getProjectionReconciliation 401      403       403    403         403   403     403     200   403     403
syncToDevelopment       401      403       403    200         200   403     403     403   403     403
checkRowFilter          401      403       403    403         403   200     200     403   403     403
notifySubscribers       401      403       403    200         200   403     403     403   403     403
fulfilSubscription      401      404       404    404         404   403     403     404   404     403
shareAsset              401      403       403    403         403   201     201     403   403     403
listShares              401      403       200    200         200   200     200     200   403     403
getShare                401      404       200    200         200   200     200     200   404     404
checkShareAcceptance    401      404       200    200         200   200     200     200   404     404
acceptShare             401      404       403    403         403   403     403     200   404     404
createResourceShare     401      404       403    403         403   403     403     403   404     404
grantShareAccess        401      404       403    403         403   403     403     403   404     404
verifyShareAccess       401      404       403    403         403   403     403     403   404     404
completeShare           401      404       403    403         403   403     403     403   404     404
failShare               401      404       403    403         403   403     403     403   404     404
receiveLineageEvent     401      403       403    403         403   403     403     202   403     403
getAssetLineage         401      200       200    200         200   200     200     200   200     200
requestSubscription     401      403       403    403         403   403     403     403   403     201
listSubscriptions       401      403       403    403         403   200     200     403   403     403
getSubscription         401      404       404    404         404   200     200     404   404     200
approveSubscription     401      404       404    404         404   200     200     404   404     403
rejectSubscription      401      404       404    404         404   200     200     404   404     403
revokeSubscription      401      404       404    404         404   200     200     404   404     403
changeSubscription      401      404       404    404         404   403     403     404   404     200
withdrawSubscription    401      404       404    404         404   403     403     404   404     200
renewSubscription       401      404       404    404         404   403     403     404   404     201
previewApproval         401      404       404    404         404   200     200     404   404     403
requestSubscriptions    401      403       403    403         403   403     403     403   403     200
approveSubscriptions    401      403       403    403         403   200     200     403   403     403
listGrants              401      403       403    403         403   200     200     200   200     403
getEffectivePermission  401      403       403    403         403   200     200     200   200     200
explainPermission       401      403       403    403         403   200     200     200   200     200
getGrant                401      404       404    404         404   200     200     200   200     200
grantPermission         401      403       403    403         403   201     201     201   403     403
revokePermission        401      404       404    404         404   200     200     200   403     404
simulatePermissions     401      403       403    403         403   200     200     200   403     403
getAccessAt             401      403       403    403         403   200     200     200   200     403
runQuery                401      403       200    200         200   403     403     403   403     200
explainQuery            401      403       200    200         200   403     403     403   403     200
listRunningQueries      401      200       200    200         200   200     200     200   200     200
cancelQuery             401      404       404    404         409   404     404     404   404     404
listQueryHistory        401      200       200    200         200   200     200     200   200     200
getQueryHistoryEntry    401      404       404    404         200   404     404     404   404     404
createQueryView         401      403       403    201         201   403     403     403   403     403
getQueryView            401      404       200    200         200   404     404     404   404     404
materializeQuery        401      403       403    201         201   403     403     403   403     403
getLakeDrift            401      403       403    403         403   200     200     200   200     403
checkLakeDrift          401      403       403    403         403   403     403     200   403     403
reconcileLake           401      403       403    403         403   200     200     200   403     403
listReconciliations     401      403       403    403         403   403     403     200   200     403
getReconciliation       401      404       404    404         404   200     200     200   200     404
putDriftPolicy          401      403       403    403         403   403     200     200   403     403
getDriftPolicy          401      403       403    403         403   200     200     200   200     403
listLakeGrants          401      403       403    403         403   403     403     200   200     403
putLakeGrant            401      403       403    403         403   403     403     200   403     403
removeLakeGrant         401      403       403    403         403   403     403     200   403     403
getCompiledGrant        401      404       404    404         404   200     200     200   200     404
listLocations           401      403       403    403         403   200     200     200   200     403
registerLocation        401      403       403    403         403   403     201     201   403     403
removeLocation          401      404       404    404         404   403     204     204   403     404
listLfTags              401      200       200    200         200   200     200     200   200     200
putLfTag                401      403       403    403         403   403     403     200   403     403
deleteLfTag             401      403       403    403         403   403     403     204   403     403
listLfTagAssignments    401      200       200    200         200   200     200     200   200     200
assignLfTags            401      403       403    403         403   200     200     200   403     403
listLfTagMasks          401      200       200    200         200   200     200     200   200     200
putLfTagMask            401      403       403    403         403   200     200     200   403     403
deleteLfTagMask         401      403       403    403         403   204     204     204   403     403
listLfTagExpressions    401      200       200    200         200   200     200     200   200     200
putLfTagExpression      401      403       403    403         403   403     403     200   403     403
deleteLfTagExpression   401      403       403    403         403   403     403     204   403     403
listDataFilters         401      403       403    403         403   200     200     200   200     403
putDataFilter           401      403       403    403         403   200     200     200   403     403
deleteDataFilter        401      403       403    403         403   204     204     204   403     403
listEvents              401      403       403    403         403   403     403     200   200     403
listAuditRecords        401      403       403    403         403   403     403     200   200     403
exportAuditTrail        401      403       403    403         403   403     403     200   200     403
verifyAuditTrail        401      403       403    403         403   403     403     200   200     403
getMetrics              401      403       403    403         403   403     403     200   200     403
putEvents               401      403       403    403         403   403     403     201   403     403
streamEvents            401      403       403    403         403   403     403     200   200     403
testEventPattern        401      200       200    200         200   200     200     200   200     200
listRules               401      403       403    403         403   403     403     200   200     403
getRule                 401      403       403    403         403   403     403     200   200     403
putRule                 401      403       403    403         403   403     403     200   403     403
deleteRule              401      403       403    403         403   403     403     204   403     403
enableRule              401      403       403    403         403   403     403     200   403     403
disableRule             401      403       403    403         403   403     403     200   403     403
receiveMessages         401      403       403    403         403   403     403     200   403     403
acknowledgeMessage      401      403       403    403         403   403     403     200   403     403
listDeadLetters         401      403       403    403         403   403     403     200   200     403
getDeadLetter           401      403       403    403         403   403     403     200   403     403
redriveDeadLetters      401      403       403    403         403   403     403     200   403     403
deleteDeadLetter        401      403       403    403         403   403     403     204   403     403
listArchives            401      403       403    403         403   403     403     200   200     403
putArchive              401      403       403    403         403   403     403     200   403     403
deleteArchive           401      403       403    403         403   403     403     204   403     403
startReplay             401      403       403    403         403   403     403     201   403     403
listReplays             401      403       403    403         403   403     403     200   200     403
getReplay               401      403       403    403         403   403     403     200   200     403
cancelReplay            401      403       403    403         403   403     403     409   403     403
listStateMachines       401      200       200    200         200   200     200     200   200     200
getStateMachine         401      200       200    200         200   200     200     200   200     200
putStateMachine         401      403       403    403         403   403     403     200   403     403
validateStateMachine    401      200       200    200         200   200     200     200   200     200
startExecution          401      201       201    201         201   201     201     201   201     201
listExecutions          401      403       403    403         403   403     403     200   200     403
getExecution            401      404       404    200         404   404     404     200   200     404
getExecutionHistory     401      404       404    200         404   404     404     200   200     404
getExecutionDiagram     401      404       404    200         404   404     404     200   200     404
stopExecution           401      404       404    200         404   404     404     200   403     404
redriveExecution        401      404       404    200         404   404     404     200   403     404
sendTaskSuccess         401      204       204    204         204   204     204     204   204     204
sendTaskFailure         401      204       204    204         204   204     204     204   204     204
sendTaskHeartbeat       401      204       204    204         204   204     204     204   204     204
listApprovals           401      200       200    200         200   200     200     200   200     200
getApproval             401      404       404    200         404   200     200     200   200     404
approveStep             401      404       404    403         404   200     200     403   403     404
rejectStep              401      404       404    403         404   200     200     403   403     404
"""  # noqa: E501 - a table reads best with a row a line

_LINES = [line.split() for line in MATRIX.strip().splitlines()[1:]]
EXPECTED = {line[0]: dict(zip(PEOPLE, map(int, line[1:]), strict=True)) for line in _LINES}

# What nobody may set in a write: the mesh decides it.
FORBIDDEN_FIELDS = {
    "version": 99,
    "createdBy": "user:ada@mesh",
    "createdAt": "2001-01-01T00:00:00Z",
    "status": "active",
    "decidedBy": "user:ada@mesh",
    "requestedBy": "user:ada@mesh",
    "tenant": "another",
    "domainName": "hills",
    "grantId": "grant-1",
    "location": "elsewhere",
}
WITHOUT_JSON = {
    "removeDomainMember", "removeProjectMember", "appendRows", "listAssetInCatalog", "setupProject",
    "acceptShare", "createResourceShare", "grantShareAccess", "verifyShareAccess", "completeShare",
    "fulfilSubscription", "deleteRule", "enableRule", "disableRule", "deleteDeadLetter",
    "deleteArchive", "cancelReplay", "redriveExecution", "checkLakeDrift", "deleteLfTag",
    "deleteLfTagMask", "deleteLfTagExpression", "deleteDataFilter", "removeLocation",
    "deleteGlossaryTerm",
    "executeDeployment", "cancelDeployment", "removeDeployment", "cancelQualityRun",
}  # fmt: skip
WHOLE_DOCUMENT_IS_FOREIGN = {"receiveLineageEvent"}
TAKE_JSON = [
    operation
    for operation in (*WRITES, *SERVICE_WRITES)
    if operation not in WITHOUT_JSON | WHOLE_DOCUMENT_IS_FOREIGN
]
# Whoever decides says which version he has read; he sets none.
NAMES_A_VERSION = {"approveSubscription", "rejectSubscription", "previewApproval"}
NAMES_A_GRANT = {"revokePermission"}


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()
        assert server.unforeseen() == []


@pytest.fixture(scope="module")
def operations(mesh: SmallMesh) -> dict[str, tuple[str, str]]:
    """operationId → (method, path), from the server's document."""
    paths = mesh.clients["stranger"].get("/openapi.json").json()["paths"]
    return {
        told["operationId"]: (method.upper(), path)
        for path, methods in paths.items()
        for method, told in methods.items()
    }


def body_of(answer: Any) -> dict[str, Any]:
    """A problem document without what differs from request to request."""
    return {name: value for name, value in answer.json().items() if name != "traceId"}


def test_matrix__has_a_row_for_every_route_and_no_other(
    operations: dict[str, tuple[str, str]],
) -> None:
    assert sorted(EXPECTED) == sorted(operations)


def test_matrix__has_a_good_request_for_every_route(
    mesh: SmallMesh, operations: dict[str, tuple[str, str]]
) -> None:
    for operation, (method, path) in operations.items():
        request = request_for(mesh, operation, f"form-{operation.lower()}")
        sent = request.path.split("?")[0].split("/")
        parts = path.removeprefix("/api/v1").split("/")
        assert request.method == method
        assert len(sent) == len(parts), operation
        assert all(a == b for a, b in zip(sent, parts, strict=True) if not b.startswith("{"))


@pytest.mark.parametrize("operation", EXPECTED)
def test_matrix__every_role_gets_the_answer_of_the_table(mesh: SmallMesh, operation: str) -> None:
    found = {}
    for role, client in mesh.clients.items():
        request = request_for(mesh, operation, f"{role}-{operation.lower()}", at_rest=False)
        found[role] = request.send(client).status_code
    assert found == EXPECTED[operation]


@pytest.mark.parametrize("operation", EXPECTED)
def test_refusals__change_nothing_and_leave_one_audit_record(
    mesh: SmallMesh, operation: str
) -> None:
    refused = [role for role, status in EXPECTED[operation].items() if status in {401, 403, 404}]
    home = mesh.server.home
    # One for all of them, as none uses it up.
    request = request_for(mesh, operation, f"refused-{operation.lower()}")
    for role in refused:
        before, records = kept_state(home), audit_records(home)
        answer = request.send(mesh.clients[role])
        assert answer.status_code == EXPECTED[operation][role]
        assert kept_state(home) == before, role
        assert audit_records(home) == records + 1, role


def test_hidden_things__answer_as_random_ids_do(mesh: SmallMesh) -> None:
    pending = mesh.new_subscription()
    table, subscription = "tbl-01jzzzzzzzzzzzzzzzzzzzzzzz", "sub-req-01jzzzzzzzzzzzzzzzzzzzzzzz"
    rows = request_for(mesh, "appendRows", "hidden")
    reason = {"reason": "Because."}
    pairs = [
        (Request("GET", f"/tables/{mesh.logbook}"), Request("GET", f"/tables/{table}")),
        (
            Request("GET", f"/tables/{mesh.logbook}/snapshots"),
            Request("GET", f"/tables/{table}/snapshots"),
        ),
        (
            rows,
            Request("POST", f"/tables/{table}/rows", content=rows.content, headers=rows.headers),
        ),
        (
            Request("POST", f"/tables/{mesh.logbook}/rows/delete", {"where": "level > 0"}),
            Request("POST", f"/tables/{table}/rows/delete", {"where": "level > 0"}),
        ),
        *(
            (
                Request("POST", f"/subscriptions/{pending}/{decision}", reason),
                Request("POST", f"/subscriptions/{subscription}/{decision}", reason),
            )
            for decision in ("approve", "reject", "revoke")
        ),
        (
            Request("GET", f"/subscriptions/{pending}"),
            Request("GET", f"/subscriptions/{subscription}"),
        ),
    ]
    for hidden, random in pairs:
        client = mesh.clients["unrelated"]
        first, second = hidden.send(client), random.send(client)
        assert first.status_code == 404
        assert body_of(first) == body_of(second)
        names = set(first.headers) - {"trace-id"}
        assert names == set(second.headers) - {"trace-id"}


def test_hidden_things__given_in_bodies_and_queries_answer_as_random_ids_do(
    mesh: SmallMesh,
) -> None:
    publish = request_for(mesh, "publishAsset", "hidden-table")
    own_project = {**publish.json, "projectId": mesh.maps}
    otto = mesh.clients["other"]
    first = Request("POST", "/assets", {**own_project, "tableId": mesh.logbook}).send(otto)
    second = Request("POST", "/assets", {**own_project, "tableId": "tbl-unknown"}).send(otto)
    assert (first.status_code, body_of(first)) == (404, body_of(second))

    una = mesh.clients["unrelated"]
    for path in (
        "/permissions?principal=project:{}",
        "/subscriptions?projectId={}",
        f"/permissions/effective?assetId={mesh.readings}&principal=project:{{}}",
    ):
        first = una.get("/api/v1" + path.format(mesh.maps))
        second = una.get("/api/v1" + path.format("proj-unknown"))
        assert (first.status_code, body_of(first)) == (403, body_of(second))


@pytest.mark.parametrize("role", ["unrelated", "steward", "administrator", "other"])
def test_hidden_names__are_in_no_list_search_lineage_or_error(mesh: SmallMesh, role: str) -> None:
    client = mesh.clients[role]
    answers = [
        client.get(f"/api/v1{path}")
        for path in (
            "/domains",
            "/projects",
            "/assets",
            f"/assets/{mesh.readings}",
            f"/assets?projectId={mesh.tides}",
            f"/tables?projectId={mesh.tides}",
            f"/tables/{mesh.logbook}",
            f"/lineage/{mesh.readings}",
            f"/catalog/search?q={HIDDEN}",
            "/catalog/search?q=station",
        )
    ]
    for relation in (HIDDEN, f"harbour.{HIDDEN}", f"tides.{HIDDEN}", mesh.logbook):
        sql = f'SELECT * FROM "{relation}"'
        answers.append(client.post("/api/v1/query", json={"sql": sql}))
    for answer in answers:
        assert mesh.logbook not in answer.text
        assert HIDDEN not in answer.text


def test_hidden_names__an_unknown_and_a_hidden_relation_are_refused_alike(mesh: SmallMesh) -> None:
    client = mesh.clients["unrelated"]
    answers = [
        client.post("/api/v1/query", json={"sql": f"SELECT * FROM {name}"})
        for name in (HIDDEN, "nosuchthing", f"harbour.{HIDDEN}", "harbour.nosuchthing")
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert all(body_of(answer) == body_of(answers[0]) for answer in answers)


def test_mass_assignment__is_tried_with_every_write_that_takes_json(mesh: SmallMesh) -> None:
    there = set(writes(mesh, "unused")) - WITHOUT_JSON - WHOLE_DOCUMENT_IS_FOREIGN
    assert set(TAKE_JSON) == there


@pytest.mark.parametrize("operation", TAKE_JSON)
def test_mass_assignment__is_refused_and_the_field_named(mesh: SmallMesh, operation: str) -> None:
    request = request_for(mesh, operation, f"assigning-{operation.lower()}")
    good = request.json
    for field, value in FORBIDDEN_FIELDS.items():
        if field == "version" and operation in NAMES_A_VERSION:
            continue
        if field == "grantId" and operation in NAMES_A_GRANT:
            continue
        request.json = {**good, field: value}
        before = kept_state(mesh.server.home)
        answer = request.send(mesh.clients[SENDER.get(operation, "owner")])
        assert (answer.status_code, answer.json()["code"]) == (400, "REQUEST_INVALID"), field
        assert [problem["field"] for problem in answer.json()["errors"]] == [field], field
        assert kept_state(mesh.server.home) == before, field


def test_self_service__nobody_lets_himself_in(mesh: SmallMesh) -> None:
    carl = mesh.clients["contributor"]
    for path in (
        f"/projects/{mesh.tides}/members/user:carl@tides",
        f"/projects/{mesh.maps}/members/user:carl@tides",
        f"/domains/{mesh.harbour}/members/user:carl@tides",
    ):
        assert carl.put(f"/api/v1{path}", json={"role": "owner"}).status_code == 403


def test_self_approval__a_steward_who_requests_does_not_decide(mesh: SmallMesh) -> None:
    # Sam is a steward of the asset's domain, and for once a contributor of the asking project.
    mesh.ask(
        "administrator", "PUT", f"/projects/{mesh.maps}/members/user:sam@harbour",
        {"role": "contributor"},
    )  # fmt: skip
    body = {"assetId": mesh.readings, "projectId": mesh.maps, "purpose": "For myself."}
    own = mesh.ask("steward", "POST", "/subscriptions", body)["requestId"]
    mesh.ask("administrator", "DELETE", f"/projects/{mesh.maps}/members/user:sam@harbour")
    for decision in ("approve", "reject"):
        answer = mesh.clients["steward"].post(
            f"/api/v1/subscriptions/{own}/{decision}", json={"reason": "Why not."}
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "SELF_APPROVAL")
    decided = mesh.ask("domain-owner", "POST", f"/subscriptions/{own}/approve", {"reason": "Fine."})
    assert decided["status"] == "active"


def test_groups__one_with_the_name_of_a_role_or_a_member_gives_nothing(mesh: SmallMesh) -> None:
    groups = ("administrator", "auditor", f"{mesh.harbour}/owner", "user:olga@tides", "ada@mesh")
    with mesh.server.client("eve@nowhere", groups) as eve:
        assert eve.post("/api/v1/domains", json={"name": "mine"}).status_code == 403
        assert eve.get("/api/v1/audit").status_code == 403
        assert eve.get(f"/api/v1/tables?projectId={mesh.tides}").status_code == 403


def test_membership__lost_is_lost_at_the_next_request(mesh: SmallMesh) -> None:
    member = f"/projects/{mesh.tides}/members/user:tess@tides"
    with mesh.server.client("tess@tides") as tess:
        mesh.ask("owner", "PUT", member, {"role": "viewer"})
        assert tess.get(f"/api/v1/tables/{mesh.logbook}").status_code == 200
        mesh.ask("owner", "DELETE", member)
        assert tess.get(f"/api/v1/tables/{mesh.logbook}").status_code == 404


def test_internal_routes__answer_no_person_whatever_he_is(mesh: SmallMesh) -> None:
    for role, client in mesh.clients.items():
        for path in ("projects/find", "permissions/grant", "tables/create_from_query"):
            answer = client.post(f"/internal/v1/{path}", json={})
            assert answer.status_code == (401 if role == "stranger" else 403), (role, path)
