"""HTTP of the permissions service."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.permissions.granting import Granting
from meshplane.services.permissions.reading import Reading
from meshplane.services.permissions.schemas import (
    EffectiveQuery,
    EffectiveView,
    ExplanationView,
    GrantQuery,
    GrantView,
    NewGrant,
    Revocation,
    RevocationView,
    Simulation,
    SimulationView,
)
from meshplane.services.permissions.taking import Taking
from meshplane.services.permissions.trying import Trying


def routes(
    granting: Granting, taking: Taking, reading: Reading, trying: Trying, boundary: Boundary
) -> list[OperationRoute]:
    """The routes under /api/v1/permissions."""
    operations = Operations(boundary)

    @operations.write("POST", "/permissions/grant", "grantPermission", status=201)
    async def grant_permission(call: Call, body: NewGrant) -> GrantView:
        return await granting.grant(call, body)

    @operations.write("POST", "/permissions/revoke", "revokePermission")
    async def revoke_permission(call: Call, body: Revocation) -> RevocationView:
        return await taking.revoke(call, body)

    # It carries a body and writes nothing; what it was asked stands in the audit trail.
    @operations.write("POST", "/permissions/simulate", "simulatePermissions")
    async def simulate_permissions(call: Call, body: Simulation) -> SimulationView:
        return await trying.simulate(call, body)

    @operations.read("/permissions", "listGrants")
    async def list_grants(call: Call, query: GrantQuery) -> Page[GrantView]:
        return await reading.list(call, query)

    @operations.read("/permissions/effective", "getEffectivePermission")
    async def get_effective_permission(call: Call, query: EffectiveQuery) -> EffectiveView:
        return await reading.effective(call, query)

    @operations.read("/permissions/explain", "explainPermission")
    async def explain_permission(call: Call, query: EffectiveQuery) -> ExplanationView:
        return await reading.explain(call, query)

    # Declared after the paths of one word, which it would take for ids.
    @operations.read("/permissions/{grant_id}", "getGrant")
    async def get_grant(call: Call, grant_id: str) -> GrantView:
        return await reading.get(call, grant_id)

    return operations.routes
