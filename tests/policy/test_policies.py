"""The policies: that they are well formed, complete, and decide as people were told they do."""

import re

import cedarpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshplane.policy.engine import Engine, policy_texts, schema_text
from meshplane.policy.model import MESH, Asker, Membership, Resource
from tests.builders.server import running_server

# Operations that no route has: services ask each other for them.
INTERNAL_OPERATIONS = frozenset(
    {"createTableFromQuery", "expireSubscription", "expireGrant", "recordLakeState"}
)

# What policies are asked beside an operation.
ASKED_BESIDE = frozenset(
    {"seeUnpublishedAssets", "seeAllQueries", "grantToOneself", "changeDevelopment"}
)

RESOURCES = {
    "Mesh": MESH,
    "Domain": Resource("Domain", "dzd-1", "dzd-1"),
    "Project": Resource("Project", "proj-1", "dzd-1", "proj-1"),
    "Table": Resource("Table", "tbl-1", "dzd-1", "proj-1"),
    "Asset": Resource("Asset", "asset-1", "dzd-1", "proj-1"),
    "Subscription": Resource(
        "Subscription", "sub-req-1", "dzd-1", "proj-1", (("requestedBy", "somebody@else"),)
    ),
    "Query": Resource("Query", "qry-1", attributes=(("startedBy", "somebody@else"),)),
    "Execution": Resource("Execution", "asks:x-1", attributes=(("startedBy", "somebody@else"),)),
    "Approval": Resource(
        "Approval",
        "workflow-1",
        "dzd-1",
        "proj-1",
        (("approverRole", "steward"), ("requestedBy", "somebody@else")),
    ),
}

ASKERS = {
    "nobody": Asker("User", "ada@here"),
    "p-viewer": Asker(
        "User", "ada@here", memberships=frozenset({Membership("Project", "proj-1", "viewer")})
    ),
    "p-contributor": Asker(
        "User", "ada@here", memberships=frozenset({Membership("Project", "proj-1", "contributor")})
    ),
    "p-owner": Asker(
        "User", "ada@here", memberships=frozenset({Membership("Project", "proj-1", "owner")})
    ),
    "d-viewer": Asker(
        "User", "ada@here", memberships=frozenset({Membership("Domain", "dzd-1", "viewer")})
    ),
    "d-steward": Asker(
        "User", "ada@here", memberships=frozenset({Membership("Domain", "dzd-1", "steward")})
    ),
    "d-owner": Asker(
        "User", "ada@here", memberships=frozenset({Membership("Domain", "dzd-1", "owner")})
    ),
    "admin": Asker("User", "ada@here", mesh_roles=frozenset({"administrator"})),
    "auditor": Asker("User", "ada@here", mesh_roles=frozenset({"auditor"})),
    "query": Asker("Service", "query"),
    "subscriptions": Asker("Service", "subscriptions"),
    "workflows": Asker("Service", "workflows"),
}

