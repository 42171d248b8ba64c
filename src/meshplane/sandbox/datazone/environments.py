"""Environments, the blueprints they are made by, and subscription targets."""

import json
from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.projects import WRITERS
from meshplane.sandbox.datazone.state import Act, Item, conflict, in_order, invalid, page_of

_BLUEPRINTS = ("DefaultDataLake", "CustomAwsService")
_PROVIDER = "Amazon DataZone"


class Environments:
    """Environments and their targets."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "ListEnvironmentBlueprints": self.blueprints,
            "GetEnvironmentBlueprint": self.blueprint,
            "PutEnvironmentBlueprintConfiguration": self.configure,
            "GetEnvironmentBlueprintConfiguration": self.configuration,
            "CreateEnvironment": self.create,
            "GetEnvironment": self.get,
            "ListEnvironments": self.list,
            "DeleteEnvironment": self.delete,
            "AssociateEnvironmentRole": self.associate_role,
            "CreateSubscriptionTarget": self.create_target,
            "GetSubscriptionTarget": self.get_target,
            "UpdateSubscriptionTarget": self.update_target,
            "DeleteSubscriptionTarget": self.delete_target,
            "ListSubscriptionTargets": self.targets,
        }

    def blueprints(self, act: Act, given: dict[str, Any]) -> Item:
        """The blueprints that DataZone brings along."""
        found = [
            one
            for one in _blueprints(act)
            if given.get("name", one["name"]) == one["name"] and given.get("managed", True)
        ]
        return page_of(found, given)

    def blueprint(self, act: Act, given: dict[str, Any]) -> Item:
        """A blueprint by id."""
        _blueprints(act)
        return act.domain.find("blueprint", "Environment blueprint", given["identifier"])

    def configure(self, act: Act, given: dict[str, Any]) -> Item:
        """Lets a blueprint be used in regions."""
        _blueprints(act)
        identifier = given["environmentBlueprintIdentifier"]
        act.domain.find("blueprint", "Environment blueprint", identifier)
        names = (
            "provisioningRoleArn",
            "manageAccessRoleArn",
            "enabledRegions",
            "regionalParameters",
        )
        item = {
            **act.made(),
            **{name: given.get(name) for name in names},
            "id": identifier,
            "environmentBlueprintId": identifier,
        }
        return act.domain.shelf("configuration").put(identifier, item)

    def configuration(self, act: Act, given: dict[str, Any]) -> Item:
        """Where a blueprint may be used."""
        identifier = given["environmentBlueprintIdentifier"]
        return act.domain.find("configuration", "Environment blueprint configuration", identifier)

    def create(self, act: Act, given: dict[str, Any]) -> Item:
        """An environment of a project that is CREATING; its blueprint must be enabled there."""
        project = given["projectIdentifier"]
        act.domain.find("project", "Project", project)
        act.demand(project, *WRITERS)
        blueprint = given.get("environmentBlueprintIdentifier")
        if blueprint is None:
            raise invalid("An environment needs a blueprint; profiles are not had here.")
        _blueprints(act)
        found = act.domain.find("blueprint", "Environment blueprint", blueprint)
        account = given.get("environmentAccountIdentifier", act.domain.item["_account"])
        region = given.get("environmentAccountRegion", act.domain.item["_region"])
        enabled = act.domain.shelf("configuration").get(blueprint)
        if enabled is None or region not in (enabled["enabledRegions"] or ()):
            raise invalid(f"Blueprint {found['name']} is not enabled in {region}.")
        for one in act.domain.shelf("environment").all():
            if (one["projectId"], one["name"]) == (project, given["name"]):
                raise conflict(f"The project has an environment {given['name']}.")
        environment = {
            **act.made(),
            "id": act.state.new_id(),
            "projectId": project,
            "name": given["name"],
            "description": given.get("description"),
            "awsAccountId": account,
            "awsAccountRegion": region,
            "provider": _PROVIDER,
            "environmentBlueprintId": blueprint,
            "status": "CREATING",
            "_changing": act.now(),
            "_looks": 0,
        }
        return act.domain.shelf("environment").put(environment["id"], environment)

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """An environment; looking at one that is CREATING moves it on."""
        found = self._settled(
            act, act.domain.find("environment", "Environment", given["identifier"])
        )
        if found["status"] == "CREATING":
            act.domain.shelf("environment").change(found["id"], _looks=found["_looks"] + 1)
        return found

    def list(self, act: Act, given: dict[str, Any]) -> Item:
        """The environments of a project."""
        found = [
            self._settled(act, one)
            for one in act.domain.shelf("environment").listed()
            if one["projectId"] == given["projectIdentifier"]
            and given.get("name", one["name"]) == one["name"]
        ]
        found = [one for one in found if given.get("status", one["status"]) == one["status"]]
        return page_of(found, given)

    def delete(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes an environment away."""
        found = act.domain.find("environment", "Environment", given["identifier"])
        act.demand(found["projectId"], *WRITERS)
        if any(one["environmentId"] == found["id"] for one in act.domain.shelf("target").all()):
            raise conflict(f"Environment {found['id']} has subscription targets.")
        act.domain.shelf("environment").remove(found["id"])
        return {}

    def associate_role(self, act: Act, given: dict[str, Any]) -> Item:
        """Names the role that works in an environment."""
        found = act.domain.find("environment", "Environment", given["environmentIdentifier"])
        act.demand(found["projectId"], *WRITERS)
        act.domain.shelf("environment").change(found["id"], _role=given["environmentRoleArn"])
        return {}

    def create_target(self, act: Act, given: dict[str, Any]) -> Item:
        """Where an environment receives what it subscribes to."""
        environment = self._environment(act, given)
        act.demand(environment["projectId"], *WRITERS)
        if environment["status"] != "ACTIVE":
            raise invalid(f"Environment {environment['id']} is {environment['status']}.")
        for one in act.domain.shelf("target").all():
            if (one["environmentId"], one["name"]) == (environment["id"], given["name"]):
                raise conflict(f"The environment has a target {given['name']}.")
        _check_target(act, given)
        names = (
            "name",
            "type",
            "authorizedPrincipals",
            "manageAccessRole",
            "applicableAssetTypes",
            "subscriptionTargetConfig",
        )
        target = {
            **act.made(),
            **{name: given[name] for name in names},
            "id": act.state.new_id(),
            "projectId": environment["projectId"],
            "environmentId": environment["id"],
            "provider": given.get("provider", _PROVIDER),
            "subscriptionGrantCreationMode": given.get(
                "subscriptionGrantCreationMode", "AUTOMATIC"
            ),
        }
        return act.domain.shelf("target").put(target["id"], target)

    def get_target(self, act: Act, given: dict[str, Any]) -> Item:
        """A target by id."""
        self._environment(act, given)
        return act.domain.find("target", "Subscription target", given["identifier"])

    def update_target(self, act: Act, given: dict[str, Any]) -> Item:
        """Changes a target."""
        known = self.get_target(act, given)
        act.demand(known["projectId"], *WRITERS)
        _check_target(act, given)
        apart = {"domainIdentifier", "environmentIdentifier", "identifier"}
        changes = {name: part for name, part in given.items() if name not in apart}
        return act.domain.shelf("target").change(known["id"], **changes, **act.changed())

    def delete_target(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a target away that holds nothing."""
        known = self.get_target(act, given)
        act.demand(known["projectId"], *WRITERS)
        if any(
            one["subscriptionTargetId"] == known["id"] for one in act.domain.shelf("grant").all()
        ):
            raise conflict(f"Subscription target {known['id']} has grants.")
        act.domain.shelf("target").remove(known["id"])
        return {}

    def targets(self, act: Act, given: dict[str, Any]) -> Item:
        """The targets of an environment."""
        environment = self._environment(act, given)
        found = [
            one
            for one in act.domain.shelf("target").listed()
            if one["environmentId"] == environment["id"]
        ]
        return page_of(in_order(found, given), given)

    def _environment(self, act: Act, given: Item) -> Item:
        found = act.domain.find("environment", "Environment", given["environmentIdentifier"])
        return self._settled(act, found)

    def _settled(self, act: Act, environment: Item) -> Item:
        if environment["status"] == "CREATING" and act.state.is_settled(environment, looks=0):
            data = {"name": environment["name"]}
            done = act.domain.shelf("environment").change(environment["id"], status="ACTIVE")
            project = done["projectId"]
            act.tell("Environment Deployment Completed", "EnvironmentEntityType", done, project,
                     data)  # fmt: skip
            return done
        return environment


def _blueprints(act: Act) -> list[Item]:
    shelf = act.domain.shelf("blueprint")
    if not shelf.all():
        for name in _BLUEPRINTS:
            identifier = act.state.new_id()
            shelf.put(
                identifier,
                {
                    **act.made(),
                    "id": identifier,
                    "name": name,
                    "provider": _PROVIDER,
                    "provisioningProperties": {"cloudFormation": {"templateUrl": f"{name}.json"}},
                },
            )
    return shelf.all()


def _check_target(act: Act, given: Item) -> None:
    for form in given.get("subscriptionTargetConfig", ()):
        try:
            json.loads(form["content"])
        except ValueError:
            raise invalid(f"The content of form {form['formName']} is not JSON.") from None
    for name in given.get("applicableAssetTypes", ()):
        act.domain.find("assetType", "Asset type", name)
