"""Grants on a table in Redshift: what its own rights then show the project's role."""

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import Refused
from meshplane.platform.aws.redshift import StatementFailed
from meshplane.sandbox.redshift_data import RedshiftDataFake
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.query.aws_redshift_compiling import Held
from meshplane.services.query.aws_redshift_rights import RedshiftRights
from tests.builders.aws_sandbox import sandbox_in
from tests.builders.redshift_place import (
    ACTOR,
    ASSET,
    DATABASE,
    SOURCE,
    TYPES,
    RedshiftWorld,
    scope,
    user_of,
)

ALL = list(TYPES)
ANA = "proj-ana"


@pytest.fixture(scope="module")
def running() -> Iterator[AwsSandbox]:
    with sandbox_in(fakes={"redshift": RedshiftDataFake}) as sandbox:
        sandbox.world.services["redshift-data"].polls_before_end = 0
        yield sandbox


@pytest.fixture
async def world(running: AwsSandbox, tmp_path: Path) -> AsyncIterator[RedshiftWorld]:
    made = RedshiftWorld(running, tmp_path)
    yield made
    await made.store.close()


async def denied(world: RedshiftWorld, sql: str, project: str = ANA) -> str:
    with pytest.raises(StatementFailed) as told:
        await world.seen(project, sql)
    return told.value.told


async def closed(world: RedshiftWorld, project: str = ANA) -> str:
    """Why the mesh keeps a project out; the project's role sees nothing either."""
    with pytest.raises(Refused) as told:
        await world.shown(project)
    assert "permission denied" in await denied(world, "SELECT id FROM public.sales", project)
    return told.value.code


async def test_table__that_is_not_granted_shows_nothing(world: RedshiftWorld) -> None:
    assert await closed(world) == "ACCESS_REQUIRED"


async def test_columns__are_those_of_the_grant_and_no_others(world: RedshiftWorld) -> None:
    world.granted[ANA] = (scope(["id", "shop"]),)
    assert await world.shown(ANA) == ("id", "shop")
    rows = await world.seen(ANA, "SELECT id, shop FROM public.sales ORDER BY id")
    assert len(rows) == 60
    assert "permission denied" in await denied(world, "SELECT amount FROM public.sales")
    assert "permission denied" in await denied(world, "SELECT * FROM public.sales")
    assert "permission denied" in await denied(world, "SELECT id FROM public.sales WHERE open")
    assert "permission denied" in await denied(world, "DELETE FROM public.sales")


async def test_rows__are_those_of_the_grant(world: RedshiftWorld) -> None:
    await world.filter_rows()
    world.granted[ANA] = (scope(["id", "amount"], "shop = 'shop ''1' AND day < DATE '2026-01-20'"),)
    assert await world.shown(ANA) == ("id", "amount")
    seen = await world.seen(ANA, "SELECT count(id) FROM public.sales")
    counted = (
        "SELECT count(*) FROM public.sales WHERE shop = 'shop ''1' AND day < DATE '2026-01-20'"
    )
    assert seen == [[world.expected(counted)]]
    assert 0 < seen[0][0] < 60


async def test_row_grant__stays_closed_until_row_level_security_is_on(
    world: RedshiftWorld,
) -> None:
    world.granted[ANA] = (scope(["id"], "id < 5"),)
    assert await closed(world) == "GRANT_NOT_CARRIED"
    await world.filter_rows()
    assert await world.shown(ANA) == ("id",)
    assert await world.seen(ANA, "SELECT count(id) FROM public.sales") == [[5]]


async def test_whole_grant__on_a_table_with_row_level_security_shows_all_rows(
    world: RedshiftWorld,
) -> None:
    await world.filter_rows()
    world.granted[ANA] = (scope(ALL),)
    await world.shown(ANA)
    assert await world.seen(ANA, "SELECT count(*) FROM public.sales") == [[60]]


async def test_masked_column__is_left_out(world: RedshiftWorld) -> None:
    world.granted[ANA] = (scope(["id"], masked=["shop"]),)
    assert await world.shown(ANA) == ("id",)
    assert "permission denied" in await denied(world, "SELECT shop FROM public.sales")
    world.granted[ANA] = (scope([], masked=["shop"]),)
    assert await world.settle(ANA) is not None
    assert await closed(world) == "GRANT_NOT_CARRIED"