# Who may do what. p: a role in the resource's project; d: a role in its domain; query,
# subscriptions and workflows are services. yes: allowed; a dot: not.
DECISIONS = """
action on                        nobody p-viewer p-contributor p-owner d-viewer d-steward d-owner admin auditor query subscriptions workflows
createDomain Mesh                .      .        .             .       .        .         .       yes   .       .     .             .
listDomains Mesh                 yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
getDomain Domain                 yes    yes      yes           yes     yes      yes       yes     yes   yes     yes   yes           yes
listDomainMembers Domain         yes    yes      yes           yes     yes      yes       yes     yes   yes     yes   yes           yes
updateDomain Domain              .      .        .             .       .        .         yes     yes   .       .     .             .
putDomainMember Domain           .      .        .             .       .        .         yes     yes   .       .     .             .
removeDomainMember Domain        .      .        .             .       .        .         yes     yes   .       .     .             .
createProject Domain             .      .        .             .       .        .         yes     yes   .       .     .             .
listProjects Mesh                yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
getProject Project               yes    yes      yes           yes     yes      yes       yes     yes   yes     yes   yes           yes
listProjectMembers Project       yes    yes      yes           yes     yes      yes       yes     yes   yes     yes   yes           yes
updateProject Project            .      .        .             yes     .        .         .       yes   .       .     .             .
putProjectMember Project         .      .        .             yes     .        .         .       yes   .       .     .             .
removeProjectMember Project      .      .        .             yes     .        .         .       yes   .       .     .             .
setupProject Project             .      .        .             yes     .        .         .       yes   .       .     .             yes
requestPromotion Project         .      .        yes           yes     .        .         .       .     .       .     .             yes
getPromotion Project             .      yes      yes           yes     .        yes       yes     yes   .       .     .             yes
listPromotions Project           .      yes      yes           yes     .        yes       yes     yes   .       .     .             yes
recordPromotionOutcome Project   .      .        .             .       .        .         .       .     .       .     .             yes
validateEnvironment Project      .      yes      yes           yes     .        yes       yes     yes   .       .     .             yes
createDeployment Project         .      .        .             yes     .        .         .       yes   .       .     .             yes
planDeployment Project           .      .        .             yes     .        .         .       yes   .       .     .             yes
executeDeployment Project        .      .        .             yes     .        .         .       yes   .       .     .             yes
cancelDeployment Project         .      .        .             yes     .        .         .       yes   .       .     .             yes
rollBackDeployment Project       .      .        .             yes     .        .         .       yes   .       .     .             yes
removeDeployment Project         .      .        .             yes     .        .         .       yes   .       .     .             yes
changeDevelopment Project        .      .        yes           yes     .        .         .       .     .       .     .             .
getDeploymentStatus Project      .      yes      yes           yes     .        yes       yes     yes   .       .     .             yes
listDeploymentEvents Project     .      yes      yes           yes     .        yes       yes     yes   .       .     .             yes
streamDeploymentEvents Project   .      yes      yes           yes     .        yes       yes     yes   .       .     .             .
getDeploymentDrift Project       .      yes      yes           yes     .        yes       yes     yes   .       .     .             .
getDeployment Project            .      yes      yes           yes     .        yes       yes     yes   .       .     .             yes
listDeployments Project          .      yes      yes           yes     .        yes       yes     yes   .       .     .             yes
runEnvironmentTests Project      .      .        .             yes     .        .         .       yes   .       .     .             yes
verifyDeployment Project         .      yes      yes           yes     .        yes       yes     yes   .       .     .             yes
createTable Project              .      .        yes           yes     .        .         .       .     .       .     .             .
createExternalTable Project      .      .        yes           yes     .        .         .       .     .       .     .             .
createTableFromQuery Project     .      .        .             .       .        .         .       .     .       yes   .             .
listTables Project               .      yes      yes           yes     .        .         .       .     .       .     .             .
startCrawl Project               .      .        yes           yes     .        .         .       .     .       .     .             .
createTableFromCrawl Project     .      .        yes           yes     .        .         .       .     .       .     .             .
listCrawls Project               .      yes      yes           yes     .        .         .       .     .       .     .             .
getCrawl Project                 .      yes      yes           yes     .        .         .       .     .       .     .             .
getTable Table                   .      yes      yes           yes     .        .         .       .     .       yes   yes           yes
listSnapshots Table              .      yes      yes           yes     .        .         .       .     .       yes   yes           yes
appendRows Table                 .      .        yes           yes     .        .         .       .     .       .     .             .
deleteRows Table                 .      .        yes           yes     .        .         .       .     .       .     .             .
expireSnapshots Table            .      .        .             yes     .        .         .       .     .       .     .             yes
listAllTables Mesh               .      .        .             .       .        .         .       .     .       .     .             yes
publishAsset Project             .      .        yes           yes     .        .         .       .     .       .     .             .
listAssets Mesh                  yes    yes      yes           yes     yes      yes       yes     yes   yes     yes   yes           yes
searchCatalog Mesh               yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
listGlossaries Mesh              yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
listMetadataForms Mesh           yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
getGlossary Domain               yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
listGlossaryTerms Domain         yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
getGlossaryTerm Domain           yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
getMetadataForm Domain           yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
listMetadataFormRevisions Domain yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
getAssetMetadata Asset           yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
createGlossary Domain            .      .        .             .       .        yes       yes     .     .       .     .             .
updateGlossary Domain            .      .        .             .       .        yes       yes     .     .       .     .             .
createGlossaryTerm Domain        .      .        .             .       .        yes       yes     .     .       .     .             .
updateGlossaryTerm Domain        .      .        .             .       .        yes       yes     .     .       .     .             .
deleteGlossaryTerm Domain        .      .        .             .       .        yes       yes     .     .       .     .             .
createMetadataForm Domain        .      .        .             .       .        yes       yes     .     .       .     .             .
updateMetadataForm Domain        .      .        .             .       .        yes       yes     .     .       .     .             .
putAssetMetadata Asset           .      .        yes           yes     .        yes       yes     .     .       .     .             .
getAsset Asset                   yes    yes      yes           yes     yes      yes       yes     yes   yes     yes   yes           yes
getAssetContract Asset           yes    yes      yes           yes     yes      yes       yes     yes   yes     yes   yes           yes
getAssetLineage Asset            yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
updateAsset Asset                .      .        yes           yes     .        .         .       .     .       .     .             .
validateAssetMetadata Asset      .      yes      yes           yes     .        yes       yes     .     .       .     .             yes
checkApprovalRequired Asset      .      yes      yes           yes     .        yes       yes     .     .       .     .             yes
seeUnpublishedAssets Asset       .      yes      yes           yes     .        yes       yes     .     .       yes   yes           yes
listAssetInCatalog Asset         .      .        .             .       .        .         .       .     .       .     .             yes
rejectAssetPublication Asset     .      .        .             .       .        .         .       .     .       .     .             yes
indexAsset Asset                 .      .        .             .       .        .         .       .     .       .     .             yes
putRuleset Asset                 .      .        yes           yes     .        .         .       .     .       .     .             .
getRuleset Asset                 .      yes      yes           yes     .        yes       yes     .     .       .     .             .
startQualityRun Asset            .      .        yes           yes     .        .         .       .     .       .     .             yes
getQualityRun Asset              .      yes      yes           yes     .        yes       yes     .     .       .     .             yes
cancelQualityRun Asset           .      .        yes           yes     .        .         .       .     .       .     .             .
listQualityRuns Asset            .      yes      yes           yes     .        yes       yes     .     .       .     .             .
runAllQualityChecks Mesh         .      .        .             .       .        .         .       yes   .       .     .             yes
syncToDevelopment Asset          .      .        yes           yes     .        .         .       .     .       .     .             yes
checkRowFilter Asset             .      .        .             .       .        yes       yes     .     .       .     .             .
shareAsset Asset                 .      .        .             .       .        yes       yes     .     .       .     .             yes
getShare Asset                   .      yes      yes           yes     .        yes       yes     yes   .       .     .             yes
listShares Asset                 .      yes      yes           yes     .        yes       yes     yes   .       .     .             yes
checkShareAcceptance Asset       .      yes      yes           yes     .        yes       yes     yes   .       .     .             yes
acceptShare Asset                .      .        .             .       .        .         .       yes   .       .     .             .
createResourceShare Asset        .      .        .             .       .        .         .       .     .       .     .             yes
grantShareAccess Asset           .      .        .             .       .        .         .       .     .       .     .             yes
verifyShareAccess Asset          .      .        .             .       .        .         .       .     .       .     .             yes
completeShare Asset              .      .        .             .       .        .         .       .     .       .     .             yes
failShare Asset                  .      .        .             .       .        .         .       .     .       .     .             yes
requestSubscription Project      .      .        yes           yes     .        .         .       .     .       .     .             .
getSubscription Subscription     .      yes      yes           yes     .        yes       yes     .     .       .     .             .
approveSubscription Subscription .      .        .             .       .        yes       yes     .     .       .     .             .
rejectSubscription Subscription  .      .        .             .       .        yes       yes     .     .       .     .             yes
revokeSubscription Subscription  .      .        .             .       .        yes       yes     .     .       .     .             .
fulfilSubscription Subscription  .      .        .             .       .        .         .       .     .       .     .             yes
listSubscriptions Domain         .      .        .             .       .        yes       yes     .     .       .     .             .
listSubscriptions Project        .      yes      yes           yes     .        .         .       .     .       .     .             .
requestSubscription Mesh         yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
requestSubscriptions Project     .      .        yes           yes     .        .         .       .     .       .     .             .
requestSubscriptions Mesh        yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
changeSubscription Subscription  .      .        .             .       .        .         .       .     .       .     .             .
withdrawSubscription Subscription .     .        .             yes     .        .         .       .     .       .     .             .
renewSubscription Subscription   .      .        yes           yes     .        .         .       .     .       .     .             .
previewApproval Subscription     .      .        .             .       .        yes       yes     .     .       .     .             .
approveSubscriptions Domain      .      .        .             .       .        yes       yes     .     .       .     .             .
expireSubscription Subscription  .      .        .             .       .        .         .       .     .       .     yes           .
listSubscriptions Mesh           yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
notifySubscribers Asset          .      .        yes           yes     .        .         .       .     .       .     .             yes
listGrants Asset                 .      yes      yes           yes     .        yes       yes     yes   yes     yes   yes           yes
getEffectivePermission Asset     .      yes      yes           yes     .        yes       yes     yes   yes     yes   yes           yes
getGrant Asset                   .      yes      yes           yes     .        yes       yes     yes   yes     yes   yes           yes
explainPermission Asset          .      yes      yes           yes     .        yes       yes     yes   yes     yes   yes           yes
grantPermission Mesh             .      .        .             .       .        .         .       yes   .       .     yes           .
grantPermission Domain           .      .        .             .       .        yes       yes     yes   .       .     .             .
grantPermission Asset            .      .        .             .       .        yes       yes     yes   .       .     .             .
revokePermission Mesh            .      .        .             .       .        .         .       yes   .       .     yes           .
revokePermission Domain          .      .        .             .       .        yes       yes     yes   .       .     .             .
revokePermission Asset           .      .        .             .       .        yes       yes     yes   .       .     .             .
grantToOneself Mesh              .      .        .             .       .        .         .       yes   .       .     .             .
grantToOneself Domain            .      .        .             .       .        .         .       yes   .       .     .             .
grantToOneself Asset             .      .        .             .       .        .         .       yes   .       .     .             .
simulatePermissions Mesh         .      .        .             .       .        .         .       yes   .       .     .             .
simulatePermissions Domain       .      .        .             .       .        yes       yes     yes   .       .     .             .
simulatePermissions Asset        .      .        .             .       .        yes       yes     yes   .       .     .             .
expireGrant Mesh                 .      .        .             .       .        .         .       .     .       .     .             .
recordLakeState Mesh             .      .        .             .       .        .         .       .     .       .     .             .
getAccessAt Mesh                 .      .        .             .       .        .         .       yes   yes     .     .             .
getAccessAt Domain               .      .        .             .       .        yes       yes     yes   yes     .     .             .
getAccessAt Asset                .      .        .             .       .        yes       yes     yes   yes     .     .             .
runQuery Mesh                    yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
runQuery Project                 .      yes      yes           yes     .        .         .       .     .       .     .             .
explainQuery Mesh                yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
explainQuery Project             .      yes      yes           yes     .        .         .       .     .       .     .             .
listRunningQueries Mesh          yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
seeAllQueries Mesh               .      .        .             .       .        .         .       yes   .       .     .             .
listQueryHistory Mesh            yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
getQueryHistoryEntry Query       .      .        .             .       .        .         .       .     .       .     .             .
cancelQuery Query                .      .        .             .       .        .         .       yes   .       .     .             .
createQueryView Project          .      .        yes           yes     .        .         .       .     .       .     .             .
getQueryView Table               .      yes      yes           yes     .        .         .       .     .       .     .             .
materializeQuery Project         .      .        yes           yes     .        .         .       .     .       .     .             .
getLakeDrift Mesh                .      .        .             .       .        .         .       yes   yes     .     .             .
getLakeDrift Domain              .      .        .             .       .        yes       yes     yes   yes     .     .             .
checkLakeDrift Mesh              .      .        .             .       .        .         .       yes   .       .     .             yes
listPortalDrift Mesh             .      .        .             .       .        .         .       yes   .       .     .             .
reconcilePortal Mesh             .      .        .             .       .        .         .       yes   .       .     .             yes
getPortalReconciliation Mesh     .      .        .             .       .        .         .       yes   .       .     .             .
listProjectionDrift Mesh         .      .        .             .       .        .         .       yes   .       .     .             .
reconcileProjection Mesh         .      .        .             .       .        .         .       yes   .       .     .             yes
getProjectionReconciliation Mesh .      .        .             .       .        .         .       yes   .       .     .             .
reconcileLake Mesh               .      .        .             .       .        .         .       yes   .       .     .             .
reconcileLake Domain             .      .        .             .       .        yes       yes     yes   .       .     .             .
listReconciliations Mesh         .      .        .             .       .        .         .       yes   yes     .     .             .
getReconciliation Mesh           .      .        .             .       .        .         .       yes   yes     .     .             .
getReconciliation Domain         .      .        .             .       .        yes       yes     yes   yes     .     .             .
putDriftPolicy Domain            .      .        .             .       .        .         yes     yes   .       .     .             .
getDriftPolicy Domain            .      .        .             .       .        yes       yes     yes   yes     .     .             .
listLakeGrants Mesh              .      .        .             .       .        .         .       yes   yes     .     .             .
putLakeGrant Mesh                .      .        .             .       .        .         .       yes   .       .     .             .
removeLakeGrant Mesh             .      .        .             .       .        .         .       yes   .       .     .             .
getCompiledGrant Mesh            .      .        .             .       .        .         .       yes   yes     .     .             .
getCompiledGrant Domain          .      .        .             .       .        yes       yes     yes   yes     .     .             .
listLocations Domain             .      .        .             .       .        yes       yes     yes   yes     .     .             .
registerLocation Domain          .      .        .             .       .        .         yes     yes   .       .     .             .
removeLocation Domain            .      .        .             .       .        .         yes     yes   .       .     .             .
listLfTags Mesh                  yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
putLfTag Mesh                    .      .        .             .       .        .         .       yes   .       .     .             .
deleteLfTag Mesh                 .      .        .             .       .        .         .       yes   .       .     .             .
listLfTagAssignments Domain      yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
listLfTagAssignments Asset       yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
assignLfTags Mesh                .      .        .             .       .        .         .       yes   .       .     .             .
assignLfTags Domain              .      .        .             .       .        yes       yes     yes   .       .     .             .
assignLfTags Asset               .      .        .             .       .        yes       yes     yes   .       .     .             .
listLfTagMasks Mesh              yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
putLfTagMask Mesh                .      .        .             .       .        .         .       yes   .       .     .             .
putLfTagMask Domain              .      .        .             .       .        yes       yes     yes   .       .     .             .
deleteLfTagMask Mesh             .      .        .             .       .        .         .       yes   .       .     .             .
deleteLfTagMask Domain           .      .        .             .       .        yes       yes     yes   .       .     .             .
listLfTagExpressions Mesh        yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
putLfTagExpression Mesh          .      .        .             .       .        .         .       yes   .       .     .             .
deleteLfTagExpression Mesh       .      .        .             .       .        .         .       yes   .       .     .             .
listDataFilters Asset            .      .        .             .       .        yes       yes     yes   yes     .     .             .
putDataFilter Asset              .      .        .             .       .        yes       yes     yes   .       .     .             .
putDataFilter Mesh               .      .        .             .       .        .         .       yes   .       .     .             .
deleteDataFilter Asset           .      .        .             .       .        yes       yes     yes   .       .     .             .
deleteDataFilter Mesh            .      .        .             .       .        .         .       yes   .       .     .             .
receiveLineageEvent Mesh         .      .        .             .       .        .         .       yes   .       .     .             .
listEvents Mesh                  .      .        .             .       .        .         .       yes   yes     .     .             .
listAuditRecords Mesh            .      .        .             .       .        .         .       yes   yes     .     .             .
exportAuditTrail Mesh            .      .        .             .       .        .         .       yes   yes     .     .             .
verifyAuditTrail Mesh            .      .        .             .       .        .         .       yes   yes     .     .             .
getMetrics Mesh                  .      .        .             .       .        .         .       yes   yes     .     .             .
putEvents Mesh                   .      .        .             .       .        .         .       yes   .       .     .             .
streamEvents Mesh                .      .        .             .       .        .         .       yes   yes     .     .             .
testEventPattern Mesh            yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
putRule Mesh                     .      .        .             .       .        .         .       yes   .       .     .             .
getRule Mesh                     .      .        .             .       .        .         .       yes   yes     .     .             .
listRules Mesh                   .      .        .             .       .        .         .       yes   yes     .     .             .
deleteRule Mesh                  .      .        .             .       .        .         .       yes   .       .     .             .
enableRule Mesh                  .      .        .             .       .        .         .       yes   .       .     .             .
disableRule Mesh                 .      .        .             .       .        .         .       yes   .       .     .             .
receiveMessages Mesh             .      .        .             .       .        .         .       yes   .       .     .             .
acknowledgeMessage Mesh          .      .        .             .       .        .         .       yes   .       .     .             .
listDeadLetters Mesh             .      .        .             .       .        .         .       yes   yes     .     .             .
getDeadLetter Mesh               .      .        .             .       .        .         .       yes   .       .     .             .
redriveDeadLetters Mesh          .      .        .             .       .        .         .       yes   .       .     .             .
deleteDeadLetter Mesh            .      .        .             .       .        .         .       yes   .       .     .             .
putArchive Mesh                  .      .        .             .       .        .         .       yes   .       .     .             .
listArchives Mesh                .      .        .             .       .        .         .       yes   yes     .     .             .
deleteArchive Mesh               .      .        .             .       .        .         .       yes   .       .     .             .
startReplay Mesh                 .      .        .             .       .        .         .       yes   .       .     .             .
getReplay Mesh                   .      .        .             .       .        .         .       yes   yes     .     .             .
listReplays Mesh                 .      .        .             .       .        .         .       yes   yes     .     .             .
cancelReplay Mesh                .      .        .             .       .        .         .       yes   .       .     .             .
getStateMachine Mesh             yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
listStateMachines Mesh           yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
validateStateMachine Mesh        yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
startExecution Mesh              yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
sendTaskSuccess Mesh             yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
sendTaskFailure Mesh             yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
sendTaskHeartbeat Mesh           yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
listApprovals Mesh               yes    yes      yes           yes     yes      yes       yes     yes   yes     .     .             .
putStateMachine Mesh             .      .        .             .       .        .         .       yes   .       .     .             .
listExecutions Mesh              .      .        .             .       .        .         .       yes   yes     .     .             .
getExecution Execution           .      .        .             .       .        .         .       yes   yes     .     .             .
getExecutionHistory Execution    .      .        .             .       .        .         .       yes   yes     .     .             .
getExecutionDiagram Execution    .      .        .             .       .        .         .       yes   yes     .     .             .
stopExecution Execution          .      .        .             .       .        .         .       yes   .       .     .             .
redriveExecution Execution       .      .        .             .       .        .         .       yes   .       .     .             .
getApproval Approval             .      .        .             .       .        yes       yes     yes   yes     .     .             .
approveStep Approval             .      .        .             .       .        yes       yes     .     .       .     .             .
rejectStep Approval              .      .        .             .       .        yes       yes     .     .       .     .             .
"""  # noqa: E501 - a table reads best with a row a line

