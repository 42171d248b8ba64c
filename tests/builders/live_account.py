"""An account of AWS on which the live suite plays: named by the environment, left as it was."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.identity import own_arn
from meshplane.platform.aws.place import AwsPlace
from meshplane.run.aws_settings import PARTS
from meshplane.run.environment import Variables, environment
from meshplane.run.settings import Settings, read_settings
from tests.builders.aws_inventory import inventory

SWITCH = "MESHPLANE_AWS_LIVE"
READER = "MESHPLANE_AWS_LIVE_READER"
"""A role of the other account that shares are read as; without it there are no shares."""

DEMO_SECONDS, REMOVE_SECONDS = 3600.0, 3600.0
_END_SECONDS = 60.0
_HELP = f"""The live suite plays on a real account of AWS, which costs. It wants:

  {SWITCH}=1                   that it is meant
  MESHPLANE_AWS_REGION             such as eu-central-1
  MESHPLANE_AWS_ACCOUNT            of the credentials that boto3 finds
  MESHPLANE_AWS_PREFIX             what all names begin with, such as live-
  MESHPLANE_AWS_ACCOUNT_ROLES      with {READER}: of another account, for shares

docs/guide/aws.md tells more."""


class NotMeant(Exception):
    """The environment does not say that this account is meant."""


class LiveAccount:
    """The account, and what it held before.

    Args:
        settings: of the environment.

    Attributes:
        aws: as who runs the suite.
        before: what there was.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        assert settings.aws_region is not None
        assert settings.aws_account is not None
        self.aws = Aws(
            AwsPlace(
                settings.aws_region,
                settings.aws_account,
                endpoint_url=settings.aws_endpoint_url,
                account_roles=settings.aws_account_roles,
                external_id=settings.aws_external_id,
                prefix=settings.aws_prefix,
            )
        )
        self.before = self.inventory()
        self._is_clean = False

    @property
    def on_sandbox(self) -> bool:
        """Whether it is the sandbox, which stands in for AWS."""
        return self.settings.aws_endpoint_url is not None

    @property
    def prefix(self) -> str:
        """What names begin with."""
        return self.settings.aws_prefix

    def left_over(self) -> list[str]:
        """What there is now and was not before, or bears the prefix."""
        now = self.inventory()
        return sorted(line for line in now if line not in self.before or _bears(line, self.prefix))

    def inventory(self) -> frozenset[str]:
        """All that there is, also in the accounts in which the mesh has a role."""
        elsewhere = {
            f"{line}, in {account}"
            for account in self.settings.aws_account_roles
            for line in inventory(self.aws.in_account(account))
        }
        return inventory(self.aws) | elsewhere

    def needs_aws(self, what: str) -> None:
        """Skips a test on the sandbox, which does not show this."""
        if self.on_sandbox:
            pytest.skip(f"needs AWS: {what}")

    def demo(self) -> tuple[int, dict[str, Any]]:
        """The exit code and the document of the journey on this account."""
        account = str(self.settings.aws_account)
        return told_by("demo", "--aws", "--account", account, seconds=DEMO_SECONDS)

    def remove(self, *options: str) -> tuple[int, list[dict[str, Any]]]:
        """The exit code of `meshplane aws remove`, and what it told."""
        code, told = told_by("aws", "remove", *options, seconds=REMOVE_SECONDS)
        assert "items" in told, told
        self._is_clean = self._is_clean or (code == 0 and "--plan" not in options)
        return code, told["items"]

    def close(self) -> None:
        """Removes what is there still: the suite failed, or was interrupted."""
        try:
            if not self._is_clean:
                code, told = self.remove("--yes")
                left = [one for one in told if one["told"] != "removed"]
                assert code == 0, f"clean up with `make test-aws-live-clean`: {left}"
        finally:
            self.aws.close()


def live_account() -> LiveAccount:
    """The account that the environment names.

    Raises:
        NotMeant: it does not say so, or the account holds things with the prefix already.
    """
    settings = read_settings()
    named = (settings.aws_region, settings.aws_account, settings.aws_prefix)
    if os.environ.get(SWITCH) != "1" or not all(named):
        raise NotMeant(_HELP)
    account = LiveAccount(settings)
    caller = asyncio.run(own_arn(account.aws))
    if f"administrator {caller}" not in account.before:
        account.aws.close()
        raise NotMeant(
            f"Make {caller} an administrator of the data lake in Lake Formation: others do not see "
            "all that there is, and so could not tell what is left."
        )
    there = sorted(line for line in account.before if _bears(line, account.prefix))
    if there:
        account.aws.close()
        raise NotMeant(
            f"There are things with the prefix {account.prefix} already, such as {there[0]}. Take "
            "another, or have them removed: make test-aws-live-clean"
        )
    return account


def shares_reader() -> str | None:
    """The ARN of the role in another account that shares are read as."""
    return os.environ.get(READER) or None


def told_by(
    *command: str, seconds: float, variables: Variables | None = None
) -> tuple[int, dict[str, Any]]:
    """The exit code of a command of meshplane, and the document that it printed.

    However this ends, the command and what it started have ended before.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "meshplane", *command, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment({**(variables or {}), "MESHPLANE_AWS_PARTS": ",".join(PARTS)}),
        # A Ctrl-C is ours: the command is told in order, and waited for.
        start_new_session=True,
    )
    try:
        out, errors = process.communicate(timeout=seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=_END_SECONDS)
    assert out, errors.decode(errors="replace")
    told: dict[str, Any] = json.loads(out)
    return process.returncode, told


def checks_that_failed(told: Mapping[str, Any]) -> list[str]:
    """Of a demo's document, for people."""
    return [
        f"{one['step']}: {one['what']}: expected {one['expected']!r}, found {one['found']!r}"
        for one in told["checks"]
        if not one["held"]
    ]


def _bears(line: str, prefix: str) -> bool:
    return any(word.startswith(prefix) for word in line.replace("/", " ").replace(":", " ").split())
