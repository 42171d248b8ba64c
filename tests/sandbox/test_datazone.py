"""Domains, units, users, projects and tokens of the DataZone fake, over boto3."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from meshplane.kit.clock import FixedClock
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_as, aws_of, sandbox_in
from tests.builders.datazone_domain import DataZoneDomain, datazone_domain

ROLE = "arn:aws:iam::111122223333:role/execution"


@pytest.fixture(scope="module")
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def sandbox(clock: FixedClock) -> Iterator[AwsSandbox]:
    with sandbox_in(clock=clock) as running:
        yield running


@pytest.fixture(scope="module")
def there(sandbox: AwsSandbox) -> DataZoneDomain:
    return datazone_domain(sandbox)


def refusals(*calls: Callable[[], Any]) -> list[str]:
    """AWS's codes of calls that are all refused."""
    codes = []
    for call in calls:
        with pytest.raises(ClientError) as error:
            call()
        codes.append(code_of(error))
    return codes


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_create_domain__is_creating_until_it_was_looked_at(sandbox: AwsSandbox) -> None:
    client = aws_of(sandbox).client("datazone")
    made = client.create_domain(name="young", domainExecutionRole=ROLE)
    states = [client.get_domain(identifier=made["id"])["status"] for _ in range(3)]
    assert made["status"] == "CREATING"
    assert states == ["CREATING", "AVAILABLE", "AVAILABLE"]


def test_create_domain__is_available_after_a_while_unwatched(
    sandbox: AwsSandbox, clock: FixedClock
) -> None:
    client = aws_of(sandbox).client("datazone")
    made = client.create_domain(name="waited for", domainExecutionRole=ROLE)
    with pytest.raises(ClientError) as early:
        client.create_project(domainIdentifier=made["id"], name="too early")
    clock.advance(2)
    late = client.create_project(domainIdentifier=made["id"], name="in time")
    assert code_of(early) == "ValidationException"
    assert late["projectStatus"] == "ACTIVE"


def test_create_domain__without_an_execution_role__is_refused(sandbox: AwsSandbox) -> None:
    with pytest.raises(ClientError) as error:
        aws_of(sandbox).client("datazone").create_domain(name="no role")
    assert code_of(error) == "ValidationException"


@pytest.mark.parametrize("lacking", [{}, {"serviceRole": ROLE.replace("1111", "4444")}])
def test_create_domain__of_version_2__needs_a_service_role_of_the_account(
    sandbox: AwsSandbox, lacking: dict[str, str]
) -> None:
    client = aws_of(sandbox).client("datazone")
    said = {"name": "v2", "domainExecutionRole": ROLE, "domainVersion": "V2"}
    with pytest.raises(ClientError) as error:
        client.create_domain(**said, **lacking)
    made = client.create_domain(**said, serviceRole=ROLE)
    assert code_of(error) == "ValidationException"
    assert made["id"].startswith("dzd-")


def test_a_token_again__gets_the_same_answer_and_with_other_parameters_none(
    sandbox: AwsSandbox,
) -> None:
    client = aws_of(sandbox).client("datazone")
    said = {"domainExecutionRole": ROLE, "clientToken": "once"}
    first = client.create_domain(name="once", **said)
    again = client.create_domain(name="once", **said)
    with pytest.raises(ClientError) as error:
        client.create_domain(name="another", **said)
    assert again["id"] == first["id"]
    assert code_of(error) == "ConflictException"


def test_list_domains__shows_those_of_the_account_alone(
    sandbox: AwsSandbox, there: DataZoneDomain
) -> None:
    own = aws_of(sandbox).client("datazone").list_domains()["items"]
    others = aws_of(sandbox, sandbox.accounts[1]).client("datazone").list_domains()["items"]
    assert there.domain in [one["id"] for one in own]
    assert others == []


def test_a_role_that_is_no_user__may_do_nothing(sandbox: AwsSandbox, there: DataZoneDomain) -> None:
    arn = "arn:aws:iam::111122223333:role/nobody"
    client = aws_as(sandbox, arn).client("datazone")
    with pytest.raises(ClientError) as before:
        client.list_projects(domainIdentifier=there.domain)
    profile = there.admin.create_user_profile(
        domainIdentifier=there.domain, userIdentifier=arn, userType="IAM_ROLE"
    )
    after = client.list_projects(domainIdentifier=there.domain)["items"]
    assert code_of(before) == "AccessDeniedException"
    assert profile["details"] == {"iam": {"arn": arn}}
    assert len(after) >= 2