_HEAD, *_LINES = [line.split() for line in DECISIONS.strip().splitlines()]
TABLE = {(line[0], line[1]): dict(zip(_HEAD[2:], line[2:], strict=True)) for line in _LINES}
ACTIONS = sorted({action for action, _ in TABLE})

ENGINE = Engine(policy_texts().values())

memberships = st.frozensets(
    st.builds(
        Membership,
        st.sampled_from(["Domain", "Project"]),
        st.sampled_from(["dzd-1", "proj-1", "dzd-2", "proj-2"]),
        st.sampled_from(["owner", "steward", "contributor", "viewer"]),
    ),
    max_size=8,
)
mesh_roles = st.frozensets(st.sampled_from(["administrator", "auditor"]))
groups = st.frozensets(st.sampled_from(["mesh-admins", "administrator", "dzd-1/owner", "staff"]))


def allows(asker: Asker, action: str, resource: Resource) -> bool:
    return ENGINE.decide(asker, action, resource).allowed


def schema_actions() -> list[str]:
    """The names that the schema's `action … appliesTo` declarations hold."""
    text = re.sub(r"//[^\n]*", "", schema_text())
    declared = re.findall(r"\baction\s+([^{]+?)\s+appliesTo", text)
    return [name.strip() for names in declared for name in names.split(",")]


