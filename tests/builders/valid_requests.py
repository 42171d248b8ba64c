"""For each operation of the API a request that holds in every respect, but for who sends it."""

from collections.abc import Callable

from tests.builders.kept_state import settle
from tests.builders.request import Request
from tests.builders.small_mesh import ARROW, COLUMNS, CONTRACT, SmallMesh, arrow
from tests.builders.valid_bus_requests import bus_reads, bus_writes
from tests.builders.valid_catalog_requests import catalog_reads, catalog_writes
from tests.builders.valid_lake_requests import lake_reads, lake_writes
from tests.builders.valid_permission_requests import permission_reads, permission_writes
from tests.builders.valid_shown_requests import shown_reads, shown_writes
from tests.builders.valid_workflow_requests import workflow_reads, workflow_writes

TEMPLATE = '{"Resources": {"Bucket": {"Type": "AWS::S3::Bucket"}}}'

QUERY = "SELECT count(*) AS n FROM harbour.readings"

LINEAGE_EVENT = {
    "eventType": "COMPLETE",
    "eventTime": "2026-01-31T12:00:00Z",
    "run": {"runId": "0191e3a2-9f6b-7c1d-8a55-1f2e3d4c5b6a"},
    "job": {"namespace": "outside", "name": "nightly"},
    "inputs": [{"namespace": "outside", "name": "source"}],
    "outputs": [{"namespace": "outside", "name": "target"}],
    "producer": "https://example.org/producer",
    "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
}


def _domain_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    guest = f"user:guest-{tag}@harbour"
    members = f"/domains/{mesh.harbour}/members"

    def leaving() -> Request:
        mesh.ask("administrator", "PUT", f"{members}/{guest}", {"role": "viewer"})
        return Request("DELETE", f"{members}/{guest}")

    def update() -> Request:
        etag = mesh.tag(f"/domains/{mesh.harbour}")
        return Request(
            "PATCH",
            f"/domains/{mesh.harbour}",
            {"description": f"Ships, {tag}."},
            headers={"If-Match": etag},
        )

    return {
        "createDomain": lambda: Request(
            "POST",
            "/domains",
            {
                "name": f"domain-{tag}",
                "description": "New.",
                "members": [{"principal": "user:new@domain", "role": "owner"}],
            },
        ),
        "updateDomain": update,
        "putDomainMember": lambda: Request("PUT", f"{members}/{guest}", {"role": "viewer"}),
        "removeDomainMember": leaving,
    }


def _project_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    guest = f"user:guest-{tag}@tides"
    members = f"/projects/{mesh.tides}/members"

    def leaving() -> Request:
        mesh.ask("administrator", "PUT", f"{members}/{guest}", {"role": "viewer"})
        return Request("DELETE", f"{members}/{guest}")

    def update() -> Request:
        etag = mesh.tag(f"/projects/{mesh.tides}")
        return Request(
            "PATCH",
            f"/projects/{mesh.tides}",
            {"description": f"Levels, {tag}."},
            headers={"If-Match": etag},
        )

    return {
        "createProject": lambda: Request(
            "POST",
            "/projects",
            {
                "domainId": mesh.harbour,
                "name": f"project-{tag}",
                "description": "New.",
                "members": [{"principal": "user:new@project", "role": "owner"}],
            },
        ),
        "updateProject": update,
        "putProjectMember": lambda: Request("PUT", f"{members}/{guest}", {"role": "viewer"}),
        "removeProjectMember": leaving,
        "setupProject": lambda: Request("POST", f"/projects/{mesh.tides}/setup"),
    }


