"""Each domain has a key of its own on AWS, by which its bucket encrypts what is put there."""

import json
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(
        find_spec("moto") is None, reason="The sandbox is not installed: run `make setup-dev`"
    ),
]

if find_spec("moto") is not None:
    from meshplane.platform.aws.errors import AwsRejected
    from meshplane.platform.aws.names import (
        CRAWL_ROLE,
        LAKE_SERVICE_ROLE,
        QUALITY_ROLE,
        domain_bucket,
        domain_key_alias,
        lake_service_role_arn,
        role_arn,
    )
    from tests.builders.aws_mesh import AwsMesh, aws_mesh
    from tests.builders.small_mesh import ARROW, COLUMNS, arrow

_LONGEST_SECONDS = 60.0


@pytest.fixture(scope="module")
def mesh() -> "Iterator[AwsMesh]":
    with aws_mesh("tables,lake,quality,keys") as running:
        yield running


def soon(look: Callable[[], Any]) -> Any:
    """What `look` gives once it gives something."""
    give_up = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < give_up:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("it did not come about")


def domain(mesh: "AwsMesh", name: str) -> str:
    with mesh.server.client("ada@mesh", ("mesh-admins",)) as ada:
        members = [{"principal": "user:ada@mesh", "role": "owner"}]
        body = {"name": name, "members": members}
        made = ada.post("/api/v1/domains", json=body, headers={"Idempotency-Key": name})
        assert made.status_code == 201, made.text
        return str(made.json()["domainId"])


def encryption(mesh: "AwsMesh", name: str) -> Any:
    """How the domain's bucket encrypts; None where there is none yet."""
    bucket = domain_bucket(mesh.owner.place, name)
    try:
        told = mesh.owner.run("s3", "get_bucket_encryption", Bucket=bucket)
    except AwsRejected:
        return None
    return told["ServerSideEncryptionConfiguration"]["Rules"]


def key(mesh: "AwsMesh", name: str) -> dict[str, Any]:
    alias = domain_key_alias(mesh.owner.place, name)
    found: dict[str, Any] = mesh.owner.run("kms", "describe_key", KeyId=alias)["KeyMetadata"]
    return found


def test_domain__has_a_key_with_rotation_and_its_bucket_uses_it(mesh: "AwsMesh") -> None:
    domain(mesh, "aviation")
    (rule,) = soon(lambda: encryption(mesh, "aviation"))
    held = key(mesh, "aviation")
    by = rule["ApplyServerSideEncryptionByDefault"]
    assert by == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": held["Arn"]}
    assert rule["BucketKeyEnabled"]
    status = mesh.owner.run("kms", "get_key_rotation_status", KeyId=held["KeyId"])
    assert status["KeyRotationEnabled"]
    domain(mesh, "climate")
    soon(lambda: encryption(mesh, "climate"))
    assert key(mesh, "climate")["KeyId"] != held["KeyId"]
    # Two consumers follow new domains, and neither makes a key that the other then throws away.
    every = mesh.owner.run("kms", "list_keys")["Keys"]
    states = [
        mesh.owner.run("kms", "describe_key", KeyId=one["KeyId"])["KeyMetadata"]["KeyState"]
        for one in every
    ]
    assert set(states) == {"Enabled"}


def test_key__names_lake_formation_and_the_roles_that_read_for_others(mesh: "AwsMesh") -> None:
    domain(mesh, "harbour")
    soon(lambda: encryption(mesh, "harbour"))
    told = mesh.owner.run(
        "kms", "get_key_policy", KeyId=key(mesh, "harbour")["KeyId"], PolicyName="default"
    )
    users = {
        each["Sid"]: each["Principal"]["AWS"] for each in json.loads(told["Policy"])["Statement"]
    }
    place = mesh.owner.place
    assert users["LakeFormation"] == [lake_service_role_arn(place)]
    assert sorted(users["Readers"]) == [role_arn(place, CRAWL_ROLE), role_arn(place, QUALITY_ROLE)]
    held = mesh.owner.run("iam", "get_role", RoleName=LAKE_SERVICE_ROLE)["Role"]
    assert held["Arn"] == lake_service_role_arn(place)


def test_rows__lie_encrypted_by_the_domains_key(mesh: "AwsMesh") -> None:
    domain_id = domain(mesh, "rivers")
    soon(lambda: encryption(mesh, "rivers"))
    with mesh.server.client("ada@mesh", ("mesh-admins",)) as ada:
        project = ada.post(
            "/api/v1/projects",
            json={
                "domainId": domain_id,
                "name": "tides",
                "members": [{"principal": "user:ada@mesh", "role": "owner"}],
            },
            headers={"Idempotency-Key": "tides"},
        ).json()["projectId"]
        path = f"/api/v1/projects/{project}"
        soon(lambda: ada.get(path).json().get("status") in (None, "active", "ready"))
        table = ada.post(
            "/api/v1/tables",
            json={"projectId": project, "name": "levels", "columns": COLUMNS},
            headers={"Idempotency-Key": "levels"},
        )
        assert table.status_code == 201, table.text
        put = ada.post(
            f"/api/v1/tables/{table.json()['tableId']}/rows",
            content=arrow([{"station": "a", "level": 1}]),
            headers={"Content-Type": ARROW, "Idempotency-Key": "rows"},
        )
        assert put.status_code in (200, 201), put.text
    bucket, arn = domain_bucket(mesh.owner.place, "rivers"), key(mesh, "rivers")["Arn"]
    listed = mesh.owner.run("s3", "list_objects_v2", Bucket=bucket)["Contents"]
    parquet = [one["Key"] for one in listed if one["Key"].endswith(".parquet")]
    assert parquet
    for name in parquet:
        told = mesh.owner.run("s3", "head_object", Bucket=bucket, Key=name)
        assert (told["ServerSideEncryption"], told["SSEKMSKeyId"]) == ("aws:kms", arn)