async def test_change__of_a_grant_takes_away_what_it_no_longer_shows(world: RedshiftWorld) -> None:
    await world.filter_rows()
    world.granted[ANA] = (scope(["id", "shop"]),)
    await world.shown(ANA)
    world.granted[ANA] = (scope(["id"], "id < 10"),)
    await world.shown(ANA)
    assert await world.seen(ANA, "SELECT count(id) FROM public.sales") == [[10]]
    assert "permission denied" in await denied(world, "SELECT shop FROM public.sales")
    assert len([name for name in world.there.policies if name.startswith("meshplane_")]) == 1


async def test_end__of_a_grant_closes_the_table_to_the_role(world: RedshiftWorld) -> None:
    await world.filter_rows()
    world.granted[ANA] = (scope(ALL, "id < 10"),)
    assert await world.settle(ANA) is None
    del world.granted[ANA]
    assert await world.settle(ANA) is None
    assert await closed(world) == "ACCESS_REQUIRED"
    assert not world.there.policies


async def test_what_others_change__is_mended_or_closes_the_table(world: RedshiftWorld) -> None:
    world.granted[ANA] = (scope(["id"]),)
    await world.shown(ANA)
    user = f'"{user_of(ANA)}"'
    await world.administer(f"GRANT SELECT ON public.sales TO {user}")
    assert await world.settle(ANA) is None
    assert "permission denied" in await denied(world, "SELECT shop FROM public.sales")
    await world.administer("GRANT SELECT (shop) ON public.sales TO PUBLIC")
    why = await world.settle(ANA)
    assert why is not None
    assert "PUBLIC" in why
    assert "permission denied" in await denied(world, "SELECT id FROM public.sales")


async def test_grant__that_goes_while_it_is_carried_leaves_nothing_open(
    world: RedshiftWorld,
) -> None:
    world.granted[ANA] = (scope(["id"]),)
    carry = world.rights._carry

    async def slow(*given: Any) -> None:
        world.granted.pop(ANA, None)
        assert await other.settle(ACTOR, ANA, ASSET, SOURCE) is None
        await carry(*given)

    me: Any = world
    other = RedshiftRights(world.aws, user_of, me, world.store)
    world.rights._carry = slow  # type: ignore[method-assign,assignment]
    assert await world.shown(ANA) == ()
    assert "permission denied" in await denied(world, "SELECT id FROM public.sales")


async def test_grant__that_redshift_does_not_show_is_taken_back(world: RedshiftWorld) -> None:
    """As where a name was registered in another case than Redshift keeps it in."""
    world.granted[ANA] = (scope(["id"]),)

    async def unseen(*_: Any) -> Held:
        return Held(is_user=True)

    await world.administer(f'CREATE USER "{user_of(ANA)}" PASSWORD DISABLE')
    world.rights._held = unseen  # type: ignore[method-assign,assignment]
    assert await closed(world) == "GRANT_NOT_CARRIED"


@pytest.mark.parametrize("whom", ["user", "PUBLIC"])
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("SELECT ON public.sales", "may use the table"),
        ("SELECT FOR TABLES IN SCHEMA public", "all tables of the schema"),
        (f"SELECT FOR TABLES IN DATABASE {DATABASE}", "all tables of the database"),
        (f"DELETE FOR TABLES IN DATABASE {DATABASE}", "all tables of the database"),
    ],
)
async def test_rights__on_more_than_the_columns_keep_the_table_closed_until_they_go(
    world: RedshiftWorld, whom: str, given: str, told: str
) -> None:
    world.there.known(user_of(ANA))
    name = whom if whom == "PUBLIC" else f'"{user_of(ANA)}"'
    await world.administer(f"GRANT {given} TO {name}")
    world.granted[ANA] = (scope(["id"]),)
    why = await world.settle(ANA)
    if given.startswith("SELECT ON") and whom == "user":
        # What its own user holds of the table is the mesh's to take away.
        assert why is None
        return
    assert why is not None
    assert told in why
    assert ("PUBLIC" in why) == (whom == "PUBLIC")
    with pytest.raises(Refused) as refused:
        await world.shown(ANA)
    assert refused.value.code == "GRANT_NOT_CARRIED"
    await world.administer(f"REVOKE {given} FROM {name}")
    assert await world.shown(ANA) == ("id",)


async def test_rights__on_the_database_or_its_schemas_alone_close_nothing(
    world: RedshiftWorld,
) -> None:
    user = user_of(ANA)
    world.there.known(user)
    for right in ("CREATE", "USAGE", "ALTER"):
        world.there.schemas.add(("public", right, ("user", user)))
    world.granted[ANA] = (scope(["id"]),)
    assert await world.shown(ANA) == ("id",)