@pytest.fixture(scope="module")
def operation_ids() -> list[str]:
    """Every operationId of the document that a server gives."""
    with running_server() as server, server.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    return [one["operationId"] for methods in paths.values() for one in methods.values()]


def test_policies__validate_against_the_schema() -> None:
    result = cedarpy.validate_policies("\n".join(policy_texts().values()), schema_text())
    assert [str(error) for error in result.errors] == []
    assert result.validation_passed


def test_schema__notices_a_misspelt_attribute_action_or_mesh_role() -> None:
    for wrong in (
        'permit (principal, action == Action::"getTable", resource) when { resource.x == "a" };',
        'permit (principal, action == Action::"getTabel", resource);',
        'permit (principal in MeshRole::"admin", action == Action::"listEvents", resource);',
    ):
        assert not cedarpy.validate_policies(f'@id("wrong")\n{wrong}', schema_text())


def test_policies__each_has_an_id_of_its_own() -> None:
    policies = "\n".join(policy_texts().values())
    heads = re.findall(r"^(?:permit|forbid)\b", policies, re.MULTILINE)
    ids = re.findall(r'^@id\("([a-z-]+)"\)$', policies, re.MULTILINE)
    assert len(ids) == len(heads) > 20
    assert sorted(set(ids)) == sorted(ids)


