"""The live suite for AWS, all of it, on the sandbox in place of an account.

So what `make test-aws-live` plays on a real account is played at each change: the journey as
`meshplane demo --aws` plays it, what needs AWS to be seen as far as the sandbox shows it, and the
removal, after which nothing is left.
"""

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest
from botocore.session import get_session

from meshplane.cli.demo_aws import Called, calls_of, defects_of, running_sandbox
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.place import AwsPlace
from meshplane.run.environment import environment
from meshplane.sample.nycflights import default_archive
from meshplane.sandbox.callers import root_keys
from tests.builders.aws_inventory import inventory
from tests.builders.aws_sandbox import REGION
from tests.builders.interruptible import interruptible
from tests.builders.live_account import READER as READER_THERE
from tests.builders.live_account import SWITCH
from tests.builders.sharing_world import CONSUMER, MESH_THERE, OWNER, READER, administer, make_roles

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(
        not default_archive().is_file(),
        reason=f"{default_archive().name} is not in this environment: run `make setup`",
    ),
    pytest.mark.skipif(
        find_spec("moto") is None, reason="The sandbox is not installed: run `make setup-dev`"
    ),
]

_ROOT = Path(__file__).resolve().parents[2]
_SUITE = (
    sys.executable, "-m", "pytest", "-q", "-m", "live", "tests/live",
    "-p", "no:xdist", "-p", "no:cacheprovider",
)  # fmt: skip
_PAUSE_SECONDS = 0.2
_LONGEST_SECONDS = 600
_PREFIX = "live-"


@dataclass
class Played:
    """What came of the suite.

    Args:
        code: pytest's exit code.
        said: what it printed.
        outcomes: of each test, by its name: `passed`, or why not.
        called: how often each service of AWS was called, and what the mesh's roles called.
        defects: what the sandbox found wrong with itself.
        left: what there was more, after a first run that was interrupted, than before it.
    """

    code: int
    said: str
    outcomes: dict[str, str]
    called: Called
    defects: tuple[str, ...]
    left: frozenset[str]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("live")
    report = folder / "report.xml"
    with running_sandbox(folder, "all") as variables:
        url = str(variables["AWS_ENDPOINT_URL"])
        _accounts(url)
        given = environment(
            {
                **variables,
                SWITCH: "1",
                READER_THERE: READER,
                "MESHPLANE_AWS_PREFIX": _PREFIX,
                "MESHPLANE_AWS_ACCOUNT_ROLES": f"{CONSUMER}={MESH_THERE}",
            }
        )
        left = _left_by_interrupted(url, given)
        ran = subprocess.run(
            [*_SUITE, f"--junitxml={report}"],
            cwd=_ROOT,
            env=given,
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
        called = calls_of(url)
    return Played(ran.returncode, ran.stdout, _outcomes(report), called, defects_of(folder), left)


def _left_by_interrupted(url: str, given: dict[str, str]) -> frozenset[str]:
    """What a run leaves that is interrupted when the mesh has begun to make things."""
    aws = _aws(OWNER, url)
    before = inventory(aws)
    nowhere = subprocess.DEVNULL
    with interruptible():
        process = subprocess.Popen(
            [*_SUITE, "-x"], cwd=_ROOT, env=given, stdout=nowhere, stderr=nowhere
        )
    try:
        give_up = time.monotonic() + _LONGEST_SECONDS
        # What the mesh makes first are roles.
        while not any(
            role["RoleName"].startswith(_PREFIX) for role in aws.run("iam", "list_roles")["Roles"]
        ):
            assert time.monotonic() < give_up, "it makes nothing"
            assert process.poll() is None, "it ended by itself"
            time.sleep(_PAUSE_SECONDS)
        process.send_signal(signal.SIGINT)
        process.wait(_LONGEST_SECONDS)
        return inventory(aws) - before
    finally:
        process.kill()
        process.wait()
        aws.close()


def _aws(account: str, url: str) -> Aws:
    session = get_session()
    session.set_credentials(*root_keys(account))
    return Aws(AwsPlace(REGION, account, endpoint_url=url), session)


def _accounts(url: str) -> None:
    """Who plays administers the lake here, and the mesh's role there, where there is a reader."""
    here, there = _aws(OWNER, url), _aws(CONSUMER, url)
    administer(here, f"arn:aws:iam::{OWNER}:root")
    make_roles(there, [MESH_THERE, READER])
    administer(there, MESH_THERE)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    for arn in (MESH_THERE, READER):
        there.run(
            "iam",
            "put_role_policy",
            RoleName=arn.rpartition("/")[2],
            PolicyName="everything",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
        )
    here.close()
    there.close()


def _outcomes(report: Path) -> dict[str, str]:
    found = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        why = next((one for one in case if one.tag in ("failure", "error", "skipped")), None)
        found[case.attrib["name"]] = (
            "passed" if why is None else f"{why.tag}: {why.attrib.get('message', '')}"
        )
    return found


def test_live_suite__on_the_sandbox__passes_but_for_what_needs_aws(suite: Played) -> None:
    others = {name: why for name, why in suite.outcomes.items() if why != "passed"}
    assert {name: why for name, why in others.items() if "needs AWS" not in why} == {}, suite.said
    assert suite.code == 0, suite.said


def test_live_suite__on_the_sandbox__plays_the_journey_and_removes_it(suite: Played) -> None:
    played = {name for name, why in suite.outcomes.items() if why == "passed"}
    assert {
        "test_journey__every_check_holds__exit_code_0",
        "test_remove__all_that_was_planned_goes",
        "test_left_over__what_was_forgotten_is_seen",
        "test_left_over__nothing_that_was_not_there_before",
    } <= played


def test_live_suite__interrupted_while_the_mesh_makes_things__leaves_nothing(
    suite: Played,
) -> None:
    assert suite.left == frozenset()


def test_live_suite__on_the_sandbox__the_services_of_aws_did_the_work(suite: Played) -> None:
    data = {"athena", "glue", "iam", "lakeformation", "s3", "sts"}
    mesh = {"datazone", "dynamodb", "events", "sqs", "stepfunctions"}
    assert data | mesh <= suite.called.counts.keys()


def test_live_suite__on_the_sandbox__each_part_worked_as_its_role_and_was_refused_nothing(
    suite: Played,
) -> None:
    part = f"{_PREFIX}meshplane-part-"
    roles = suite.called.roles
    # The policies of the reference are enough for the whole journey, and hold for each call of it.
    assert suite.called.denied == ()
    # The process takes roles, and does nothing else.
    assert roles[f"{_PREFIX}meshplane-process"] == ["sts"]
    assert roles[f"{part}store"] == ["dynamodb"]
    assert roles[f"{part}lake"] == ["lakeformation"]
    assert roles[f"{part}query"] == ["athena", "sts"]
    assert {name.removeprefix(part) for name in roles} >= {
        *("store", "tables", "lake", "query", "bus", "workflows", "portal", "quality")
    }


def test_live_suite__on_the_sandbox__which_found_nothing_wrong_with_itself(suite: Played) -> None:
    assert suite.defects == ()


def test_live_suite__not_said_that_it_is_meant__refuses() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "live", "tests/live/test_removal.py"],
        cwd=_ROOT,
        env=environment({SWITCH: None, "MESHPLANE_AWS_PREFIX": None}),
        capture_output=True,
        text=True,
        timeout=_LONGEST_SECONDS,
        check=False,
    )
    assert ran.returncode == 4
    assert f"{SWITCH}=1" in ran.stdout + ran.stderr
