"""Workgroups: what a query in one is held to.

A workgroup that enforces its configuration wins over what the client asks for; one that does not
gives what the client leaves out (Athena user guide, "Override client-side settings").
"""

import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from meshplane.sandbox.fake import FakeError

ENGINE = "Athena engine version 3"
PRIMARY = "primary"
_UPDATED_RESULTS = (
    "OutputLocation",
    "EncryptionConfiguration",
    "ExpectedBucketOwner",
    "AclConfiguration",
)


@dataclass
class WorkGroup:
    """A workgroup.

    Args:
        name: unique in an account and region.
        created: when.
        configuration: as `WorkGroupConfiguration`.
        description: for people.
        state: ENABLED or DISABLED.
    """

    name: str
    created: datetime
    configuration: dict[str, Any] = field(default_factory=dict)
    description: str = ""
    state: str = "ENABLED"

    def shown(self) -> dict[str, Any]:
        """As `GetWorkGroup` has it."""
        configuration = copy.deepcopy(self.configuration)
        configuration.setdefault("ResultConfiguration", {})
        configuration.setdefault("EnforceWorkGroupConfiguration", True)
        configuration.setdefault("PublishCloudWatchMetricsEnabled", True)
        configuration.setdefault("RequesterPaysEnabled", False)
        configuration["EngineVersion"] = self.engine()
        return {
            "Name": self.name,
            "State": self.state,
            "Description": self.description,
            "CreationTime": self.created,
            "Configuration": configuration,
        }

    def summary(self) -> dict[str, Any]:
        """As `ListWorkGroups` has it."""
        return {
            "Name": self.name,
            "State": self.state,
            "Description": self.description,
            "CreationTime": self.created,
            "EngineVersion": self.engine(),
        }

    def engine(self) -> dict[str, str]:
        """The engine that was chosen, and the one that works."""
        chosen = self.configuration.get("EngineVersion", {}).get("SelectedEngineVersion", "AUTO")
        return {"SelectedEngineVersion": chosen, "EffectiveEngineVersion": ENGINE}

    def results(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Where results go, of what the client asked for and what the workgroup says.

        Raises:
            FakeError: InvalidRequestException, neither gives a location.
        """
        own = self.configuration.get("ResultConfiguration", {})
        enforced = self.configuration.get("EnforceWorkGroupConfiguration", True)
        decides = enforced and own.get("OutputLocation")
        settled = dict(own) if decides else {**own, **asked}
        if not settled.get("OutputLocation"):
            raise FakeError(
                "InvalidRequestException",
                "No output location provided. An output location is required either through the "
                "Workgroup result configuration setting or as an API input.",
                AthenaErrorCode="INVALID_INPUT",
            )
        return settled

    def update(self, updates: dict[str, Any]) -> None:
        """Applies `ConfigurationUpdates`: what it does not name stays."""
        results = self.configuration.setdefault("ResultConfiguration", {})
        asked = updates.get("ResultConfigurationUpdates", {})
        for name in _UPDATED_RESULTS:
            if name in asked:
                results[name] = asked[name]
            if asked.get(f"Remove{name}"):
                results.pop(name, None)
        for name in (
            "EnforceWorkGroupConfiguration",
            "PublishCloudWatchMetricsEnabled",
            "BytesScannedCutoffPerQuery",
            "RequesterPaysEnabled",
            "EngineVersion",
        ):
            if name in updates:
                self.configuration[name] = updates[name]
        if updates.get("RemoveBytesScannedCutoffPerQuery"):
            self.configuration.pop("BytesScannedCutoffPerQuery", None)


def created(parameters: dict[str, Any], now: datetime) -> WorkGroup:
    """A workgroup of what `CreateWorkGroup` is given. By default it is enforced."""
    configuration = copy.deepcopy(parameters.get("Configuration", {}))
    configuration.setdefault("EnforceWorkGroupConfiguration", True)
    return WorkGroup(parameters["Name"], now, configuration, parameters.get("Description", ""))
