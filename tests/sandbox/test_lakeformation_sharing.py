"""Lake Formation across accounts: the share that a grant makes, and what then may be read."""

from typing import Any

import pytest

from tests.builders.fake_lake import (
    CONSUMER,
    FLIGHTS,
    OWNER,
    FakeLake,
    all_tables,
    cells,
    close_the_iam_door,
    columns,
    filter_resource,
    refusal,
    role_arn,
    table,
    tagged,
    to,
)

ORGANIZATION = "arn:aws:organizations::111122223333:organization/o-abcdefghij"
UNIT = "arn:aws:organizations::111122223333:ou/o-abcdefghij/ou-ab12-cdefghij"


@pytest.fixture
def lake() -> FakeLake:
    return FakeLake()


def share(
    lake: FakeLake, resource: dict[str, Any], to_whom: str = CONSUMER, *, grantable: bool = True
) -> None:
    passed_on = {"PermissionsWithGrantOption": ["SELECT"]} if grantable else {}
    lake.admin.grant_permissions(
        Principal=to(to_whom, CONSUMER), Resource=resource, Permissions=["SELECT"], **passed_on
    )


def invitations(lake: FakeLake) -> list[dict[str, Any]]:
    desk, token = lake.ram(account=CONSUMER), dict[str, str]()
    found: list[dict[str, Any]] = []
    while True:
        answer = desk.get_resource_share_invitations(**token)
        found += answer["resourceShareInvitations"]
        if "nextToken" not in answer:
            return found
        token = {"nextToken": answer["nextToken"]}


def accept(lake: FakeLake) -> None:
    for one in invitations(lake):
        if one["status"] == "PENDING":
            lake.ram(account=CONSUMER).accept_resource_share_invitation(
                resourceShareInvitationArn=one["resourceShareInvitationArn"]
            )


def pass_on(lake: FakeLake, resource: dict[str, Any], role: str = "ann") -> str:
    return refusal(
        lake.consumer_admin.grant_permissions,
        Principal=to(role, CONSUMER),
        Resource=resource,
        Permissions=["SELECT"],
    )


THERE = {"CatalogId": OWNER}


def test_share__is_offered_accepted_passed_on_and_read(lake: FakeLake) -> None:
    share(lake, table())
    assert pass_on(lake, table(**THERE)) == "AccessDeniedException"
    [invitation] = invitations(lake)
    assert invitation["resourceShareName"].startswith("LakeFormation-V4-")
    accept(lake)
    # An account's grant opens nothing for its roles until its administrator grants to them.
    assert lake.sees("ann", CONSUMER) == set()
    assert pass_on(lake, table(**THERE)) == ""
    assert lake.reads("ann", CONSUMER) == set(FLIGHTS)
    assert lake.sees("ben", CONSUMER) == set()


def test_share_without_grant_option__cannot_be_passed_on(lake: FakeLake) -> None:
    share(lake, table(), grantable=False)
    accept(lake)
    lake.admin.revoke_permissions(Principal=to(CONSUMER), Resource=table(), Permissions=["SELECT"])
    lake.admin.grant_permissions(Principal=to(CONSUMER), Resource=table(), Permissions=["DESCRIBE"])
    accept(lake)
    assert pass_on(lake, table(**THERE)) == "AccessDeniedException"


def test_share_of_a_part__shows_that_part_however_much_is_passed_on(lake: FakeLake) -> None:
    lake.admin.create_data_cells_filter(TableData=cells("late", "delay > 60", "delay", "origin"))
    share(lake, columns("flight", "origin"))
    share(lake, filter_resource("late"))
    accept(lake)
    assert pass_on(lake, table(**THERE)) == ""
    assert lake.sees("ann", CONSUMER) == {
        ("flight", None),
        ("origin", None),
        ("origin", "delay > 60"),
        ("delay", "delay > 60"),
    }
    assert pass_on(lake, columns("delay"), "ben") == ""
    assert lake.sees("ben", CONSUMER) == {("delay", "delay > 60")}


def test_revoke__ends_the_share_and_what_was_passed_on(lake: FakeLake) -> None:
    share(lake, table())
    accept(lake)
    pass_on(lake, table(**THERE))
    lake.admin.revoke_permissions(Principal=to(CONSUMER), Resource=table(), Permissions=["SELECT"])
    assert lake.sees("ann", CONSUMER) == set()
    shares = lake.ram().get_resource_shares(resourceOwner="SELF")["resourceShares"]
    assert [one["status"] for one in shares] == ["DELETED"]
    # The administrator there takes his grant back all the same.
    lake.consumer_admin.revoke_permissions(
        Principal=to("ann", CONSUMER), Resource=table(**THERE), Permissions=["SELECT"]
    )


def test_two_tables__go_by_one_share_and_one_invitation(lake: FakeLake) -> None:
    lake.make_table("crews")
    share(lake, table())
    share(lake, table("crews"))
    [invitation] = invitations(lake)
    accept(lake)
    assert pass_on(lake, table("crews", **THERE)) == ""
    resources = lake.ram(account=CONSUMER).list_resources(
        resourceOwner="OTHER-ACCOUNTS", resourceType="glue:table"
    )["resources"]
    assert sorted(one["arn"].rpartition(":")[2] for one in resources) == [
        "table/aviation/crews",
        "table/aviation/flights",
    ]
    lake.admin.revoke_permissions(
        Principal=to(CONSUMER), Resource=table("crews"), Permissions=["SELECT"]
    )
    assert lake.sees("ann", CONSUMER, "crews") == set()
    assert invitation["senderAccountId"] == OWNER


