"""A mesh whose people sign in to Cognito and whose secrets lie in Secrets Manager."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.builders.server import Server

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(
        find_spec("moto") is None, reason="The sandbox is not installed: run `make setup-dev`"
    ),
]

if find_spec("moto") is not None:
    from meshplane.platform.aws.identity_pool import UserPool, UserPools
    from meshplane.platform.aws.names import SECRETS
    from tests.builders.aws_mesh import AwsMesh, aws_mesh

PASSWORD = "Kitty-Hawk-1903"
TEMPORARY = "First-Flight-17"
HOOK = {"id": "w", "type": "webhook", "url": "http://127.0.0.1:9/hook"}


@pytest.fixture(scope="module")
def mesh() -> "Iterator[AwsMesh]":
    """With people known by their names, who have an administrator among them."""
    with aws_mesh("identity,secrets", MESHPLANE_AWS_COGNITO_NAMES="true") as running:
        pool = pool_of(running)
        person(running, pool, "orville", "mesh-admins")
        person(running, pool, "wilbur")
        yield running


def pool_of(mesh: "AwsMesh") -> "UserPool":
    import asyncio

    found = asyncio.run(UserPools(mesh.owner).find())
    assert found is not None
    return found


def person(mesh: "AwsMesh", pool: "UserPool", name: str, *groups: str) -> None:
    """Somebody who has a password of their own."""
    own = {"UserPoolId": pool.pool_id, "Username": name}
    mesh.owner.run("cognito-idp", "admin_create_user", **own, MessageAction="SUPPRESS")
    mesh.owner.run(
        "cognito-idp", "admin_set_user_password", **own, Password=PASSWORD, Permanent=True
    )
    for group in groups:
        mesh.owner.run("cognito-idp", "admin_add_user_to_group", **own, GroupName=group)


def tokens(mesh: "AwsMesh", client_id: str, name: str) -> dict[str, str]:
    """What a person gets who signs in with a password."""
    answer = mesh.owner.run(
        "cognito-idp",
        "initiate_auth",
        AuthFlow="USER_PASSWORD_AUTH",
        ClientId=client_id,
        AuthParameters={"USERNAME": name, "PASSWORD": PASSWORD},
    )
    found: dict[str, str] = answer["AuthenticationResult"]
    return found


def domains(server: Server, token: str) -> httpx.Response:
    return httpx.get(
        f"{server.url}/api/v1/domains",
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_person__signs_in_and_works_with_the_access_token(mesh: "AwsMesh") -> None:
    pool = pool_of(mesh)
    admin = tokens(mesh, pool.client_id, "orville")["AccessToken"]
    made = httpx.post(
        f"{mesh.server.url}/api/v1/domains",
        headers={"Authorization": f"Bearer {admin}", "Idempotency-Key": "kitty-hawk"},
        json={
            "name": "aviation",
            "description": "flights",
            "members": [{"principal": "user:wilbur", "role": "owner"}],
        },
        trust_env=False,
    )
    assert made.status_code == 201, made.text
    listed = domains(mesh.server, tokens(mesh, pool.client_id, "wilbur")["AccessToken"])
    assert [one["name"] for one in listed.json()["items"]] == ["aviation"]


def test_person__without_the_group__is_no_administrator(mesh: "AwsMesh") -> None:
    token = tokens(mesh, pool_of(mesh).client_id, "wilbur")["AccessToken"]
    body = {"name": "gliders", "description": "", "members": []}
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "gliders"}
    answer = httpx.post(
        f"{mesh.server.url}/api/v1/domains", headers=headers, json=body, trust_env=False
    )
    assert answer.status_code == 403


def test_token__that_was_tampered_with__is_refused(mesh: "AwsMesh") -> None:
    token = tokens(mesh, pool_of(mesh).client_id, "wilbur")["AccessToken"]
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["cognito:groups"] = ["mesh-admins"]
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    answer = domains(mesh.server, f"{header}.{forged}.{signature}")
    assert code(answer) == (401, "TOKEN_SIGNATURE")


def test_token__that_has_expired__is_refused(mesh: "AwsMesh") -> None:
    pool = pool_of(mesh)
    token = _signed(mesh, pool, "wilbur", expires_in=-3600)
    assert code(domains(mesh.server, token)) == (401, "TOKEN_EXPIRED")
    assert domains(mesh.server, _signed(mesh, pool, "wilbur", expires_in=60)).status_code == 200


def _signed(mesh: "AwsMesh", pool: "UserPool", name: str, expires_in: int) -> str:
    """A token as the pool signs it, for another time; only the sandbox's own process can."""
    from moto.cognitoidp.models import cognitoidp_backends

    region = mesh.owner.place.region
    there = cognitoidp_backends[mesh.owner.place.account][region].user_pools[pool.pool_id]
    token, _ = there.create_jwt(pool.client_id, name, "access", expires_in=expires_in)
    return str(token)


def test_token__of_another_pool__is_refused(mesh: "AwsMesh") -> None:
    made = mesh.owner.run("cognito-idp", "create_user_pool", PoolName="strangers")
    pool_id = made["UserPool"]["Id"]
    client = _client(mesh, pool_id, "strangers")
    person(mesh, UserPool(pool_id, client), "wilbur")
    token = tokens(mesh, client, "wilbur")["AccessToken"]
    assert code(domains(mesh.server, token)) == (401, "TOKEN_ISSUER")


