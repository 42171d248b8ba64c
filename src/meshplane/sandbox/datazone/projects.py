"""Projects and who is in them."""

from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.domain_units import may_make, owns_unit
from meshplane.sandbox.datazone.people import find_group, find_user
from meshplane.sandbox.datazone.state import Act, Item, conflict, denied, invalid, missing, page_of

OWNER, CONTRIBUTOR, STEWARD = (
    "PROJECT_OWNER",
    "PROJECT_CONTRIBUTOR",
    "PROJECT_CATALOG_STEWARD",
)
WRITERS = (OWNER, CONTRIBUTOR)
"""Those who may make and change what a project owns."""


class Projects:
    """Projects and memberships."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateProject": self.create,
            "GetProject": self.get,
            "UpdateProject": self.update,
            "DeleteProject": self.delete,
            "ListProjects": self.list,
            "CreateProjectMembership": self.add_member,
            "DeleteProjectMembership": self.remove_member,
            "ListProjectMemberships": self.members,
        }

    def create(self, act: Act, given: dict[str, Any]) -> Item:
        """A project; who makes it owns it."""
        unit: str = given.get("domainUnitId") or act.domain.item["rootDomainUnitId"]
        act.domain.find("unit", "Domain unit", unit)
        if not may_make(act, "CREATE_PROJECT", unit):
            raise denied(f"User is not permitted to create projects in domain unit {unit}.")
        self._demand_free(act, given["name"])
        members = [
            (_member(act, one["member"]), one["designation"])
            for one in given.get("membershipAssignments", ())
        ]
        tags = given.get("resourceTags", {})
        project = {
            **act.made(),
            "id": act.state.new_id(),
            "name": given["name"],
            "description": given.get("description"),
            "projectStatus": "ACTIVE",
            "domainUnitId": unit,
            "glossaryTerms": given.get("glossaryTerms"),
            "resourceTags": [
                {"key": key, "value": tags[key], "source": "PROJECT"} for key in sorted(tags)
            ],
        }
        act.domain.shelf("project").put(project["id"], project)
        self._join(act, project["id"], ("user", act.user), OWNER)
        for member, designation in members:
            self._join(act, project["id"], member, designation)
        act.tell(
            "Project Creation Succeeded",
            "ProjectEntityType",
            project,
            project["id"],
            {"projectId": project["id"], "name": project["name"]},
        )
        return project

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """A project by id."""
        return act.domain.find("project", "Project", given["identifier"])

    def update(self, act: Act, given: dict[str, Any]) -> Item:
        """Changes what is said of a project."""
        project = self.get(act, given)
        self._demand_owner(act, project)
        names = ("name", "description", "glossaryTerms", "domainUnitId")
        changes = {name: given[name] for name in names if name in given}
        if changes.get("name", project["name"]) != project["name"]:
            self._demand_free(act, changes["name"])
        return act.domain.shelf("project").change(project["id"], **changes, **act.changed())

    def delete(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a project away; one that owns something only where that is asked."""
        project = self.get(act, given)
        self._demand_owner(act, project)
        owned = [
            item
            for kind in ("asset", "glossary", "environment", "dataProduct")
            for item in act.domain.shelf(kind).all()
            if project["id"] in (item.get("owningProjectId"), item.get("projectId"))
        ]
        if owned and not given.get("skipDeletionCheck"):
            raise invalid(f"Project {project['id']} owns something: delete that first.")
        act.domain.shelf("project").remove(project["id"])
        return {}

    def list(self, act: Act, given: dict[str, Any]) -> Item:
        """Projects, of one user or group, whose name holds a text."""
        found = act.domain.shelf("project").listed()
        held = act.domain.shelf("membership")
        for name in ("userIdentifier", "groupIdentifier"):
            if name in given:
                _, member = _member(act, {name: given[name]})
                found = [one for one in found if held.get(f"{one['id']}#{member}")]
        text = given.get("name", "").lower()
        found = [one for one in found if text in one["name"].lower()]
        return page_of(sorted(found, key=lambda one: str(one["name"])), given)

    def add_member(self, act: Act, given: dict[str, Any]) -> Item:
        """Gives somebody a designation in a project."""
        project = act.domain.find("project", "Project", given["projectIdentifier"])
        self._demand_owner(act, project)
        member = _member(act, given["member"])
        if act.domain.shelf("membership").get(f"{project['id']}#{member[1]}") is not None:
            raise invalid("It is a member of the project already.")
        self._join(act, project["id"], member, given["designation"])
        act.tell(
            "Project Member Addition Succeeded",
            "ProjectMembershipEntityType",
            project,
            project["id"],
            {"memberId": member[1], "designation": given["designation"]},
        )
        return {}

    def remove_member(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes somebody out of a project; an owner must be left."""
        project = act.domain.find("project", "Project", given["projectIdentifier"])
        self._demand_owner(act, project)
        member = _member(act, given["member"])
        key = f"{project['id']}#{member[1]}"
        if act.domain.shelf("membership").get(key) is None:
            raise missing("Project member", member[1])
        owners = [
            one
            for one in act.domain.shelf("membership").all()
            if one["_project"] == project["id"] and one["designation"] == OWNER
        ]
        if [one["_member"] for one in owners] == [member]:
            raise invalid("A project keeps an owner.")
        act.domain.shelf("membership").remove(key)
        act.tell(
            "Project Member Removal Succeeded",
            "ProjectMembershipEntityType",
            project,
            project["id"],
            {"memberId": member[1]},
        )
        return {}

    def members(self, act: Act, given: dict[str, Any]) -> Item:
        """Who is in a project."""
        act.domain.find("project", "Project", given["projectIdentifier"])
        found = [
            one
            for one in act.domain.shelf("membership").listed()
            if one["_project"] == given["projectIdentifier"]
        ]
        return page_of(found, given, "members")

    def _join(self, act: Act, project: str, member: tuple[str, str], designation: str) -> None:
        kind, identifier = member
        details = {kind: {"userId" if kind == "user" else "groupId": identifier}}
        act.domain.shelf("membership").put(
            f"{project}#{identifier}",
            {
                "memberDetails": details,
                "designation": designation,
                "_project": project,
                "_member": member,
            },
        )

    def _demand_owner(self, act: Act, project: Item) -> None:
        if not owns_unit(act, project["domainUnitId"]):
            act.demand(project["id"], OWNER)

    def _demand_free(self, act: Act, name: str) -> None:
        if any(one["name"] == name for one in act.domain.shelf("project").all()):
            raise conflict(f"A project {name} exists in the domain.")


def _member(act: Act, given: Item) -> tuple[str, str]:
    if "userIdentifier" in given:
        user = find_user(act.domain, given["userIdentifier"])
        if user is None:
            raise missing("User profile", given["userIdentifier"])
        return "user", user["id"]
    group = find_group(act.domain, given["groupIdentifier"])
    if group is None:
        raise missing("Group profile", given["groupIdentifier"])
    return "group", group["id"]
