"""What a service keeps of its things in the portal, and how it tells its own changes from others'.

The portal shows the mesh to people: there, too, names and descriptions can be changed by hand. A
link says which thing of the portal is ours, and what was last written there. What stands there now
and is neither that nor what we want, somebody else has written: it stays, and it is told.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from meshplane.kit.errors import MeshplaneError, Unavailable
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import Index, Table

GONE = "(gone)"
"""What a difference shows of a thing that is not there any more."""

MOST_LETTERS = 2048
"""How long a description in the portal may be."""

_ALL = "all"
_PAGE = 200


@dataclass(frozen=True, slots=True)
class PortalLink:
    """One of our things and what it is in the portal.

    Args:
        own_id: ours.
        portal_id: the portal's; empty where it cannot be shown there.
        applied: what was last written, by field.
        facts: further ids and states there, JSON values.
        drift: what others have written, by field, as it was last seen.
    """

    own_id: str
    portal_id: str
    applied: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    drift: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PortalDifference:
    """Something that others have changed in the portal.

    Args:
        kind: `domain`, `project`, `asset`, `subscription`, `glossary`, `term` or `form`.
        own_id, portal_id: of the thing.
        field: what differs: `description`, `member user:ann`, `listing`.
        ours: what the mesh would have there.
        theirs: what stands there; `GONE` where the thing or the member is not there.
    """

    kind: str
    own_id: str
    portal_id: str
    field: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is to be written to the portal, and what of it others have written."""

    written: dict[str, str]
    is_needed: bool
    drift: dict[str, str]


@dataclass(frozen=True, slots=True)
class Brought:
    """What came of bringing many things: how many are there now, and the code of each that failed.

    Args:
        count: of those that were brought.
        failed: the error's code by our id.
    """

    count: int
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Differences:
    """Some differences, and where the next page starts; None at the end."""

    found: Sequence[PortalDifference]
    cursor: str | None


class PortalPart(Protocol):
    """What a service does about the portal."""

    async def bring_all(self, *, mend: bool = False) -> Brought:
        """Makes all of it there what it is here; with `mend`, what others wrote is overwritten."""
        ...

    async def drift(self, limit: int, cursor: str | None = None) -> Differences:
        """What others have changed there, looked up now; it changes nothing.

        A page looks at a part of the things only: it may hold fewer differences than its limit,
        and none, before the last one.

        Args:
            limit: the most differences to give.
            cursor: of the page before.

        Raises:
            Invalid: CURSOR_INVALID.
        """
        ...

    async def heard(self, work: UnitOfWork, event: Mapping[str, Any]) -> None:
        """Looks at what an event of the portal speaks of, and keeps what others did."""
        ...


def portal_table(name: str) -> Table:
    """A table of links."""
    indexes = (Index("byAll", "listing", "ownId"), Index("byPortal", "portalId", "ownId"))
    return Table(name, "ownId", indexes=indexes)


async def link_of(work: UnitOfWork, table: Table, own_id: str) -> PortalLink | None:
    """The link of one of our things."""
    row = await work.get(table, own_id)
    return None if row is None else _link(row.item)


def put_link(work: UnitOfWork, table: Table, link: PortalLink, at: str) -> None:
    """Stores a link.

    Args:
        work: the unit of work.
        table: of the service.
        link: to be kept.
        at: the present, as RFC 3339 text.
    """
    work.put(
        table,
        {
            "ownId": link.own_id,
            "portalId": link.portal_id,
            "applied": dict(link.applied),
            "facts": dict(link.facts),
            "drift": dict(link.drift),
            "seenAt": at,
            "listing": _ALL,
        },
    )


async def own_ids_of(work: UnitOfWork, table: Table, portal_ids: Iterable[str]) -> list[str]:
    """Our ids of what the portal calls so."""
    found: set[str] = set()
    for portal_id in sorted({one for one in portal_ids if one}):
        page = await work.query(table, portal_id, index="byPortal", limit=_PAGE)
        found.update(row.item["ownId"] for row in page.rows)
    return sorted(found)


