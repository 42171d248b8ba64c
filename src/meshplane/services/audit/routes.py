"""HTTP of the audit service."""

import asyncio
from collections.abc import AsyncIterator

import orjson
from starlette.responses import Response, StreamingResponse

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page, position
from meshplane.kit.hash_chain import verify
from meshplane.platform.store import Store
from meshplane.policy.model import MESH
from meshplane.services.audit.access import AccessOnDate
from meshplane.services.audit.anchors import Anchors
from meshplane.services.audit.chain import export_line
from meshplane.services.audit.schemas import (
    AccessAtView,
    AccessQuery,
    AuditQuery,
    AuditRecordView,
    VerificationView,
)


def routes(
    store: Store, anchors: Anchors, access: AccessOnDate, boundary: Boundary
) -> list[OperationRoute]:
    """The routes under /api/v1/audit."""
    operations = Operations(boundary)

    @operations.read("/audit", "listAuditRecords")
    async def list_audit_records(call: Call, query: AuditQuery) -> Page[AuditRecordView]:
        await call.allow(MESH)
        found = await store.audit_after(position(query.cursor), query.limit + 1)
        shown = found[: query.limit]
        more = len(found) > query.limit
        return Page[AuditRecordView](
            items=[_view(body, digest) for _, body, digest in shown],
            next_cursor=str(shown[-1][0]) if more else None,
        )

    @operations.read("/audit/export", "exportAuditTrail", {"text/plain": None})
    async def export_audit_trail(call: Call) -> Response:
        await call.allow(MESH)
        return StreamingResponse(_lines(store), media_type="text/plain; charset=utf-8")

    @operations.read("/audit/verify", "verifyAuditTrail")
    async def verify_audit_trail(call: Call) -> VerificationView:
        await call.allow(MESH)
        return await _verified(store, anchors)

    @operations.read("/audit/access", "getAccessAt")
    async def get_access_at(call: Call, query: AccessQuery) -> AccessAtView:
        return await access.at(call, query)

    return operations.routes


async def _lines(store: Store) -> AsyncIterator[bytes]:
    async for _, body, digest in store.audit_lines():
        yield export_line(body, digest)


async def _verified(store: Store, anchors: Anchors) -> VerificationView:
    noted = dict(anchors.noted())
    entries = [(body, digest) async for _, body, digest in store.audit_lines()]
    found = await asyncio.to_thread(verify, entries)
    held = all(
        sequence <= len(entries) and entries[sequence - 1][1] == digest
        for sequence, digest in noted.items()
    )
    return VerificationView(
        valid=found.valid and held,
        records=found.records,
        head=found.head,
        first_broken=found.first_broken,
        anchors=len(noted),
        anchors_valid=held,
    )


def _view(body: bytes, digest: str) -> AuditRecordView:
    return AuditRecordView.model_validate({**orjson.loads(body), "hash": digest})
