"""What ends a statement that runs: less access than it began with, or none to be looked up."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import MeshplaneError, Refused, Unavailable
from meshplane.services.assets.api import PUBLISHED, AssetSummary
from meshplane.services.query.access import Opened
from meshplane.services.query.sandbox import Column, Mask, Relation, RelationName, Scope
from meshplane.services.query.versions import VersionedAccess, Versions
from meshplane.services.query.watching import until_lost
from meshplane.services.tables.api import Scan

ADA = Actor("ada@here")
COLUMN = Column("level", 1, "BIGINT")
PART, HASHED = Scope("level < 5", {"level": None}), Scope(None, {"level": Mask("hash")})
ALL = Scope(None, {"level": None})
LOOK = 0.01


@dataclass(slots=True)
class Written(VersionedAccess):
    """Access that is written down in place of being looked up."""

    now: dict[str, Sequence[Scope] | MeshplaneError] = field(default_factory=dict)
    looks: list[str] = field(default_factory=list)
    is_away: Callable[[int], bool] = lambda look: False

    async def _own_projects(self) -> list[str]:
        return []

    async def _open(self, name: RelationName, projects: Sequence[str]) -> Relation:
        self.looks.append(name.name)
        if self.is_away(len(self.looks)):
            raise Unavailable("SERVICE_UNAVAILABLE", "It does not answer.")
        scopes = self.now[name.name]
        if isinstance(scopes, MeshplaneError):
            raise scopes
        relation = Relation("harbour", name.name, (), (COLUMN,), tuple(scopes))
        asset = AssetSummary(
            f"asset-{name.name}", name.name, "dzd-1", "harbour", "proj-1", "tides",
            f"tbl-{name.name}", "", "internal", "user:olga@tides", (), None, PUBLISHED,
        )  # fmt: skip
        scan = Scan(asset.table_id, "1", (), (), 0, ())
        self.opened.append(Opened(asset, scan, relation))
        return relation


async def opened(scopes: Sequence[Scope], **more: Any) -> Written:
    """Access to `readings` as a statement has opened it."""
    nobody = cast(Any, None)
    access = Written(ADA, None, None, nobody, nobody, nobody, nobody, **more)
    access.now["readings"] = scopes
    await access.resolve([RelationName("harbour", "readings")])
    return access


async def lost(access: Written, change: Callable[[], Any]) -> MeshplaneError | None:
    """What ends the statement after a change; None if nothing does."""
    task = asyncio.create_task(until_lost(access, LOOK))
    await asyncio.sleep(5 * LOOK)
    assert not task.done()
    change()
    done, _ = await asyncio.wait({task}, timeout=0.5)
    task.cancel()
    return task.result() if done else None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([ALL], [PART]),
        ([ALL], [HASHED]),
        ([PART, HASHED], [PART]),
        ([PART], [Scope("level < 4", {"level": None})]),
        ([ALL], Refused("ACCESS_REQUIRED", "Not any more.")),
        ([ALL], Refused("GRANT_BROKEN", "Its schema changed.")),
    ],
)
async def test_less_access__ends_the_statement(before: Sequence[Scope], after: Any) -> None:
    access = await opened(before)
    why = await lost(access, lambda: access.now.update(readings=after))
    assert why is not None
    assert why.code == "SQL_CANCELLED"


@pytest.mark.parametrize("after", [[ALL], [ALL, PART]])
async def test_the_same_access_or_more__lets_it_go_on(after: Sequence[Scope]) -> None:
    access = await opened([ALL])
    assert await lost(access, lambda: access.now.update(readings=after)) is None
    assert len(access.looks) > 5


async def test_no_answer__is_borne_for_a_moment_and_no_longer() -> None:
    access = await opened([ALL], is_away=lambda look: look > 10)
    why = await lost(access, lambda: None)
    assert why is not None
    assert (why.code, len(access.looks)) == ("SQL_CANCELLED", 13)


async def test_no_answer__now_and_then_lets_it_go_on() -> None:
    access = await opened([ALL], is_away=lambda look: look % 3 != 1)
    assert await lost(access, lambda: None) is None
    assert len(access.looks) > 10


async def test_snapshot_of_a_relation_that_is_not_opened_yet__is_no_loss() -> None:
    versions = Versions(snapshots={"harbour.later": "7"})
    nobody = cast(Any, None)
    access = Written(ADA, None, None, nobody, nobody, nobody, nobody, versions=versions)
    access.now["readings"] = [ALL]
    await access._open(RelationName("harbour", "readings"), [])
    assert await lost(access, lambda: None) is None


@dataclass(slots=True)
class Members:
    """Who belongs to the project `proj-2`."""

    held: dict[str, list[str]]

    async def roles(self, actor: Actor, project_id: str, principals: Sequence[str]) -> list[str]:
        return [] if project_id != "proj-2" else [r for p in principals for r in self.held[p]]


async def test_membership_of_the_project_that_was_named__ends_the_statement_with_it() -> None:
    nobody, members = cast(Any, None), Members({"user:ada@here": ["viewer"]})
    access = Written(ADA, "proj-2", None, nobody, nobody, cast(Any, members), nobody)
    access.now["readings"] = [ALL]
    await access.resolve([RelationName("harbour", "readings")])
    why = await lost(access, lambda: members.held.update({"user:ada@here": []}))
    assert why is not None
    assert why.code == "SQL_CANCELLED"
