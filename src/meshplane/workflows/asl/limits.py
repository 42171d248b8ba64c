"""The limits of an execution. Those of Step Functions, where it has one.

Source: the service quotas of AWS Step Functions for standard workflows.
"""

MOST_EVENTS = 25_000
"""Events in the history of an execution, or of one child of a distributed Map."""

LARGEST_PAYLOAD_BYTES = 262_144
"""An input, output or result as UTF-8 text."""

DEEPEST_PAYLOAD = 254
"""Lists and objects in one another, in what a state or task gives."""

LARGEST_VARIABLES_BYTES = 10_485_760
"""All variables of one scope together."""

LONGEST_EXECUTION_SECONDS = 31_536_000
"""One year."""

LONGEST_WAIT_SECONDS = 99_999_999
"""What `Seconds` of a Wait, and the timeouts of a Task, may say."""

MOST_ITEMS = 100_000
"""Items of one Map."""

MOST_INLINE_AT_ONCE = 40
"""Iterations of an inline Map that run at once, whatever `MaxConcurrency` says."""

MOST_DISTRIBUTED_AT_ONCE = 1_000
"""Children of a distributed Map that run at once. They all start in one turn, which is kept small;
Step Functions allows 10,000."""

LONGEST_RETRY_DELAY_SECONDS = 31_622_400
"""What a backoff grows to: `MaxDelaySeconds` may not be more."""

DEEPEST_SCOPES = 32
"""Parallel and Map states inside one another."""
