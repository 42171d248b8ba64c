"""Use cases: which statements are under way, and ending one."""

from meshplane.boundary.call import Call
from meshplane.kit.errors import Conflict, Invalid, Missing, Refused
from meshplane.policy.model import MESH
from meshplane.services.query.history import has_ended
from meshplane.services.query.history_schemas import (
    Cancellation,
    CancelledView,
    RunningQuery,
    RunningView,
    UnderWayView,
)
from meshplane.services.query.in_flight import (
    InFlight,
    UnderWay,
    cancelled,
    query_resource,
)


class Cancelling:
    """Lists and ends statements under way.

    Args:
        in_flight: where they are.
    """

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight

    async def list(self, call: Call, query: RunningQuery) -> RunningView:
        """The caller's own statements under way.

        With `everyone`, those of all, without their text, for an administrator.

        Raises:
            Refused: FORBIDDEN, `everyone` is for administrators.
        """
        await call.allow(MESH)
        own = call.actor.name
        if not query.everyone:
            return RunningView(items=[_view(one, own) for one in self._in_flight.of(own)])
        if not await call.judge.allows(call.actor, "seeAllQueries", MESH):
            call.denied = True
            raise Refused(
                "FORBIDDEN",
                "Only an administrator of the mesh sees the queries of others.",
                field="everyone",
            )
        return RunningView(items=[_view(one, own) for one in self._in_flight.all()])

    async def cancel(self, call: Call, query_id: str, body: Cancellation) -> CancelledView:
        """Ends a statement of the caller's, or, for an administrator, anybody's.

        Its process is killed at once; its own request is answered with SQL_CANCELLED.

        Raises:
            Missing: QUERY_NOT_FOUND, nothing of the caller's goes by that id.
            Conflict: QUERY_ENDED, it has ended before.
            Invalid: QUERY_AMBIGUOUS, several principals have a statement of that id.
        """
        one = await self._found(call, query_id, body.principal)
        call.note(queryId=query_id, principal=one.principal)
        one.stop(cancelled(by_other=one.principal != call.actor.name))
        return CancelledView(query_id=query_id, principal=one.principal)

    async def _found(self, call: Call, query_id: str, principal: str | None) -> UnderWay:
        own = call.actor.name
        if principal not in (None, own):
            return await self._of_other(call, query_id, principal)
        one = self._in_flight.find(own, query_id)
        if one is not None:
            await call.allow(query_resource(query_id, own))
            return one
        if await has_ended(call.work, own, query_id):
            await call.allow(query_resource(query_id, own))
            raise Conflict(
                "QUERY_ENDED", "The query has ended before: see /query/history.", field="queryId"
            )
        return await self._of_other(call, query_id, principal)

    async def _of_other(self, call: Call, query_id: str, principal: str | None) -> UnderWay:
        """Somebody else's; whoever may not end it learns nothing of whether it is there."""
        found = [
            one
            for one in self._in_flight.all()
            if one.query_id == query_id and principal in (None, one.principal)
        ]
        starter = found[0].principal if found else ""
        await call.allow(query_resource(query_id, starter), hide=_not_found())
        if not found:
            raise _not_found()
        if len(found) > 1:
            raise Invalid(
                "QUERY_AMBIGUOUS",
                "Several principals run a query of this id: name whose in principal.",
                field="principal",
            )
        return found[0]


def _not_found() -> Missing:
    return Missing(
        "QUERY_NOT_FOUND",
        "No query of yours with this id is under way, or has ended.",
        field="queryId",
    )


def _view(one: UnderWay, own: str) -> UnderWayView:
    return UnderWayView(
        query_id=one.query_id,
        principal=one.principal,
        operation=one.operation,
        started_at=one.started_at,
        state=one.state,
        sql=one.sql if one.principal == own else None,
    )