def test_schema__its_actions_are_the_operations_of_the_api_and_the_internal_ones(
    operation_ids: list[str],
) -> None:
    actions = schema_actions()
    assert sorted(set(actions)) == sorted(actions), "an action is declared twice"
    assert sorted(set(operation_ids)) == sorted(operation_ids), "an operationId is used twice"
    assert set(actions) == set(operation_ids) | INTERNAL_OPERATIONS | ASKED_BESIDE


def test_decisions__the_table_has_every_action_of_the_schema() -> None:
    assert set(ACTIONS) == set(schema_actions())


@pytest.mark.parametrize(("action", "kind"), TABLE, ids=lambda part: part)
def test_decisions__are_those_of_the_table(action: str, kind: str) -> None:
    found = {
        name: "yes" if allows(asker, action, RESOURCES[kind]) else "."
        for name, asker in ASKERS.items()
    }
    assert found == TABLE[action, kind]


def test_decisions__what_no_policy_names_is_denied_to_everyone() -> None:
    everything = frozenset(
        Membership(kind, key, role)
        for kind, key in (("Domain", "dzd-1"), ("Project", "proj-1"))
        for role in ("owner", "steward", "contributor", "viewer")
    )
    almighty = Asker(
        "User", "ada@here", frozenset(), frozenset({"administrator", "auditor"}), everything
    )
    for action in ("dropEverything", "", "getdomain", "createDomain ", "*"):
        assert not any(allows(almighty, action, resource) for resource in RESOURCES.values())


