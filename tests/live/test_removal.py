"""At the end the account is as it was: `meshplane aws remove`, and a look at all there is."""

from typing import Any

import pytest

from tests.builders.live_account import LiveAccount

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def plan(
    account: LiveAccount, demo: tuple[int, dict[str, Any]]
) -> tuple[int, list[dict[str, Any]]]:
    return account.remove("--plan")


def test_plan__tells_all_that_there_is(plan: tuple[int, list[dict[str, Any]]]) -> None:
    code, told = plan
    assert code == 0
    assert {one["told"] for one in told} == {"would be removed"}
    assert {"database aviation", "database climate"} <= {one["what"] for one in told}


def test_remove__all_that_was_planned_goes(
    account: LiveAccount, plan: tuple[int, list[dict[str, Any]]]
) -> None:
    code, told = account.remove("--yes")
    assert [one for one in told if one["told"] != "removed"] == []
    assert code == 0
    # What one thing takes along when it goes is planned, and gone when its turn comes.
    assert {one["what"] for one in told} <= {one["what"] for one in plan[1]}


def test_left_over__what_was_forgotten_is_seen(account: LiveAccount) -> None:
    """Planted under a name that the mesh gives to nothing, so that nothing else takes it away."""
    aws = account.aws
    name = f"{account.prefix}forgotten"
    url = aws.run("sqs", "create_queue", QueueName=name)["QueueUrl"]
    try:
        assert account.remove("--yes") == (0, [])
        assert account.left_over() == [f"queue {name}"]
    finally:
        aws.run("sqs", "delete_queue", QueueUrl=url)


def test_left_over__nothing_that_was_not_there_before(account: LiveAccount) -> None:
    assert account.left_over() == []
