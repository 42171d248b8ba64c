"""An asset shared with another account on AWS, over HTTP: offered, accepted, linked, read, told.

The sandbox stands for AWS: how long an invitation or a grant takes to be seen, it does not show
(needs AWS).
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders.aws_flows import DOMAIN, LINKS, TOPIC_OF_SHARES, World
from tests.builders.aws_mesh import ADMIN, STEWARD, STRANGER, aws_mesh
from tests.builders.aws_mesh_check import Checker
from tests.builders.aws_sandbox import aws_of
from tests.builders.sandbox_lake import query
from tests.builders.sharing_world import CONSUMER, OWNER, READER, READER_AT_HOME, make_roles

pytestmark = [pytest.mark.scenario]

ANOTHER_READER = f"arn:aws:iam::{CONSUMER}:role/auditor"
NOBODY = f"arn:aws:iam::{CONSUMER}:role/nobody"
ROWS = 2


class Shares:
    """A world, and what its stewards share."""

    def __init__(self, world: World) -> None:
        self.world, self.mesh = world, world.mesh
        self.checker = Checker(world)

    def share(self, asset_id: str, reader: str, account: str = CONSUMER) -> dict[str, Any]:
        """Shares an asset, and gives how that ended."""
        return self.ended(self.begin(asset_id, reader, account))

    def begin(self, asset_id: str, reader: str, account: str) -> str:
        """Asks for a share, and gives where it is told of."""
        body = {
            "assetId": asset_id,
            "targetAccount": account,
            "permissions": ["SELECT", "DESCRIBE"],
            "readerRole": reader,
            "linkDatabase": LINKS,
        }
        made = self.mesh.ask(STEWARD, "POST", "/cross-account-share", body)
        return f"/cross-account-share/{made['shareId']}"

    def ended(self, path: str) -> dict[str, Any]:
        """How a share ended, when it has."""

        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = self.mesh.ask(STEWARD, "GET", path)
            return found if found["status"] in {"ACTIVE", "FAILED"} else None

        found = self.mesh.until("the share has ended", ended)
        self.mesh.rest()
        return found

    def rows_read(self, role: str, table: str, database: str = LINKS) -> int | None:
        """How many rows a role reads with Athena; None: it reads none of that."""
        side = self.mesh.owner if f"::{OWNER}:" in role else self.mesh.there
        aws = side.as_role(role, "looking")
        sql = f'SELECT * FROM "{database}"."{table}"'
        execution = query(aws, sql, workgroup="meshplane")
        if execution["Status"]["State"] != "SUCCEEDED":
            return None
        number = execution["QueryExecutionId"]
        pages = aws.run_pages("athena", "get_query_results", QueryExecutionId=number)
        return sum(len(page["ResultSet"]["Rows"]) for page in pages) - 1

    def told(self, subject: str, asset_id: str) -> int:
        """How many messages of that subject were sent about an asset."""
        return sum(
            call.parameters.get("Subject") == subject and asset_id in call.parameters["Message"]
            for call in self.mesh.sandbox.calls.all("sns", "Publish")
        )

    def drift(self) -> list[Any]:
        """What is otherwise in the lake than it should be."""
        found: list[Any] = self.mesh.ask(ADMIN, "GET", "/lake/drift")["items"]
        return found


@pytest.fixture(scope="module")
def shares() -> Iterator[Shares]:
    with aws_mesh() as mesh:
        make_roles(mesh.owner, [READER_AT_HOME])
        root = mesh.root_there
        make_roles(root, [ANOTHER_READER])
        yield Shares(World(mesh))


def test_share__is_accepted_linked_read_and_told(shares: Shares) -> None:
    asset = shares.world.asset()
    ended = shares.share(asset, READER)
    shares.world.made.shares[ended["shareId"]] = ended
    invitations = shares.mesh.sandbox.calls.all("ram", "AcceptResourceShareInvitation")
    events = shares.mesh.all(ADMIN, f"/events?entity={ended['shareId']}")
    assert (ended["status"], ended["failureReason"]) == ("ACTIVE", None)
    assert {call.account for call in invitations} == {CONSUMER}
    assert shares.rows_read(READER, ended["assetName"]) == ROWS
    assert shares.rows_read(ANOTHER_READER, ended["assetName"]) is None
    assert shares.told(TOPIC_OF_SHARES, asset) == 1
    assert [one["type"] for one in events] == [
        "CrossAccountShareInitiated",
        "CrossAccountShareCompleted",
    ]
    assert shares.drift() == []


def test_reader_that_does_not_exist__the_share_fails_and_nothing_is_left(shares: Shares) -> None:
    asset = shares.world.asset()
    ended = shares.share(asset, NOBODY)
    shares.world.made.shares[ended["shareId"]] = ended
    assert ended["status"] == "FAILED"
    assert ended["failureReason"]
    assert (shares.told("Share failed", asset), shares.told(TOPIC_OF_SHARES, asset)) == (1, 0)
    shares.checker.note_told()
    assert shares.checker.problems() == []


def test_account_that_rejects__the_share_fails_at_once_and_is_taken_back(shares: Shares) -> None:
    asset, stranger = shares.world.asset(), aws_of(shares.mesh.sandbox, STRANGER)
    path = shares.begin(asset, READER, STRANGER)

    def rejected() -> str | None:
        if shares.mesh.ask(STEWARD, "GET", path)["status"] != "GRANTED":
            return None  # to grant once more would be to invite once more
        answer = stranger.run("ram", "get_resource_share_invitations")
        for one in answer["resourceShareInvitations"]:
            number = one["resourceShareInvitationArn"]
            stranger.run(
                "ram", "reject_resource_share_invitation", resourceShareInvitationArn=number
            )
            return str(number)
        return None

    shares.mesh.until("there is an invitation", rejected)
    ended = shares.ended(path)
    stranger.close()
    assert (ended["status"], ended["failureReason"]) == ("FAILED", "SHARE_REJECTED")
    assert shares.mesh.sandbox.calls.all("ram", "AssociateResourceShare") == []
    table = {"Table": {"DatabaseName": DOMAIN, "Name": ended["assetName"]}}
    rights = shares.mesh.owner.run("lakeformation", "list_permissions", Resource=table)
    holders = [
        row["Principal"]["DataLakePrincipalIdentifier"]
        for row in rights["PrincipalResourcePermissions"]
    ]
    assert STRANGER not in holders
    assert (shares.told("Share failed", asset), shares.told(TOPIC_OF_SHARES, asset)) == (1, 0)
    assert shares.drift() == []


def test_second_share_with_the_account_fails__the_first_is_read_as_before(shares: Shares) -> None:
    asset = shares.world.asset()
    first = shares.share(asset, READER)
    second = shares.share(asset, NOBODY)
    shares.world.made.shares[first["shareId"]] = first
    assert (first["status"], second["status"]) == ("ACTIVE", "FAILED")
    assert shares.rows_read(READER, first["assetName"]) == ROWS
    assert shares.drift() == []


def test_one_account_is_both_sides__is_granted_without_a_share_or_a_link(shares: Shares) -> None:
    asset = shares.world.asset()
    before = shares.mesh.sandbox.calls.count("ram")
    ended = shares.share(asset, READER_AT_HOME, account=OWNER)
    assert (ended["status"], ended["failureReason"]) == ("ACTIVE", None)
    assert shares.mesh.sandbox.calls.count("ram") == before
    assert shares.rows_read(READER_AT_HOME, ended["assetName"], DOMAIN) == ROWS
    assert shares.told(TOPIC_OF_SHARES, asset) == 1
    assert shares.drift() == []
