"""Use case: how a statement would be run, told from what its caller may see and nothing else."""

import orjson

from meshplane.boundary.call import Call
from meshplane.services.query.access import Access, Opened
from meshplane.services.query.governing import Governing
from meshplane.services.query.sandbox import Limits, Outcome, Statement
from meshplane.services.query.schemas import (
    NewExplanation,
    PlannedColumn,
    PlannedRelation,
    PlanView,
)

_PLAN_SECONDS = 10.0


async def explain(
    governing: Governing, call: Call, body: NewExplanation, access: Access, memory_mib: int
) -> PlanView:
    """The engine's plan, and how each relation is seen.

    The plan is made over tables without rows that have the caller's visible columns and no others:
    it holds no estimate, no file and no policy. Masks and filters are those of his own grants.

    Args:
        governing: runs statements.
        call: the operation, which was allowed.
        body: the statement.
        access: what it may read.
        memory_mib: that planning may use.

    Raises:
        MeshplaneError: SQL_REFUSED, SQL_INVALID, SQL_RUNTIME, SQL_LIMIT, ACCESS_REQUIRED.
    """
    limits = Limits(timeout_seconds=_PLAN_SECONDS, memory_mib=memory_mib, threads=1)
    statement = Statement(body.sql, body.parameters, "json", limits)
    job = await governing.begin(
        call, statement, access, query_id=None, project_id=body.project_id, is_kept=False
    )
    outcome = await governing.explain(job)
    plan, columns = _read(outcome)
    return PlanView(
        query_id=job.entry.query_id,
        plan=plan,
        relations=[_relation(one, columns) for one in access.opened],
    )


def _read(outcome: Outcome) -> tuple[str, dict[tuple[str, str], list[tuple[str, str]]]]:
    """The plan, and (schema, relation) → (name, type) of its visible columns."""
    columns: dict[tuple[str, str], list[tuple[str, str]]] = {}
    plan = ""
    for schema, relation, name, text in orjson.loads(outcome.body):
        if relation:
            columns.setdefault((schema, relation), []).append((name, text))
        else:
            plan = text
    return plan, columns


def _relation(
    opened: Opened, columns: dict[tuple[str, str], list[tuple[str, str]]]
) -> PlannedRelation:
    relation = opened.relation
    known = {column.name: column.policy_name for column in relation.columns}
    seen = columns.get((relation.schema, relation.name), [])
    return PlannedRelation(
        **opened.read.model_dump(),
        columns=[
            PlannedColumn(name=name, type=kind, shown=_shown(opened, known[name]))
            for name, kind in seen
        ],
        rows_filtered=all(scope.row_filter is not None for scope in relation.scopes),
    )


def _shown(opened: Opened, name: str) -> list[str]:
    """How the grants show a column, each way once."""
    ways: dict[str, None] = {}
    for scope in opened.relation.scopes:
        if name in scope.columns:
            mask = scope.columns[name]
            ways["plain" if mask is None or mask.kind == "none" else mask.kind] = None
    return sorted(ways)
