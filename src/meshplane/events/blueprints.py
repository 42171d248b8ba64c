"""Events of the blueprints service."""

from typing import ClassVar

from meshplane.events.payload import Payload


class DeploymentCompleted(Payload):
    """What was done with a deployment to an environment of a project has ended.

    `status` is `SUCCESS`, `FAILED`, `CANCELLED`, `ROLLED_BACK` or `REMOVED`.
    """

    source: ClassVar[str] = "management-app.blueprints"
    entity_field: ClassVar[str] = "project_id"

    deployment_id: str
    project_id: str
    environment: str
    status: str
    deployed_by: str
    completed_at: str
