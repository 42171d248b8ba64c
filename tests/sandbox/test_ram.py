"""The stand-in for RAM: shares, tokens, invitations, organizations."""

from typing import Any

import pytest

from tests.builders.fake_lake import CONSUMER, OWNER, REGION, Desk, FakeLake, refusal

ARN = f"arn:aws:glue:{REGION}:{OWNER}:database/aviation"
ORGANIZATION = f"arn:aws:organizations::{OWNER}:organization/o-abcdefghij"
OTHER = "777788889999"


@pytest.fixture
def lake() -> FakeLake:
    return FakeLake(settings=False)


@pytest.fixture
def owner(lake: FakeLake) -> Desk:
    return lake.ram()


@pytest.fixture
def consumer(lake: FakeLake) -> Desk:
    return lake.ram(account=CONSUMER)


def everything(call: Any, member: str, **given: Any) -> list[dict[str, Any]]:
    """All pages of a list; an empty one is not the last."""
    found: list[dict[str, Any]] = []
    while True:
        answer = call(**given)
        found += answer[member]
        if "nextToken" not in answer:
            return found
        given["nextToken"] = answer["nextToken"]


def offer(owner: Desk, *principals: str, **more: Any) -> str:
    answer = owner.create_resource_share(
        name="flights", resourceArns=[ARN], principals=list(principals), **more
    )
    assert answer["resourceShare"]["status"] == "ACTIVE"
    arn: str = answer["resourceShare"]["resourceShareArn"]
    return arn


def invitation_of(consumer: Desk) -> dict[str, Any]:
    [one] = everything(consumer.get_resource_share_invitations, "resourceShareInvitations")
    return one


def test_share__is_pending_until_it_is_accepted(owner: Desk, consumer: Desk) -> None:
    offer(owner, CONSUMER)

    def status() -> list[str]:
        shares = everything(
            consumer.get_resource_shares, "resourceShares", resourceOwner="OTHER-ACCOUNTS"
        )
        return [one["status"] for one in shares]

    def associated() -> list[str]:
        found = everything(
            owner.get_resource_share_associations,
            "resourceShareAssociations",
            associationType="PRINCIPAL",
        )
        return [one["status"] for one in found]

    assert (status(), associated()) == (["PENDING"], ["ASSOCIATING"])
    listed = {"resourceOwner": "OTHER-ACCOUNTS"}
    assert everything(consumer.list_resources, "resources", **listed) == []
    arn = invitation_of(consumer)["resourceShareInvitationArn"]
    pending = everything(
        consumer.list_pending_invitation_resources, "resources", resourceShareInvitationArn=arn
    )
    assert [one["type"] for one in pending] == ["glue:Database"]
    consumer.accept_resource_share_invitation(resourceShareInvitationArn=arn)
    assert (status(), associated()) == (["ACTIVE"], ["ASSOCIATED"])
    assert [one["arn"] for one in everything(consumer.list_resources, "resources", **listed)] == [
        ARN
    ]
    senders = everything(consumer.list_principals, "principals", **listed)
    assert [one["id"] for one in senders] == [OWNER]


def test_token__makes_a_repeated_request_one(owner: Desk) -> None:
    first = owner.create_resource_share(name="flights", clientToken="t1")
    again = owner.create_resource_share(name="flights", clientToken="t1")
    assert first == again
    code = refusal(owner.create_resource_share, name="other", clientToken="t1")
    assert code == "IdempotentParameterMismatchException"
    owner.create_resource_share(name="flights")
    shares = everything(owner.get_resource_shares, "resourceShares", resourceOwner="SELF")
    assert len(shares) == 2


def test_invitation__is_answered_once(owner: Desk, consumer: Desk) -> None:
    offer(owner, CONSUMER)
    arn = invitation_of(consumer)["resourceShareInvitationArn"]
    consumer.accept_resource_share_invitation(resourceShareInvitationArn=arn)
    for call in (
        consumer.accept_resource_share_invitation,
        consumer.reject_resource_share_invitation,
    ):
        code = refusal(call, resourceShareInvitationArn=arn)
        assert code == "ResourceShareInvitationAlreadyAcceptedException"


