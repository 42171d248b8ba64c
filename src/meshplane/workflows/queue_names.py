"""The queues that the mesh itself works off for workflows."""

from meshplane.workflows.arns import last_part
from meshplane.workflows.asl import TaskRequest

TASKS = "meshplane-tasks"
APPROVALS = "approval-queue"
SUBSCRIPTIONS = "subscription-decisions"

MESH_QUEUES = frozenset({TASKS, APPROVALS, SUBSCRIPTIONS})
"""Of a task that waits for one of these, nobody else may answer the token: a person who came to
know it would decide in the place of whoever is asked."""


def goes_to_mesh(request: TaskRequest) -> bool:
    """Whether a task sends to a queue that the mesh itself works off, and waits for its answer."""
    parameters = request.parameters
    if not (request.wait_for_token and isinstance(parameters, dict)):
        return False
    url = parameters.get("QueueUrl")
    return isinstance(url, str) and last_part(url) in MESH_QUEUES
