"""The rules that come with the product: what starts its state machines and functions."""

from meshplane.events.rules import Rule, Target


def _workflow(machine: str) -> Target:
    return Target(machine, "workflow", name=machine, input_path="$.detail")


def _function(name: str) -> Target:
    return Target(name, "function", name=name)


def _pattern(source: str, detail_type: str) -> dict[str, list[str]]:
    return {"source": [f"management-app.{source}"], "detail-type": [detail_type]}


BUILT_IN_RULES = (
    Rule(
        "project-creation-automation",
        (_workflow("project-setup"), _function("OnProjectCreate")),
        description="Prepares what a new project works with.",
        event_pattern=_pattern("projects", "ProjectCreated"),
        built_in=True,
    ),
    Rule(
        "asset-publication",
        (_workflow("asset-publication"),),
        description="Checks a submitted data product, has it approved, and lists it.",
        event_pattern=_pattern("assets", "AssetSubmitted"),
        built_in=True,
    ),
    Rule(
        "subscription",
        (_workflow("subscription"),),
        description="Follows a request for data to its decision, and fulfils it.",
        event_pattern=_pattern("subscriptions", "SubscriptionRequested"),
        built_in=True,
    ),
    Rule(
        "promotion",
        (_workflow("promotion"),),
        description="Promotes a project from one environment to the next.",
        event_pattern=_pattern("projects", "PromotionRequested"),
        built_in=True,
    ),
    Rule(
        "cross-account-share",
        (_workflow("cross-account-share"),),
        description="Shares an asset with another account.",
        event_pattern=_pattern("shares", "CrossAccountShareInitiated"),
        built_in=True,
    ),
    Rule(
        "hourly-data-quality-checks",
        (_function("TriggerDataQualityChecks"),),
        description="Runs the rulesets of all assets.",
        schedule_expression="rate(1 hour)",
        built_in=True,
    ),
    Rule(
        "daily-prod-to-dev-sync",
        (_function("SyncProdToDevData"),),
        description="Replaces the masked samples in dev.",
        schedule_expression="cron(0 2 * * ? *)",
        built_in=True,
    ),
    Rule(
        "weekly-snapshot-cleanup",
        (_function("CleanupOldSnapshots"),),
        description="Expires old snapshots of tables.",
        schedule_expression="cron(0 3 ? * SUN *)",
        built_in=True,
    ),
    Rule(
        "lake-drift-checks",
        (_function("CheckLakeDrift"),),
        description="Looks for drift between the lake and what was granted.",
        schedule_expression="rate(10 minutes)",
        built_in=True,
    ),
)
"""The schedules begin to count when the mesh starts for the first time."""

RULES_OF_PARTS = {
    "portal": Rule(
        "portal-reconciliations",
        (_function("ReconcilePortal"),),
        description="Brings the portal to what the mesh has; what others wrote there stays.",
        schedule_expression="rate(1 hour)",
        built_in=True,
    ),
    "tables": Rule(
        "projection-reconciliations",
        (_function("ReconcileProjection"),),
        description="Brings published tables in step in the lake's own catalogue.",
        schedule_expression="rate(10 minutes)",
        built_in=True,
    ),
}
"""Further ones, where a part of the mesh runs on AWS."""