def test_a_user_twice_or_of_the_wrong_kind__is_refused(there: DataZoneDomain) -> None:
    codes = []
    for arn, kind in ((ROLE.replace("execution", "reader"), "IAM_ROLE"), (ROLE, "IAM_USER")):
        with pytest.raises(ClientError) as error:
            there.admin.create_user_profile(
                domainIdentifier=there.domain, userIdentifier=arn, userType=kind
            )
        codes.append(code_of(error))
    assert codes == ["ValidationException"] * 2


def test_another_account__has_no_part_in_the_domain(
    sandbox: AwsSandbox, there: DataZoneDomain
) -> None:
    client = aws_of(sandbox, sandbox.accounts[1]).client("datazone")
    codes = refusals(
        lambda: client.get_domain(identifier=there.domain),
        lambda: client.list_projects(domainIdentifier=there.domain),
    )
    assert codes == ["AccessDeniedException"] * 2


def test_create_project__name_taken_or_out_of_pattern__is_refused(there: DataZoneDomain) -> None:
    codes = []
    for name in ("publisher project", "no.dots", "x" * 65):
        with pytest.raises(ClientError) as error:
            there.admin.create_project(domainIdentifier=there.domain, name=name)
        codes.append(code_of(error))
    assert codes == ["ConflictException", "ValidationException", "ValidationException"]


def test_list_projects__by_name__finds_every_name_that_holds_it(there: DataZoneDomain) -> None:
    found = there.admin.list_projects(domainIdentifier=there.domain, name="project")["items"]
    names = [one["name"] for one in found]
    assert {"publisher project", "reader project"} <= set(names)
    assert names == sorted(names)


def test_list_projects__pages(there: DataZoneDomain) -> None:
    for number in range(5):
        there.admin.create_project(domainIdentifier=there.domain, name=f"paged {number}")
    pages = list(
        there.admin.get_paginator("list_projects").paginate(
            domainIdentifier=there.domain, name="paged", PaginationConfig={"PageSize": 2}
        )
    )
    with pytest.raises(ClientError) as error:
        there.admin.list_projects(domainIdentifier=there.domain, nextToken="made up")
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert code_of(error) == "ValidationException"


def test_memberships__are_an_owners_business(there: DataZoneDomain) -> None:
    arn = "arn:aws:iam::111122223333:role/reader"
    said = {
        "domainIdentifier": there.domain,
        "projectIdentifier": there.publishing,
        "member": {"userIdentifier": arn},
    }
    with pytest.raises(ClientError) as theirs:
        there.reader.create_project_membership(**said, designation="PROJECT_CONTRIBUTOR")
    there.publisher.create_project_membership(**said, designation="PROJECT_CATALOG_VIEWER")
    with pytest.raises(ClientError) as twice:
        there.publisher.create_project_membership(**said, designation="PROJECT_OWNER")
    members = there.publisher.list_project_memberships(
        domainIdentifier=there.domain, projectIdentifier=there.publishing
    )["members"]
    there.publisher.delete_project_membership(**said)
    with pytest.raises(ClientError) as gone:
        there.publisher.delete_project_membership(**said)
    assert [one["designation"] for one in members] == ["PROJECT_OWNER", "PROJECT_CATALOG_VIEWER"]
    codes = [code_of(theirs), code_of(twice), code_of(gone)]
    assert codes == ["AccessDeniedException", "ValidationException", "ResourceNotFoundException"]


def test_the_last_owner__stays(there: DataZoneDomain) -> None:
    with pytest.raises(ClientError) as error:
        there.publisher.delete_project_membership(
            domainIdentifier=there.domain,
            projectIdentifier=there.publishing,
            member={"userIdentifier": "arn:aws:iam::111122223333:role/publisher"},
        )
    assert code_of(error) == "ValidationException"


