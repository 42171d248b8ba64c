"""The same policy shows the same on this machine and on AWS, as far as its sandbox goes.

Random tables, tags, filters, grants and their changes are decided and read here by the product, and
there by what the compiler and the adapter made of them: Athena asked as the role of each principal.
The sandbox decides by AWS's documented rules, written apart from the product's. One number says a
world: `MESHPLANE_TWINS_SEED=… pytest …` plays the worlds from that one on.
"""

import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from meshplane.sandbox.server import AwsSandbox
from meshplane.services.lake.aws_planning import planned
from meshplane.services.lake.entries import entry
from meshplane.services.lake.ports import LakeChange, LakeEntry
from tests.builders import seeds
from tests.builders.aws_sandbox import sandbox_in
from tests.builders.twin_lake import (
    Shown,
    TwinLakes,
    canonical_filter,
    role_of,
    shown_here,
)
from tests.builders.twin_policy import TwinMaker, Twins

CASES = 5_000
LONG_CASES = 60_000
ROUNDS = 3
MOST_NOT_CARRIED = 0.15
"""Of all grants, those that Lake Formation cannot hold, at most."""


@dataclass
class Tally:
    """What was compared.

    Attributes:
        cases: queries that both answered.
        shown: of these, those that showed something.
        over_http: of these, those that a role asked over HTTP.
        grants: that were in force, counted in each round.
        not_carried: why grants are not on AWS.
        differing: what differed, in words that say how to play it again.
    """

    cases: int = 0
    shown: int = 0
    over_http: int = 0
    grants: int = 0
    not_carried: Counter[str] = field(default_factory=Counter)
    differing: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsSandbox]:
    with sandbox_in(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
async def lakes(sandbox: AwsSandbox, tmp_path: Path) -> AsyncIterator[TwinLakes]:
    sandbox.reset()
    both = TwinLakes(sandbox, tmp_path)
    await both.prepare()
    yield both
    both.engine.close()
    both.aws.close()


async def compare(
    lakes: TwinLakes,
    seed: int,
    tally: Tally,
    after: Callable[[TwinLakes, Twins], Any] | None = None,
) -> None:
    """Plays one world, and notes what differs."""
    chance = Random(seed)

    def canonical(text: str, table: Any) -> Any:
        return canonical_filter(lakes.engine, text, table)

    maker = TwinMaker(chance, seed, canonical)
    twins = maker.make()
    await lakes.put_tables(twins)
    for turn in range(ROUNDS):
        made = await lakes.carry(twins)
        tally.grants += len(twins.in_force())
        tally.not_carried.update(made.refused.values())
        if after is not None:
            await after(lakes, twins)
        for principal in twins.principals:
            engine = lakes.embedded(twins, made, principal)
            for sql in statements(chance, twins):
                here = shown_here(engine, sql)
                there = ask(lakes, tally, chance, principal, sql)
                tally.cases += 1
                tally.shown += here is not None
                if here != there:
                    tally.differing.append(
                        f"seed {seed}, round {turn}: {principal} asks {sql}: here {_few(here)}, "
                        f"on AWS {_few(there)}"
                    )
            if engine is not None:
                engine.close()
        maker.change()
    await lakes.clear()


def ask(lakes: TwinLakes, tally: Tally, chance: Random, principal: str, sql: str) -> Shown:
    """Most are asked in this process; some as AWS is asked, by a role that was assumed."""
    if chance.random() < 0.02:
        tally.over_http += 1
        return lakes.athena_over_http(principal, sql)
    return lakes.athena(principal, sql)


def statements(chance: Random, twins: Twins) -> Iterator[str]:
    """What is asked of each table: all of it, how many rows, and of columns that may be hidden."""
    for table in twins.tables.values():
        where = f"{table.schema}.{table.name}"
        one, other = (chance.choice(sorted(table.types)) for _ in range(2))
        yield f"SELECT * FROM {where}"
        yield f"SELECT count(*) AS n FROM {where}"
        yield f'SELECT "{one}" AS c FROM {where}'
        yield f'SELECT count("{one}") AS n FROM {where} WHERE "{other}" IS NOT NULL'


def _few(shown: Shown) -> str:
    return "nothing" if shown is None else f"{list(shown[0])} and {len(shown[1])} rows"


async def played(lakes: TwinLakes, first: int, cases: int) -> Tally:
    """Plays worlds until so many cases were compared, or several differed."""
    tally, seed = Tally(), first
    while tally.cases < cases and len(tally.differing) < 20:
        await compare(lakes, seed, tally)
        seed += 1
    tell(
        f"{tally.cases} cases in {seed - first} worlds from seed {first}, {tally.shown} showed "
        f"something, {tally.over_http} over HTTP; {sum(tally.not_carried.values())} of "
        f"{tally.grants} grants not on AWS:"
    )
    for why, count in tally.not_carried.most_common():
        tell(f"  {count:5} {why}")
    return tally


def tell(line: str) -> None:
    """Says something that is seen beside a failure, and with `-s`."""
    sys.stdout.write(f"{line}\n")


def first_seed() -> int:
    """The first world's number; printed, so that a failure can be played again."""
    told = os.environ.get("MESHPLANE_TWINS_SEED")
    seed = int(told) if told else seeds.fresh() % 1_000_000
    tell(f"MESHPLANE_TWINS_SEED={seed}")
    return seed


async def test_random_policies__show_the_same_here_and_on_aws(lakes: TwinLakes) -> None:
    tally = await played(lakes, first_seed(), CASES)
    assert tally.differing == []
    assert tally.shown > tally.cases / 3
    assert tally.over_http > 20
    assert sum(tally.not_carried.values()) < MOST_NOT_CARRIED * tally.grants
    assert not lakes.not_taken, "what is compiled, Lake Formation takes"


@pytest.mark.long
async def test_very_many_random_policies__show_the_same_here_and_on_aws(lakes: TwinLakes) -> None:
    tally = await played(lakes, first_seed(), LONG_CASES)
    assert tally.differing == []
    assert not lakes.not_taken


async def drop_a_filter(lakes: TwinLakes, twins: Twins) -> None:
    """Lets all rows through a filter, as if its condition had been lost."""
    for one in await held(lakes):
        if one.filter is not None and "FilterExpression" in one.filter["RowFilter"]:
            cells = {**one.filter, "RowFilter": {"AllRowsWildcard": {}}}
            await put(lakes, again(one, filter=cells))
            return


async def widen_columns(lakes: TwinLakes, twins: Twins) -> None:
    """Lets a grant on columns show the whole table."""
    for one in await held(lakes):
        on = one.resource.get("TableWithColumns")
        if on is not None:
            table = {"Table": {"DatabaseName": on["DatabaseName"], "Name": on["Name"]}}
            await put(lakes, entry(one.principal, table, ("SELECT",)))
            return


async def held(lakes: TwinLakes) -> list[LakeEntry]:
    return list((await lakes.lake.read(10_000, None)).entries)


async def put(lakes: TwinLakes, one: LakeEntry) -> None:
    assert await lakes.lake.apply([LakeChange("put", one)]) == []


def again(one: LakeEntry, **changed: Any) -> LakeEntry:
    given = {"filter": one.filter, **changed}
    return entry(one.principal, one.resource, one.permissions, one.grantable, **given)


@pytest.mark.parametrize("mistake", [drop_a_filter, widen_columns])
async def test_planted_mistake__is_found(
    lakes: TwinLakes, mistake: Callable[[TwinLakes, Twins], Any]
) -> None:
    tally = Tally()
    for seed in range(7_000_000, 7_000_020):
        await compare(lakes, seed, tally, mistake)
        if tally.differing:
            break
    tell(f"found after {tally.cases} cases")
    assert tally.differing


async def test_planted_mistake__a_revoke_that_is_forgotten_is_found(
    lakes: TwinLakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = planned

    def forgetful(*given: Any) -> Any:
        plan = real(*given)
        plan.revokes.clear()
        return plan

    monkeypatch.setattr("meshplane.services.lake.aws_applying.planned", forgetful)
    found = 0
    for seed in range(8_000_000, 8_000_010):
        try:
            await compare(lakes, seed, tally := Tally())
        except AssertionError:
            found += 1  # the lake, read back, holds what nobody wants any more
            break
        found += len(tally.differing)
    assert found


async def test_planted_mistake__a_column_of_a_joined_list_that_is_kept_is_found(
    lakes: TwinLakes,
) -> None:
    seed = 9_000_001
    tally = Tally()

    async def keep_a_column(both: TwinLakes, twins: Twins) -> None:
        asset = next(iter(twins.assets.values()))
        on = {"DatabaseName": asset.domain_name, "Name": asset.name}
        for principal in twins.principals:
            for column in asset.columns[:2]:
                resource = {"TableWithColumns": {**on, "ColumnNames": [column.name]}}
                await put(both, entry(role_of(principal), resource, ("SELECT",)))

    await compare(lakes, seed, tally, keep_a_column)
    assert tally.differing


async def test_twins__a_mistake_here_is_found_as_well(lakes: TwinLakes) -> None:
    tally = Tally()
    real = lakes.embedded

    def without_filters(twins: Twins, made: Any, principal: str) -> Any:
        grants = {key: replace(one, row_filter=None) for key, one in twins.grants.items()}
        return real(replace(twins, grants=grants), made, principal)

    lakes.embedded = without_filters  # type: ignore[method-assign] # a planted mistake
    for seed in range(6_000_000, 6_000_010):
        await compare(lakes, seed, tally)
        if tally.differing:
            break
    assert tally.differing