def _environment_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    staging = {"projectId": mesh.tides, "environment": "staging"}
    return {
        "requestPromotion": lambda: Request(
            "POST",
            "/promotions",
            {
                "projectId": mesh.tides,
                "sourceEnvironment": "dev",
                "targetEnvironment": "staging",
                "cfnTemplate": TEMPLATE,
                "reason": f"It works, {tag}.",
            },
        ),
        "recordPromotionOutcome": lambda: Request(
            "POST",
            f"/promotions/{mesh.promotion}/outcome",
            {"status": "APPROVED", "reason": "Fine.", "approvedBy": "user:sam@harbour"},
        ),
        "validateEnvironment": lambda: Request("POST", "/validate", staging),
        "createDeployment": lambda: Request(
            "POST",
            "/deployments",
            {"projectId": mesh.tides, "targetEnvironment": "staging", "cfnTemplate": TEMPLATE},
        ),
        "planDeployment": lambda: Request(
            "POST",
            "/deployments/plan",
            {"projectId": mesh.tides, "targetEnvironment": "staging", "cfnTemplate": TEMPLATE},
        ),
        "executeDeployment": lambda: Request(
            "POST", f"/deployments/{mesh.new_deployment('plan', 'staging')}/execute"
        ),
        "cancelDeployment": lambda: Request(
            "POST", f"/deployments/{mesh.new_deployment('plan', 'staging')}/cancel"
        ),
        "rollBackDeployment": lambda: Request(
            "POST", f"/deployments/{mesh.deployment}/rollback", {"reason": f"It broke, {tag}."}
        ),
        "removeDeployment": lambda: Request(
            "DELETE", f"/deployments/{mesh.new_deployment('deploy', 'prod')}"
        ),
        "runEnvironmentTests": lambda: Request("POST", "/tests/run", staging),
    }


def _share_writes(mesh: SmallMesh) -> dict[str, Callable[[], Request]]:
    one = f"/cross-account-share/{mesh.share}"

    def step(name: str) -> Callable[[], Request]:
        return lambda: Request("POST", f"{one}/{name}")

    return {
        "shareAsset": lambda: Request(
            "POST",
            "/cross-account-share",
            {
                "assetId": mesh.readings,
                "targetAccount": "210987654321",
                "permissions": ["SELECT", "DESCRIBE"],
            },
        ),
        "acceptShare": step("accept"),
        "createResourceShare": step("resource-share"),
        "grantShareAccess": step("grant"),
        "verifyShareAccess": step("verify"),
        "completeShare": step("complete"),
        "failShare": lambda: Request("POST", f"{one}/fail", {"reason": "Nobody answers."}),
    }


def _table_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    name = tag.replace("-", "_")
    return {
        "createTable": lambda: Request(
            "POST",
            "/tables",
            {
                "projectId": mesh.tides,
                "name": f"table_{name}",
                "columns": COLUMNS,
                "partitionBy": [{"column": "level", "transform": "bucket[4]"}],
            },
        ),
        "startCrawl": lambda: Request("POST", "/tables/crawls", {"projectId": mesh.tides}),
        "createTableFromCrawl": lambda: Request(
            "POST",
            f"/tables/crawls/{mesh.crawl}/tables",
            {"found": "gauges", "name": f"gauges_{name}"},
        ),
        "createExternalTable": lambda: Request(
            "POST",
            "/tables/external",
            {
                "projectId": mesh.tides,
                "name": f"external_{name}",
                "source": {
                    "kind": "redshift",
                    "workgroup": "analytics",
                    "database": "dev",
                    "schema": "public",
                    "table": "sales",
                },
            },
        ),
        "appendRows": lambda: Request(
            "POST",
            f"/tables/{mesh.logbook}/rows",
            content=arrow([{"station": tag, "level": 1}]),
            headers={"Content-Type": ARROW},
        ),
        "deleteRows": lambda: Request(
            "POST", f"/tables/{mesh.logbook}/rows/delete", {"where": "level < 0"}
        ),
        "expireSnapshots": lambda: Request(
            "POST",
            f"/tables/{mesh.logbook}/snapshots/expire",
            {"olderThanDays": 3000.0, "keepLast": 5},
        ),
        "createQueryView": lambda: Request(
            "POST",
            "/query/views",
            {"projectId": mesh.tides, "name": f"view_{name}", "sql": QUERY, "runsAs": "owner"},
        ),
        "materializeQuery": lambda: Request(
            "POST",
            "/query/materialize",
            {"sql": QUERY, "projectId": mesh.tides, "tableName": f"made_{name}"},
        ),
    }


