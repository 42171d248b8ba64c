"""Sharing a table with another account, against the sandbox: offered, accepted, linked, read."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import Conflict, MeshplaneError
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.shares.ports import SharedTable
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.sharing_world import (
    CONSUMER,
    OWNER,
    READER_AT_HOME,
    SharingWorld,
    fresh_world,
    make_roles,
    sharing_of,
    table_shared,
)

ORGANIZATION = f"arn:aws:organizations::{OWNER}:organization/o-abcdefghij"
TWELVE_HOURS = 12 * 3600


@pytest.fixture(scope="module")
def clock() -> FixedClock:
    return FixedClock(datetime.now(UTC))


@pytest.fixture(scope="module")
def sandbox(clock: FixedClock) -> Iterator[AwsSandbox]:
    with sandbox_in(clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
def world(sandbox: AwsSandbox) -> Iterator[SharingWorld]:
    world = fresh_world(sandbox)
    yield world
    world.owner.close()


def calls_of(world: SharingWorld) -> list[tuple[str, str]]:
    return [(call.service, call.operation) for call in world.sandbox.calls.all()]


def test_share__is_read_by_the_other_account_and_taken_back(world: SharingWorld) -> None:
    shared = table_shared()
    assert world.carry_out(shared) == "ACCEPTED"
    assert world.shared_rows() == 2
    asyncio.run(world.sharing.withdraw(shared))
    assert world.shared_rows() is None
    assert world.left_over() == []


def test_share_again__changes_nothing(world: SharingWorld) -> None:
    shared = table_shared()
    world.carry_out(shared)
    before = world.left_over()
    assert world.carry_out(shared) == "ACCEPTED"
    assert world.left_over() == before


def test_withdraw_of_what_was_never_shared__is_no_error(world: SharingWorld) -> None:
    shared = table_shared()
    for _ in range(2):
        asyncio.run(world.sharing.withdraw(shared))
    assert world.left_over() == []


def test_expired_invitation__is_made_anew_and_accepted(
    world: SharingWorld, clock: FixedClock
) -> None:
    shared = table_shared()
    asyncio.run(world.sharing.offer(shared))
    clock.advance(TWELVE_HOURS)
    assert world.carry_out(shared) == "ACCEPTED"
    assert world.shared_rows() == 2


def test_organization_that_shares__needs_no_invitation(world: SharingWorld) -> None:
    ram: Any = world.sandbox.world.services["ram"]
    for account in (OWNER, CONSUMER):
        ram.join(account, ORGANIZATION)
    world.owner.run("ram", "enable_sharing_with_aws_organization")
    assert world.carry_out(table_shared()) == "ACCEPTED"
    assert world.shared_rows() == 2
    assert ("ram", "AcceptResourceShareInvitation") not in calls_of(world)


def test_one_account__is_granted_to_without_a_share(world: SharingWorld) -> None:
    shared = table_shared(account=OWNER, reader=READER_AT_HOME)
    assert world.carry_out(shared) == "ACCEPTED"
    assert world.shared_rows(READER_AT_HOME, "aviation") == 2
    assert not [service for service, _ in calls_of(world) if service == "ram"]
    asyncio.run(world.sharing.withdraw(shared))
    assert world.left_over() == []


def test_account_without_a_role_of_the_mesh__accepts_by_itself(
    world: SharingWorld, clock: FixedClock
) -> None:
    alone = aws_of(world.sandbox, OWNER)
    sharing, shared = sharing_of(alone), table_shared(reader=None)
    assert asyncio.run(sharing.carry_out(shared)) == "PENDING"
    clock.advance(TWELVE_HOURS)
    assert asyncio.run(sharing.carry_out(shared)) == "PENDING"
    pages = world.there.run_pages("ram", "get_resource_share_invitations")
    pending = [
        one["resourceShareInvitationArn"]
        for page in pages
        for one in page["resourceShareInvitations"]
        if one["status"] == "PENDING"
    ]
    assert len(pending) == 1
    world.there.run(
        "ram", "accept_resource_share_invitation", resourceShareInvitationArn=pending[0]
    )
    assert asyncio.run(sharing.carry_out(shared)) == "ACCEPTED"
    assert asyncio.run(sharing.link(shared)) is False
    alone.close()


def reject(world: SharingWorld) -> None:
    """Rejects the one invitation that waits in the other account."""
    pages = world.there.run_pages("ram", "get_resource_share_invitations")
    [invitation] = [
        one
        for page in pages
        for one in page["resourceShareInvitations"]
        if one["status"] == "PENDING"
    ]
    world.there.run(
        "ram",
        "reject_resource_share_invitation",
        resourceShareInvitationArn=invitation["resourceShareInvitationArn"],
    )


def test_account_without_a_role_of_the_mesh__rejects_and_is_not_invited_again(
    world: SharingWorld, clock: FixedClock
) -> None:
    alone = aws_of(world.sandbox, OWNER)
    sharing, shared = sharing_of(alone), table_shared(reader=None, begun_at=clock.now())
    asyncio.run(sharing.offer(shared))
    assert asyncio.run(sharing.accept(shared)) == "PENDING"
    reject(world)
    for _ in range(2):
        assert asyncio.run(sharing.accept(shared)) == "REJECTED"
    alone.close()


@pytest.mark.parametrize("has_role", [True, False])
def test_share_after_a_rejected_one__is_offered_anew(
    world: SharingWorld, clock: FixedClock, has_role: bool
) -> None:
    alone = aws_of(world.sandbox, OWNER)
    sharing = world.sharing if has_role else sharing_of(alone)
    first = table_shared(reader=None, begun_at=clock.now())
    asyncio.run(sharing.offer(first))
    reject(world)
    clock.advance(60)
    second = table_shared(reader=None, share_id="share-2", begun_at=clock.now())
    asyncio.run(sharing.offer(second))
    wanted = "ACCEPTED" if has_role else "PENDING"
    assert asyncio.run(sharing.accept(second)) == wanted
    if not has_role:
        reject(world)
        assert asyncio.run(sharing.accept(second)) == "REJECTED"
    alone.close()


def test_rejected_share__is_taken_back(world: SharingWorld) -> None:
    shared = table_shared()
    asyncio.run(world.sharing.offer(shared))
    reject(world)
    with pytest.raises(Conflict, match="does not take part"):
        world.carry_out(shared)
    assert world.left_over() == []


def test_taken_link_name__ends_the_share_and_leaves_the_other_table(world: SharingWorld) -> None:
    world.there.run("glue", "create_database", DatabaseInput={"Name": "shared"})
    world.there.run("glue", "create_table", DatabaseName="shared", TableInput={"Name": "flights"})
    with pytest.raises(Conflict) as refused:
        world.carry_out(table_shared())
    assert refused.value.code == "LINK_NAME_TAKEN"
    assert world.left_over() == ["link flights"]


def test_table_that_iam_lets_in__is_closed_before_it_is_shared(world: SharingWorld) -> None:
    iam = {"DataLakePrincipalIdentifier": "IAM_ALLOWED_PRINCIPALS"}
    table = {"Table": {"DatabaseName": "aviation", "Name": "flights"}}
    world.owner.run(
        "lakeformation",
        "grant_permissions",
        Principal=iam,
        Resource=table,
        Permissions=["ALL"],
    )
    assert world.carry_out(table_shared()) == "ACCEPTED"
    assert not [line for line in world.left_over() if "IAM_ALLOWED" in line]


def test_share_that_is_seen_late__is_waited_for(world: SharingWorld, clock: FixedClock) -> None:
    world.sandbox.world.visibility_seconds = 0.4
    shared = table_shared()

    async def both() -> str:
        # The sandbox's clock stands still unless it is moved; the adapter's does not.
        async def tick() -> None:
            while True:
                await asyncio.sleep(0.05)
                clock.advance(0.1)

        ticking = asyncio.create_task(tick())
        try:
            return await sharing_of(world.owner, 10.0).carry_out(shared)
        finally:
            ticking.cancel()

    assert asyncio.run(both()) == "ACCEPTED"
    assert world.shared_rows() == 2


def test_reader_that_does_not_exist__fails_and_is_taken_back(world: SharingWorld) -> None:
    shared = table_shared(reader=f"arn:aws:iam::{CONSUMER}:role/nobody")
    world.sandbox.world.services["lakeformation"].only_known_principals = True
    with pytest.raises((AwsRejected, MeshplaneError)):
        world.carry_out(shared)
    assert world.left_over() == []


def carried_out(world: SharingWorld, shared: SharedTable) -> None:
    """Carries a share out, however long the other account takes to accept it."""
    while world.carry_out(shared) == "PENDING":
        world.sandbox.calls.clear()


def test_verifying__tells_nobody_to_be_from_a_reader_who_cannot_be_taken_on(
    world: SharingWorld,
) -> None:
    alone = aws_of(world.sandbox, OWNER)
    assert asyncio.run(sharing_of(alone).verify(table_shared())) is False
    alone.close()
    assert asyncio.run(world.sharing.verify(table_shared(reader=None))) is False
    shared = table_shared(reader=f"arn:aws:iam::{CONSUMER}:role/that-nobody-may-take")
    with pytest.raises(Conflict) as caught:
        carried_out(world, shared)
    assert caught.value.code == "SHARE_NOT_READABLE"
    assert "may take the role" in caught.value.message
    assert world.left_over() == []


@pytest.mark.parametrize("link_database", ["shared", "archive"])
def test_two_shares_of_a_table_with_an_account__are_taken_back_apart(
    world: SharingWorld, link_database: str
) -> None:
    another = f"arn:aws:iam::{CONSUMER}:role/auditor"
    make_roles(aws_of(world.sandbox, CONSUMER), [another])
    first = table_shared()
    second = table_shared(share_id="share-2", reader=another, link_database=link_database)
    for shared in (first, second):
        assert world.carry_out(shared) == "ACCEPTED"
    asyncio.run(world.sharing.withdraw(second, [first]))
    assert world.shared_rows() == 2
    assert world.shared_rows(another, link_database) is None
    assert not [one for one in world.left_over() if "auditor" in one]
    asyncio.run(world.sharing.withdraw(first))
    assert world.left_over() == []


def test_share_beside_one_that_permits_less__leaves_that_and_no_more(world: SharingWorld) -> None:
    fewer = table_shared(reader=None, permissions=("DESCRIBE",))
    more = table_shared(share_id="share-2")
    for shared in (fewer, more):
        assert world.carry_out(shared) == "ACCEPTED"
    assert any(f"{CONSUMER} holds" in one and "SELECT" in one for one in world.left_over())
    asyncio.run(world.sharing.withdraw(more, [fewer]))
    held = [one for one in world.left_over() if one.startswith(f"owner: {CONSUMER} holds")]
    assert held == [f"owner: {CONSUMER} holds ['DESCRIBE']"]
    assert world.shared_rows() is None


def test_two_tables__are_shared_and_taken_back_apart(world: SharingWorld) -> None:
    columns = [{"Name": "pilot", "Type": "string"}]
    world.owner.run(
        "glue",
        "create_table",
        DatabaseName="aviation",
        TableInput={"Name": "crews", "StorageDescriptor": {"Columns": columns}},
    )
    flights, crews = table_shared(), table_shared(share_id="share-2", table="crews", reader=None)
    world.carry_out(flights)
    assert world.carry_out(crews) == "ACCEPTED"
    asyncio.run(world.sharing.withdraw(crews))
    assert world.shared_rows() == 2
