"""The sandbox does every operation of AWS that the product calls."""

from importlib import import_module
from typing import Any

import pytest

from meshplane.cli.reference import PACKAGE
from meshplane.cli.reference_aws_calls import call_sites, sources
from meshplane.cli.reference_iam import operation
from meshplane.kit.clock import SystemClock
from meshplane.sandbox.fake import World
from meshplane.sandbox.fakes import OVERLAID, factories
from meshplane.sandbox.models import service_model
from meshplane.sandbox.stepfunctions import StepFunctionsFake
from meshplane.sandbox.sts import StsFake

# Where moto's module is not called as the service.
MODULES = {"cognito-idp": "cognitoidp", "lambda": "awslambda"}
# What no emulator has: executions that go on where they failed, stacks that drift, updates of
# stacks that are cancelled or rolled back.
NEEDS_AWS = {
    "stepfunctions RedriveExecution",
    "cloudformation CancelUpdateStack",
    "cloudformation ContinueUpdateRollback",
    "cloudformation DescribeStackDriftDetectionStatus",
    "cloudformation DescribeStackResourceDrifts",
    "cloudformation DetectStackDrift",
    "cloudformation RollbackStack",
}
# moto finds these by the request's form, not by the operation's name.
BY_FORM = frozenset({"s3"})


@pytest.fixture(scope="module")
def fakes() -> dict[str, Any]:
    world = World(SystemClock())
    made = [make(world) for make in (StsFake, StepFunctionsFake, *factories().values())]
    return {fake.service: fake for fake in made}


def moto_does(service: str, method: str) -> bool:
    if service in BY_FORM:
        return True
    name = MODULES.get(service, service.replace("-", ""))
    module = import_module(f"moto.{name}.responses")
    from moto.core.responses import BaseResponse

    classes = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, BaseResponse)
    ]
    return any(hasattr(each, method) for each in classes)


def test_handlers__are_named_after_operations(fakes: dict[str, Any]) -> None:
    for service, fake in fakes.items():
        assert set(fake.handlers) <= set(service_model(service).operation_names), service


def test_every_call_of_the_product__finds_who_answers(fakes: dict[str, Any]) -> None:
    called = {
        (site.service, operation(site), site.method)
        for path, text in sources(PACKAGE)
        for site in call_sites(path, text)
    }
    missing = []
    for service, name, method in sorted(called):
        fake = fakes.get(service)
        if fake is not None and name in fake.handlers:
            continue
        if (fake is not None and service not in OVERLAID) or not moto_does(service, method):
            missing.append(f"{service} {name}")
    assert set(missing) == NEEDS_AWS
