"""Puts the projects service together."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.platform.templates.lint import Lint, lint_for
from meshplane.platform.templates.stack_names import stack_name
from meshplane.services.projects.api import ProjectsApi
from meshplane.services.projects.local import LocalWorkspaces
from meshplane.services.projects.ports import ProjectWorkspaces
from meshplane.services.projects.promotions import Promotions
from meshplane.services.projects.routes import routes
from meshplane.services.projects.service import Projects, ProjectsReader
from meshplane.services.projects.setup import ProjectSetup, trust_here

if TYPE_CHECKING:  # needed where there is a portal alone
    from meshplane.services.projects.portal import ProjectsInPortal

NEEDS = ("domains",)


def build(ground: Ground, needs: Needs) -> Built[ProjectsApi]:
    """The service on that ground."""
    setup = ProjectSetup(_workspaces(ground), _trust(ground))
    shown = _shown(ground, needs)
    promotions = Promotions(_lint(ground), _stack_of(ground))
    return Built(
        routes(Projects(needs["domains"]), setup, promotions, ground.boundary),
        ProjectsReader(ground.store),
        aside=shown.consumers if shown is not None else (),
        portal=shown,
    )


def _shown(ground: Ground, needs: Needs) -> "ProjectsInPortal | None":
    if ground.portal is None:
        return None
    from meshplane.platform.aws.names import project_role_arn
    from meshplane.services.projects.aws_portal import DataZoneProjects
    from meshplane.services.projects.portal import ProjectsInPortal

    place = ground.portal.aws.place
    return ProjectsInPortal(
        DataZoneProjects(ground.portal),
        needs["domains"],
        ground.store,
        ground.clock,
        role_of=lambda project_id: project_role_arn(place, project_id),
        shows_people=ground.shows_people,
    )


def _lint(ground: Ground) -> Lint | None:
    """Templates of promotions are looked at as those of deployments, which come of them."""
    aws = ground.aws if "blueprints" in ground.on_aws else None
    return lint_for(None if aws is None else aws.place.region)


def _stack_of(ground: Ground) -> Callable[[str, str], str] | None:
    """What stacks of a project are called, where they are made as the project."""
    aws = ground.aws if "blueprints" in ground.on_aws else None
    return None if aws is None else partial(stack_name, prefix=aws.place.prefix)


def _workspaces(ground: Ground) -> ProjectWorkspaces:
    # Repositories lie beside the lake, in the home folder.
    repositories = ground.lake_folder.parent / "repositories"
    aws = ground.aws_for("tables")
    if aws is None:
        return LocalWorkspaces(ground.lake_folder, repositories, ground.clock)
    from meshplane.platform.aws.names import projects_boundary_arn
    from meshplane.services.projects.aws import AwsWorkspaces
    from meshplane.services.projects.repositories import Repositories

    return AwsWorkspaces(
        aws,
        Repositories(repositories, ground.clock),
        trusted=ground.identities.acting(ground.on_aws),
        boundary=projects_boundary_arn(aws.place),
    )


def _trust(ground: Ground) -> Mapping[str, Any]:
    """Who may act as a project."""
    aws = ground.aws_for("tables")
    if aws is None:
        return trust_here()
    from meshplane.services.projects.aws_policies import trust_policy

    return trust_policy(aws.place.account, ground.identities.acting(ground.on_aws))
