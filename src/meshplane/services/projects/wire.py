"""Puts the projects service together."""

from collections.abc import Sequence

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.consumer import Consumer
from meshplane.services.projects.api import ProjectsApi
from meshplane.services.projects.local import LocalWorkspaces
from meshplane.services.projects.ports import ProjectWorkspaces
from meshplane.services.projects.promotions import Promotions
from meshplane.services.projects.routes import routes
from meshplane.services.projects.service import Projects, ProjectsReader
from meshplane.services.projects.setup import ProjectSetup

NEEDS = ("domains",)


def build(ground: Ground, needs: Needs) -> Built[ProjectsApi]:
    """The service on that ground."""
    setup = ProjectSetup(_workspaces(ground))
    return Built(
        routes(Projects(needs["domains"]), setup, Promotions(), ground.boundary),
        ProjectsReader(ground.store),
        aside=_shown(ground, needs),
    )


def _shown(ground: Ground, needs: Needs) -> Sequence[Consumer]:
    if ground.portal is None:
        return ()
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
    ).consumers


def _workspaces(ground: Ground) -> ProjectWorkspaces:
    # Repositories lie beside the lake, in the home folder.
    repositories = ground.lake_folder.parent / "repositories"
    aws = ground.aws_for("tables")
    if aws is None:
        return LocalWorkspaces(ground.lake_folder, repositories, ground.clock)
    from meshplane.services.projects.aws import AwsWorkspaces
    from meshplane.services.projects.repositories import Repositories

    return AwsWorkspaces(aws, Repositories(repositories, ground.clock))
