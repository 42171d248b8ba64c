"""Brings Redshift to show a project of a table what the mesh's grants let it see, and nothing else.

asked for, or a grant changed → the project's own grants on the table → compiled
(`aws_redshift_compiling`) → what Redshift holds, read → the difference in one transaction → read
again. Only what was read back as it should be counts: till then, and where Redshift cannot be
brought to it, the table stays closed to the project. What was carried stands in `REDSHIFT_RIGHTS`,
so that it is taken away when the grants go.

The statements are the mesh's own: its role must be a superuser of the database. Needs AWS: how
Redshift decides is shown here by a fake that follows its documentation.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import MeshplaneError, Refused, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.redshift import RedshiftPlace, RedshiftStatements, StatementFailed
from meshplane.platform.store import Store
from meshplane.services.permissions.api import GovernedAsset, PermissionsApi
from meshplane.services.query.aws_redshift_compiling import (
    OURS,
    Held,
    Wanted,
    agrees,
    closing,
    opening,
    problem,
    wanted,
)
from meshplane.services.query.aws_redshift_words import CannotSay
from meshplane.services.query.store import REDSHIFT_RIGHTS
from meshplane.services.tables.api import ExternalSource

_TRUSTED_SECONDS = 60.0
_ROUNDS = 3
# All of them are texts of the mesh's own; what is asked for is bound to `:u`, `:s`, `:t`, `:p`.
_WHOLE = """
    SELECT privilege_type, identity_type FROM svv_relation_privileges
    WHERE namespace_name = :s AND relation_name = :t
    AND ((identity_type = 'user' AND identity_name = :u) OR identity_type = 'public')
"""
_COLUMNS = """
    SELECT column_name, privilege_type, identity_type FROM svv_column_privileges
    WHERE namespace_name = :s AND relation_name = :t
    AND ((identity_type = 'user' AND identity_name = :u) OR identity_type = 'public')
"""
# Scoped permissions: what is given for all tables of a schema or of a database, those to come too.
# A scope that is not known here may be one of them.
_SCHEMA = """
    SELECT privilege_type, identity_type FROM svv_schema_privileges
    WHERE namespace_name = :s AND upper(privilege_scope) NOT IN ('SCHEMA', 'FUNCTIONS')
    AND ((identity_type = 'user' AND identity_name = :u) OR identity_type = 'public')
"""
_DATABASE = """
    SELECT privilege_type, identity_type FROM svv_database_privileges
    WHERE lower(database_name) = lower(:d)
    AND upper(privilege_scope) NOT IN ('DATABASE', 'SCHEMAS', 'FUNCTIONS', 'LANGUAGES')
    AND ((identity_type = 'user' AND identity_name = :u) OR identity_type = 'public')
