"""Good requests for the operations of permissions, and for the audit of who had access."""

from collections.abc import Callable
from typing import Any

from tests.builders.request import Request
from tests.builders.small_mesh import SmallMesh


def permission_reads(mesh: SmallMesh) -> dict[str, str]:
    """The paths of the reading operations."""
    of_maps = f"?assetId={mesh.readings}&principal=project:{mesh.maps}"
    return {
        "listGrants": f"/permissions?assetId={mesh.readings}",
        "getGrant": f"/permissions/{mesh.grant}",
        "getEffectivePermission": f"/permissions/effective{of_maps}",
        "explainPermission": f"/permissions/explain{of_maps}",
        "getAccessAt": f"/audit/access?resource=asset:{mesh.readings}",
    }


def permission_writes(mesh: SmallMesh, tag: str) -> dict[str, Callable[[], Request]]:
    """The writing operations; each call makes ready what its request needs."""
    wish: dict[str, Any] = {
        "principal": f"user:guest-{tag}@elsewhere",
        "resource": {"columns": {"assetId": mesh.readings, "included": ["station", "level"]}},
        "permissions": ["SELECT"],
        "permissionsWithGrantOption": ["SELECT"],
        "masks": {"station": {"kind": "partial", "keepLast": 2}},
        "expiresAt": "2999-01-31T00:00:00Z",
        "reason": f"For a while, {tag}.",
        "onAws": "exclude",
    }

    def revoked() -> Request:
        given = mesh.ask("domain-owner", "POST", "/permissions/grant", wish)
        body = {"grantId": given["grantId"], "permissions": ["SELECT"], "reason": "No more."}
        return Request("POST", "/permissions/revoke", body)

    return {
        "grantPermission": lambda: Request("POST", "/permissions/grant", wish),
        "revokePermission": revoked,
        "simulatePermissions": lambda: Request(
            "POST",
            "/permissions/simulate",
            {"changes": [{"grant": wish}], "principals": [wish["principal"]]},
        ),
    }
