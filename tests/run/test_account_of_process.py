"""Whose account a process is in: asked for once, before it serves or makes anything."""

from collections.abc import Iterator

import pytest

pytest.importorskip("moto", reason="the sandbox of AWS is not installed")

from meshplane.kit.errors import Invalid
from meshplane.platform.aws.errors import AwsRejected
from meshplane.run.aws import aws_to_serve
from meshplane.run.mesh import Mesh
from meshplane.run.settings import Settings, read_settings
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import REGION, sandbox_in


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in(accounts=("111122223333", "444455556666")) as running:
        yield running


@pytest.fixture
def settings(
    sandbox: AwsSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    sandbox.calls.clear()
    _sign_in(monkeypatch, *sandbox.keys(sandbox.accounts[0]))
    return read_settings(
        home=tmp_path_factory.mktemp("home"),
        aws_region=REGION,
        aws_account=sandbox.accounts[0],
        aws_endpoint_url=sandbox.url,
        aws_parts="store,metrics",
    )


def _sign_in(monkeypatch: pytest.MonkeyPatch, key: str, secret: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


def test_right_account__is_asked_for_once(sandbox: AwsSandbox, settings: Settings) -> None:
    aws = aws_to_serve(settings)
    assert aws is not None
    aws.close()
    assert [call.operation for call in sandbox.calls.all()] == ["GetCallerIdentity"]


def test_credentials_of_another_account__nothing_is_made_there(
    sandbox: AwsSandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sign_in(monkeypatch, *sandbox.keys(sandbox.accounts[1]))
    with pytest.raises(Invalid) as refused:
        Mesh(settings)
    assert refused.value.code == "ACCOUNT_NOT_MEANT"
    assert [call.operation for call in sandbox.calls.all()] == ["GetCallerIdentity"]


def test_credentials_that_do_not_hold__are_told_of(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sign_in(monkeypatch, "AKIANOBODY", "secret")
    with pytest.raises(AwsRejected) as refused:
        aws_to_serve(settings)
    assert "The credentials are wrong, or have ended" in refused.value.message


def test_roles_of_all_parts__name_their_account_themselves(
    sandbox: AwsSandbox, settings: Settings
) -> None:
    aws = aws_to_serve(settings.model_copy(update={"aws_part_roles": {"made": ""}}))
    assert aws is not None
    aws.close()
    assert sandbox.calls.count() == 0


def test_role_of_one_part_alone__the_others_call_as_the_process(
    sandbox: AwsSandbox, settings: Settings
) -> None:
    role = f"arn:aws:iam::{sandbox.accounts[0]}:role/store"
    aws = aws_to_serve(settings.model_copy(update={"aws_part_roles": {"store": role}}))
    assert aws is not None
    aws.close()
    assert sandbox.calls.count("sts") == 1


def test_aws_that_does_not_answer__the_process_starts(
    sandbox: AwsSandbox, settings: Settings
) -> None:
    away = settings.model_copy(update={"aws_endpoint_url": "http://127.0.0.1:1", "aws_attempts": 1})
    aws = aws_to_serve(away)
    assert aws is not None
    aws.close()
    assert sandbox.calls.count() == 0


def test_nothing_on_aws__nobody_is_asked(sandbox: AwsSandbox, settings: Settings) -> None:
    assert aws_to_serve(settings.model_copy(update={"aws_parts": ()})) is None
    assert sandbox.calls.count() == 0