def _asset_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    name = tag.replace("-", "_")

    def update() -> Request:
        etag = mesh.tag(f"/assets/{mesh.readings}")
        return Request(
            "PATCH",
            f"/assets/{mesh.readings}",
            {"description": f"Water levels, {tag}."},
            headers={"If-Match": etag},
        )

    return {
        "publishAsset": lambda: Request(
            "POST",
            "/assets",
            {
                "projectId": mesh.tides,
                "tableId": mesh.new_table(f"for_asset_{name}"),
                "name": f"asset_{name}",
                "description": "New.",
                "classification": "internal",
                "columnClassifications": {"station": "confidential"},
                "contract": CONTRACT,
                "owner": "user:olga@tides",
            },
        ),
        "updateAsset": update,
        "listAssetInCatalog": lambda: Request("POST", f"/assets/{mesh.readings}/list"),
        "indexAsset": lambda: Request("POST", "/catalog/index", {"assetId": mesh.readings}),
        "rejectAssetPublication": lambda: Request(
            "POST", f"/assets/{mesh.readings}/reject", {"reason": f"Not yet, {tag}."}
        ),
        "putRuleset": lambda: Request(
            "PUT",
            f"/data-quality/rulesets/{mesh.readings}",
            {"ruleset": "Rules = [ RowCount > 1 ]"},
        ),
        "runAllQualityChecks": lambda: Request(
            "POST",
            "/data-quality/run-all",
            {"triggeredBy": "scheduler", "timestamp": "2026-01-31T12:00:00Z"},
        ),
        "syncToDevelopment": lambda: Request(
            "POST", "/query/sync-to-development", {"assetId": mesh.readings, "percent": 50.0}
        ),
        "checkRowFilter": lambda: Request(
            "POST", "/query/check-filter", {"assetId": mesh.readings, "expression": "level > 1"}
        ),
        "startQualityRun": lambda: Request("POST", "/data-quality/run", {"assetId": mesh.readings}),
        "cancelQualityRun": lambda: Request("POST", f"/data-quality/runs/{mesh.run}/cancel"),
        "receiveLineageEvent": lambda: Request("POST", "/lineage", LINEAGE_EVENT),
    }


def _subscription_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    def approved(**more: str) -> str:
        request_id = mesh.new_subscription()
        body = {"reason": tag, **more}
        mesh.ask("steward", "POST", f"/subscriptions/{request_id}/approve", body)
        return request_id

    return {
        "requestSubscription": lambda: Request(
            "POST",
            "/subscriptions",
            {
                "assetId": mesh.readings,
                "projectId": mesh.maps,
                "purpose": "To draw maps.",
                "columns": ["station", "level"],
                "rowFilter": "level > 0",
                "expiresAt": "2999-01-31T00:00:00Z",
            },
        ),
        "approveSubscription": lambda: Request(
            "POST",
            f"/subscriptions/{mesh.new_subscription()}/approve",
            {
                "reason": "They draw maps.",
                "rowFilter": "level < 5",
                "masks": {"station": {"kind": "constant", "value": "somewhere"}},
                "excludedColumns": [],
                "expiresAt": "2999-01-31T00:00:00Z",
            },
        ),
        "rejectSubscription": lambda: Request(
            "POST", f"/subscriptions/{mesh.new_subscription()}/reject", {"reason": "Not now."}
        ),
        "revokeSubscription": lambda: Request(
            "POST", f"/subscriptions/{approved()}/revoke", {"reason": "No more."}
        ),
        **_more_subscription_writes(mesh, approved),
        "notifySubscribers": lambda: Request(
            "POST", "/subscriptions/notify", {"assetId": mesh.readings, "message": "New rows."}
        ),
        "fulfilSubscription": lambda: Request("POST", f"/subscriptions/{approved()}/fulfil"),
        "runQuery": lambda: Request(
            "POST",
            "/query",
            {"sql": QUERY, "parameters": [], "maxRows": 10, "timeoutSeconds": 20.0},
        ),
        "explainQuery": lambda: Request(
            "POST", "/query/explain", {"sql": f"EXPLAIN {QUERY}", "parameters": []}
        ),
        "cancelQuery": lambda: Request("POST", f"/query/{mesh.query}/cancel", {}),
    }


