"""HTTP of the shares service."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.shares.schemas import (
    AcceptanceView,
    NewShare,
    ShareFailure,
    ShareQuery,
    ShareView,
)
from meshplane.services.shares.service import Shares

_PATH = "/cross-account-share"
_ONE = f"{_PATH}/{{share_id}}"


def routes(shares: Shares, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/cross-account-share."""
    operations = Operations(boundary)

    @operations.write("POST", _PATH, "shareAsset", status=201)
    async def share_asset(call: Call, body: NewShare) -> ShareView:
        return await shares.share(call, body)

    @operations.read(_PATH, "listShares")
    async def list_shares(call: Call, query: ShareQuery) -> Page[ShareView]:
        return await shares.list(call, query)

    @operations.read(_ONE, "getShare")
    async def get_share(call: Call, share_id: str) -> ShareView:
        return await shares.get(call, share_id)

    @operations.read(f"{_ONE}/acceptance", "checkShareAcceptance")
    async def check_share_acceptance(call: Call, share_id: str) -> AcceptanceView:
        return await shares.acceptance(call, share_id)

    @operations.write("POST", f"{_ONE}/accept", "acceptShare")
    async def accept_share(call: Call, share_id: str) -> ShareView:
        return await shares.advance(call, share_id, "ACCEPTED")

    _declare_steps(operations, shares)
    return operations.routes


def _declare_steps(operations: Operations, shares: Shares) -> None:
    """What the share workflow does."""

    @operations.write("POST", f"{_ONE}/resource-share", "createResourceShare")
    async def create_resource_share(call: Call, share_id: str) -> ShareView:
        return await shares.advance(call, share_id, "SHARED")

    @operations.write("POST", f"{_ONE}/grant", "grantShareAccess")
    async def grant_share_access(call: Call, share_id: str) -> ShareView:
        return await shares.advance(call, share_id, "GRANTED")

    @operations.write("POST", f"{_ONE}/verify", "verifyShareAccess")
    async def verify_share_access(call: Call, share_id: str) -> ShareView:
        return await shares.advance(call, share_id, "VERIFIED")

    @operations.write("POST", f"{_ONE}/complete", "completeShare")
    async def complete_share(call: Call, share_id: str) -> ShareView:
        return await shares.advance(call, share_id, "ACTIVE")

    @operations.write("POST", f"{_ONE}/fail", "failShare")
    async def fail_share(call: Call, share_id: str, body: ShareFailure) -> ShareView:
        return await shares.fail(call, share_id, body)
