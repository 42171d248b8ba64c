"""HTTP of the projects service."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import IfMatch, OperationRoute, Operations
from meshplane.boundary.schemas import Page, PageQuery, principal_name
from meshplane.services.projects.promotions import Promotions
from meshplane.services.projects.schemas import (
    NewProject,
    NewPromotion,
    ProjectChange,
    ProjectMemberView,
    ProjectQuery,
    ProjectRoleChange,
    ProjectSetupView,
    ProjectView,
    PromotionOutcome,
    PromotionQuery,
    PromotionView,
)
from meshplane.services.projects.service import Projects
from meshplane.services.projects.setup import ProjectSetup


def routes(
    projects: Projects, setup: ProjectSetup, promotions: Promotions, boundary: Boundary
) -> list[OperationRoute]:
    """The routes under /api/v1/projects and /api/v1/promotions."""
    operations = Operations(boundary)
    _declare_promotions(operations, promotions)

    @operations.write("POST", "/projects", "createProject", status=201)
    async def create_project(call: Call, body: NewProject) -> ProjectView:
        return await projects.create(call, body)

    @operations.read("/projects", "listProjects")
    async def list_projects(call: Call, query: ProjectQuery) -> Page[ProjectView]:
        return await projects.list(call, query)

    @operations.read("/projects/{project_id}", "getProject")
    async def get_project(call: Call, project_id: str) -> ProjectView:
        return await projects.get(call, project_id)

    @operations.write("PATCH", "/projects/{project_id}", "updateProject")
    async def update_project(
        call: Call, project_id: str, if_match: IfMatch, body: ProjectChange
    ) -> ProjectView:
        return await projects.update(call, project_id, if_match, body)

    @operations.read("/projects/{project_id}/members", "listProjectMembers")
    async def list_project_members(
        call: Call, project_id: str, query: PageQuery
    ) -> Page[ProjectMemberView]:
        return await projects.members(call, project_id, query)

    @operations.write("PUT", "/projects/{project_id}/members/{principal}", "putProjectMember")
    async def put_project_member(
        call: Call, project_id: str, principal: str, body: ProjectRoleChange
    ) -> ProjectMemberView:
        return await projects.put_member(call, project_id, principal_name(principal), body.role)

    @operations.write(
        "DELETE", "/projects/{project_id}/members/{principal}", "removeProjectMember", status=204
    )
    async def remove_project_member(call: Call, project_id: str, principal: str) -> None:
        await projects.remove_member(call, project_id, principal_name(principal))

    @operations.write("POST", "/projects/{project_id}/setup", "setupProject")
    async def setup_project(call: Call, project_id: str) -> ProjectSetupView:
        return await setup.run(call, project_id)

    return operations.routes


def _declare_promotions(operations: Operations, promotions: Promotions) -> None:
    @operations.write("POST", "/promotions", "requestPromotion", status=201)
    async def request_promotion(call: Call, body: NewPromotion) -> PromotionView:
        return await promotions.request(call, body)

    @operations.read("/promotions", "listPromotions")
    async def list_promotions(call: Call, query: PromotionQuery) -> Page[PromotionView]:
        return await promotions.list(call, query)

    @operations.read("/promotions/{request_id}", "getPromotion")
    async def get_promotion(call: Call, request_id: str) -> PromotionView:
        return await promotions.get(call, request_id)

    @operations.write("POST", "/promotions/{request_id}/outcome", "recordPromotionOutcome")
    async def record_promotion_outcome(
        call: Call, request_id: str, body: PromotionOutcome
    ) -> PromotionView:
        return await promotions.record(call, request_id, body)
