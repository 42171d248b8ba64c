"""What every place for a project's files and code must do, and what the one on AWS does besides."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dulwich.repo import Repo

from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Conflict, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.services.projects.aws import POLICY, AwsWorkspaces, role_arn
from meshplane.services.projects.aws_policies import trust_policy
from meshplane.services.projects.local import LocalWorkspaces
from meshplane.services.projects.ports import ProjectWorkspaces
from meshplane.services.projects.repositories import Repositories
from tests.builders.lakes import ELSEWHERE
from tests.builders.moto_aws import ACCOUNT, aws_at, moto_server


@dataclass
class Place:
    """Workspaces under test; `folders` tells which there are in a bucket."""

    workspaces: ProjectWorkspaces
    home: Path
    bucket: str
    folders: Callable[[], set[str]]


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with moto_server() as url:
        yield aws_at(url)


def _on_disk(home: Path) -> Place:
    lake = home / "lake"

    def folders() -> set[str]:
        found = (lake / "data-lake-sea").rglob("*/")
        return {f"{path.relative_to(lake / 'data-lake-sea')}/" for path in found}

    workspaces = LocalWorkspaces(lake, home / "repositories", SystemClock())
    return Place(workspaces, home, "data-lake-sea", folders)


def _on_aws(home: Path, aws: Aws) -> Place:
    bucket = f"data-lake-{uuid.uuid4()}"
    aws.run("s3", "create_bucket", Bucket=bucket, **ELSEWHERE)

    def folders() -> set[str]:
        answer = aws.run("s3", "list_objects_v2", Bucket=bucket)
        return {one["Key"] for one in answer.get("Contents", ())}

    repositories = Repositories(home / "repositories", SystemClock())
    return Place(AwsWorkspaces(aws, repositories), home, bucket, folders)


@pytest.fixture(params=["local", "aws"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        return _on_disk(tmp_path)
    return _on_aws(tmp_path, request.getfixturevalue("aws"))


def test_prepare__makes_the_folders_and_a_repository_with_one_commit(place: Place) -> None:
    made = place.workspaces.prepare(place.bucket, "proj-1")
    assert made.folders == tuple(
        f"projects/proj-1/{one}/" for one in ("raw", "processed", "metadata")
    )
    assert set(made.folders) <= place.folders()
    assert made.repository == "repositories/proj-1.git"
    with Repo(str(place.home / made.repository)) as repository:
        assert [entry.commit.parents for entry in repository.get_walker()] == [[]]


def test_prepare__done_again_keeps_what_is_there(place: Place) -> None:
    made = place.workspaces.prepare(place.bucket, "proj-1")
    with Repo(str(place.home / made.repository)) as repository:
        head = repository.head()
    before = place.folders()
    assert place.workspaces.prepare(place.bucket, "proj-1") == made
    assert place.folders() == before
    with Repo(str(place.home / made.repository)) as repository:
        assert repository.head() == head


def test_prepare__of_two_projects_shares_nothing(place: Place) -> None:
    one = place.workspaces.prepare(place.bucket, "proj-1")
    other = place.workspaces.prepare(place.bucket, "proj-2")
    assert not set(one.folders) & set(other.folders)
    assert one.repository != other.repository


# --- the role on AWS ----------------------------------------------------------------------------


def test_aws__makes_a_role_that_only_the_account_may_take(tmp_path: Path, aws: Aws) -> None:
    place, project = _on_aws(tmp_path, aws), f"proj-{uuid.uuid4().hex[:8]}"
    place.workspaces.prepare(place.bucket, project)
    role = aws.run("iam", "get_role", RoleName=f"project-{project}-role")["Role"]
    assert role["Arn"] == role_arn(ACCOUNT, project)
    trust, stacks = role["AssumeRolePolicyDocument"]["Statement"]
    assert stacks["Principal"] == {"Service": "cloudformation.amazonaws.com"}
    assert stacks["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert trust["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert trust["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
    assert role["Tags"] == [{"Key": "meshplane:project", "Value": project}]


def test_aws__lets_the_role_write_results_of_its_own_queries_alone(
    tmp_path: Path, aws: Aws
) -> None:
    place, project = _on_aws(tmp_path, aws), f"proj-{uuid.uuid4().hex[:8]}"
    place.workspaces.prepare(place.bucket, project)
    policy = aws.run(
        "iam", "get_role_policy", RoleName=f"project-{project}-role", PolicyName="meshplane-query"
    )["PolicyDocument"]
    puts = [one for one in policy["Statement"] if "s3:PutObject" in one["Action"]]
    assert [one["Resource"] for one in puts] == [f"arn:aws:s3:::{place.bucket}/temp/{project}/*"]


def test_aws__a_role_of_that_name_that_trusts_others__is_refused_and_gets_no_rights(
    tmp_path: Path, aws: Aws
) -> None:
    place, project = _on_aws(tmp_path, aws), f"proj-{uuid.uuid4().hex[:8]}"
    name = f"project-{project}-role"
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [anybody]}
    aws.run("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
    for _ in range(2):
        with pytest.raises(Conflict, match="meshplane aws prepare") as caught:
            place.workspaces.prepare(place.bucket, project)
        assert caught.value.code == "ROLE_TRUST_DIFFERS"
        assert name in caught.value.message
    role = aws.run("iam", "get_role", RoleName=name)["Role"]
    assert role["AssumeRolePolicyDocument"] == document
    assert aws.run("iam", "list_role_policies", RoleName=name)["PolicyNames"] == []


def test_aws__a_role_of_that_name_that_trusts_whom_ours_do__is_adopted(
    tmp_path: Path, aws: Aws
) -> None:
    place, project = _on_aws(tmp_path, aws), f"proj-{uuid.uuid4().hex[:8]}"
    name = f"project-{project}-role"
    meant, stacks = trust_policy(ACCOUNT)["Statement"]
    # The same, written otherwise: in another order, lists for single values, named statements.
    same = {**meant, "Sid": "Mesh", "Principal": {"AWS": [ACCOUNT]}, "Action": ["sts:AssumeRole"]}
    document = {"Version": "2012-10-17", "Statement": [stacks, same]}
    aws.run("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=json.dumps(document))
    place.workspaces.prepare(place.bucket, project)
    assert aws.run("iam", "list_role_policies", RoleName=name)["PolicyNames"] == [POLICY]


def test_aws__bounds_the_role_and_trusts_whom_it_is_told(tmp_path: Path, aws: Aws) -> None:
    bucket, project = f"data-lake-{uuid.uuid4()}", f"proj-{uuid.uuid4().hex[:8]}"
    aws.run("s3", "create_bucket", Bucket=bucket, **ELSEWHERE)
    mesh, boundary = f"arn:aws:iam::{ACCOUNT}:role/mesh", f"arn:aws:iam::{ACCOUNT}:policy/bound"
    workspaces = AwsWorkspaces(
        aws, Repositories(tmp_path, SystemClock()), trusted=[mesh], boundary=boundary, path="/mesh/"
    )
    workspaces.prepare(bucket, project)
    role = aws.run("iam", "get_role", RoleName=f"project-{project}-role")["Role"]
    assert role["Arn"] == role_arn(ACCOUNT, project, "/mesh/")
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"AWS": [mesh]}


def test_aws__says_when_the_bucket_is_not_there_yet(tmp_path: Path, aws: Aws) -> None:
    workspaces = AwsWorkspaces(aws, Repositories(tmp_path, SystemClock()))
    with pytest.raises(Unavailable) as caught:
        workspaces.prepare(f"data-lake-{uuid.uuid4()}", "proj-1")
    assert caught.value.code == "LAKE_UNAVAILABLE"
