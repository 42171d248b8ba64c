"""A query execution: its states, its figures, its pages of results."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from meshplane.sandbox.athena.engine import Result
from meshplane.sandbox.athena.refusals import QueryFailed
from meshplane.sandbox.athena.statements import Statement
from meshplane.sandbox.athena.workgroups import WorkGroup
from meshplane.sandbox.fake import Caller, FakeError

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
_MOST_ROWS = 1000


@dataclass
class Execution:
    """A query that was handed in.

    Args:
        number: its id.
        caller: as whom it runs.
        statement: what it asks for.
        parameters: in the place of its `?`.
        context: as `QueryExecutionContext`.
        group: its workgroup.
        output: of its result file, `s3://…`.
        results: as `ResultConfiguration`, the location that of the file.
        submitted: when.
        reuse: as `ResultReuseConfiguration`, if it was asked for.
    """

    number: str
    caller: Caller
    statement: Statement
    parameters: list[str]
    context: dict[str, str]
    group: WorkGroup
    output: str
    results: dict[str, Any]
    submitted: datetime
    reuse: dict[str, Any] | None = None
    state: str = "QUEUED"
    polls: int = 0
    ended: datetime | None = None
    reason: str | None = None
    failure: QueryFailed | None = None
    result: Result | None = None
    has_header: bool = True

    def shown(self) -> dict[str, Any]:
        """As `GetQueryExecution` has it."""
        shown: dict[str, Any] = {
            "QueryExecutionId": self.number,
            "Query": self.statement.text,
            "StatementType": self.statement.statement_type,
            "SubstatementType": self.statement.kind,
            "ResultConfiguration": self.results,
            "ResultReuseConfiguration": self.reuse
            or {"ResultReuseByAgeConfiguration": {"Enabled": False}},
            "QueryExecutionContext": self.context,
            "Status": self._status(),
            "Statistics": self._statistics(),
            "WorkGroup": self.group.name,
            "EngineVersion": self.group.engine(),
        }
        if self.parameters:
            shown["ExecutionParameters"] = self.parameters
        return shown

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.ended is not None:
            status["CompletionDateTime"] = self.ended
        if self.reason is not None:
            status["StateChangeReason"] = self.reason
        if self.failure is not None:
            status["AthenaError"] = {
                "ErrorCategory": self.failure.category,
                "ErrorType": self.failure.error_type,
                "Retryable": False,
                "ErrorMessage": self.failure.reason,
            }
        return status

    def _statistics(self) -> dict[str, Any]:
        if self.state == "QUEUED":
            return {}
        engine = int(1000 * self.result.seconds) if self.result is not None else 0
        return {
            "EngineExecutionTimeInMillis": engine,
            "DataScannedInBytes": self.result.scanned_bytes if self.result is not None else 0,
            "TotalExecutionTimeInMillis": engine,
            "QueryQueueTimeInMillis": 0,
            "ServicePreProcessingTimeInMillis": 0,
            "QueryPlanningTimeInMillis": 0,
            "ServiceProcessingTimeInMillis": 0,
            "ResultReuseInformation": {"ReusedPreviousResult": False},
        }

    def page(self, token: str | None, most: int | None) -> dict[str, Any]:
        """A page of the results, as `GetQueryResults` has it; the header is a row of the first.

        Raises:
            FakeError: InvalidRequestException, there are none, or the token is not of this query.
        """
        if self.state != "SUCCEEDED":
            raise FakeError("InvalidRequestException", self._no_results())
        start = self._offset(token)
        rows = self._all_rows()
        end = min(len(rows), start + (most or _MOST_ROWS))
        page: dict[str, Any] = {
            "UpdateCount": 0,
            "ResultSet": {
                "Rows": [
                    {"Data": [{} if v is None else {"VarCharValue": v} for v in row]}
                    for row in rows[start:end]
                ],
                "ResultSetMetadata": {
                    "ColumnInfo": self.result.columns if self.result is not None else []
                },
            },
        }
        if end < len(rows):
            page["NextToken"] = f"{self.number}:{end}"
        return page

    def _all_rows(self) -> list[list[str | None]]:
        if self.result is None:
            return []
        header: list[str | None] = [one["Name"] for one in self.result.columns]
        return [header, *self.result.rows] if self.has_header and header else self.result.rows

    def _offset(self, token: str | None) -> int:
        if token is None:
            return 0
        number, _, offset = token.rpartition(":")
        if number != self.number or not offset.isdigit():
            raise FakeError("InvalidRequestException", "Malformed NextToken")
        return int(offset)

    def _no_results(self) -> str:
        if self.state in ENDED:
            return f"Query did not finish successfully. Final query state: {self.state}"
        return f"Query has not yet finished. Current state: {self.state}"


def result_file(result: Result) -> bytes:
    """The result as the CSV file that Athena leaves: every value in quotes, NULL nothing at all."""
    lines = [",".join(_quoted(one["Name"]) for one in result.columns)]
    lines += [",".join("" if v is None else _quoted(v) for v in row) for row in result.rows]
    return ("\n".join(lines) + "\n").encode()


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