def _more_subscription_writes(
    mesh: SmallMesh, approved: Callable[..., str]
) -> dict[str, Callable[[], Request]]:
    tags = [{"key": "classification", "values": ["internal"]}]

    def changed() -> Request:
        request_id = mesh.new_subscription()
        return Request(
            "PATCH",
            f"/subscriptions/{request_id}",
            {"purpose": "To draw better maps."},
            headers={"If-Match": '"1"'},
        )

    return {
        "changeSubscription": changed,
        "withdrawSubscription": lambda: Request(
            "POST", f"/subscriptions/{mesh.new_subscription()}/withdraw", {"reason": "Not needed."}
        ),
        "renewSubscription": lambda: Request(
            "POST",
            f"/subscriptions/{approved(expiresAt='2990-01-31T00:00:00Z')}/renew",
            {"purpose": "To go on.", "expiresAt": "2999-01-31T00:00:00Z"},
        ),
        "previewApproval": lambda: Request(
            "POST",
            f"/subscriptions/{mesh.new_subscription()}/preview",
            {"reason": "Just to see.", "rowFilter": "level < 5"},
        ),
        "requestSubscriptions": lambda: Request(
            "POST",
            "/subscriptions/bulk",
            {"tags": tags, "projectId": mesh.maps, "purpose": "To draw maps."},
        ),
        "approveSubscriptions": lambda: Request(
            "POST",
            "/subscriptions/bulk/approve",
            {
                "domainId": mesh.harbour,
                "tags": [{"key": "classification", "values": ["restricted"]}],
                "reason": "All of them.",
            },
        ),
    }


def reads(mesh: SmallMesh) -> dict[str, Request]:
    """The reading operations, each on something that is there."""
    lists = {
        "listDomains": "/domains",
        "getDomain": f"/domains/{mesh.harbour}",
        "listDomainMembers": f"/domains/{mesh.harbour}/members",
        "listProjects": "/projects",
        "getProject": f"/projects/{mesh.tides}",
        "listProjectMembers": f"/projects/{mesh.tides}/members",
        "listPromotions": f"/promotions?projectId={mesh.tides}",
        "getPromotion": f"/promotions/{mesh.promotion}",
        "listDeployments": f"/deployments?projectId={mesh.tides}",
        "getDeployment": f"/deployments/{mesh.deployment}",
        "verifyDeployment": f"/verify?projectId={mesh.tides}&environment=staging",
        "getDeploymentStatus": f"/deployments/{mesh.deployment}/status",
        "listDeploymentEvents": f"/deployments/{mesh.deployment}/events",
        "streamDeploymentEvents": f"/deployments/{mesh.deployment}/events/stream",
        "getDeploymentDrift": f"/deployments/{mesh.deployment}/drift",
        "listAllTables": "/tables/all",
        "listShares": f"/cross-account-share?assetId={mesh.readings}",
        "getShare": f"/cross-account-share/{mesh.share}",
        "checkShareAcceptance": f"/cross-account-share/{mesh.share}/acceptance",
        "listTables": f"/tables?projectId={mesh.tides}",
        "listCrawls": f"/tables/crawls?projectId={mesh.tides}",
        "getCrawl": f"/tables/crawls/{mesh.crawl}",
        "getTable": f"/tables/{mesh.logbook}",
        "listSnapshots": f"/tables/{mesh.logbook}/snapshots",
        "listAssets": "/assets",
        "getAsset": f"/assets/{mesh.readings}",
        "getAssetContract": f"/assets/{mesh.readings}/contract",
        "validateAssetMetadata": f"/assets/{mesh.readings}/metadata",
        "checkApprovalRequired": f"/assets/{mesh.readings}/approval",
        "searchCatalog": "/catalog/search?q=water",
        "getRuleset": f"/data-quality/rulesets/{mesh.readings}",
        "getQualityRun": f"/data-quality/runs/{mesh.run}",
        "listQualityRuns": f"/data-quality/runs?assetId={mesh.readings}",
        "getAssetLineage": f"/lineage/{mesh.readings}",
        "getSubscription": f"/subscriptions/{mesh.subscription}",
        "listSubscriptions": f"/subscriptions?domainId={mesh.harbour}",
        "listRunningQueries": "/query/running",
        "listQueryHistory": "/query/history",
        "getQueryHistoryEntry": f"/query/history/{mesh.query}",
        "getQueryView": f"/query/views/{mesh.view}",
        "listEvents": "/events?limit=5",
        "listAuditRecords": "/audit?limit=5",
        "exportAuditTrail": "/audit/export",
        "verifyAuditTrail": "/audit/verify",
        "getMetrics": "/metrics",
    }
    lists |= bus_reads(mesh) | workflow_reads(mesh) | permission_reads(mesh) | lake_reads(mesh)
    lists |= shown_reads(mesh) | catalog_reads(mesh)
    return {operation: Request("GET", path) for operation, path in lists.items()}


def writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    """The writing operations; each call makes ready what its request needs.

    Args:
        mesh: where they will be sent.
        tag: sets the names in them apart from those of other tags; a slug.
    """
    return {
        **_domain_writes(mesh, tag),
        **_project_writes(mesh, tag),
        **_environment_writes(mesh, tag),
        **_table_writes(mesh, tag),
        **_share_writes(mesh),
        **_asset_writes(mesh, tag),
        **_subscription_writes(mesh, tag),
        **permission_writes(mesh, tag),
        **bus_writes(mesh, tag),
        **lake_writes(mesh, tag),
        **shown_writes(),
        **catalog_writes(mesh, tag),
        **workflow_writes(mesh, tag),
    }


def request_for(mesh: SmallMesh, operation: str, tag: str, *, at_rest: bool = True) -> Request:
    """A good request for an operation; what it needs is there when this returns.

    Args:
        mesh: where it will be sent.
        operation: its operationId.
        tag: as in `writes`.
        at_rest: whether to wait until the mesh has done all that followed from what was done.

    Raises:
        KeyError: nobody has written one for this operation yet.
    """
    found = reads(mesh).get(operation)
    request = found if found is not None else writes(mesh, tag)[operation]()
    if at_rest:
        settle(mesh.server.home)
    return request


SENDER = {
    "createDomain": "administrator",
    "receiveLineageEvent": "administrator",
    "updateDomain": "domain-owner",
    "putDomainMember": "domain-owner",
    "removeDomainMember": "domain-owner",
    "createProject": "domain-owner",
    "requestSubscription": "other",
    "checkRowFilter": "steward",
    "approveSubscription": "steward",
    "rejectSubscription": "steward",
    "revokeSubscription": "steward",
    "changeSubscription": "other",
    "withdrawSubscription": "other",
    "renewSubscription": "other",
    "previewApproval": "steward",
    "requestSubscriptions": "other",
    "approveSubscriptions": "steward",
    "grantPermission": "steward",
    "revokePermission": "steward",
    "simulatePermissions": "steward",
    "shareAsset": "steward",
    "runAllQualityChecks": "administrator",
    "checkLakeDrift": "administrator",
    "reconcileLake": "steward",
    "reconcilePortal": "administrator",
    "createGlossary": "steward",
    "updateGlossary": "steward",
    "createGlossaryTerm": "steward",
    "updateGlossaryTerm": "steward",
    "deleteGlossaryTerm": "steward",
    "createMetadataForm": "steward",
    "updateMetadataForm": "steward",
    "reconcileProjection": "administrator",
    "putDriftPolicy": "domain-owner",
    "putLakeGrant": "administrator",
    "removeLakeGrant": "administrator",
    "registerLocation": "domain-owner",
    "removeLocation": "domain-owner",
    "putLfTag": "administrator",
    "deleteLfTag": "administrator",
    "assignLfTags": "steward",
    "putLfTagMask": "steward",
    "deleteLfTagMask": "steward",
    "putLfTagExpression": "administrator",
    "deleteLfTagExpression": "administrator",
    "putDataFilter": "steward",
    "deleteDataFilter": "steward",
    "putEvents": "administrator",
    "putRule": "administrator",
    "deleteRule": "administrator",
    "enableRule": "administrator",
    "disableRule": "administrator",
    "receiveMessages": "administrator",
    "acknowledgeMessage": "administrator",
    "redriveDeadLetters": "administrator",
    "deleteDeadLetter": "administrator",
    "putArchive": "administrator",
    "deleteArchive": "administrator",
    "startReplay": "administrator",
    "cancelReplay": "administrator",
    "putStateMachine": "administrator",
    "stopExecution": "contributor",
    "redriveExecution": "contributor",
    "approveStep": "steward",
    "rejectStep": "steward",
}
"""Who may send each write; `owner`, who owns the project `tides`, where nobody is named."""

