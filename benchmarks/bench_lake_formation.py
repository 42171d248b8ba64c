"""How many calls it takes to reconcile 10,000 grants with Lake Formation.

The grants lie in the sandbox's Lake Formation, on 500 tables, carried there by the adapter in the
hundreds in which the reconciler asks for them. Calls are counted by the sandbox, all of them. The
minimum is what Lake Formation's own limits allow: twenty entries in a batch of grants or revokes,
one call for a data cells filter, and one reading of what is there, in the pages that it gives.

Three runs: all missing; some missing, some to narrow, some too much; and row grants, each with a
filter of its own, which no batch call makes.
"""

import asyncio
import time
from collections.abc import Sequence
from math import ceil

from botocore.session import get_session
from report import Ratio, publish

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.place import AwsPlace
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.lake.aws import LakeFormationLake
from meshplane.services.lake.aws_settings import ensure_settings
from meshplane.services.lake.entries import entry
from meshplane.services.lake.ports import MOST_CHANGES, LakeChange, LakeEntry

GRANTS, TABLES, FILTERED = 10_000, 500, 1_000
BATCH = 20
TARGET = 1.1
ACCOUNT, REGION = "111122223333", "eu-central-1"


def role(number: int) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/project-{number}-role"


def table(number: int, permissions: Sequence[str] = ("SELECT",), principal: int = 0) -> LakeEntry:
    on = {"Table": {"DatabaseName": "aviation", "Name": f"t{number}"}}
    return entry(role(principal), on, permissions)


def rows(number: int) -> LakeEntry:
    on = {"DatabaseName": "aviation", "TableName": f"t{number % TABLES}", "Name": f"rows-{number}"}
    cells = {"RowFilter": {"FilterExpression": "\"a\" = 'x'"}, "ColumnNames": ["a", "b"]}
    return entry(role(number), {"DataCellsFilter": on}, ("SELECT",), filter=cells)


class World:
    """A sandbox with a catalog, and the lake over it."""

    def __init__(self, sandbox: AwsSandbox) -> None:
        self.sandbox = sandbox
        session = get_session()
        session.set_credentials(*sandbox.keys(ACCOUNT))
        self.aws = Aws(AwsPlace(REGION, ACCOUNT, endpoint_url=sandbox.url), session)
        self.lake = LakeFormationLake(self.aws)

    async def prepare(self) -> None:
        await ensure_settings(self.aws, [f"arn:aws:iam::{ACCOUNT}:root"])
        await self.aws.call("glue", "create_database", DatabaseInput={"Name": "aviation"})
        columns = [{"Name": name, "Type": "string"} for name in "abc"]
        for number in range(TABLES):
            made = {"Name": f"t{number}", "StorageDescriptor": {"Columns": columns}}
            await self.aws.call("glue", "create_table", DatabaseName="aviation", TableInput=made)

    async def reconcile(self, wanted: Sequence[LakeEntry]) -> tuple[int, int, float]:
        """Looks, and makes the lake what is wanted; calls, pages of the reading, seconds."""
        self.sandbox.calls.clear()
        began = time.perf_counter()
        held = await self.held()
        pages = self.sandbox.calls.count("lakeformation")
        meant = {one.key: one for one in wanted}
        # In the order of the reconciler's plans: what is too much, what is otherwise, what lacks.
        changes = [LakeChange("remove", one) for key, one in held.items() if key not in meant]
        changes += [
            LakeChange("put", one)
            for key, one in meant.items()
            if key in held and held[key].fingerprint != one.fingerprint
        ]
        changes += [LakeChange("put", one) for key, one in meant.items() if key not in held]
        for begin in range(0, len(changes), MOST_CHANGES):
            failures = await self.lake.apply(changes[begin : begin + MOST_CHANGES])
            assert not failures, failures[0]
        calls = self.sandbox.calls.count("lakeformation")
        seconds = time.perf_counter() - began
        after = await self.held()
        assert {key: one.fingerprint for key, one in after.items()} == {
            key: one.fingerprint for key, one in meant.items()
        }
        return calls, pages, seconds

    async def held(self) -> dict[str, LakeEntry]:
        found: dict[str, LakeEntry] = {}
        cursor: str | None = None
        while True:
            page = await self.lake.read(5000, cursor)
            found |= {one.key: one for one in page.entries}
            cursor = page.cursor
            if cursor is None:
                return found


def ratio(name: str, told: tuple[int, int, float], batches: int, singles: int = 0) -> Ratio:
    calls, pages, seconds = told
    least = pages + batches + singles
    return Ratio(
        f"{name}: calls ÷ the fewest that batches allow",
        calls / least,
        TARGET,
        at_least=False,
        parts={
            "calls": calls,
            "of them to read what is there": pages,
            "fewest": least,
            "seconds": seconds,
        },
    )


async def measure(sandbox: AwsSandbox) -> list[Ratio]:
    world = World(sandbox)
    await world.prepare()
    people = GRANTS // TABLES
    first = [table(number % TABLES, ("SELECT",), number // TABLES) for number in range(GRANTS)]
    found = [ratio("10,000 missing", await world.reconcile(first), GRANTS // BATCH)]

    # Of 20 holders on each table 2 go, 4 get INSERT beside, 4 keep DESCRIBE alone; 3 come.
    others: list[LakeEntry] = []
    for number in range(TABLES):
        for person in range(2, people + 3):
            rights = ("SELECT",)
            if person < 6:
                rights = ("INSERT", "SELECT")
            elif person < 10:
                rights = ("DESCRIBE",)
            others.append(table(number, rights, person))
    granted, revoked = TABLES * (4 + 4 + 3), TABLES * (2 + 4)
    least = ceil(granted / BATCH) + ceil(revoked / BATCH)
    found.append(ratio("10,500 of which 6,500 differ", await world.reconcile(others), least))

    filtered = [*others, *(rows(number) for number in range(FILTERED))]
    told = await world.reconcile(filtered)
    found.append(ratio("1,000 row grants beside", told, ceil(FILTERED / BATCH), FILTERED))
    world.aws.close()
    return found


def main() -> None:
    with AwsSandbox() as sandbox:
        publish("lake_formation", asyncio.run(measure(sandbox)))


if __name__ == "__main__":
    main()