def test_invitation__runs_out_after_twelve_hours_and_is_made_anew_by_granting(
    lake: FakeLake,
) -> None:
    share(lake, table())
    lake.clock.advance(12 * 3600)
    [old] = invitations(lake)
    assert old["status"] == "EXPIRED"
    arn = old["resourceShareInvitationArn"]
    code = refusal(
        lake.ram(account=CONSUMER).accept_resource_share_invitation,
        resourceShareInvitationArn=arn,
    )
    assert code == "ResourceShareInvitationExpiredException"
    share(lake, table())
    accept(lake)
    assert pass_on(lake, table(**THERE)) == ""
    assert lake.reads("ann", CONSUMER) == set(FLIGHTS)


def test_organization__shares_without_an_invitation(lake: FakeLake) -> None:
    grant = lake.admin.grant_permissions
    given = {
        "Principal": {"DataLakePrincipalIdentifier": ORGANIZATION},
        "Resource": table(),
        "Permissions": ["SELECT"],
        "PermissionsWithGrantOption": ["SELECT"],
    }
    assert refusal(grant, **given) == "InvalidInputException"
    lake.ram_fake.join(OWNER, ORGANIZATION)
    lake.ram_fake.join(CONSUMER, ORGANIZATION, (UNIT,))
    lake.ram().enable_sharing_with_aws_organization()
    for principal in (ORGANIZATION, UNIT):
        given["Principal"] = {"DataLakePrincipalIdentifier": principal}
        assert refusal(grant, **given) == ""
    assert invitations(lake) == []
    assert pass_on(lake, table(**THERE)) == ""
    assert lake.reads("ann", CONSUMER) == set(FLIGHTS)
    assert lake.sees("ann", "777788889999") == set()


def test_account_of_the_organization__needs_no_invitation_either(lake: FakeLake) -> None:
    lake.ram_fake.join(OWNER, ORGANIZATION)
    lake.ram_fake.join(CONSUMER, ORGANIZATION)
    lake.ram().enable_sharing_with_aws_organization()
    share(lake, all_tables())
    assert invitations(lake) == []
    assert pass_on(lake, table(**THERE)) == ""
    assert lake.reads("ann", CONSUMER) == set(FLIGHTS)


def test_role_of_another_account__can_be_granted_to_directly(lake: FakeLake) -> None:
    share(lake, table(), role_arn("ann", CONSUMER), grantable=False)
    assert lake.sees("ann", CONSUMER) == set()
    accept(lake)
    assert lake.reads("ann", CONSUMER) == set(FLIGHTS)
    assert lake.sees("ben", CONSUMER) == set()


def test_old_version__knows_no_roles_of_other_accounts(lake: FakeLake) -> None:
    close_the_iam_door(lake.admin, version="2")
    code = refusal(share, lake=lake, resource=table(), to_whom=role_arn("ann", CONSUMER))
    assert code == "InvalidInputException"
    share(lake, table())
    assert invitations(lake)[0]["resourceShareName"].startswith("LakeFormation-V2-")


def test_tags__are_shared_by_ram_from_the_third_version_on(lake: FakeLake) -> None:
    lake.admin.create_lf_tag(TagKey="team", TagValues=["ops"])
    pairs = [{"TagKey": "team", "TagValues": ["ops"]}]
    lake.admin.add_lf_tags_to_resource(Resource=table(), LFTags=pairs)
    share(lake, tagged({"team": ("ops",)}))
    assert lake.sees("admin", CONSUMER) == set()
    accept(lake)
    assert lake.reads("admin", CONSUMER) == set(FLIGHTS)


def test_what_iam_still_lets_in__is_not_shared() -> None:
    lake = FakeLake(settings=False)
    lake.make_table()
    close_the_iam_door(lake.admin)
    assert refusal(share, lake=lake, resource=table()) == "InvalidInputException"
    lake.admin.revoke_permissions(
        Principal=to("IAM_ALLOWED_PRINCIPALS"), Resource=table(), Permissions=["ALL"]
    )
    assert refusal(share, lake=lake, resource=table()) == ""


def test_shared_table__is_not_shared_on(lake: FakeLake) -> None:
    share(lake, table())
    accept(lake)
    code = refusal(
        lake.consumer_admin.grant_permissions,
        Principal=to("777788889999"),
        Resource=table(**THERE),
        Permissions=["SELECT"],
    )
    assert code == "InvalidInputException"


def test_own_account__is_no_grantee(lake: FakeLake) -> None:
    assert refusal(share, lake=lake, resource=table(), to_whom=OWNER) == "InvalidInputException"


def test_lists_there__show_what_came_and_what_was_passed_on(lake: FakeLake) -> None:
    share(lake, table())
    accept(lake)
    pass_on(lake, table(**THERE))
    rows = lake.consumer_admin.list_permissions(Resource=table(**THERE))
    names = {
        row["Principal"]["DataLakePrincipalIdentifier"]
        for row in rows["PrincipalResourcePermissions"]
    }
    assert names == {CONSUMER, role_arn("ann", CONSUMER)}


def test_changes_in_ram__take_a_while() -> None:
    lake = FakeLake(visibility_seconds=3)
    share(lake, table())
    assert invitations(lake) == []
    lake.clock.advance(3)
    accept(lake)
    assert pass_on(lake, table(**THERE)) == "AccessDeniedException"
    lake.clock.advance(3)
    assert pass_on(lake, table(**THERE)) == ""
