"""A table in the sandbox's Redshift, grants on it, and what a project then sees of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meshplane.boundary.actor import Actor, service_actor
from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.names import project_role_arn
from meshplane.platform.aws.redshift import RedshiftPlace, RedshiftStatements
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.sandbox.redshift_rights import Rights
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.permissions.api import (
    AssetAccess,
    FilterColumn,
    GovernedAsset,
    GovernedColumn,
    MaskRule,
    RowFilter,
    RowScope,
)
from meshplane.services.query.aws_redshift_rights import RedshiftRights
from meshplane.services.query.store import TABLES
from meshplane.services.tables.api import ExternalSource
from tests.builders.aws_sandbox import REGION, aws_as, aws_of

WORKGROUP, DATABASE = "analytics", "dev"
PLACE = RedshiftPlace(DATABASE, workgroup=WORKGROUP)
TYPES = {
    "id": ("int8", "BIGINT"),
    "shop": ("varchar(65535)", "VARCHAR"),
    "amount": ("numeric(10,2)", "DECIMAL(10,2)"),
    "day": ("date", "DATE"),
    "open": ("bool", "BOOLEAN"),
}
SALES = (
    "CREATE TABLE public.sales AS SELECT i::BIGINT AS id, "
    "CASE WHEN i % 7 = 0 THEN NULL ELSE 'shop ''' || (i % 5) END AS shop, "
    "(i * 1.25)::DECIMAL(10, 2) AS amount, DATE '2026-01-01' + (i % 40)::INTEGER AS day, "
    "i % 3 = 0 AS open FROM range(60) AS t(i)"
)
ACTOR = service_actor("query", None)
ASSET = GovernedAsset(
    "asset-sales",
    "sales",
    "dzd-1",
    "shops",
    "proj-shops",
    "tbl-sales",
    "internal",
    tuple(
        GovernedColumn(name, number, kind, "internal")
        for number, (name, (_, kind)) in enumerate(TYPES.items(), 1)
    ),
)
SOURCE = ExternalSource(
    "redshift",
    DATABASE,
    "public",
    "sales",
    WORKGROUP,
    types=tuple((name, kind) for name, (kind, _) in TYPES.items()),
)


def user_of(project_id: str) -> str:
    return f"IAMR:project-{project_id}-role"


def scope(
    columns: Sequence[str], rows: str | None = None, masked: Sequence[str] = (), grant: str = "g"
) -> RowScope:
    """What one grant lets through."""
    names = [name for name in TYPES if rows is not None and name in rows]
    named = tuple(FilterColumn(name, list(TYPES).index(name) + 1, TYPES[name][1]) for name in names)
    shown: dict[str, MaskRule | None] = dict.fromkeys(columns)
    shown.update(dict.fromkeys(masked, MaskRule("hash")))
    return RowScope(grant, RowFilter(rows, named) if rows is not None else None, shown)


class RedshiftWorld:
    """The table, and what is granted on it by project.

    Args:
        running: the sandbox, with its Redshift.
        folder: for the mesh's store.
    """

    def __init__(self, running: AwsSandbox, folder: Path) -> None:
        self.running = running
        self.fake: Any = running.world.services["redshift-data"]
        self.granted: dict[str, tuple[RowScope, ...]] = {}
        self.aws = aws_of(running)
        clock = SystemClock()
        self.store = SqliteStore(folder / "store.sqlite", TABLES, clock, id_maker(clock))
        me: Any = self
        self.rights = RedshiftRights(self.aws, user_of, me, self.store)
        with running.world.lock:
            self.database.execute("DROP TABLE IF EXISTS public.sales")
            self.database.execute(SALES)
        self.fake._rights.clear()

    @property
    def database(self) -> Any:
        return self.fake.database(self.running.accounts[0], REGION, WORKGROUP, DATABASE)

    @property
    def there(self) -> Rights:
        found: Rights = self.fake.rights(self.running.accounts[0], REGION, WORKGROUP, DATABASE)
        return found

    async def access(
        self, actor: Actor, asset: GovernedAsset, principals: Sequence[str]
    ) -> AssetAccess:
        """What the permissions service says; see `PermissionsApi.access`."""
        (principal,) = principals
        return AssetAccess({}, {}, self.granted.get(principal.partition(":")[2], ()), ())

    async def administer(self, *sqls: str) -> None:
        """Runs statements as who administers the database."""
        await RedshiftStatements(self.aws, PLACE).together(sqls)

    async def filter_rows(self) -> None:
        await self.administer("ALTER TABLE public.sales ROW LEVEL SECURITY ON")

    async def shown(self, project: str) -> tuple[str, ...]:
        """The columns that are open to a project, once its grants are carried."""
        return await self.rights.shown(ACTOR, project, ASSET, SOURCE)

    async def settle(self, project: str) -> str | None:
        return await self.rights.settle(ACTOR, project, ASSET, SOURCE)

    async def seen(self, project: str, sql: str) -> list[list[Any]]:
        """What a project's role sees, past the mesh."""
        role = project_role_arn(self.aws.place, project)
        return await RedshiftStatements(aws_as(self.running, role), PLACE).rows(sql)

    def expected(self, sql: str) -> int:
        """A number that the table itself gives."""
        with self.running.world.lock:
            return int(self.database.execute(sql).fetchone()[0])