JSON_WRITES = (
    "createDomain",
    "updateDomain",
    "putDomainMember",
    "createProject",
    "updateProject",
    "putProjectMember",
    "createTable",
    "createExternalTable",
    "startCrawl",
    "createTableFromCrawl",
    "deleteRows",
    "expireSnapshots",
    "materializeQuery",
    "requestPromotion",
    "validateEnvironment",
    "createDeployment",
    "planDeployment",
    "runEnvironmentTests",
    "publishAsset",
    "updateAsset",
    "putRuleset",
    "startQualityRun",
    "runAllQualityChecks",
    "syncToDevelopment",
    "checkRowFilter",
    "shareAsset",
    "notifySubscribers",
    "receiveLineageEvent",
    "requestSubscription",
    "approveSubscription",
    "rejectSubscription",
    "revokeSubscription",
    "changeSubscription",
    "withdrawSubscription",
    "renewSubscription",
    "previewApproval",
    "requestSubscriptions",
    "approveSubscriptions",
    "grantPermission",
    "revokePermission",
    "simulatePermissions",
    "runQuery",
    "explainQuery",
    "createQueryView",
    "reconcileLake",
    "createGlossary",
    "updateGlossary",
    "createGlossaryTerm",
    "updateGlossaryTerm",
    "createMetadataForm",
    "updateMetadataForm",
    "putAssetMetadata",
    "reconcilePortal",
    "reconcileProjection",
    "putDriftPolicy",
    "putLakeGrant",
    "removeLakeGrant",
    "registerLocation",
    "putLfTag",
    "assignLfTags",
    "putLfTagMask",
    "putLfTagExpression",
    "putDataFilter",
    "putEvents",
    "testEventPattern",
    "putRule",
    "receiveMessages",
    "acknowledgeMessage",
    "redriveDeadLetters",
    "putArchive",
    "startReplay",
    "putStateMachine",
    "validateStateMachine",
    "startExecution",
    "stopExecution",
    "sendTaskSuccess",
    "sendTaskFailure",
    "sendTaskHeartbeat",
    "approveStep",
    "rejectStep",
)
"""The writing operations that take a JSON body."""

WITHOUT_BODY = (
    "removeDomainMember",
    "removeProjectMember",
    "appendRows",
    "setupProject",
    "deleteRule",
    "enableRule",
    "disableRule",
    "deleteDeadLetter",
    "deleteArchive",
    "redriveExecution",
    "checkLakeDrift",
    "removeLocation",
    "deleteLfTag",
    "deleteLfTagMask",
    "deleteLfTagExpression",
    "deleteDataFilter",
    "deleteGlossaryTerm",
)
"""Those that take none, or rows."""

WRITES = (*JSON_WRITES, *WITHOUT_BODY)
"""All writing operations that people may do."""

SERVICE_WRITES = (
    "listAssetInCatalog",
    "rejectAssetPublication",
    "indexAsset",
    "recordPromotionOutcome",
    "fulfilSubscription",
    "acceptShare",
    "createResourceShare",
    "grantShareAccess",
    "verifyShareAccess",
    "completeShare",
    "failShare",
    "cancelReplay",
    "cancelQuery",
    "cancelQualityRun",
    "executeDeployment",
    "cancelDeployment",
    "rollBackDeployment",
    "removeDeployment",
)
"""What the mesh's own workflows do and no person may; a share is accepted between its
steps. A replay, a query, a quality run and a deployment are over before anybody can act on them
here."""
