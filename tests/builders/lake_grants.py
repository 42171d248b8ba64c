"""Lakes of grants under test, one for each adapter. A new adapter joins in `LAKES`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from meshplane.kit.clock import FixedClock
from meshplane.services.lake.entries import entry
from meshplane.services.lake.local import LocalLake
from meshplane.services.lake.ports import LakeChange, LakeEntry, LakeGrants
from tests.builders.lake_formation_lake import lake_formation_lake
from tests.builders.stores import NOON

MADE_AT = "2024-05-01T12:00:00.000000Z"


def local_lake(folder: Path) -> LakeGrants:
    """The embedded lake in a folder; several may be open on one."""
    return LocalLake(folder / "lake" / "grants.db", FixedClock(NOON))


LAKES: dict[str, Callable[[Path], LakeGrants]] = {
    "local": local_lake,
    "lake-formation": lake_formation_lake,
}
"""By adapter: opens a lake that keeps its state in a folder, or that is known by it."""


def who(name: str) -> str:
    """A principal that every lake takes."""
    return f"arn:aws:iam::111122223333:role/{name}"


def table(name: str = "flights", database: str = "aviation") -> dict[str, Any]:
    """A table as a resource."""
    return {"Table": {"DatabaseName": database, "Name": name}}


def held(
    principal: str = "arn:aws:iam::111122223333:role/analysts",
    resource: Mapping[str, Any] | None = None,
    permissions: tuple[str, ...] = ("SELECT",),
    **more: Any,
) -> LakeEntry:
    """An entry with little in it."""
    given = {"made_by": "service:lake", "made_at": MADE_AT, **more}
    return entry(principal, resource or table(), permissions, **given)


def puts(*entries: LakeEntry) -> list[LakeChange]:
    """Changes that put these."""
    return [LakeChange("put", one) for one in entries]


async def all_of(lake: LakeGrants, limit: int = 7) -> list[LakeEntry]:
    """Everything that a lake holds, page after page."""
    found: list[LakeEntry] = []
    cursor: str | None = None
    while True:
        page = await lake.read(limit, cursor)
        assert len(page.entries) <= limit
        found += page.entries
        cursor = page.cursor
        if cursor is None:
            return found