"""
_USER = "SELECT usesuper FROM pg_user WHERE usename = :u"
_ROLES = "SELECT role_name FROM svv_user_grants WHERE user_name = :u"
_GROUPS = (
    "SELECT g.groname FROM pg_group AS g, pg_user AS u "
    "WHERE u.usename = :u AND u.usesysid = ANY(g.grolist)"
)
_FILTERED = "SELECT is_rls_on FROM svv_rls_relation WHERE relschema = :s AND relname = :t"
_ATTACHED = (
    "SELECT polname, grantee, granteekind FROM svv_rls_attached_policy "
    "WHERE relschema = :s AND relname = :t"
)
_WRITTEN = "SELECT polname FROM svv_rls_policy WHERE polname = :p"
_LOOK = (
    *(_USER, _ROLES, _GROUPS, _WHOLE, _COLUMNS, _SCHEMA, _DATABASE, _FILTERED, _ATTACHED, _WRITTEN),
)


class RedshiftRights:
    """Carries grants into Redshift.

    Args:
        aws: the mesh itself.
        user_of: the database's user that a project's role is, by the project's id.
        permissions: the service below.
        store: holds what was carried.
    """

    def __init__(
        self,
        aws: Aws,
        user_of: Callable[[str], str],
        permissions: PermissionsApi,
        store: Store,
    ) -> None:
        self._aws = aws
        self._user_of = user_of
        self._permissions = permissions
        self._store = store
        self._seen: dict[tuple[str, str], tuple[Wanted, float]] = {}
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def shown(
        self, actor: Actor, project_id: str, asset: GovernedAsset, source: ExternalSource
    ) -> tuple[str, ...]:
        """The columns of a table that Redshift shows a project, once it shows what it should.

        Raises:
            Refused: ACCESS_REQUIRED, nothing is granted to the project itself; GRANT_NOT_CARRIED,
                Redshift cannot be brought to show just what is.
        """
        one = await self._wanted(actor, project_id, asset, source)
        if one is None:
            raise Refused(
                "ACCESS_REQUIRED",
                f"{asset.domain_name}.{asset.name} is not granted to your project. In Redshift a "
                "statement runs as the project's role, so what people hold by themselves does not "
                "count there. Request a subscription for the project.",
                field="sql",
                details={
                    "assetId": asset.asset_id,
                    "assetName": asset.name,
                    "domainName": asset.domain_name,
                },
            )
        known = self._seen.get((asset.table_id, project_id))
        if known is None or known[0] != one or not _is_fresh(known[1]):
            async with self._locks[asset.table_id, project_id]:
                one = await self._in_step(actor, project_id, asset, source)
        return one.columns if one is not None else ()

    async def settle(
        self,
        actor: Actor,
        project_id: str,
        asset: GovernedAsset,
        source: ExternalSource,
        *,
        trusting: bool = False,
    ) -> str | None:
        """Brings Redshift in step for one project and table.

        Args:
            actor: who asks.
            project_id: the project.
            asset: the table, as policy knows it.
            source: where it lies.
            trusting: whether what was read back within the last minute need not be read again.

        Returns:
            Why the table stays closed to the project, if it does though it is granted.

        Raises:
            Unavailable: REDSHIFT_NOT_CLOSED, what is to go could not be taken away.
        """
        key = (asset.table_id, project_id)
        async with self._locks[key]:
            why: str | None = None
            try:
                known = self._seen.get(key)
                if trusting and known is not None and _is_fresh(known[1]):
                    one = await self._wanted(actor, project_id, asset, source)
                    if one == known[0]:
                        return None
                if await self._in_step(actor, project_id, asset, source) is not None:
                    return None
            except Refused as error:
                why = error.message
            await self._close(key, project_id, source)
            return why

    async def _in_step(
        self, actor: Actor, project_id: str, asset: GovernedAsset, source: ExternalSource
    ) -> Wanted | None:
        """Carries what is granted, until that is still what is granted when it was carried.

        So whoever writes last, of several processes, writes what the grants say.
        """
        key = (asset.table_id, project_id)
        one = await self._wanted(actor, project_id, asset, source)
        for _ in range(_ROUNDS):
            if one is None:
                return None
            await self._carry(key, asset, source, one)
            try:
                now = await self._wanted(actor, project_id, asset, source)
            except Refused:
                await self._close(key, project_id, source)
                raise
            if now == one:
                return one
            if now is None:
                await self._close(key, project_id, source)
            one = now
        await self._close(key, project_id, source)
        raise Unavailable("GRANTS_MOVE", "The grants on the table keep changing. Try again.")

    async def _wanted(
        self, actor: Actor, project_id: str, asset: GovernedAsset, source: ExternalSource
    ) -> Wanted | None:
        access = await self._permissions.access(actor, asset, [f"project:{project_id}"])
        if not access.scopes:
            return None
        names = [column.name for column in asset.columns]
        try:
            return wanted(self._user_of(project_id), source, names, access.scopes)
        except CannotSay as error:
            raise _not_carried(asset, str(error)) from error

    async def _carry(
        self, key: tuple[str, str], asset: GovernedAsset, source: ExternalSource, one: Wanted
    ) -> None:
        self._seen.pop(key, None)
        redshift = self._statements(source)
        # Kept first: what may have been carried must be found when the grant goes.
        await self._note(key, asset)
        held = Held()
        try:
            for attempt in range(_ROUNDS):
                held = await self._held(redshift, one)
                if agrees(one, held):
                    self._seen[key] = (one, time.monotonic())
                    return
                why = problem(one, held)
                if why is not None:
                    await self._shut(redshift, one, held)
                    raise _not_carried(asset, why)
                if attempt < _ROUNDS - 1:
                    await redshift.together(opening(one, held))
            # What does not show may hold all the same, and would not be found when it is to go.
            told = replace(held, columns=held.columns | set(one.columns))
            await self._shut(redshift, one, told)
        except (StatementFailed, AwsRejected) as error:
            raise _not_carried(asset, _reason(error)) from error
        raise _not_carried(asset, "Redshift does not show what it was told")

    async def _close(self, key: tuple[str, str], project_id: str, source: ExternalSource) -> None:
        """Takes away what a project had by the mesh.

        That it may have had it stays noted: another process may be about to carry what was granted
        before.
        """
        self._seen.pop(key, None)
        if await self._store.begin().get(REDSHIFT_RIGHTS, *key) is None:
            return
        redshift = self._statements(source)
        nothing = Wanted(self._user_of(project_id), source.schema, source.table, ())
        try:
            await self._shut(redshift, nothing, await self._held(redshift, nothing))
        except (StatementFailed, AwsRejected) as error:
            raise Unavailable(
                "REDSHIFT_NOT_CLOSED", "Redshift did not take a right away. It is tried again."
            ) from error

    async def _shut(self, redshift: RedshiftStatements, one: Wanted, held: Held) -> None:
        statements = closing(one, held)
        if statements:
            await redshift.together(statements)

    async def _note(self, key: tuple[str, str], asset: GovernedAsset) -> None:
        work = self._store.begin()
        if await work.get(REDSHIFT_RIGHTS, *key) is None:
            table_id, project_id = key
            item = {"tableId": table_id, "projectId": project_id, "assetId": asset.asset_id}
            work.put(REDSHIFT_RIGHTS, {**item, "all": "all"})
            await work.commit()

    def _statements(self, source: ExternalSource) -> RedshiftStatements:
        place = RedshiftPlace(source.database, source.workgroup, source.cluster)
        return RedshiftStatements(self._aws, place)

    async def _held(self, redshift: RedshiftStatements, one: Wanted) -> Held:
        """What Redshift holds now."""
        (
            users,
            roles,
            groups,
            whole,
            columns,
            schema,
            database,
            filtered,
            attached,
            written,
        ) = await redshift.all_rows(
            _LOOK,
            u=one.user,
            s=one.schema,
            t=one.table,
            p=one.policy,
            d=redshift.place.database,
        )
        strays = [
            *("the project's user in Redshift is a superuser" for row in users if row[0]),
            *(f"the project's user in Redshift has the role {row[0]}" for row in roles),
            *(f"the project's user in Redshift is in the group {row[0]}" for row in groups),
            *("everybody in Redshift (PUBLIC) may use the table" for row in whole if _is_all(row)),
            *("everybody in Redshift (PUBLIC) may read columns" for row in columns if _is_all(row)),
            *(f"{_whose(row)} has rights on all tables of the schema" for row in schema[:1]),
            *(f"{_whose(row)} has rights on all tables of the database" for row in database[:1]),
        ]
        policies = set()
        for name, grantee, kind in attached:
            if kind == "user" and grantee == one.user and name.startswith(OURS):
                policies.add(name)
            elif grantee == one.user or kind == "public" or grantee == "public":
                strays.append("a row-level policy of others on the table reaches the project")
        return Held(
            is_user=bool(users),
            columns=frozenset(row[0] for row in columns if not _is_all(row)),
            whole=frozenset(row[0] for row in whole if not _is_all(row)),
            policies=frozenset(policies),
            written=frozenset(row[0] for row in written),
            is_filtered=any(bool(row[0]) for row in filtered),
            strays=tuple(strays),
        )


def _reason(error: StatementFailed | AwsRejected) -> str:
    if isinstance(error, StatementFailed) and "permission denied" not in error.told.lower():
        return "the table is not as it was registered, or the mesh may not administer it"
    return "the mesh may not administer the database: its role must be a superuser there"


def _is_fresh(instant: float) -> bool:
    return time.monotonic() - instant < _TRUSTED_SECONDS


def _is_all(row: list[Any]) -> bool:
    return bool(row[-1] == "public")


def _whose(row: list[Any]) -> str:
    return "everybody in Redshift (PUBLIC)" if _is_all(row) else "the project's user in Redshift"


def _not_carried(asset: GovernedAsset, why: str) -> MeshplaneError:
    return Refused(
        "GRANT_NOT_CARRIED",
        f"{asset.domain_name}.{asset.name} lies in Redshift, and stays closed to your project: "
        f"{why}. Ask a steward of the domain {asset.domain_name}.",
        field="sql",
        details={"assetId": asset.asset_id, "assetName": asset.name},
    )
