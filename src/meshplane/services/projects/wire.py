"""Puts the projects service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.projects.api import ProjectsApi
from meshplane.services.projects.routes import routes
from meshplane.services.projects.service import Projects, ProjectsReader

NEEDS = ("domains",)


def build(ground: Ground, needs: Needs) -> Built[ProjectsApi]:
    """The service on that ground."""
    projects = Projects(needs["domains"])
    return Built(routes(projects, ground.boundary), ProjectsReader(ground.store))