def ids_in(event: Mapping[str, Any]) -> list[str]:
    """The portal's ids that an event of its own speaks of, whatever they are ids of.

    DataZone tells of no change of a project's name or description by itself. Where the account has
    a trail of CloudTrail, the call that changed them comes as an event instead (needs AWS).

    Args:
        event: as EventBridge delivers those of `aws.datazone`.
    """
    detail = event.get("detail", {})
    metadata, data = detail.get("metadata") or {}, detail.get("data") or {}
    called = detail.get("requestParameters") or {}
    named = (
        *(metadata.get("id"), metadata.get("owningProjectId"), data.get("entityId")),
        *(called.get("identifier"), called.get("entityIdentifier")),
        called.get("projectIdentifier"),
    )
    return [one for one in named if isinstance(one, str)]


async def bring_each(
    store: Store,
    own_ids: AsyncIterator[str],
    bring: Callable[[UnitOfWork, str], Awaitable[None]],
) -> Brought:
    """Brings things one by one, a commit each; one that fails holds up no other.

    Args:
        store: opens the units of work.
        own_ids: of the things.
        bring: brings one.
    """
    count, failed = 0, {}
    async for own_id in own_ids:
        work = store.begin()
        try:
            await bring(work, own_id)
            await work.commit()
        except MeshplaneError as error:
            failed[own_id] = error.code
        else:
            count += 1
    return Brought(count, failed)


async def ids_of(
    store: Store, table: Table, partition: str, *, index: str, name: str
) -> AsyncIterator[str]:
    """An attribute of all rows in a partition of an index.

    Args:
        store: to be read.
        table: where the rows are.
        partition: of the index.
        index: by its name.
        name: of the attribute.
    """
    cursor: str | None = None
    while True:
        page = await store.begin().query(table, partition, index=index, limit=_PAGE, cursor=cursor)
        for row in page.rows:
            yield row.item[name]
        cursor = page.cursor
        if cursor is None:
            return


async def links_of(store: Store, table: Table) -> AsyncIterator[PortalLink]:
    """All links of a table, by our ids."""
    cursor: str | None = None
    while True:
        links, cursor = await page_of_links(store, table, _PAGE, cursor)
        for link in links:
            yield link
        if cursor is None:
            return


async def page_of_links(
    store: Store, table: Table, limit: int, cursor: str | None
) -> tuple[list[PortalLink], str | None]:
    """A page of the links of a table, by our ids, and where the next one starts.

    Args:
        store: to be read.
        table: of the service.
        limit: the most links to give.
        cursor: of the page before.

    Raises:
        Invalid: CURSOR_INVALID.
    """
    page = await store.begin().query(table, _ALL, index="byAll", limit=limit, cursor=cursor)
    return [_link(row.item) for row in page.rows], page.cursor


def settle(
    wanted: Mapping[str, str],
    applied: Mapping[str, str] | None,
    there: Mapping[str, str],
    *,
    mend: bool = False,
) -> Settlement:
    """What to write where we want one thing, wrote another before, and a third may stand there.

    Args:
        wanted: what we want there, by field.
        applied: what we wrote last; None for something that was there before us, whose every
            difference is others'.
        there: what stands there, of the same fields.
        mend: whether what others have written is to be overwritten.
    """
    base = wanted if applied is None else applied
    drift = {
        name: there.get(name, "")
        for name, value in wanted.items()
        if there.get(name, "") not in (value, base.get(name, value)) and not mend
    }
    written = {**wanted, **drift}
    is_needed = any(there.get(name, "") != value for name, value in written.items())
    return Settlement(written, is_needed, drift)


def differences(
    kind: str, link: PortalLink, wanted: Mapping[str, str], drift: Mapping[str, str]
) -> list[PortalDifference]:
    """What others have changed of a thing, a line each."""
    return [
        PortalDifference(kind, link.own_id, link.portal_id, name, wanted.get(name, ""), theirs)
        for name, theirs in sorted(drift.items())
    ]


def gone(link: PortalLink) -> PortalLink:
    """A link whose thing others have deleted."""
    return replace(link, drift={"": GONE})


def not_ready(what: str) -> Unavailable:
    """The error for a thing that the portal does not have yet; its event comes again."""
    return Unavailable("PORTAL_NOT_READY", f"The portal does not have {what} yet. It comes again.")


def _link(item: Mapping[str, Any]) -> PortalLink:
    return PortalLink(
        item["ownId"], item["portalId"], item["applied"], item["facts"], item["drift"]
    )