def test_domain_units__are_owned_and_hold_projects(there: DataZoneDomain) -> None:
    unit = there.admin.create_domain_unit(
        domainIdentifier=there.domain, name="aviation", parentDomainUnitIdentifier=there.root
    )
    project = there.admin.create_project(
        domainIdentifier=there.domain, name="in aviation", domainUnitId=unit["id"]
    )
    listed = there.admin.list_domain_units_for_parent(
        domainIdentifier=there.domain, parentDomainUnitIdentifier=there.root
    )["items"]
    codes = refusals(
        lambda: there.reader.create_domain_unit(
            domainIdentifier=there.domain, name="mine", parentDomainUnitIdentifier=there.root
        ),
        lambda: there.admin.create_domain_unit(
            domainIdentifier=there.domain, name="aviation", parentDomainUnitIdentifier=there.root
        ),
        lambda: there.admin.delete_domain_unit(
            domainIdentifier=there.domain, identifier=unit["id"]
        ),
    )
    assert [one["name"] for one in listed] == ["aviation"]
    assert unit["ancestorDomainUnitIds"] == [there.root]
    assert project["domainUnitId"] == unit["id"]
    assert codes == ["AccessDeniedException", "ConflictException", "ConflictException"]


def test_policy_grants__let_a_user_make_units(there: DataZoneDomain) -> None:
    user = there.admin.get_user_profile(
        domainIdentifier=there.domain, userIdentifier="arn:aws:iam::111122223333:role/reader"
    )
    said = {
        "domainIdentifier": there.domain,
        "entityType": "DOMAIN_UNIT",
        "entityIdentifier": there.root,
        "policyType": "CREATE_DOMAIN_UNIT",
        "principal": {"user": {"userIdentifier": user["id"]}},
    }
    detail = {"createDomainUnit": {"includeChildDomainUnits": True}}
    granted = there.admin.add_policy_grant(**said, detail=detail)
    unit = there.reader.create_domain_unit(
        domainIdentifier=there.domain, name="by grant", parentDomainUnitIdentifier=there.root
    )
    with pytest.raises(ClientError) as wrong:
        there.admin.add_policy_grant(**said, detail={"createProject": {}})
    listed = there.admin.list_policy_grants(
        **{name: part for name, part in said.items() if name != "principal"}
    )["grantList"]
    there.admin.remove_policy_grant(**said)
    with pytest.raises(ClientError) as after:
        there.reader.create_domain_unit(
            domainIdentifier=there.domain, name="no more", parentDomainUnitIdentifier=there.root
        )
    assert unit["name"] == "by grant"
    assert [one["grantId"] for one in listed] == [granted["grantId"]]
    assert [code_of(wrong), code_of(after)] == ["ValidationException", "AccessDeniedException"]


def test_lists_lag__what_is_new_is_got_at_once_and_listed_later(
    sandbox: AwsSandbox, there: DataZoneDomain, clock: FixedClock
) -> None:
    def names() -> list[str]:
        found = there.admin.list_projects(domainIdentifier=there.domain, name="lagging")["items"]
        return [one["name"] for one in found]

    sandbox.world.visibility_seconds = 5
    try:
        made = there.admin.create_project(domainIdentifier=there.domain, name="lagging")
        got = there.admin.get_project(domainIdentifier=there.domain, identifier=made["id"])
        early = names()
        clock.advance(6)
        later = names()
        there.admin.update_project(
            domainIdentifier=there.domain, identifier=made["id"], name="lagging more"
        )
        stale = names()
        there.admin.delete_project(domainIdentifier=there.domain, identifier=made["id"])
        clock.advance(6)
        gone = names()
    finally:
        sandbox.world.visibility_seconds = 0
    assert got["name"] == "lagging"
    assert (early, later, stale, gone) == ([], ["lagging"], ["lagging"], [])


def test_events__are_told_as_the_default_bus_would_deliver_them(
    sandbox: AwsSandbox, there: DataZoneDomain
) -> None:
    fake = sandbox.world.services["datazone"]
    heard: list[dict[str, Any]] = []
    fake.on_event = heard.append
    project = there.admin.create_project(domainIdentifier=there.domain, name="heard of")
    fake.on_event = None
    (event,) = heard
    assert fake.events[-1] is event
    assert (event["source"], event["detail-type"]) == (
        "aws.datazone",
        "Project Creation Succeeded",
    )
    assert event["account"] == "111122223333"
    metadata = event["detail"]["metadata"]
    assert (metadata["domain"], metadata["id"]) == (there.domain, project["id"])
    assert event["detail"]["data"]["name"] == "heard of"
