"""Puts the projects service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.projects.api import ProjectsApi
from meshplane.services.projects.local import LocalWorkspaces
from meshplane.services.projects.promotions import Promotions
from meshplane.services.projects.routes import routes
from meshplane.services.projects.service import Projects, ProjectsReader
from meshplane.services.projects.setup import ProjectSetup

NEEDS = ("domains",)


def build(ground: Ground, needs: Needs) -> Built[ProjectsApi]:
    """The service on that ground."""
    # Repositories lie beside the lake, in the home folder.
    repositories = ground.lake_folder.parent / "repositories"
    workspaces = LocalWorkspaces(ground.lake_folder, repositories, ground.clock)
    return Built(
        routes(Projects(needs["domains"]), ProjectSetup(workspaces), Promotions(), ground.boundary),
        ProjectsReader(ground.store),
    )
