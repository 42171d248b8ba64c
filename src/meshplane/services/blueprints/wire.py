"""Puts the blueprints service together."""

from typing import TYPE_CHECKING

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.blueprints.routes import routes
from meshplane.services.blueprints.service import Blueprints

if TYPE_CHECKING:  # it is loaded where stacks are made alone
    from meshplane.services.blueprints.deploying import StackDeployments

NEEDS = ("projects",)


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    deployments = _stacks(ground)
    blueprints = Blueprints(needs["projects"], deployments)
    queues = deployments.queues if deployments is not None else ()
    return Built(routes(blueprints, ground.boundary), None, queues=queues)


def _stacks(ground: Ground) -> "StackDeployments | None":
    """What makes stacks of deployments; None where they are recorded alone."""
    aws = ground.aws_for("blueprints")
    if aws is None:
        return None
    from meshplane.platform.aws.names import mesh_bucket, project_role_arn
    from meshplane.services.blueprints.aws_stacks import CloudFormationStacks
    from meshplane.services.blueprints.deploying import StackDeployments
    from meshplane.services.blueprints.template_lint import TemplateLint

    place = aws.place
    return StackDeployments(
        CloudFormationStacks(aws, mesh_bucket(place)),
        ground.clock,
        prefix=place.prefix,
        role_of=lambda project_id: project_role_arn(place, project_id),
        lint=TemplateLint(place.region).check,
    )
