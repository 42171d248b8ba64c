"""The history of queries, each principal's for himself.

An entry is written in the commit that holds the audit record of its query. It keeps the text, cut
when it is long, and never the values of parameters. The newest 10,000 of a principal are kept, for
90 days.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.kit.clock import from_text
from meshplane.kit.errors import Missing
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Between, Row
from meshplane.policy.model import MESH
from meshplane.services.query.history_schemas import HistoryEntryView
from meshplane.services.query.in_flight import query_resource
from meshplane.services.query.store import HISTORY

KEPT_DAYS = 90
MOST_KEPT = 10_000
_TEXT_CHARACTERS = 16_384
_REMOVED_AT_ONCE = 5
_STATUS = {
    None: "succeeded",
    "SQL_CANCELLED": "cancelled",
    "CANCELLED": "cancelled",
    "SQL_REFUSED": "refused",
    "ACCESS_REQUIRED": "refused",
    "FORBIDDEN": "refused",
    "GRANT_BROKEN": "refused",
    "VIEW_CLOSED": "refused",
}


@dataclass(slots=True)
class Ran:
    """What there is to tell of a query; filled while it runs."""

    principal: str
    query_id: str
    operation: str
    sql: str
    project_id: str | None
    started_at: str
    relations: list[dict[str, Any]] = field(default_factory=list)
    rows: int | None = None
    result_bytes: int | None = None
    truncated: bool | None = None
    seconds: float | None = None
    bytes_scanned: int | None = None
    usd: float | None = None
    goes_on: bool = False

    async def write(self, work: UnitOfWork, code: str | None) -> None:
        """Adds the entry to a unit of work, and takes out what is too old.

        Args:
            work: which holds the query's audit record.
            code: of the error with which it ended; None if it ended well.
        """
        if self.goes_on and code is None:
            return  # its end will be written when it comes
        newest = await work.query(
            HISTORY, self.principal, index="byNumber", limit=1, descending=True
        )
        number = int(newest.rows[0].item["number"]) + 1 if newest.rows else 1
        for row in await self._too_old(work, number - MOST_KEPT):
            work.delete(HISTORY, self.principal, row.item["place"])
        work.put(HISTORY, self._item(number, code))

    async def _too_old(self, work: UnitOfWork, last: int) -> tuple[Row, ...]:
        if last < 1:
            return ()
        page = await work.query(
            HISTORY,
            self.principal,
            index="byNumber",
            where=Between(None, _number(last)),
            limit=_REMOVED_AT_ONCE,
        )
        return page.rows

    def _item(self, number: int, code: str | None) -> dict[str, Any]:
        text = self.sql.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
        ends = from_text(self.started_at) + timedelta(days=KEPT_DAYS)
        return {
            "principal": self.principal,
            "place": f"{self.started_at}#{self.query_id}",
            "queryId": self.query_id,
            "number": _number(number),
            "operation": self.operation,
            "sql": text[:_TEXT_CHARACTERS],
            "sqlCut": len(text) > _TEXT_CHARACTERS,
            "projectId": self.project_id,
            "startedAt": self.started_at,
            "status": _STATUS.get(code, "failed"),
            "code": code,
            "relations": self.relations,
            "rows": self.rows,
            "resultBytes": self.result_bytes,
            "truncated": self.truncated,
            "seconds": self.seconds,
            "bytesScanned": self.bytes_scanned,
            "expiresEpoch": int(ends.timestamp()),
        }


def _number(number: int) -> str:
    return f"{number:012d}"


async def has_ended(work: UnitOfWork, principal: str, query_id: str) -> bool:
    """Whether the principal has a query of that id in his history."""
    return await _find(work, principal, query_id) is not None


class History:
    """Use cases of the history."""

    async def list(self, call: Call, query: PageQuery) -> Page[HistoryEntryView]:
        """The caller's own queries, the newest first."""
        await call.allow(MESH)
        page = await call.work.query(
            HISTORY, call.actor.name, limit=query.limit, cursor=query.cursor, descending=True
        )
        return Page[HistoryEntryView](
            items=[_view(row.item) for row in page.rows], next_cursor=page.cursor
        )

    async def get(self, call: Call, query_id: str) -> HistoryEntryView:
        """One of the caller's own queries.

        Raises:
            Missing: QUERY_NOT_FOUND.
        """
        item = await _find(call.work, call.actor.name, query_id)
        starter = call.actor.name if item is not None else ""
        absent = Missing(
            "QUERY_NOT_FOUND",
            "No query of yours with this id has ended; /query/running lists those under way.",
            field="queryId",
        )
        await call.allow(query_resource(query_id, starter), hide=absent)
        if item is None:
            raise absent
        return _view(item)


async def _find(work: UnitOfWork, principal: str, query_id: str) -> dict[str, Any] | None:
    page = await work.query(
        HISTORY, principal, index="byQuery", where=Between(query_id, query_id), limit=1
    )
    return page.rows[0].item if page.rows else None


def _view(item: dict[str, Any]) -> HistoryEntryView:
    told = {name: value for name, value in item.items() if name not in _OWN}
    return HistoryEntryView.model_validate(told)


_OWN = frozenset({"principal", "place", "number", "expiresEpoch"})