@given(action=st.sampled_from(ACTIONS), kind=st.sampled_from(sorted(RESOURCES)))
def test_decisions__an_action_on_a_kind_that_the_table_does_not_list_is_open_to_nobody_new(
    action: str, kind: str
) -> None:
    if (action, kind) in TABLE:
        return
    # Reads that are open to everyone name no kind of resource; nothing else may be as wide.
    widest = {a for (a, _), row in TABLE.items() if row["nobody"] == "yes"}
    allowed = {name for name, asker in ASKERS.items() if allows(asker, action, RESOURCES[kind])}
    assert action in widest or allowed <= {"query", "subscriptions", "workflows"}


@given(held=memberships, roles=mesh_roles, in_groups=groups)
def test_own_request__nobody_decides_it_whatever_roles_he_holds(
    held: frozenset[Membership], roles: frozenset[str], in_groups: frozenset[str]
) -> None:
    asker = Asker("User", "ada@here", in_groups, roles, held)
    own = Resource("Subscription", "sub-req-1", "dzd-1", "proj-1", (("requestedBy", "ada@here"),))
    assert not allows(asker, "approveSubscription", own)
    assert not allows(asker, "rejectSubscription", own)


@given(held=memberships, roles=mesh_roles)
def test_own_request__only_who_made_it_changes_it_and_only_while_his_project_lets_him(
    held: frozenset[Membership], roles: frozenset[str]
) -> None:
    about = (("requestedBy", "ada@here"),)
    ada = Asker("User", "ada@here", frozenset(), roles, held)
    eve = Asker("User", "eve@here", frozenset(), roles, held)
    asks = any(
        one.kind == "Project" and one.id == "proj-1" and one.role in {"owner", "contributor"}
        for one in held
    )
    for project, may in (("proj-1", asks), (None, True)):
        request = Resource("Subscription", "sub-req-1", "dzd-1", project, about)
        assert allows(ada, "changeSubscription", request) == may
        assert not allows(eve, "changeSubscription", request)
        assert not allows(Asker("Service", "ada@here"), "changeSubscription", request)


