"""The head of the log: one item on which every commit turns, and so the one order of all commits.

It holds how many commits, events and audit records there are, and the hash of the last record. A
commit replaces it on the condition that nobody else has since.
"""

from dataclasses import dataclass
from typing import Any

from meshplane.kit.hash_chain import GENESIS
from meshplane.platform.aws.dynamodb_items import Stored

HEAD_KEY: Stored = {"part": {"S": "head"}, "place": {"N": "0"}}


@dataclass(frozen=True, slots=True)
class Staged:
    """A commit too large for one transaction: it is decided, and being carried out.

    Args:
        token: names it.
        parts: in how many items it lies.
    """

    token: str
    parts: int


@dataclass(frozen=True, slots=True)
class Head:
    """How far the log is.

    Args:
        commit: the number of the last commit.
        events: the place of the last event.
        audit: the sequence of the last audit record.
        digest: its hash.
        token: what the last commit's writer knows it by.
        staged: the commit that comes next and must be carried out first.
    """

    commit: int = 0
    events: int = 0
    audit: int = 0
    digest: str = GENESIS
    token: str = ""
    staged: Staged | None = None

    def stored(self) -> Stored:
        """The head as an item of DynamoDB."""
        found: Stored = {
            **HEAD_KEY,
            "commits": {"N": str(self.commit)},
            "events": {"N": str(self.events)},
            "audit": {"N": str(self.audit)},
            "digest": {"S": self.digest},
            "token": {"S": self.token},
        }
        if self.staged is not None:
            found["staged"] = {"S": self.staged.token}
            found["parts"] = {"N": str(self.staged.parts)}
        return found

    def unmoved(self) -> dict[str, Any]:
        """The condition that the log's head is still this one, and no staged commit is before."""
        if self.staged is not None:
            return {
                "ConditionExpression": "staged = :staged",
                "ExpressionAttributeValues": {":staged": {"S": self.staged.token}},
            }
        if self.commit == 0:
            return {"ConditionExpression": "attribute_not_exists(part)"}
        return {
            "ConditionExpression": "commits = :commits AND attribute_not_exists(staged)",
            "ExpressionAttributeValues": {":commits": {"N": str(self.commit)}},
        }


def head_of(stored: Stored | None) -> Head:
    """The head that an item of DynamoDB holds; None: the log is empty."""
    if not stored:
        return Head()
    staged = None
    if "staged" in stored:
        staged = Staged(stored["staged"]["S"], int(stored["parts"]["N"]))
    return Head(
        int(stored["commits"]["N"]),
        int(stored["events"]["N"]),
        int(stored["audit"]["N"]),
        stored["digest"]["S"],
        stored["token"]["S"],
        staged,
    )
