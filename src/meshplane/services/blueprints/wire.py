"""Puts the blueprints service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.platform.templates.lint import lint_for
from meshplane.services.blueprints.deploying import StackDeployments
from meshplane.services.blueprints.routes import routes
from meshplane.services.blueprints.stream import Hanging

NEEDS = ("projects",)

_PATIENCE_SECONDS = 10.0


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    deployments, hanging = _deployments(ground), Hanging()
    made = routes(
        needs["projects"],
        deployments,
        boundary=ground.boundary,
        store=ground.store,
        hanging=hanging,
    )
    return Built(made, None, queues=deployments.queues, hang_up=hanging.hang_up)


def _deployments(ground: Ground) -> StackDeployments:
    aws = ground.aws_for("blueprints")
    if aws is None:
        from meshplane.services.blueprints.local_stacks import LocalStacks

        return StackDeployments(
            LocalStacks(ground.store, ground.clock),
            ground.clock,
            lint=lint_for(None),
            first_look_seconds=0.0,
            patience_seconds=_PATIENCE_SECONDS,
        )
    from meshplane.platform.aws.names import mesh_bucket, project_role_arn
    from meshplane.services.blueprints.aws_stacks import CloudFormationStacks

    place = aws.place
    return StackDeployments(
        CloudFormationStacks(aws, mesh_bucket(place)),
        ground.clock,
        prefix=place.prefix,
        role_of=lambda project_id: project_role_arn(place, project_id),
        lint=lint_for(place.region),
    )
