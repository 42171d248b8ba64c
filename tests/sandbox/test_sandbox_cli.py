"""`meshplane sandbox` starts it, says how to call it, and tells it what is to fail."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.session import get_session

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsUnavailable
from meshplane.platform.aws.place import AwsPlace
from tests.builders.interruptible import interruptible
from tests.builders.terminal import type_offline

Told = dict[str, str]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """What `up` told to export, while it runs."""
    words = ["sandbox", "up", "--port", "0", "--home", str(tmp_path_factory.mktemp("sandbox"))]
    with interruptible():
        running = subprocess.Popen(
            [sys.executable, "-m", "meshplane", *words],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            text=True,
        )
    assert running.stdout is not None
    found: Told = {}
    for line in running.stdout:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            found[name] = value
        if line.startswith("It runs until"):
            break
    yield found
    running.send_signal(signal.SIGINT)
    running.stdout.close()
    assert running.wait(20) == 0


def test_up__tells_what_a_program_needs(told: Told) -> None:
    session = get_session()
    session.set_credentials(told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"])
    place = AwsPlace(
        told["MESHPLANE_AWS_REGION"],
        told["MESHPLANE_AWS_ACCOUNT"],
        endpoint_url=told["MESHPLANE_AWS_ENDPOINT_URL"],
        most_attempts=1,
    )
    aws = Aws(place, session)
    assert aws.run("sts", "get_caller_identity")["Account"] == told["MESHPLANE_AWS_ACCOUNT"]
    where = ["--url", place.endpoint_url or ""]
    planned = type_offline("sandbox", "fail", "sqs", "list_queues", *where)
    assert "Planned as no. 1." in planned.output
    assert "throttle" in type_offline("sandbox", "faults", *where).output
    with pytest.raises(AwsUnavailable):
        aws.run("sqs", "list_queues")
    assert "No call is to fail." in type_offline("sandbox", "faults", *where).output
    type_offline("sandbox", "fail", "sqs", *where)
    assert type_offline("sandbox", "mend", *where).exit_code == 0
    aws.run("sqs", "list_queues")
    listed = type_offline("sandbox", "calls", "--service", "sqs", *where).output
    assert "ThrottlingException" in listed
    assert "GetCallerIdentity" not in listed
    aws.close()


def test_lag__lists_show_a_change_later(told: Told) -> None:
    where = ["--url", told["AWS_ENDPOINT_URL"]]
    for seconds in ("1.5", "0"):
        said = type_offline("sandbox", "lag", seconds, *where)
        assert f"after {seconds} s" in said.output
    assert type_offline("sandbox", "lag", "--", "-1", *where).exit_code == 2


def test_fault_that_is_none__is_refused(told: Told) -> None:
    where = ["--url", told["AWS_ENDPOINT_URL"]]
    refused = type_offline("sandbox", "fail", "glue", "eat_table", *where)
    assert refused.exit_code == 1
    assert "The service has no such operation." in refused.output


def test_port_that_is_taken__is_said(told: Told) -> None:
    port = told["AWS_ENDPOINT_URL"].rpartition(":")[2]
    refused = subprocess.run(
        [sys.executable, "-m", "meshplane", "sandbox", "up", "--port", port],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 1
    assert f"Port {port} is taken." in refused.stderr


def test_without_the_extra__it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "moto", None)
    refused = type_offline("sandbox", "up", "--port", "0", "--home", str(tmp_path))
    assert refused.exit_code == 1
    assert "pip install '.[sandbox]'" in " ".join(refused.output.split())


def test_no_sandbox_there__is_said() -> None:
    refused = type_offline("sandbox", "calls", "--url", "http://127.0.0.1:9")
    assert refused.exit_code == 1
    assert "meshplane sandbox up" in refused.output


def test_command_line__loads_nothing_of_aws_until_it_is_asked() -> None:
    code = (
        "import sys, meshplane.cli.app;"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'boto3','botocore','moto'}))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.strip() == "[]"
