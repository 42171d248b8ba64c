"""The adapter of Lake Formation against its sandbox: what is particular to it, and its faults."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.sandbox.faults import Fault, Kind
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.lake.aws import LakeFormationLake
from meshplane.services.lake.aws_batches import BUSY
from meshplane.services.lake.aws_settings import ensure_settings
from meshplane.services.lake.entries import entry
from meshplane.services.lake.ports import MOST_CHANGES, LakeChange, LakeEntry
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.lake_grants import all_of, held, puts, table, who
from tests.builders.lake_world import ITSELF, LakeWorld

FLIGHTS = {"DatabaseName": "aviation", "Name": "flights"}
ROOT = "arn:aws:iam::111122223333:root"


@pytest.fixture(scope="module")
def running() -> Iterator[AwsSandbox]:
    with sandbox_in() as sandbox:
        yield sandbox


@pytest.fixture
async def sandbox(running: AwsSandbox) -> AsyncIterator[AwsSandbox]:
    running.reset()
    aws = aws_of(running)
    await ensure_settings(aws, [ROOT])
    await aws.call("glue", "create_database", DatabaseInput={"Name": "aviation"})
    columns = [{"Name": name, "Type": "string"} for name in ("id", "a", "b", "c", "d")]
    for name in ("flights", *(f"t_{number}" for number in range(30))):
        made = {"Name": name, "StorageDescriptor": {"Columns": columns}}
        await aws.call("glue", "create_table", DatabaseName="aviation", TableInput=made)
    running.calls.clear()
    yield running
    running.faults.clear()
    aws.close()


@pytest.fixture
def aws(sandbox: AwsSandbox) -> Iterator[Aws]:
    """Gives up on a call at once, so that the adapter sees every fault."""
    client = aws_of(sandbox, most_attempts=1, read_seconds=1.5)
    yield client
    client.close()


@pytest.fixture
def lake(aws: Aws) -> LakeFormationLake:
    return LakeFormationLake(aws)


def columns(*names: str, principal: str = who("ana"), **more: Any) -> LakeEntry:
    on = {**FLIGHTS, "ColumnNames": sorted(names)}
    return held(principal, {"TableWithColumns": on}, **more)


def cells(name: str, text: str | None, principal: str = who("ana")) -> LakeEntry:
    on = {"DatabaseName": "aviation", "TableName": "flights", "Name": name}
    rows: dict[str, Any] = {"FilterExpression": text} if text else {"AllRowsWildcard": {}}
    content = {"RowFilter": rows, "ColumnNames": ["a", "b"]}
    return held(principal, {"DataCellsFilter": on}, filter=content)


def removals(*entries: LakeEntry) -> list[LakeChange]:
    return [LakeChange("remove", one) for one in entries]


async def holds(lake: LakeFormationLake, *wanted: LakeEntry) -> bool:
    found = {one.key: one.fingerprint for one in await all_of(lake, 1000)}
    return found == {one.key: one.fingerprint for one in wanted}


def operations(sandbox: AwsSandbox) -> list[str]:
    return [call.operation for call in sandbox.calls.all("lakeformation")]


async def shown_columns(aws: Aws, principal: str) -> set[str]:
    """The columns of flights that Lake Formation itself says a principal may read by name."""
    told = await aws.call("lakeformation", "list_permissions", Resource={"Table": FLIGHTS})
    found: set[str] = set()
    for one in told["PrincipalResourcePermissions"]:
        if one["Principal"]["DataLakePrincipalIdentifier"] == principal:
            found |= set(one["Resource"].get("TableWithColumns", {}).get("ColumnNames", ()))
    return found


async def test_lists_of_columns__that_overlap_are_entries_of_their_own(
    lake: LakeFormationLake, aws: Aws
) -> None:
    one, other = columns("a", "b"), columns("b", "c")
    assert await lake.apply(puts(one, other)) == []
    assert await holds(lake, one, other)
    assert await lake.apply(removals(one)) == []
    assert await holds(lake, other)
    assert await shown_columns(aws, who("ana")) == {"b", "c"}


async def test_lists_of_columns__what_nobody_wants_is_an_entry_of_what_is_too_much(
    lake: LakeFormationLake, aws: Aws
) -> None:
    wanted = columns("a", "b")
    await lake.apply(puts(wanted))
    by_hand = {**FLIGHTS, "ColumnNames": ["b", "d"]}
    await aws.call(
        "lakeformation",
        "grant_permissions",
        Principal={"DataLakePrincipalIdentifier": who("ana")},
        Resource={"TableWithColumns": by_hand},
        Permissions=["SELECT"],
    )
    assert await holds(lake, wanted, columns("d"))
    assert await lake.apply(removals(columns("d"))) == []
    assert await holds(lake, wanted)


async def test_lists_of_columns__the_right_to_grant_goes_with_the_entry_that_has_it(
    lake: LakeFormationLake,
) -> None:
    passing, plain = columns("a", "b", grantable=("SELECT",)), columns("b", "c")
    await lake.apply(puts(passing, plain))
    assert await holds(lake, passing, plain)
    narrowed = columns("a", "b")
    assert await lake.apply(puts(narrowed)) == []
    assert await holds(lake, narrowed, plain)
    assert await lake.apply(puts(passing)) == []
    assert await lake.apply(removals(passing)) == []
    assert await holds(lake, plain)


async def test_narrowing__closes_before_anything_opens(
    lake: LakeFormationLake, sandbox: AwsSandbox
) -> None:
    wide = held(who("ana"), permissions=("SELECT", "INSERT"))
    gone = held(who("bo"))
    await lake.apply(puts(wide, gone, cells("eu", "\"a\" = 'x'")))
    sandbox.calls.clear()
    narrow = held(who("ana"), permissions=("DESCRIBE",))
    changes = [*puts(narrow, columns("c", principal=who("bo"))), *removals(gone)]
    changes += [*puts(cells("us", "\"a\" = 'y'")), *removals(cells("eu", None))]
    assert await lake.apply(changes) == []
    made = [name for name in operations(sandbox) if not name.startswith(("List", "Get"))]
    assert made == [
        "BatchRevokePermissions",
        "CreateDataCellsFilter",
        "BatchGrantPermissions",
        "DeleteDataCellsFilter",
    ]


async def test_filter__that_somebody_else_holds_stays_when_one_goes(
    lake: LakeFormationLake, sandbox: AwsSandbox
) -> None:
    mine, yours = cells("eu", "\"a\" = 'x'"), cells("eu", "\"a\" = 'x'", who("bo"))
    await lake.apply(puts(mine, yours))
    assert await lake.apply(removals(mine)) == []
    assert await holds(lake, yours)
    assert await lake.apply(removals(yours)) == []
    assert operations(sandbox).count("DeleteDataCellsFilter") == 1


async def test_filter__that_somebody_changed_since_is_put_to_what_it_should_be(
    aws: Aws, lake: LakeFormationLake
) -> None:
    wanted = cells("eu", "\"a\" = 'x'")
    await lake.apply(puts(wanted))
    other = LakeFormationLake(aws)
    await other.apply(puts(cells("eu", "\"a\" = 'z'")))
    changed = cells("eu", "\"a\" = 'y'")
    assert await lake.apply(puts(changed)) == []
    assert await holds(other, changed)


async def test_batches__hold_twenty_at_most_and_ten_filters_of_one_table(
    lake: LakeFormationLake, sandbox: AwsSandbox
) -> None:
    filters = [cells(f"f{number}", f"\"a\" = '{number}'") for number in range(25)]
    others = [held(who(f"u{number}")) for number in range(45)]
    assert await lake.apply(puts(*filters, *others)) == []
    assert await holds(lake, *filters, *others)
    assert operations(sandbox).count("BatchGrantPermissions") == 4


async def test_reconciling_very_many__takes_hardly_more_calls_than_batches_allow(
    sandbox: AwsSandbox,
) -> None:
    lake = LakeFormationLake(aws_of(sandbox))
    wanted = [
        held(who(f"u{person}"), table(f"t_{number}"))
        for number in range(30)
        for person in range(80)
    ]
    assert await all_of(lake, 5000) == []
    for begin in range(0, len(wanted), MOST_CHANGES):
        assert await lake.apply(puts(*wanted[begin : begin + MOST_CHANGES])) == []
    assert sandbox.calls.count("lakeformation") <= 1.1 * len(wanted) / 20
    assert await holds(lake, *wanted)
    sandbox.calls.clear()
    for begin in range(0, len(wanted), MOST_CHANGES):
        assert await lake.apply(puts(*wanted[begin : begin + MOST_CHANGES])) == []
    assert sandbox.calls.count("lakeformation") == 0, "what is there is not granted again"


async def test_own__rights_of_administrators_are_no_grants_and_everybodys_are(aws: Aws) -> None:
    everybody = {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}
    for principal in (everybody, {"DataLakePrincipalIdentifier": who("admin")}):
        await aws.call(
            "lakeformation",
            "grant_permissions",
            Principal=principal,
            Resource={"Table": FLIGHTS},
            Permissions=["ALL"],
        )
    lake = LakeFormationLake(aws, own=frozenset({who("admin")}))
    (found,) = await all_of(lake)
    assert (found.principal, found.permissions) == ("IAM_ALLOWED_PRINCIPALS", ("ALL",))
    assert await lake.apply([LakeChange("remove", found, unchanged=True)]) == []
    assert await all_of(lake) == []


async def test_is_ours__passes_over_what_lies_in_other_databases(aws: Aws) -> None:
    await aws.call("glue", "create_database", DatabaseInput={"Name": "others"})
    whole = LakeFormationLake(aws)
    mine = entry(who("ana"), {"Database": {"Name": "aviation"}}, ("DESCRIBE",))
    yours = entry(who("ana"), {"Database": {"Name": "others"}}, ("DESCRIBE",))
    await whole.apply(puts(mine, yours))
    lake = LakeFormationLake(aws, is_ours=lambda name: name == "aviation")
    assert await holds(lake, mine)


async def test_failures__say_what_is_missing_and_what_may_come_later(
    lake: LakeFormationLake,
) -> None:
    good, lost = held(), held(resource=table("no_such_table"))
    masked = held(who("bo"), masks={"a": {"kind": "null"}})
    failures = {one.key: one for one in await lake.apply(puts(good, lost, masked))}
    assert (failures[lost.key].code, failures[lost.key].again) == ("LAKE_RESOURCE_MISSING", True)
    assert (failures[masked.key].code, failures[masked.key].again) == ("LAKE_ENTRY_INVALID", False)
    assert await holds(lake, good)


KINDS: tuple[Kind, ...] = ("throttle", "error", "timeout", "lost_answer")
BEFORE = (
    held(who("ana"), permissions=("SELECT", "INSERT")),
    held(who("bo")),
    cells("eu", "\"a\" = 'x'", who("bo")),
    columns("a", "b", principal=who("cy")),
    cells("gone", None, who("dee")),
)
AFTER = (
    held(who("ana"), permissions=("DESCRIBE",)),
    cells("eu", "\"a\" = 'y'", who("bo")),
    columns("b", "c", principal=who("cy")),
    cells("new", "\"b\" = 'z'", who("dee")),
    held(who("eve"), permissions=("SELECT",), grantable=("SELECT",)),
)


def to_after() -> list[LakeChange]:
    stays = {one.key for one in AFTER}
    return [*removals(*(one for one in BEFORE if one.key not in stays)), *puts(*AFTER)]


async def carried(lake: LakeFormationLake, changes: Sequence[LakeChange], tries: int = 4) -> int:
    """Applies until it is done, as the keeper of grants does; how often that took."""
    for turn in range(1, tries + 1):
        try:
            failures = await lake.apply(changes)
        except Unavailable:
            continue
        if not failures:
            return turn
        assert all(one.again for one in failures), failures
    raise AssertionError("it was never done")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_known", [True, False])
async def test_each_call_in_turn_fails__and_in_the_end_it_is_as_it_should_be(
    sandbox: AwsSandbox, aws: Aws, kind: Kind, is_known: bool
) -> None:
    lake = LakeFormationLake(aws)
    await lake.apply(puts(*BEFORE))
    sandbox.calls.clear()
    await carried(lake, to_after())
    calls = sandbox.calls.count("lakeformation")
    assert calls >= 6
    for nth in range(1, calls + 1):
        back = {one.key for one in BEFORE}
        undo = removals(*(one for one in AFTER if one.key not in back))
        await carried(LakeFormationLake(aws), [*undo, *puts(*BEFORE)])
        sandbox.faults.add(Fault("lakeformation", None, kind, nth=nth))
        chosen = lake if is_known else LakeFormationLake(aws)
        if not is_known:
            await_put = [one for one in BEFORE if "TableWithColumns" in one.resource]
            await carried(chosen, puts(*await_put))
        await carried(chosen, to_after())
        sandbox.faults.clear()
        found = {one.key: one.fingerprint for one in await all_of(lake, 1000)}
        assert found == {one.key: one.fingerprint for one in AFTER}, (kind, nth)


async def test_concurrent_changes__are_tried_again(
    sandbox: AwsSandbox, lake: LakeFormationLake
) -> None:
    for operation in ("BatchGrantPermissions", "BatchRevokePermissions", "UpdateDataCellsFilter"):
        sandbox.faults.add(Fault("lakeformation", operation, "error", times=2, code=BUSY))
    await lake.apply(puts(*BEFORE))
    assert await lake.apply(to_after()) == []
    assert await holds(lake, *AFTER)


async def test_what_is_read__may_be_late_and_is_put_right_in_the_end(
    sandbox: AwsSandbox, lake: LakeFormationLake
) -> None:
    sandbox.world.visibility_seconds = 0.4
    await carried(lake, puts(*BEFORE))
    await carried(lake, to_after())
    sandbox.world.visibility_seconds = 0.0
    assert await holds(lake, *AFTER)


async def test_mesh__grants_go_to_lake_formation_and_drift_is_seen_and_mended(
    sandbox: AwsSandbox, tmp_path: Path
) -> None:
    aws = aws_of(sandbox)
    world = LakeWorld(tmp_path, aws=aws)
    try:
        grants = [await world.grant(number, "project:proj-1") for number in range(4)]
        person = await world.grant(5, "group:analysts")
        await world.deliver()
        assert [await world.state(one) for one in grants] == ["applied"] * 4
        assert await world.state(person) == "failed", "a group is nobody on AWS"
        assert await world.drift() == {}
        (first, *_) = await all_of(LakeFormationLake(aws))
        by_hand = LakeFormationLake(aws)
        await by_hand.apply([LakeChange("remove", first), *puts(held(who("friend"), table("t_9")))])
        assert sorted((await world.drift()).values()) == ["excess", "missing"]
        await world.policy("remove")
        row = await world.reconcile()
        assert (row["repaired"], row["removed"], row["failed"]) == (1, 1, 0)
        assert await world.drift() == {}
        await world.permissions.revoke(ITSELF, grants[0].grant_id)
        await world.deliver()
        assert await world.drift() == {}
        assert len(await all_of(LakeFormationLake(aws))) == 3
    finally:
        await world.close()
        aws.close()


async def test_mesh__what_two_grants_come_to_stays_until_both_have_ended(
    sandbox: AwsSandbox, tmp_path: Path
) -> None:
    aws = aws_of(sandbox)
    world = LakeWorld(tmp_path, aws=aws)
    try:
        same = [
            await world.grant(1, principal)
            for principal in ("project:proj-1", f"role:{who('project-proj-1-role')}")
        ]
        await world.deliver()
        assert len(await all_of(LakeFormationLake(aws))) == 1
        assert await world.drift() == {}
        for left, grant in zip((1, 0), reversed(same), strict=True):
            await world.permissions.revoke(ITSELF, grant.grant_id)
            await world.deliver()
            assert len(await all_of(LakeFormationLake(aws))) == left
            assert await world.drift() == {}
    finally:
        await world.close()
        aws.close()


async def test_removal__of_what_was_seen_spares_what_another_process_changed(aws: Aws) -> None:
    one, other = LakeFormationLake(aws), LakeFormationLake(aws)
    await one.apply(puts(held()))
    seen = await one.find(held().key)
    assert seen is not None
    await other.apply(puts(held(permissions=("SELECT", "INSERT"))))
    (failure,) = await one.apply([LakeChange("remove", replace(seen), unchanged=True)])
    assert failure.code == "LAKE_ENTRY_MOVED"
