"""Takes away from AWS what a mesh made there, and nothing else.

Kind by kind, in the order in which one needs another: each looks for what is the mesh's own, tells
it, and takes it away. Done again, it finds what is left. What proves that a thing is the mesh's own
is written at each kind and never is the prefix alone:

- a name that only this mesh gives: tables, queues, topics, roles, their boundary, the bus, portals,
  buckets, with the account and the region in them, and workgroups that write into such a bucket;
- a mark that the mesh put there: on rules, state machines, keys and secrets, on the roles of
  projects, and among the values of LF-tags;
- where it lies or points: a database of Glue whose place is the bucket of the domain of its name,
  tables with their files there, grants, filters and places on those, links that lead there.

What others have put into something of the mesh keeps that, and is told.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from meshplane.kit.errors import Invalid, MeshplaneError
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.run.aws_prepare import DENIED, action_of, demand_account

Told = Literal["would be removed", "removed", "stays", "failed"]


@dataclass(frozen=True, slots=True)
class Thing:
    """Something of the mesh.

    Args:
        what: it is, for people: `bucket blue-meshplane-111122223333-eu-central-1`.
        take: takes it away, and comes back when it is gone; what is gone already is no error.
        stays: why it is not taken away; empty: it is.
    """

    what: str
    take: Callable[[], Awaitable[object]]
    stays: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """Things of one kind.

    Args:
        name: of the kind, for people: `buckets`.
        find: the mesh's own ones that are there now.
        needed_by: names of kinds that cannot be found or taken away any more once these are gone.
        at_once: how many are taken away at the same time, where that is waited for.
    """

    name: str
    find: Callable[[], AsyncIterator[Thing]]
    needed_by: Sequence[str] = ()
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class Gone:
    """What became of a thing; `why` where it is there still."""

    kind: str
    what: str
    told: Told
    why: str = ""

    @property
    def is_left(self) -> bool:
        """Whether it is there still, and should not be."""
        return self.told in ("stays", "failed")


async def remove(kinds: Sequence[Kind], *, plan: bool = False) -> AsyncIterator[Gone]:
    """Takes the things of some kinds away, in this order, and tells of each.

    An error ends nothing but the removal of its thing.

    Args:
        kinds: each before those that it cannot do without.
        plan: changes nothing, and tells what would be removed.
    """
    left: set[str] = set()
    for kind in kinds:
        held = sorted(left.intersection(kind.needed_by))
        async for gone in _of(kind, held, plan=plan):
            if gone.is_left:
                left.add(kind.name)
            yield gone


async def _of(kind: Kind, held: Sequence[str], *, plan: bool) -> AsyncIterator[Gone]:
    try:
        things = [thing async for thing in kind.find()]
    except MeshplaneError as error:
        yield Gone(kind.name, kind.name, "failed", f"They cannot be looked for: {_why(error)}")
        return
    for begin in range(0, len(things), kind.at_once):
        some = things[begin : begin + kind.at_once]
        for gone in await asyncio.gather(*(_one(kind, one, held, plan=plan) for one in some)):
            yield gone


async def _one(kind: Kind, thing: Thing, held: Sequence[str], *, plan: bool) -> Gone:
    if thing.stays:
        return Gone(kind.name, thing.what, "stays", thing.stays)
    if plan:
        return Gone(kind.name, thing.what, "would be removed")
    if held:
        why = f"It is needed to find or to remove what is left of: {', '.join(held)}."
        return Gone(kind.name, thing.what, "stays", why)
    try:
        await thing.take()
    except MeshplaneError as error:
        return Gone(kind.name, thing.what, "failed", _why(error))
    return Gone(kind.name, thing.what, "removed")


def _why(error: MeshplaneError) -> str:
    if isinstance(error, AwsRejected) and error.aws_code in DENIED:
        return f"IAM does not allow {action_of(error.service, error.operation)}."
    return error.message


async def check_account(aws: Aws, *, without_prefix: str | None) -> None:
    """Makes sure that it is this mesh in this account that is meant.

    Args:
        aws: as who removes.
        without_prefix: the account, said once more, where the mesh's names have no prefix.

    Raises:
        Invalid: PREFIX_MISSING, ACCOUNT_NOT_MEANT.
    """
    place = aws.place
    if not place.prefix and without_prefix is None:
        raise Invalid(
            "PREFIX_MISSING",
            "This mesh's names on AWS have no prefix. Set MESHPLANE_AWS_PREFIX if it has one; if "
            f"not, and all of it is to go, say --without-prefix {place.account}.",
            field="aws_prefix",
        )
    if without_prefix is not None and (place.prefix or without_prefix != place.account):
        raise Invalid(
            "ACCOUNT_NOT_MEANT",
            "--without-prefix takes the account of the mesh, for one whose names have no prefix.",
            field="without_prefix",
        )
    await demand_account(aws)