def test_subscriptions__a_persons_own_is_his_and_the_domains() -> None:
    own = Resource("Subscription", "sub-req-1", "dzd-1", None, (("requestedBy", "ada@here"),))
    for action in ("getSubscription", "withdrawSubscription", "renewSubscription"):
        assert allows(ASKERS["nobody"], action, own)
        assert not allows(Asker("User", "eve@here"), action, own)
    assert not allows(Asker("Service", "permissions"), "previewApproval", own)


RIGHTS = ("named", "steward", "owner", "any", "none")


def step(right: str, requested_by: str = "somebody@else", domain: str | None = "dzd-1") -> Resource:
    """A step that waits for a decision."""
    attributes = (("approverRole", right), ("requestedBy", requested_by))
    return Resource("Approval", "workflow-1", domain, "proj-1", attributes)


@pytest.mark.parametrize(
    ("right", "domain", "deciders"),
    [
        ("named", "dzd-1", "nobody p-viewer p-contributor p-owner d-viewer d-steward d-owner "
         "admin auditor"),
        ("steward", "dzd-1", "d-steward d-owner"),
        ("owner", "dzd-1", "d-owner"),
        ("any", "dzd-1", "d-steward d-owner admin"),
        ("none", "dzd-1", ""),
        ("steward", None, "p-owner"),
        ("owner", None, "p-owner"),
        ("any", None, "p-owner admin"),
        ("none", None, ""),
    ],
)  # fmt: skip
def test_approvals__who_decides_a_step_follows_from_whom_it_asks(
    right: str, domain: str | None, deciders: str
) -> None:
    for action in ("approveStep", "rejectStep"):
        resource = step(right, domain=domain)
        found = {name for name, asker in ASKERS.items() if allows(asker, action, resource)}
        assert found == set(deciders.split())


