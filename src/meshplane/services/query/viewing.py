"""Use cases: making a view, to be published like a table, and showing it to its project."""

from collections.abc import Sequence

from meshplane.boundary.call import Call
from meshplane.kit.errors import Invalid, MeshplaneError, Missing, Refused
from meshplane.policy.model import Resource
from meshplane.services.projects.api import no_such_project
from meshplane.services.query.access import Opened
from meshplane.services.query.governing import Governing
from meshplane.services.query.materializing import Target
from meshplane.services.query.sandbox import Limits, RelationName, Statement
from meshplane.services.query.service import Queries
from meshplane.services.query.store import VIEWS
from meshplane.services.query.view_rows import DEEPEST, OWNER, Read, View, ViewBook
from meshplane.services.query.view_schemas import NewView, ViewedRelation, ViewView
from meshplane.services.query.viewed import ViewedAccess

_LIMITS = Limits(timeout_seconds=30.0, threads=1, max_rows=1)


class Viewing:
    """Makes and shows views.

    Args:
        queries: makes tables of results.
        governing: runs statements.
        views: finds views.
    """

    def __init__(self, queries: Queries, governing: Governing, views: ViewBook) -> None:
        self._queries = queries
        self._governing = governing
        self._views = views

    async def create(self, call: Call, body: NewView) -> ViewView:
        """Makes a view of a SELECT: a table without rows that has its columns, to be published.

        Raises:
            Refused: GRANT_OPTION_REQUIRED, it is to run as its owner, and reads what the project
                neither owns nor holds SELECT on with grant option; ACCESS_REQUIRED, SQL_REFUSED.
            Invalid: VIEW_TOO_DEEP, more than three views would lie one upon the other; SQL_INVALID.
            Conflict: NAME_TAKEN.
        """
        project = await self._queries.below.projects.find(call.actor, body.project_id)
        if project is None:
            raise no_such_project()
        await call.allow(Resource("Project", body.project_id, project.domain_id, body.project_id))
        sql = body.sql.strip().rstrip(";")
        access = self._access(call, body)
        await self._check(call, sql, body)
        # One level around it: the types of the columns, and no row.
        wrapped = f"SELECT * FROM (\n{sql}\n) AS v LIMIT 0"  # noqa: S608 - it passed the gate
        statement = Statement(wrapped, None, "arrow", _LIMITS)
        job = await self._governing.begin(
            call, statement, access, query_id=None, project_id=body.project_id, is_kept=False
        )
        outcome = await self._governing.run(job)
        depth = 1 + max([await self._depth(one) for one in access.opened], default=0)
        if depth > DEEPEST:
            raise Invalid(
                "VIEW_TOO_DEEP", f"At most {DEEPEST} views lie one upon the other.", field="sql"
            )
        table = await self._queries.keep(job, outcome, Target(body.project_id, body.name))
        view = View(
            table_id=table.table_id,
            project_id=body.project_id,
            domain_id=project.domain_id,
            name=body.name,
            sql=sql,
            runs_as=body.runs_as,
            reads=tuple(_read(name, access.opened) for name in outcome.relations),
            depth=depth,
        )
        call.work.put(VIEWS, view.to_item(call.actor.name, call.now))
        return _view(view)

    async def get(self, call: Call, view_id: str) -> ViewView:
        """A view, for the members of its project.

        Raises:
            Missing: VIEW_NOT_FOUND.
        """
        absent = Missing("VIEW_NOT_FOUND", "There is no view with this id.", field="viewId")
        view = await self._views.find(view_id)
        place = (None, None) if view is None else (view.domain_id, view.project_id)
        await call.allow(Resource("Table", view_id, *place), hide=absent)
        if view is None:
            raise absent
        return _view(view)

    async def _check(self, call: Call, sql: str, body: NewView) -> None:
        """Sees that the text by itself is one SELECT over what the project may read, or pass on."""
        access = self._access(call, body)
        statement = Statement(sql, None, "json", _LIMITS)
        job = await self._governing.begin(
            call, statement, access, query_id=None, project_id=body.project_id, is_kept=False
        )
        try:
            await self._governing.explain(job)
        except MeshplaneError as error:
            if body.runs_as != OWNER or error.code not in ("ACCESS_REQUIRED", "GRANT_BROKEN"):
                raise
            raise Refused(
                "GRANT_OPTION_REQUIRED",
                "A view that runs as its owner reads only what its project owns, or holds SELECT "
                "on with grant option. Ask a steward for it, or make a view that runs as its "
                "reader.",
                field="sql",
            ) from error

    def _access(self, call: Call, body: NewView) -> ViewedAccess:
        below = self._queries.below
        return ViewedAccess(
            call.actor,
            body.project_id,
            None,
            below.assets,
            below.tables,
            below.projects,
            below.permissions,
            views=self._views,
            passes_on=body.runs_as == OWNER,
        )

    async def _depth(self, opened: Opened) -> int:
        view = await self._views.find(opened.asset.table_id)
        return view.depth if view is not None else 0


def _read(asked: RelationName, opened: Sequence[Opened]) -> Read:
    asset = next(
        one.asset
        for one in opened
        if one.asset.name.lower() == asked.name.lower()
        and (asked.schema is None or one.asset.domain_name.lower() == asked.schema.lower())
    )
    return Read(asked.schema, asked.name, asset.domain_name, asset.name, asset.asset_id)


def _view(view: View) -> ViewView:
    return ViewView(
        view_id=view.table_id,
        table_id=view.table_id,
        project_id=view.project_id,
        name=view.name,
        sql=view.sql,
        runs_as=view.runs_as,
        relations=[
            ViewedRelation(name=f"{one.domain_name}.{one.asset_name}", asset_id=one.asset_id)
            for one in view.reads
        ],
        depth=view.depth,
    )
