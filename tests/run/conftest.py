"""Accounts that are prepared for a mesh, in a sandbox that enforces IAM."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # the sandbox may not be installed
    from meshplane.platform.aws.calls import Aws
    from meshplane.sandbox.server import AwsSandbox


@pytest.fixture(scope="module")
def sandbox() -> "Iterator[AwsSandbox]":
    from tests.builders.aws_sandbox import sandbox_in

    with sandbox_in(enforce_iam=True) as running:
        yield running


@pytest.fixture
def root(sandbox: "AwsSandbox") -> "Iterator[Aws]":
    """The administrator of an empty account, for a mesh whose names begin with `blue-`."""
    from tests.builders.aws_sandbox import aws_of

    sandbox.reset()
    made = aws_of(sandbox, prefix="blue-")
    yield made
    made.close()
