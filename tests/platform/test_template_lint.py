"""Templates are looked at with cfn-lint, by a process that can do nothing else."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from meshplane.kit.errors import Invalid, LimitReached, TooLarge
from meshplane.platform.templates.lint import TemplateLint

pytest.importorskip("cfnlint", reason="templates are checked with cfn-lint, which is not here")

GOOD = 'Resources:\n  Inbox: {Type: "AWS::SQS::Queue", Properties: {DelaySeconds: 5}}\n'
WRONG = """
Parameters:
  Never: {Type: String}
Resources:
  Bucket: {Type: "AWS::S3::Bucket", Properties: {Nope: hunter2}}
  Queue: {Type: "AWS::SQS::Queue", Properties: {DelaySeconds: hunter2}}
  Reader: {Type: "AWS::IAM::Role", Properties: {}}
  Odd: {Type: "AWS::Nothing::There"}
"""


@pytest.fixture
def lint() -> TemplateLint:
    return TemplateLint("eu-central-1")


async def test_template_in_order__has_no_findings(lint: TemplateLint) -> None:
    assert await lint.check(GOOD) == ()


async def test_warnings__are_given_and_do_not_refuse(lint: TemplateLint) -> None:
    found = await lint.check("Parameters:\n  Never: {Type: String}\n" + GOOD)
    assert [(each.field, each.message[:5]) for each in found] == [
        ("cfnTemplate.Parameters.Never", "W2001")
    ]


async def test_errors__refuse_with_rule_and_place_and_without_values(lint: TemplateLint) -> None:
    with pytest.raises(Invalid) as caught:
        await lint.check(WRONG)
    assert caught.value.code == "TEMPLATE_INVALID"
    found = {each.field.removeprefix("cfnTemplate."): each.message for each in caught.value.fields}
    assert found["Resources.Bucket.Properties.Nope"].startswith("E3002, line 5")
    assert found["Resources.Queue.Properties.DelaySeconds"].startswith("E3012, line 6")
    assert found["Resources.Odd.Type"].startswith("E3006, line 8")
    assert "'AssumeRolePolicyDocument' is a required" in found["Resources.Reader.Properties"]
    assert not any("hunter2" in each for each in found.values())
    assert not any(each.startswith("W") for each in found.values())


@pytest.mark.parametrize("text", ["a: [", "just text", "- 1", "", "A: &a [*a]"])
async def test_text_that_is_no_template__is_refused(lint: TemplateLint, text: str) -> None:
    with pytest.raises(Invalid) as caught:
        await lint.check(text)
    assert caught.value.code == "TEMPLATE_INVALID"


async def test_template__cannot_choose_its_rules_or_have_files_read(
    lint: TemplateLint, tmp_path: Path
) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    nested = tmp_path / "nested.yaml"
    nested.write_text("Parameters: {Missing: {Type: String}}\n" + GOOD)
    silent = f"""
Metadata:
  cfn-lint:
    config:
      ignore_checks: [E]
      append_rules: ["{tmp_path}"]
      custom_rules: "{trap}"
      parameter_files: ["{nested}"]
      ignore_bad_template: true
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Metadata: {{cfn-lint: {{config: {{ignore_checks: [E3002]}}}}}}
    Properties: {{Nope: 1}}
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties: {{TemplateURL: "{nested}", Parameters: {{Other: x}}}}
"""
    findings = await lint.findings(silent)
    errors = [each for each in findings if each.rule.startswith("E")]
    assert [(each.rule, each.place) for each in errors] == [
        ("E3002", "Resources.Bucket.Properties.Nope")
    ]
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "act",
    [
        "open('/etc/hostname')",
        "open('here', 'w')",
        "__import__('os').open('here', 65)",
        "__import__('socket').create_connection(('127.0.0.1', 9))",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1:9')",
        "__import__('subprocess').run(['true'])",
        "__import__('os').system('true')",
        "__import__('os').fork()",
    ],
)
def test_process_that_looks__reaches_nothing(act: str, tmp_path: Path) -> None:
    program = (
        "import sys, socket, subprocess, urllib.request\n"
        "from meshplane.platform.templates.lint_worker import guard\n"
        f"sys.addaudithook(guard())\ntry:\n    {act}\n"
        "except PermissionError as error:\n    sys.exit(0 if str(error) == 'not here' else 2)\n"
        "sys.exit(1)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, timeout=30, check=False)
    assert ended.returncode == 0


async def test_template_that_takes_too_long__is_given_up() -> None:
    begun = time.monotonic()
    with pytest.raises(LimitReached) as caught:
        await TemplateLint("eu-central-1", deadline_seconds=0.2).check(GOOD)
    assert caught.value.code == "TEMPLATE_TOO_SLOW"
    assert time.monotonic() - begun < 5


async def test_template_of_more_than_a_megabyte__is_not_looked_at(lint: TemplateLint) -> None:
    with pytest.raises(TooLarge) as caught:
        await lint.check(GOOD + "#" * 1_048_576)
    assert caught.value.code == "TEMPLATE_TOO_LARGE"