@given(
    right=st.sampled_from(RIGHTS), held=memberships, roles=mesh_roles, in_groups=groups,
    domain=st.sampled_from(["dzd-1", None]),
)  # fmt: skip
def test_own_request__nobody_decides_its_approval_by_whatever_right(
    right: str,
    held: frozenset[Membership],
    roles: frozenset[str],
    in_groups: frozenset[str],
    domain: str | None,
) -> None:
    asker = Asker("User", "ada@here", in_groups, roles, held)
    own = step(right, "ada@here", domain)
    assert not allows(asker, "approveStep", own)
    assert not allows(asker, "rejectStep", own)
    assert allows(asker, "getApproval", own)


@pytest.mark.parametrize("kind", ["User", "Service"])
def test_executions__only_the_user_who_started_one_follows_it(kind: str) -> None:
    own = Resource("Execution", "asks:x-1", attributes=(("startedBy", "ada@here"),))
    for action in (
        "getExecution", "getExecutionHistory", "getExecutionDiagram", "stopExecution",
        "redriveExecution",
    ):  # fmt: skip
        assert allows(Asker(kind, "ada@here"), action, own) == (kind == "User")


@given(
    action=st.sampled_from(ACTIONS),
    kind=st.sampled_from(sorted(RESOURCES)),
    first=memberships,
    more=memberships,
)
def test_memberships__one_more_never_takes_anything_away(
    action: str, kind: str, first: frozenset[Membership], more: frozenset[Membership]
) -> None:
    before = allows(Asker("User", "ada@here", memberships=first), action, RESOURCES[kind])
    after = allows(Asker("User", "ada@here", memberships=first | more), action, RESOURCES[kind])
    assert after or not before


@given(action=st.sampled_from(ACTIONS), kind=st.sampled_from(sorted(RESOURCES)), held=memberships)
def test_memberships__those_of_other_domains_and_projects_give_nothing(
    action: str, kind: str, held: frozenset[Membership]
) -> None:
    elsewhere = frozenset(one for one in held if one.id in {"dzd-2", "proj-2"})
    stranger = allows(Asker("User", "ada@here"), action, RESOURCES[kind])
    assert allows(Asker("User", "ada@here", memberships=elsewhere), action, RESOURCES[kind]) == (
        stranger
    )


@given(action=st.sampled_from(ACTIONS), kind=st.sampled_from(sorted(RESOURCES)))
def test_groups__one_with_the_name_of_a_role_is_not_the_role(action: str, kind: str) -> None:
    named_so = frozenset({"administrator", "auditor", "dzd-1/owner", "proj-1/owner"})
    stranger = allows(Asker("User", "ada@here"), action, RESOURCES[kind])
    assert allows(Asker("User", "ada@here", named_so), action, RESOURCES[kind]) == stranger


@pytest.mark.parametrize("name", ["subscriptions", "query", "workflows"])
def test_services__a_user_with_the_name_of_a_service_is_no_service(name: str) -> None:
    for action in INTERNAL_OPERATIONS:
        for resource in RESOURCES.values():
            assert not allows(Asker("User", name), action, resource)


@given(action=st.sampled_from(ACTIONS), held=memberships, roles=mesh_roles)
def test_resources__one_without_its_place_is_never_more_open_than_with_it(
    action: str, held: frozenset[Membership], roles: frozenset[str]
) -> None:
    # So an id that names nothing gets the answer of one that is hidden.
    asker = Asker("User", "ada@here", memberships=held, mesh_roles=roles)
    for kind in ("Table", "Asset", "Subscription"):
        bare = allows(asker, action, Resource(kind, "unknown-1"))
        assert not bare or allows(asker, action, RESOURCES[kind])