@pytest.mark.parametrize("stray", ["superuser", "role", "group", "schema", "policy"])
async def test_rights_beside_the_meshs__keep_the_table_closed(
    world: RedshiftWorld, stray: str
) -> None:
    await world.filter_rows()
    there, user = world.there, user_of(ANA)
    there.known(user)
    if stray == "superuser":
        there.superusers.add(user)
    elif stray == "role":
        there.roles["analysts"] = {user}
    elif stray == "group":
        there.groups["analysts"] = {user}
    elif stray == "schema":
        there.schemas.add(("public", "SELECT", ("user", user)))
    else:
        await world.administer(
            "CREATE RLS POLICY others USING (TRUE)",
            f'ATTACH RLS POLICY others ON public.sales TO "{user}"',
        )
    world.granted[ANA] = (scope(["id"], "id < 5"),)
    with pytest.raises(Refused) as told:
        await world.shown(ANA)
    assert told.value.code == "GRANT_NOT_CARRIED"


@pytest.mark.parametrize(
    ("scopes", "why"),
    [
        ((scope(["id"], "id < 5"), scope(["shop"], "id > 5", grant="h")), "different columns"),
        ((scope(["id"], "lower(shop) = 'x'"),), "no column"),
        ((scope(["id"], "shop = 'a\\b'"),), "backslash"),
        ((scope(["id"], "shop LIKE 'a\\_%'"),), "backslash"),
        ((scope(["id"], "id = '5'"),), "another type"),
        ((scope(["id"], "id < amount"),), "no constant"),
        ((scope(["id"], "shop IN (SELECT 'x')"),), "more than comparisons"),
        ((scope(["id"], "other.id = 1"),), "no column"),
    ],
)
async def test_grant__that_redshift_cannot_be_told_stays_closed(
    world: RedshiftWorld, scopes: Any, why: str
) -> None:
    await world.filter_rows()
    world.granted[ANA] = scopes
    with pytest.raises(Refused) as told:
        await world.shown(ANA)
    assert told.value.code == "GRANT_NOT_CARRIED"
    assert why in told.value.message


async def test_mesh__that_may_not_administer_the_database_says_so(
    world: RedshiftWorld,
) -> None:
    world.there.superusers.clear()
    world.fake.rights = lambda *_: world.fake._rights[next(iter(world.fake._rights))]
    try:
        world.granted[ANA] = (scope(["id"]),)
        with pytest.raises(Refused) as told:
            await world.shown(ANA)
    finally:
        del world.fake.rights
    assert "superuser" in told.value.message


_PARTS = (
    "id < 20",
    "id >= 11",
    "id BETWEEN 5 AND 33",
    "shop = 'shop ''2'",
    "shop IN ('shop ''1', 'shop ''4')",
    "shop LIKE 'shop%3'",
    "shop IS NULL",
    "NOT (shop = 'shop ''0')",
    "amount > 12.50",
    "amount <> -1",
    "day >= DATE '2026-01-15'",
    "open",
    "NOT open",
    "TRUE",
)


@pytest.mark.parametrize("number", range(12))
async def test_any_grants__show_the_rows_that_they_name(world: RedshiftWorld, number: int) -> None:
    seed = 7000 + number
    print("seed", seed)  # noqa: T201 - a randomised test tells its seed
    chance = random.Random(seed)
    await world.filter_rows()

    def condition() -> str:
        parts = chance.sample(_PARTS, chance.randint(1, 3))
        return f" {chance.choice(['AND', 'OR'])} ".join(f"({one})" for one in parts)

    columns = ["id", *chance.sample(ALL[1:], chance.randint(0, 4))]
    filters = [condition() for _ in range(chance.randint(1, 3))]
    world.granted[ANA] = tuple(
        scope(columns, one, grant=f"g{place}") for place, one in enumerate(filters)
    )
    shown = await world.shown(ANA)
    assert set(shown) == set(columns)
    seen = await world.seen(ANA, "SELECT id FROM public.sales ORDER BY id")
    either = " OR ".join(f"({one})" for one in filters)
    with world.running.world.lock:
        wanted = world.database.execute(
            f"SELECT id FROM public.sales WHERE {either} ORDER BY id"
        ).fetchall()
    assert [row[0] for row in seen] == [row[0] for row in wanted]
    for name in set(ALL) - set(columns):
        assert "permission denied" in await denied(world, f"SELECT {name} FROM public.sales")
