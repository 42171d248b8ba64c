"""The tables of workflows that run on Step Functions."""

from meshplane.platform.tables import Index, Table

AWS_MACHINES = Table("AwsStateMachines", "name")
"""Which revision of each state machine Step Functions has, and where."""

AWS_TASK_TOKENS = Table("AwsTaskTokens", "token", expires="expires")
"""Tokens of Step Functions by the mesh's own, and whether they are `OPEN`, `ANSWERED` or `GONE`."""

AWS_EXECUTIONS = Table(
    "AwsExecutions",
    "executionId",
    indexes=(
        Index("byListing", "listing", "startedAt"),
        Index("byMachine", "machine", "startedAt"),
    ),
    expires="expires",
)
"""Executions that the mesh had Step Functions start. What became of them Step Functions knows."""

AWS_WORKFLOW_TABLES = (AWS_MACHINES, AWS_TASK_TOKENS, AWS_EXECUTIONS)
