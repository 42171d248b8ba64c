"""Puts the blueprints service together."""

from importlib.util import find_spec

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.blueprints.deploying import Lint, StackDeployments
from meshplane.services.blueprints.routes import routes
from meshplane.services.blueprints.stream import Hanging

NEEDS = ("projects",)

_PATIENCE_SECONDS = 10.0
_REGION = "us-east-1"
"""Where templates are checked for that are only recorded: it has every resource there is."""


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
            lint=_lint_here(),
            first_look_seconds=0.0,
            patience_seconds=_PATIENCE_SECONDS,
        )
    from meshplane.platform.aws.names import mesh_bucket, project_role_arn
    from meshplane.services.blueprints.aws_stacks import CloudFormationStacks
    from meshplane.services.blueprints.template_lint import TemplateLint

    place = aws.place
    return StackDeployments(
        CloudFormationStacks(aws, mesh_bucket(place)),
        ground.clock,
        prefix=place.prefix,
        role_of=lambda project_id: project_role_arn(place, project_id),
        lint=TemplateLint(place.region).check,
    )


def _lint_here() -> Lint | None:
    """cfn-lint, where it is installed: it comes with the extra `aws`."""
    if find_spec("cfnlint") is None:
        return None
    from meshplane.services.blueprints.template_lint import TemplateLint

    return TemplateLint(_REGION).check
