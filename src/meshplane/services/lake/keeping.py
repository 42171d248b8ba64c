"""Makes the lake hold what one grant wants, whatever it holds now and whoever else is at it.

What is put is noted before, so that an end finds it again; the grant is read before and after, so
that one which ends in between is taken away again. All of it may die anywhere and be done again.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from meshplane.boundary.actor import Actor
from meshplane.kit.clock import Clock, from_text, to_text
from meshplane.kit.errors import Unavailable
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import Row
from meshplane.services.lake.desired import DesiredGrants
from meshplane.services.lake.drift import Wanted
from meshplane.services.lake.entries import entry
from meshplane.services.lake.ports import (
    MOST_CHANGES,
    LakeChange,
    LakeEntry,
    LakeFailure,
    LakeGrants,
)
from meshplane.services.lake.store import LAKE_ENTRIES
from meshplane.services.permissions.api import Grant, PermissionsApi

_ROUNDS = 4
_TRIES = 3
_PAGE = 200
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a grant in the lake; `ended` is of one that is not in force."""

    grant_id: str
    state: Literal["applied", "failed", "ended"]
    principal: str = ""
    code: str = ""
    reason: str | None = None


@dataclass(slots=True)
class _Plan:
    """What one round is to do: the grants as they were, what they want, what stands in the way.

    `heirs` are grants that want what was put for another one, which has ended.
    """

    grants: dict[str, Grant | None] = field(default_factory=dict)
    wanted: dict[str, list[Wanted]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    changes: list[LakeChange] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    heirs: list[tuple[Wanted, Grant]] = field(default_factory=list)


class Keeping:
    """Carries grants into the lake.

    Args:
        lake: the lake.
        permissions: has the grants.
        desired: says what they want.
        store: remembers what was put.
        clock: tells which grants have ended.
    """

    def __init__(
        self,
        lake: LakeGrants,
        permissions: PermissionsApi,
        desired: DesiredGrants,
        store: Store,
        clock: Clock,
    ) -> None:
        self._lake = lake
        self._permissions = permissions
        self._desired = desired
        self._store = store
        self._clock = clock

    async def ensure(self, actor: Actor, grant_ids: Iterable[str]) -> list[Outcome]:
        """Makes the lake hold what these grants want, and nothing of theirs that has ended.

        Each grant's state is noted in permissions. What the lake refuses for good is told; what it
        may take later is tried some times.

        Raises:
            Unavailable: LAKE_UNAVAILABLE, perhaps after some of it.
        """
        left = list(dict.fromkeys(grant_ids))
        outcomes: dict[str, Outcome] = {}
        for _ in range(_ROUNDS):
            plan = await self._plan(actor, left)
            await self._remember(plan)
            failures = await self._apply(plan.changes)
            outcomes |= {each.grant_id: each for each in self._outcomes(plan, failures)}
            kept = {one.entry.key for wanted in plan.wanted.values() for one in wanted}
            await self.forget(key for key in plan.gone if key not in {*failures, *kept})
            left = await self._moved(actor, plan)
            if not left:
                break
        await self._note_states(actor, list(outcomes.values()))
        stuck = [one for one in outcomes.values() if one.state == "ended" and one.code]
        if stuck:
            raise Unavailable("LAKE_UNAVAILABLE", stuck[0].reason or "The lake fails: try again.")
        return list(outcomes.values())

    async def _note_states(self, actor: Actor, outcomes: Sequence[Outcome]) -> None:
        """Notes in permissions what became of grants; some at once, as they share commits."""
        for begin in range(0, len(outcomes), _AT_ONCE):
            await asyncio.gather(
                *(
                    self._permissions.record_lake_state(actor, one.grant_id, one.state, one.reason)
                    for one in outcomes[begin : begin + _AT_ONCE]
                    if one.state != "ended"
                )
            )

    async def _plan(self, actor: Actor, grant_ids: Sequence[str]) -> _Plan:
        plan, work = _Plan(), self._store.begin()
        for grant_id in grant_ids:
            grant = await self._in_force(actor, grant_id)
            plan.grants[grant_id] = grant
            wanted: list[Wanted] = []
            if grant is not None:
                wanted, problem = await self._desired.of_grant(actor, grant)
                if problem is not None:
                    plan.problems[grant_id] = problem
            plan.wanted[grant_id] = wanted
            plan.changes += [LakeChange("put", one.entry) for one in wanted]
            plan.owners |= {one.entry.key: grant_id for one in wanted}
            for row in await _of_grant(work, grant_id):
                key = row.item["key"]
                if key in plan.owners:
                    continue
                plan.owners[key] = grant_id
                heir = await self._heir(actor, row)
                if heir is not None:
                    plan.heirs.append(heir)
                    plan.changes.append(LakeChange("put", heir[0].entry))
                else:
                    plan.gone.append(key)
                    plan.changes.append(LakeChange("remove", _noted_entry(row)))
        return plan

    async def _heir(self, actor: Actor, row: Row) -> tuple[Wanted, Grant] | None:
        """Another grant that wants an entry; two may come to the same where a lake cannot mask."""
        for grant_id in row.item.get("alsoFor", ()):
            grant = await self._in_force(actor, grant_id)
            wanted = [] if grant is None else (await self._desired.of_grant(actor, grant))[0]
            for one in wanted:
                if grant is not None and one.entry.key == row.item["key"]:
                    return one, grant
        return None

    async def _in_force(self, actor: Actor, grant_id: str) -> Grant | None:
        grant = await self._desired.find(actor, grant_id)
        if grant is None:
            return None
        ends = grant.expires_at
        return grant if ends is None or self._clock.now() < from_text(ends) else None

    async def _remember(self, plan: _Plan) -> None:
        """Notes what is about to be put, in a commit of its own before anything is put."""
        work, noted = self._store.begin(), False
        now = to_text(self._clock.now())
        pairs = [
            (one, grant)
            for grant_id, wanted in plan.wanted.items()
            for one in wanted
            if (grant := plan.grants[grant_id]) is not None
        ]
        for one, grant in (*pairs, *plan.heirs):
            known = await work.get(LAKE_ENTRIES, one.entry.key)
            if known is None or not _is_noted(known, one):
                work.put(LAKE_ENTRIES, _noted(one, grant, known, now))
                noted = True
        if noted:
            await work.commit()

    async def forget(self, keys: Iterable[str]) -> None:
        """Notes that nothing lies in the lake under these keys any more."""
        work, any_gone = self._store.begin(), False
        for key in keys:
            work.delete(LAKE_ENTRIES, key)
            any_gone = True
        if any_gone:
            await work.commit()

    async def _apply(self, changes: Sequence[LakeChange]) -> dict[str, LakeFailure]:
        """Makes the changes in bounded batches; those that failed, by key."""
        failed: dict[str, LakeFailure] = {}
        for begin in range(0, len(changes), MOST_CHANGES):
            left = list(changes[begin : begin + MOST_CHANGES])
            failures: dict[str, LakeFailure] = {}
            for _ in range(_TRIES):
                failures = {one.key: one for one in await self._lake.apply(left)}
                failed |= {key: one for key, one in failures.items() if not one.again}
                left = [
                    change
                    for change in left
                    if (one := failures.get(change.entry.key)) is not None and one.again
                ]
                if not left:
                    break
            failed |= {change.entry.key: failures[change.entry.key] for change in left}
        return failed

    def _outcomes(self, plan: _Plan, failures: dict[str, LakeFailure]) -> list[Outcome]:
        found = []
        for grant_id, grant in plan.grants.items():
            mine = [one for key, one in failures.items() if plan.owners[key] == grant_id]
            code, reason = (mine[0].code, mine[0].reason) if mine else ("", None)
            if grant is None:
                found.append(Outcome(grant_id, "ended", "", code, reason))
                continue
            problem = plan.problems.get(grant_id)
            if problem is not None:
                code, reason = "GRANT_NOT_COMPILED", problem
            state: Literal["applied", "failed"] = "failed" if code else "applied"
            found.append(Outcome(grant_id, state, grant.principal, code, reason))
        return found

    async def _moved(self, actor: Actor, plan: _Plan) -> list[str]:
        """The grants that are others now than when the plan was made."""
        found = []
        for grant_id, before in plan.grants.items():
            after = await self._in_force(actor, grant_id)
            if _says(before) != _says(after):
                found.append(grant_id)
        return found


def _says(grant: Grant | None) -> dict[str, Any]:
    """What a grant says to the lake; one that is not in force says nothing."""
    if grant is None:
        return {}
    told = grant.to_json()
    return {name: told[name] for name in told.keys() - {"lakeState", "lakeReason", "reason"}}


async def _of_grant(work: UnitOfWork, grant_id: str) -> list[Row]:
    """What was put for a grant; it is an entry or two."""
    page = await work.query(LAKE_ENTRIES, grant_id, index="byGrant", limit=_PAGE)
    return list(page.rows)


def _noted(wanted: Wanted, grant: Grant, known: Row | None, now: str) -> dict[str, Any]:
    others = {known.item["grantId"], *known.item.get("alsoFor", ())} if known is not None else set()
    also_for = sorted(others - {wanted.grant_id})
    return {
        **({"alsoFor": also_for} if also_for else {}),
        "key": wanted.entry.key,
        "grantId": wanted.grant_id,
        "domainId": wanted.domain_id,
        "holder": grant.target.holder,
        "filterName": grant.target.filter_name,
        "principal": wanted.entry.principal,
        "resource": dict(wanted.entry.resource),
        "grantable": list(wanted.entry.grantable),
        "notedAt": now,
    }


def _is_noted(row: Row, wanted: Wanted) -> bool:
    """Whether a note says what is wanted now: for the same grant, and as much to be passed on."""
    item = row.item
    return bool(
        item["grantId"] == wanted.grant_id
        and item.get("grantable", []) == list(wanted.entry.grantable)
    )


def _noted_entry(row: Row) -> LakeEntry:
    """An entry that stands for what is to be removed: its key is all that counts."""
    return entry(row.item["principal"], row.item["resource"], ("DESCRIBE",))
