"""A name says what a thing is for. A drawer for everything, or a vendor, is no such name."""

import re
from collections.abc import Iterable

import pytest

from tests.tidy.tree import File, assert_none, python

# Names that tell nothing, so that anything ends up behind them.
DRAWERS = {
    "base", "common", "helper", "helpers", "lib", "manager", "managers", "misc", "util", "utils",
}  # fmt: skip

# A service is named after what it does for a data mesh, so that it outlives what it is built on.
VENDORS = {
    "airflow", "amazon", "appsync", "athena", "aws", "azure", "bigquery", "cloudformation",
    "cloudtrail", "cloudwatch", "cognito", "databricks", "datazone", "dynamodb", "duckdb", "ec2",
    "ecs", "eks", "emr", "eventbridge", "gcp", "glue", "iam", "kafka", "kinesis", "kms",
    "lakeformation", "lambda", "macie", "postgres", "quicksight", "ram", "redis", "redshift", "s3",
    "sagemaker", "snowflake", "sns", "sqs", "stepfunctions", "unity",
}  # fmt: skip


def drawers(file: File) -> list[str]:
    """A module or folder that is named as a drawer, or that ends in such a word."""
    return [
        file.at(1, f"“{word}” does not say what is in it")
        for word in (part.removesuffix(".py") for part in file.parts[1:])
        if word in DRAWERS or word.rsplit("_", 1)[-1] in DRAWERS
    ]


def vendor_services(names: Iterable[str]) -> list[str]:
    """Services whose name holds that of a vendor or of one of its products."""
    return [
        name
        for name in names
        if VENDORS & {*re.split(r"[_\d]+", name), name, name.replace("_", "")}
    ]


def services() -> set[str]:
    """The names of the services' folders."""
    return {file.parts[3] for file in python("src/meshplane/services") if len(file.parts) > 4}


def test_modules__have_names_that_tell_what_is_in_them() -> None:
    assert_none([problem for file in python("src", "tests") for problem in drawers(file)])


def test_services__are_not_named_after_a_vendor() -> None:
    assert vendor_services(services()) == []


@pytest.mark.parametrize("path", ["kit/utils.py", "common/ids.py", "kit/share_manager.py"])
def test_drawers__finds_the_word_anywhere_in_the_path(path: str) -> None:
    assert len(drawers(File(f"src/meshplane/{path}", ""))) == 1


def test_drawers__accepts_a_name_that_only_begins_like_one() -> None:
    assert drawers(File("src/meshplane/kit/base32.py", "")) == []


def test_vendor_services__finds_products_and_leaves_plain_words() -> None:
    names = ["glue", "datazone", "lake_formation", "aws_shares", "s3", "lake", "shares", "framing"]
    assert vendor_services(names) == ["glue", "datazone", "lake_formation", "aws_shares", "s3"]