def test_rejecting__takes_the_account_out(owner: Desk, consumer: Desk) -> None:
    share = offer(owner, CONSUMER)
    arn = invitation_of(consumer)["resourceShareInvitationArn"]
    consumer.reject_resource_share_invitation(resourceShareInvitationArn=arn)
    code = refusal(consumer.accept_resource_share_invitation, resourceShareInvitationArn=arn)
    assert code == "ResourceShareInvitationAlreadyRejectedException"
    assert everything(owner.list_principals, "principals", resourceOwner="SELF") == []
    owner.associate_resource_share(resourceShareArn=share, principals=[CONSUMER])
    statuses = [
        one["status"]
        for one in everything(consumer.get_resource_share_invitations, "resourceShareInvitations")
    ]
    assert statuses == ["REJECTED", "PENDING"]


@pytest.mark.parametrize(("hours", "status"), [(11.9, "PENDING"), (12, "EXPIRED")])
def test_invitation__expires_after_twelve_hours(
    lake: FakeLake, owner: Desk, consumer: Desk, hours: float, status: str
) -> None:
    offer(owner, CONSUMER)
    lake.clock.advance(hours * 3600)
    assert invitation_of(consumer)["status"] == status
    left = everything(owner.list_principals, "principals", resourceOwner="SELF")
    assert [one["id"] for one in left] == ([CONSUMER] if status == "PENDING" else [])


def test_invitations_of_others__are_not_there(lake: FakeLake, owner: Desk, consumer: Desk) -> None:
    offer(owner, CONSUMER)
    arn = invitation_of(consumer)["resourceShareInvitationArn"]
    other = lake.ram(account=OTHER)
    code = refusal(other.accept_resource_share_invitation, resourceShareInvitationArn=arn)
    assert code == "ResourceShareInvitationArnNotFoundException"
    code = refusal(other.get_resource_share_invitations, resourceShareInvitationArns=[arn])
    assert code == "ResourceShareInvitationArnNotFoundException"
    code = refusal(other.accept_resource_share_invitation, resourceShareInvitationArn="no arn")
    assert code == "MalformedArnException"


def test_own_account__takes_part_without_an_invitation(owner: Desk) -> None:
    offer(owner, OWNER)
    found = everything(
        owner.get_resource_share_associations,
        "resourceShareAssociations",
        associationType="PRINCIPAL",
    )
    assert [(one["status"], one["external"]) for one in found] == [("ASSOCIATED", False)]
    assert everything(owner.get_resource_share_invitations, "resourceShareInvitations") == []


def test_organization__needs_to_be_enabled_by_its_manager(
    lake: FakeLake, owner: Desk, consumer: Desk
) -> None:
    lake.ram_fake.join(OWNER, ORGANIZATION)
    lake.ram_fake.join(CONSUMER, ORGANIZATION)
    given = {"name": "flights", "principals": [ORGANIZATION], "resourceArns": [ARN]}
    assert refusal(owner.create_resource_share, **given) == "OperationNotPermittedException"
    code = refusal(consumer.enable_sharing_with_aws_organization)
    assert code == "OperationNotPermittedException"
    offer(owner, CONSUMER)
    assert invitation_of(consumer)["status"] == "PENDING"
    assert owner.enable_sharing_with_aws_organization() == {"returnValue": True}
    offer(owner, ORGANIZATION)
    shares = everything(
        consumer.get_resource_shares,
        "resourceShares",
        resourceOwner="OTHER-ACCOUNTS",
        resourceShareStatus="ACTIVE",
    )
    assert len(shares) == 1
    inside = {"name": "inner", "allowExternalPrincipals": False}
    code = refusal(owner.create_resource_share, principals=[OTHER], **inside)
    assert code == "OperationNotPermittedException"
    assert refusal(owner.create_resource_share, principals=[CONSUMER], **inside) == ""


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"resourceArns": ["flights"]}, "MalformedArnException"),
        (
            {"resourceArns": [f"arn:aws:glue:{REGION}:{CONSUMER}:catalog"]},
            "OperationNotPermittedException",
        ),
        ({"principals": ["somebody"]}, "MalformedArnException"),
    ],
)
def test_share_of_what_one_has_not__is_refused_and_not_made(
    owner: Desk, given: dict[str, Any], code: str
) -> None:
    assert refusal(owner.create_resource_share, name="flights", **given) == code
    shares = everything(owner.get_resource_shares, "resourceShares", resourceOwner="SELF")
    assert shares == []


