"""Policy documents are compared by what they say, however they are written."""

from typing import Any

import pytest

from meshplane.platform.aws.policy_documents import principals_of, same_policy

ACCOUNT = "111122223333"
ROOT, ONE, OTHER = (f"arn:aws:iam::{ACCOUNT}:{name}" for name in ("root", "role/a", "role/b"))


def trust(principal: Any, **more: Any) -> dict[str, Any]:
    """A trust in somebody."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (trust({"AWS": ONE}), trust({"AWS": [ONE]})),
        (trust({"AWS": [ONE, OTHER]}), trust({"AWS": [OTHER, ONE]})),
        (trust({"AWS": ROOT}), trust({"AWS": ACCOUNT})),
        (trust("*"), trust({"AWS": "*"})),
        (trust({"AWS": ONE}), trust({"AWS": ONE}, Action=["STS:assumeRole"])),
        (trust({"AWS": ONE}), trust({"AWS": ONE}, Sid="Mesh")),
        (
            trust({"AWS": ONE}, Condition={"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}),
            trust({"AWS": ONE}, Condition={"StringEquals": {"aws:principalaccount": [ACCOUNT]}}),
        ),
        (
            trust({"AWS": ONE}, Condition={"Bool": {"aws:SecureTransport": True}}),
            trust({"AWS": ONE}, Condition={"Bool": {"aws:SecureTransport": "true"}}),
        ),
    ],
)
def test_documents__that_are_written_otherwise_and_mean_the_same__are_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert same_policy(one, other)
    alone = {**other, "Statement": other["Statement"][0]}
    assert same_policy(one, alone)


def test_documents__with_statements_in_another_order__are_the_same() -> None:
    statements = [*trust({"AWS": ONE})["Statement"], *trust({"Service": "a.b"})["Statement"]]
    document = {"Version": "2012-10-17", "Statement": statements}
    assert same_policy(document, {**document, "Statement": statements[::-1]})


@pytest.mark.parametrize(
    "other",
    [
        None,
        "text",
        {},
        trust({"AWS": OTHER}),
        trust({"AWS": [ONE, OTHER]}),
        trust({"AWS": "AROAEXAMPLEEXAMPLE123"}),
        trust({"Service": ONE}),
        trust({"AWS": ONE}, Action=["sts:AssumeRole", "sts:TagSession"]),
        trust({"AWS": ONE}, Effect="Deny"),
        trust({"AWS": ONE}, Condition={"StringEquals": {"sts:ExternalId": "x"}}),
        {**trust({"AWS": ONE}), "Version": "2008-10-17"},
        {**trust({"AWS": ONE}), "Statement": []},
    ],
)
def test_documents__that_say_otherwise__differ(other: Any) -> None:
    assert not same_policy(trust({"AWS": ONE}), other)
    assert not same_policy(other, trust({"AWS": ONE}))


def test_conditions__whose_keys_differ_in_case_alone_are_two() -> None:
    def under(**keys: str) -> dict[str, Any]:
        named = {name.replace("_", ":"): text for name, text in keys.items()}
        return trust({"AWS": ONE}, Condition={"StringEquals": named})

    one = under(aws_PrincipalAccount=ACCOUNT)
    assert not same_policy(one, under(AWS_principalaccount="2", aws_PrincipalAccount=ACCOUNT))
    assert not same_policy(one, under(aws_PrincipalAccount=ACCOUNT, AWS_principalaccount="2"))


def test_resources_and_actions__are_compared_as_sets() -> None:
    def allowed(actions: Any, resources: Any) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Action": actions, "Resource": resources}
        return {"Version": "2012-10-17", "Statement": statement}

    assert same_policy(
        allowed(["s3:Get", "s3:Put"], ["a", "b"]), allowed(["s3:Put", "s3:Get"], ["b", "a"])
    )
    assert not same_policy(allowed("s3:Get", ["a", "b"]), allowed("s3:Get", "b"))
    assert same_policy(allowed("s3:Get", "a"), allowed(["s3:GET"], ["a"]))
    # Names of things are told apart by case.
    assert not same_policy(allowed("s3:Get", "a"), allowed("s3:Get", "A"))


def test_principals__are_those_whom_any_statement_names() -> None:
    document = trust({"AWS": [ACCOUNT, "AROAEXAMPLEEXAMPLE123"], "Service": "a.amazonaws.com"})
    assert principals_of(document) == {ROOT, "AROAEXAMPLEEXAMPLE123", "a.amazonaws.com"}
    assert principals_of(trust("*")) == {"*"}
    assert principals_of(None) == frozenset()
