"""Members of things in the portal, and how to tell what others did with them."""

from collections.abc import Awaitable, Callable, Mapping

from meshplane.boundary.portal_links import GONE
from meshplane.kit.errors import Missing

UNKNOWN = "(unknown there)"
"""What a difference shows of a member whom the portal does not know."""


def strangers(
    wanted: Mapping[str, str], before: Mapping[str, str], held: Mapping[str, str]
) -> dict[str, str]:
    """What others did with members: added, took out, or gave another role.

    Args:
        wanted: who is to be one, as what.
        before: who was, when we last looked to it.
        held: who is one there.

    Returns:
        By `member NAME`, what stands there now.
    """
    drift: dict[str, str] = {}
    for member in sorted({*wanted, *before, *held}):
        there, ours, last = held.get(member), wanted.get(member), before.get(member)
        if there not in (ours, last):
            drift[f"member {member}"] = GONE if there is None else there
    return drift


def applied(wanted: Mapping[str, str], drift: Mapping[str, str]) -> dict[str, str]:
    """The members as they were left; one whom the portal did not know is tried again."""
    return {name: role for name, role in wanted.items() if drift.get(f"member {name}") != UNKNOWN}


async def bring_members(
    wanted: Mapping[str, str],
    before: Mapping[str, str],
    held: Mapping[str, str],
    *,
    put: Callable[[str, str], Awaitable[None]],
    remove: Callable[[str], Awaitable[None]],
    mend: bool,
) -> dict[str, str]:
    """Adds, changes and removes members, and leaves alone whom others touched.

    Args:
        wanted: as in `strangers`.
        before: as there.
        held: as there.
        put: gives a member a role; Missing: the portal does not know him.
        remove: takes a member out.
        mend: whether what others did is undone.

    Returns:
        What others did, as `strangers` has it, and who is unknown there.
    """
    drift = {} if mend else strangers(wanted, before, held)
    for member, role in wanted.items():
        if held.get(member) == role or f"member {member}" in drift:
            continue
        try:
            await put(member, role)
        except Missing:
            drift[f"member {member}"] = UNKNOWN
    # Those that come are there before others go: somebody must own it at every moment.
    leaving = set(held) if mend else set(held) & set(before)
    for member in sorted(leaving - set(wanted)):
        if f"member {member}" not in drift:
            await remove(member)
    return drift
