"""HTTP of the audit service."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.operation import CallArgument, Operations
from meshplane.boundary.schemas import Page, position
from meshplane.kit.hash_chain import verify
from meshplane.platform.store import Store
from meshplane.policy.model import MESH
from meshplane.services.audit.anchors import Anchors
from meshplane.services.audit.chain import export_line
from meshplane.services.audit.schemas import AuditQuery, AuditRecordView, VerificationView


def router(store: Store, anchors: Anchors, boundary: Boundary) -> APIRouter:
    """The routes under /api/v1/audit."""
    operations = Operations(boundary, "audit")

    @operations.read("/audit", "listAuditRecords")
    async def list_audit_records(
        call: CallArgument, query: Annotated[AuditQuery, Query()]
    ) -> Page[AuditRecordView]:
        await call.allow(MESH)
        found = await store.audit_after(position(query.cursor), query.limit + 1)
        shown = found[: query.limit]
        more = len(found) > query.limit
        return Page[AuditRecordView](
            items=[_view(body, digest) for _, body, digest in shown],
            next_cursor=str(shown[-1][0]) if more else None,
        )

    @operations.read("/audit/export", "exportAuditTrail")
    async def export_audit_trail(call: CallArgument) -> Response:
        await call.allow(MESH)
        return StreamingResponse(_lines(store), media_type="text/plain; charset=utf-8")

    @operations.read("/audit/verify", "verifyAuditTrail")
    async def verify_audit_trail(call: CallArgument) -> VerificationView:
        await call.allow(MESH)
        return await _verified(store, anchors)

    return operations.router


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