def test_token__for_another_client__is_refused(mesh: "AwsMesh") -> None:
    client = _client(mesh, pool_of(mesh).pool_id, "another")
    token = tokens(mesh, client, "wilbur")["AccessToken"]
    assert code(domains(mesh.server, token)) == (401, "TOKEN_AUDIENCE")


def _client(mesh: "AwsMesh", pool_id: str, name: str) -> str:
    made = mesh.owner.run(
        "cognito-idp",
        "create_user_pool_client",
        UserPoolId=pool_id,
        ClientName=name,
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
    )
    return str(made["UserPoolClient"]["ClientId"])


def test_id_token__is_not_taken_where_it_was_not_asked_for(mesh: "AwsMesh") -> None:
    token = tokens(mesh, pool_of(mesh).client_id, "wilbur")["IdToken"]
    assert code(domains(mesh.server, token)) == (401, "TOKEN_CLAIMS")


def test_the_meshs_own_issuer__goes_on(mesh: "AwsMesh") -> None:
    with mesh.server.client("ada@mesh", ("mesh-admins",)) as ada:
        assert ada.get("/api/v1/domains").status_code == 200


def test_sign_in__on_the_command_line__asks_and_prints_a_token(mesh: "AwsMesh") -> None:
    pool = pool_of(mesh)
    own = {"UserPoolId": pool.pool_id, "Username": "katharine"}
    mesh.owner.run(
        "cognito-idp",
        "admin_create_user",
        **own,
        MessageAction="SUPPRESS",
        TemporaryPassword=TEMPORARY,
    )
    first = _sign_in(pool, "katharine", TEMPORARY, PASSWORD)
    assert first.returncode == 0, first.stderr
    assert domains(mesh.server, first.stdout.strip()).status_code == 200
    again = _sign_in(pool, "katharine", PASSWORD)
    assert domains(mesh.server, again.stdout.strip()).status_code == 200
    wrong = _sign_in(pool, "katharine", "Wrong-Password-1")
    assert (wrong.returncode, "SIGN_IN_REFUSED" in wrong.stderr) == (1, True)
    assert PASSWORD not in first.stdout + first.stderr
    nowhere = _sign_in(replace(pool, client_id="3n4b5urk1ft4fl3mg5e62d9ado"), "katharine", PASSWORD)
    assert (nowhere.returncode, "CLIENT_UNKNOWN" in nowhere.stderr) == (1, True)


def _sign_in(pool: "UserPool", name: str, *answers: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "meshplane", "aws", "sign-in", name]
    return subprocess.run(
        [*command, "--client", pool.client_id],
        input="".join(f"{answer}\n" for answer in answers),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_home__holds_nothing_secret(mesh: "AwsMesh") -> None:
    with mesh.server.client("ada@mesh", ("mesh-admins",)) as ada:
        body = {"eventPattern": {"source": ["mine"]}, "targets": [HOOK]}
        headers = {"Idempotency-Key": "hook"}
        made = ada.put("/api/v1/events/rules/hook", json=body, headers=headers)
        again = ada.put("/api/v1/events/rules/hook", json=body, headers=headers)
    shown = made.json()["targets"][0]["secret"]
    # The answer that is kept for a repeated request has it, sealed.
    assert again.json()["targets"][0]["secret"] == shown
    found = secrets_in(mesh)
    assert len(found) > len(SECRETS)
    texts = [shown, shown.removeprefix("whsec_"), "PRIVATE KEY", *found]
    needles = [text.encode() for text in texts] + [
        base64.b64decode(text) for text in texts if _is_base64(text)
    ]
    files = [path for path in Path(mesh.server.home).rglob("*") if path.is_file()]
    assert any(path.name == "meshplane.db" for path in files)
    holding = {
        (path.name, needle[:6])
        for path in files
        for needle in needles
        if needle in path.read_bytes()
    }
    assert holding == set()


def secrets_in(mesh: "AwsMesh") -> list[str]:
    """Every text that Secrets Manager holds for the mesh, and what stands in those of JSON."""
    found: list[str] = []
    for name in SECRETS:
        told = mesh.owner.run("secretsmanager", "get_secret_value", SecretId=name)["SecretString"]
        values: list[Any] = json.loads(told)["values"] if told.startswith("{") else []
        found += [one["text"] for one in values] or [told]
        found += [line for one in values for line in one["text"].splitlines()[1:-1]]
    return found


def _is_base64(text: str) -> bool:
    return len(text) == 44 and text.endswith("=")


def test_roll_keys__new_tokens_and_old_ones_hold(mesh: "AwsMesh") -> None:
    earlier = mesh.server.token("ada@mesh", ("mesh-admins",))
    kids = len(_kids(mesh))
    ran = subprocess.run(
        [sys.executable, "-m", "meshplane", "aws", "roll-keys", "--json"],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["items"] == ["meshplane/issuer-keys", "meshplane/sealing-keys"]
    command = [sys.executable, "-m", "meshplane", "token", "--home", str(mesh.server.home)]
    minted = subprocess.run(
        [*command, "--user", "ada@mesh", "--groups", "mesh-admins"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout.strip()
    # A process looks for keys once in half a minute at most, and has just begun.
    give_up = time.monotonic() + 40
    while domains(mesh.server, minted).status_code != 200 and time.monotonic() < give_up:
        time.sleep(1)
    for token in (earlier, minted):
        assert domains(mesh.server, token).status_code == 200
    assert len(_kids(mesh)) == kids + 1


def _kids(mesh: "AwsMesh") -> list[str]:
    keys = httpx.get(f"{mesh.server.url}/.well-known/jwks.json", trust_env=False).json()["keys"]
    return [key["kid"] for key in keys]
