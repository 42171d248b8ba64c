"""A schema that changes under a grant closes what no longer fits, and never opens anything."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Unavailable
from meshplane.services.permissions.model import (
    AssetAccess,
    GovernedAsset,
    MaskRule,
    RowFilter,
    TagMask,
)
from meshplane.services.query.sandbox import Sandbox
from tests.builders.evolving_table import EvolvingTable, version

ID, NAME = ("id", 1, "INTEGER"), ("name", 2, "VARCHAR")
REGION, PAY = ("region", 3, "VARCHAR"), ("pay", 4, "INTEGER")
FIRST: list[dict[str, Any]] = [
    {"id": 1, "name": "Ana", "region": "EU", "pay": 10},
    {"id": 2, "name": "Ben", "region": "US", "pay": 20},
]
ALL = "SELECT * FROM sea.crew ORDER BY id"
PLAIN: dict[str, MaskRule | None] = dict.fromkeys(("id", "name", "region", "pay"))
ROUNDED = MaskRule("round", digits=-1)


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def crew(tmp_path: Path) -> EvolvingTable:
    table = EvolvingTable(tmp_path)
    table.evolve((ID, NAME, REGION, PAY), FIRST)
    return table


def names(found: Any) -> list[str]:
    return [name for name, _ in found.columns]


async def test_column__added_later_is_not_part_of_a_grant_of_columns(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.grants = [crew.rows_grant(None, **PLAIN)]
    crew.evolve((ID, NAME, REGION, PAY, ("iban", 5, "VARCHAR")))
    assert names(await crew.ask(sandbox, ALL)) == ["id", "name", "region", "pay"]
    assert (await crew.ask(sandbox, "SELECT iban FROM crew")).code == "SQL_INVALID"


async def test_column__added_later_comes_with_the_mask_of_its_classification(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.grants = [crew.table_grant()]
    crew.tag_masks = [TagMask("classification", "restricted", MaskRule("null"))]
    crew.classes = {"iban": "restricted"}
    rows = [{"id": 3, "name": "Cai", "region": "EU", "pay": 1, "iban": "canary"}]
    crew.evolve((ID, NAME, REGION, PAY, ("iban", 5, "VARCHAR")), rows)
    found = await crew.ask(sandbox, "SELECT iban FROM crew WHERE id = 3")
    assert found.rows == [[None]]


async def test_column__dropped_and_added_anew_under_its_name_stays_hidden(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.grants = [crew.rows_grant(None, **PLAIN)]
    rows = [{"id": 3, "name": "Cai", "region": "EU", "pay": 777}]
    crew.evolve((ID, NAME, REGION, ("pay", 9, "INTEGER")), rows)
    assert names(await crew.ask(sandbox, ALL)) == ["id", "name", "region"]


async def test_column__excluded_or_masked_by_name_stays_so_when_it_is_another_one(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.grants = [crew.table_grant(pay=MaskRule("null"))]
    rows = [{"id": 3, "name": "Cai", "region": "EU", "pay": 777}]
    crew.evolve((ID, NAME, REGION, ("pay", 9, "INTEGER")), rows)
    found = await crew.ask(sandbox, "SELECT pay FROM crew")
    assert found.rows == [[None], [None], [None]]


async def test_column__renamed_keeps_its_grant_and_its_mask(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.grants = [crew.rows_grant(None, id=None, name=MaskRule("partial", keep_first=1))]
    crew.evolve((ID, ("full_name", 2, "VARCHAR"), REGION, PAY))
    found = await crew.ask(sandbox, ALL)
    assert names(found) == ["id", "full_name"]
    assert found.rows == [[1, "A****"], [2, "B****"]]


BREAKING = {
    "dropped": (ID, NAME, PAY),
    "renamed": (ID, NAME, ("area", 3, "VARCHAR"), PAY),
    "dropped and added anew": (ID, NAME, ("region", 9, "VARCHAR"), PAY),
    "swapped with another": (ID, ("region", 2, "VARCHAR"), ("name", 3, "VARCHAR"), PAY),
}


@pytest.mark.parametrize("how", BREAKING)
async def test_filter__on_a_column_that_is_gone_closes_the_grant_and_says_whom_to_ask(
    sandbox: Sandbox, crew: EvolvingTable, how: str
) -> None:
    crew.grants = [crew.rows_grant(crew.row_filter("region = 'EU'", "region"), **PLAIN)]
    crew.evolve(BREAKING[how])
    for sql in (ALL, "SELECT count(*) FROM crew", "DESCRIBE sea.crew"):
        found = await crew.ask(sandbox, sql)
        assert (found.code, found.rows) == ("GRANT_BROKEN", [])
        assert "sea.crew" in found.message
        assert "schema has changed" in found.message
        assert "steward of the domain sea" in found.message
        assert "EU" not in found.message


@pytest.mark.parametrize("how", BREAKING)
async def test_filter__that_is_closed_leaves_other_grants_as_they_are(
    sandbox: Sandbox, crew: EvolvingTable, how: str
) -> None:
    crew.grants = [
        crew.rows_grant(crew.row_filter("region = 'EU'", "region"), "broken", **PLAIN),
        crew.rows_grant(crew.row_filter("id = 2", "id"), "whole", id=None, pay=ROUNDED),
    ]
    crew.evolve(BREAKING[how])
    found = await crew.ask(sandbox, ALL)
    assert (names(found), found.rows) == (["id", "pay"], [[2, 20]])


RETYPED = (ID, NAME, ("region", 3, "INTEGER"), PAY)


async def test_filter__that_no_longer_binds_closes_its_scope_alone(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    crew = EvolvingTable(tmp_path)
    crew.evolve((ID, NAME, REGION, PAY))
    broken = crew.rows_grant(crew.row_filter("lower(region) = 'eu'", "region"), **PLAIN)
    crew.grants = [broken]
    crew.evolve(RETYPED, [{"id": 2, "name": "Ben", "region": 1, "pay": 20}])
    for sql in (ALL, "DESCRIBE crew"):
        found = await crew.ask(sandbox, sql)
        assert (found.code, found.rows) == ("GRANT_BROKEN", [])
        assert "sea.crew" in found.message
    crew.grants = [broken, crew.rows_grant(crew.row_filter("id = 2", "id"), "2", id=None)]
    found = await crew.ask(sandbox, ALL)
    assert (names(found), found.rows) == (["id"], [[2]])
    assert (await crew.ask(sandbox, "DESCRIBE crew")).rows == [["id", "INTEGER"]]


async def test_filter__with_a_constant_that_no_longer_fits_closes_its_scope_alone(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    crew = EvolvingTable(tmp_path)
    crew.evolve((ID, NAME, REGION, PAY))
    broken = crew.rows_grant(crew.row_filter("region = 'EU'", "region"), **PLAIN)
    crew.evolve(RETYPED, [{"id": 2, "name": "Ben", "region": 1, "pay": 20}])
    crew.grants = [broken]
    assert (await crew.ask(sandbox, ALL)).code == "GRANT_BROKEN"
    crew.grants = [crew.rows_grant(crew.row_filter("true"), "2", id=None), broken]
    assert (await crew.ask(sandbox, ALL)).rows == [[2]]


async def test_filter__of_before_columns_were_kept_is_seen_to_when_it_is_bound(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.grants = [crew.rows_grant(RowFilter("region = 'EU'"), **PLAIN)]
    assert [row[0] for row in (await crew.ask(sandbox, ALL)).rows] == [1]
    crew.evolve(BREAKING["dropped"])
    assert (await crew.ask(sandbox, ALL)).code == "GRANT_BROKEN"


@pytest.mark.parametrize("sql_type", ["VARCHAR", "DATE", "BOOLEAN", "INTEGER[]"])
async def test_mask__that_no_longer_fits_its_column_shows_null(
    sandbox: Sandbox, tmp_path: Path, sql_type: str
) -> None:
    crew = EvolvingTable(tmp_path)
    crew.evolve((ID, PAY))
    crew.grants = [crew.rows_grant(None, id=None, pay=ROUNDED)]
    value = {"VARCHAR": "canary", "DATE": 19000, "BOOLEAN": True, "INTEGER[]": [1]}[sql_type]
    crew.evolve((ID, ("pay", 4, sql_type)), [{"id": 1, "pay": value}])
    found = await crew.ask(sandbox, ALL)
    assert found.rows == [[1, None]]


async def test_lake__that_does_not_hold_a_grant_closes_it(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.grants = [replace(crew.rows_grant(None, **PLAIN), lake_state="missing")]
    found = await crew.ask(sandbox, ALL)
    assert (found.code, found.rows) == ("GRANT_BROKEN", [])
    assert "the lake" in found.message


async def test_project__of_the_table_sees_all_of_it_whatever_changes(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.own_projects = ["proj-sea"]
    crew.evolve((ID, NAME, ("region", 9, "VARCHAR"), ("iban", 10, "VARCHAR")))
    assert names(await crew.ask(sandbox, ALL)) == ["id", "name", "region", "iban"]


async def test_nobody__without_a_grant_is_told_to_ask_for_one(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    assert (await crew.ask(sandbox, ALL)).code == "ACCESS_REQUIRED"
    crew.grants = [replace(crew.rows_grant(None, **PLAIN), expires_at="2026-01-01T00:00:00Z")]
    assert (await crew.ask(sandbox, ALL)).code == "ACCESS_REQUIRED"


class Closed(EvolvingTable):
    """Its policy cannot be looked up."""

    async def access(
        self, actor: Actor, asset: GovernedAsset, principals: Sequence[str]
    ) -> AssetAccess:
        raise Unavailable("STORE_UNAVAILABLE", "The store does not answer. Try again.")


async def test_policy__that_cannot_be_looked_up_shows_nothing(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    crew = Closed(tmp_path)
    crew.evolve((ID, NAME, REGION, PAY), FIRST)
    crew.grants = [crew.rows_grant(None, **PLAIN)]
    for sql in (ALL, "DESCRIBE crew", "SELECT 1 FROM crew"):
        found = await crew.ask(sandbox, sql)
        assert (found.code, found.rows, found.columns) == ("STORE_UNAVAILABLE", [], ())


# --- time travel: the policy of now, on the rows and the schema of then ---


async def test_time_travel__shows_the_names_of_then_under_the_policy_of_now(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.evolve((ID, ("full_name", 2, "VARCHAR"), ("area", 3, "VARCHAR"), PAY))
    partial = MaskRule("partial", keep_last=1)
    row_filter = crew.row_filter("area = 'EU' AND in_group('pilots')", "area")
    crew.grants = [crew.rows_grant(row_filter, id=None, full_name=partial, area=None)]
    now = await crew.ask(sandbox, ALL)
    assert (names(now), now.rows) == (["id", "full_name", "area"], [[1, "****a", "EU"]])
    then = await crew.ask(sandbox, ALL, version(0))
    assert (names(then), then.rows) == (["id", "name", "region"], [[1, "****a", "EU"]])
    described = await crew.ask(sandbox, "DESCRIBE crew", version(0))
    assert [row[0] for row in described.rows] == ["id", "name", "region"]


async def test_time_travel__a_name_that_two_columns_had_is_told_apart(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    """Then, `name` and `region` were each under the other's name of now."""
    crew.evolve((ID, ("region", 2, "VARCHAR"), ("name", 3, "VARCHAR"), PAY))
    row_filter = crew.row_filter("name = 'EU'", "name")
    crew.grants = [crew.rows_grant(row_filter, id=None, region=MaskRule("null"), name=None)]
    now = await crew.ask(sandbox, ALL)
    assert (names(now), now.rows) == (["id", "region", "name"], [[1, None, "EU"]])
    then = await crew.ask(sandbox, ALL, version(0))
    assert (names(then), then.rows) == (["id", "name", "region"], [[1, None, "EU"]])


async def test_time_travel__a_column_that_is_gone_now_is_not_shown_then_either(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.evolve((ID, NAME, REGION))
    crew.grants = [crew.table_grant()]
    assert names(await crew.ask(sandbox, ALL, version(0))) == ["id", "name", "region"]
    crew.evolve((ID, NAME, REGION, ("pay", 9, "INTEGER")))
    assert names(await crew.ask(sandbox, ALL, version(0))) == ["id", "name", "region"]


async def test_time_travel__a_filter_on_a_column_that_was_not_there_yet_shows_nothing(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.evolve((ID, NAME, REGION, PAY, ("level", 5, "INTEGER")))
    crew.grants = [crew.rows_grant(crew.row_filter("level > 1", "level"), **PLAIN)]
    found = await crew.ask(sandbox, ALL, version(0))
    assert (found.code, found.rows) == ("GRANT_BROKEN", [])


async def test_time_travel__a_revoked_grant_shows_no_time_of_the_past(
    sandbox: Sandbox, crew: EvolvingTable
) -> None:
    crew.evolve((ID, NAME, REGION, PAY))
    assert (await crew.ask(sandbox, ALL, version(0))).code == "ACCESS_REQUIRED"