def test_taking_out__needs_to_be_in(lake: FakeLake, owner: Desk, consumer: Desk) -> None:
    share = offer(owner, CONSUMER)
    out = owner.disassociate_resource_share
    code = refusal(out, resourceShareArn=share, principals=[OTHER])
    assert code == "UnknownResourceException"
    answer = out(resourceShareArn=share, resourceArns=[ARN])
    assert [one["status"] for one in answer["resourceShareAssociations"]] == ["DISASSOCIATED"]
    code = refusal(
        consumer.disassociate_resource_share, resourceShareArn=share, principals=[CONSUMER]
    )
    assert code == "UnknownResourceException"
    arn = invitation_of(consumer)["resourceShareInvitationArn"]
    consumer.accept_resource_share_invitation(resourceShareInvitationArn=arn)
    consumer.disassociate_resource_share(resourceShareArn=share, principals=[CONSUMER])
    assert everything(owner.list_principals, "principals", resourceOwner="SELF") == []


def test_deleted_share__is_shown_as_deleted_and_changes_no_more(
    lake: FakeLake, owner: Desk, consumer: Desk
) -> None:
    share = offer(owner, CONSUMER)
    owner.update_resource_share(resourceShareArn=share, name="renamed")
    owner.delete_resource_share(resourceShareArn=share)
    [shown] = everything(owner.get_resource_shares, "resourceShares", resourceOwner="SELF")
    assert (shown["name"], shown["status"]) == ("renamed", "DELETED")
    assert invitation_of(consumer)["status"] == "EXPIRED"
    code = refusal(owner.delete_resource_share, resourceShareArn=share)
    assert code == "InvalidStateTransitionException"
    code = refusal(consumer.delete_resource_share, resourceShareArn=share)
    assert code == "UnknownResourceException"


def test_changes__are_seen_after_a_while() -> None:
    lake = FakeLake(settings=False, visibility_seconds=10)
    owner, consumer = lake.ram(), lake.ram(account=CONSUMER)
    share = offer(owner, CONSUMER)

    def seen() -> list[str]:
        found = everything(
            owner.get_resource_share_associations,
            "resourceShareAssociations",
            associationType="RESOURCE",
        )
        return [one["status"] for one in found]

    assert seen() == []
    assert everything(consumer.get_resource_share_invitations, "resourceShareInvitations") == []
    lake.clock.advance(10)
    assert seen() == ["ASSOCIATED"]
    owner.disassociate_resource_share(resourceShareArn=share, resourceArns=[ARN])
    assert seen() == ["DISASSOCIATING"]
    lake.clock.advance(10)
    assert seen() == ["DISASSOCIATED"]


def test_list__may_begin_with_an_empty_page(owner: Desk) -> None:
    offer(owner, CONSUMER)
    answers = [owner.get_resource_shares(resourceOwner="SELF") for _ in range(8)]
    empty = [one for one in answers if not one["resourceShares"]]
    assert 0 < len(empty) < len(answers)
    assert all("nextToken" in one for one in empty)
    code = refusal(owner.get_resource_shares, resourceOwner="SELF", nextToken="x")
    assert code == "InvalidNextTokenException"


def test_shares__are_found_by_name_tag_and_arn(owner: Desk) -> None:
    tags = [{"key": "team", "value": "ops"}]
    arn = offer(owner, tags=tags)
    owner.create_resource_share(name="other")

    def names(**given: Any) -> list[str]:
        found = everything(
            owner.get_resource_shares, "resourceShares", resourceOwner="SELF", **given
        )
        return [one["name"] for one in found]

    assert names(name="other") == ["other"]
    assert names(resourceShareArns=[arn]) == ["flights"]
    assert names(tagFilters=[{"tagKey": "team", "tagValues": ["ops"]}]) == ["flights"]
    assert names(tagFilters=[{"tagKey": "team", "tagValues": ["hr"]}]) == []
    unknown = arn.replace("000", "999", 1)
    code = refusal(owner.get_resource_shares, resourceOwner="SELF", resourceShareArns=[unknown])
    assert code == "UnknownResourceException"
