"""Which functions there are."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from meshplane.kit.errors import Missing
from meshplane.workflows.functions import (
    check_lake_drift,
    cleanup_old_snapshots,
    on_project_create,
    reconcile_portal,
    reconcile_projection,
    sync_prod_to_dev_data,
    trigger_data_quality_checks,
)
from meshplane.workflows.operations import OperationCaller

Function: TypeAlias = Callable[[dict[str, Any], OperationCaller, str], Awaitable[dict[str, Any]]]
"""Takes the event, the platform, and the key under which its effects happen once."""

FUNCTIONS: Mapping[str, Function] = {
    "OnProjectCreate": on_project_create.handle,
    "TriggerDataQualityChecks": trigger_data_quality_checks.handle,
    "SyncProdToDevData": sync_prod_to_dev_data.handle,
    "CleanupOldSnapshots": cleanup_old_snapshots.handle,
    "CheckLakeDrift": check_lake_drift.handle,
    "ReconcilePortal": reconcile_portal.handle,
    "ReconcileProjection": reconcile_projection.handle,
}
"""The functions by name."""


def function_named(name: str) -> Function:
    """The function of that name.

    Args:
        name: plain, or as the last part of an ARN, with or without a version:
            `arn:aws:lambda:eu-central-1:123456789012:function:OnProjectCreate:$LATEST`.

    Raises:
        Missing: FUNCTION_UNKNOWN.
    """
    plain = name.rpartition(":function:")[2].partition(":")[0]
    if plain not in FUNCTIONS:
        known = ", ".join(FUNCTIONS)
        raise Missing(
            "FUNCTION_UNKNOWN", f"There is no function of this name. There are: {known}.",
            field="FunctionName",
        )  # fmt: skip
    return FUNCTIONS[plain]
