"""Events of promotions, from one environment of a project to the next."""

from typing import ClassVar

from meshplane.events.payload import Payload


class PromotionRequested(Payload):
    """Somebody wants what a project runs in one environment to run in the next."""

    source: ClassVar[str] = "management-app.projects"
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    project_id: str
    domain_id: str
    source_environment: str
    target_environment: str
    cfn_template: str | None
    created_by: str
    created_at: str


class PromotionCompleted(Payload):
    """A promotion has ended; `status` is `COMPLETED`, `REJECTED` or `FAILED`."""

    source: ClassVar[str] = "management-app.projects"
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    project_id: str
    source_environment: str
    target_environment: str
    status: str
    reason: str | None
    completed_at: str
