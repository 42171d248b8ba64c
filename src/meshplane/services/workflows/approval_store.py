"""The table of approvals: a row for each step of each workflow that waits for people."""

from meshplane.platform.tables import Index, Table

APPROVAL_STEPS = Table(
    "ApprovalWorkflows",
    "workflowId",
    "stepNumber",
    indexes=(Index("byOpen", "open", "requestedAt"),),
    numbers=("stepNumber",),
)
"""`open` is there only while the step waits for a decision, so that the inbox reads these alone."""

OPEN = "open"
EVERY_STEP = 100
"""More steps than any approval has."""
