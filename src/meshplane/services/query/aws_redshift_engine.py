"""Statements over tables that lie in Redshift, as the project's role.

gate and names as for Athena (`aws_sql`) → relations, resolved by the mesh's policy → of tables of
other projects, Redshift is brought to show what is granted, and no more (`aws_redshift_rights`) →
written for Redshift over the columns that are shown → run as the role (`aws_redshift`). Redshift
decides what is read; nothing of the mesh's policy is in the statement.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from meshplane.kit.errors import MeshplaneError
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.redshift import RedshiftPlace
from meshplane.services.projects.api import ProjectSummary
from meshplane.services.query.access import Access, Opened
from meshplane.services.query.aws_redshift import RedshiftQueries
from meshplane.services.query.aws_redshift_rights import RedshiftRights
from meshplane.services.query.sandbox import Outcome, Relation, Scope, Sink, Statement
from meshplane.services.query.sandbox.faults import refused
from meshplane.services.tables.api import ExternalSource

if TYPE_CHECKING:  # it loads the parser
    from meshplane.services.query.aws_redshift_sql import Translated
    from meshplane.services.query.aws_sql import Parsed

_SESSION_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Told:
    """A statement in Redshift's words, where it is to run, and over what."""

    translated: "Translated"
    place: RedshiftPlace
    relations: tuple[Relation, ...]


class RedshiftEngine:
    """Runs statements whose relations all lie in one database of Redshift.

    Args:
        aws: the mesh itself, which may take the roles of projects.
        role_of: the ARN of the role that acts as a project, by the project's id.
        rights: brings Redshift to show what is granted.
    """

    def __init__(self, aws: Aws, role_of: Callable[[str], str], rights: RedshiftRights) -> None:
        self._aws = aws
        self._role_of = role_of
        self._rights = rights

    async def ready(
        self,
        access: Access,
        project: ProjectSummary,
        parsed: "Parsed",
        relations: Sequence[Relation],
        statement: Statement,
    ) -> Told:
        """A statement as Redshift will be told it.

        Args:
            access: that has opened the relations.
            project: as which it runs.
            parsed: the statement; its tree is used up.
            relations: in the order of its names.
            statement: its parameters.

        Raises:
            Refused: SQL_REFUSED, its relations lie in several places; ACCESS_REQUIRED,
                GRANT_NOT_CARRIED, as `RedshiftRights.shown`.
            Refused, Invalid, LimitReached: as `aws_redshift_sql.translate_over`.
        """
        from meshplane.services.query.aws_redshift_sql import translate_over
        from meshplane.services.query.aws_sql import Seen

        opened = {id(one.relation): one for one in access.opened}
        found = [opened[id(relation)] for relation in relations]
        place = _one_place(found)
        shown = [await self._shown(access, project, one) for one in found]
        seen = [
            Seen(replace(relation, schema=source.schema, name=source.table))
            for relation, source in zip(shown, map(_source, found), strict=True)
        ]
        told = await asyncio.to_thread(translate_over, parsed, seen, statement.parameters)
        return Told(told, place, tuple(shown))

    async def run(
        self,
        told: Told,
        project: ProjectSummary,
        statement: Statement,
        begun: float,
        sink: Sink | None,
    ) -> Outcome:
        """The answer to a statement that is ready; see `QueryEngine.run`."""
        session = f"meshplane-{project.project_id}"[:_SESSION_CHARACTERS]
        aws = self._aws.as_role(self._role_of(project.project_id), session)
        queries = RedshiftQueries(aws, told.place)
        return await queries.run_told(told.translated, statement, begun, sink)

    async def _shown(self, access: Access, project: ProjectSummary, one: Opened) -> Relation:
        """A relation with the columns that Redshift shows; the owner's own are his to have."""
        if one.asset.project_id == project.project_id:
            return one.relation
        governed = await access.governed(one.asset)
        names = await self._rights.shown(access.actor, project.project_id, governed, _source(one))
        return replace(one.relation, scopes=(Scope(None, dict.fromkeys(names)),))


def lies_elsewhere(access: Access) -> bool:
    """Whether a relation that was opened is kept by another engine.

    Raises:
        Refused: SQL_REFUSED, some are, and some are not.
    """
    kinds = {one.scan.source is not None for one in access.opened}
    if len(kinds) > 1:
        raise _mixed()
    return kinds == {True}


def _one_place(opened: Sequence[Opened]) -> RedshiftPlace:
    places = {
        RedshiftPlace(source.database, source.workgroup, source.cluster)
        for source in map(_source, opened)
    }
    if len(places) != 1:
        raise _mixed()
    return places.pop()


def _source(one: Opened) -> ExternalSource:
    if one.scan.source is None:
        raise _mixed()
    return one.scan.source


def _mixed() -> MeshplaneError:
    return refused(
        "The statement reads tables that are kept in different places: one statement reads the "
        "lake, or one database of Redshift."
    )
