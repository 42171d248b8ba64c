"""State machines on Step Functions: made of the same documents as the embedded engine's.

Read first, then written where something differs, each time as a new version, so that what ran
before can be seen and gone back to. Executions under way keep the definition that they were started
with, as at home; for some seconds after an update, Step Functions may still start the one before.

Sources: Step Functions API Reference (`CreateStateMachine`, `UpdateStateMachine`,
`ValidateStateMachineDefinition`), Developer Guide ("State machine versions", "Quotas": 1 MB a
definition, 10,000 state machines, 1,000 versions of each).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshplane.kit.errors import Invalid
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.workflows.asl import validate
from meshplane.workflows.aws_definitions import WorkflowPlaces, definition_for_aws

TAG = "meshplane"
_GONE = "StateMachineDoesNotExist"
_UNKNOWN_OPERATION = frozenset(
    {"UnknownOperationException", "InvalidAction", "NotImplemented", "501", "UnknownOperation"}
)


@dataclass(frozen=True, slots=True)
class PutMachine:
    """A state machine as it is on AWS now.

    Args:
        arn: of the state machine.
        version_arn: of the version that was published; None where nothing was written.
        changed: whether anything was.
    """

    arn: str
    version_arn: str | None
    changed: bool


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What Step Functions says of a definition; see `ValidateStateMachineDefinition`."""

    severity: str
    code: str
    message: str
    location: str


class StepFunctionsMachines:
    """Puts state machines, and tells where AWS differs.

    Args:
        aws: calls Step Functions.
        places: where things are.
    """

    def __init__(self, aws: Aws, places: WorkflowPlaces) -> None:
        self._aws = aws
        self._places = places

    async def put(
        self, name: str, definition: Mapping[str, Any], *, built_in: bool = False
    ) -> PutMachine:
        """Puts a definition; the same again changes nothing.

        Args:
            name: without the mesh's prefix.
            definition: an Amazon States Language document.
            built_in: whether it comes with the product.

        Raises:
            Invalid: DEFINITION_INVALID, the embedded validation finds an error;
                DEFINITION_NOT_FOR_AWS; DEFINITION_REFUSED, Step Functions does not take it.
        """
        text = self.text(definition, built_in=built_in)
        arn, role = self._places.machine_arn(name), self._role(built_in)
        there = await self._described(arn)
        if there is not None and _same(there["definition"], text) and there["roleArn"] == role:
            return PutMachine(arn, None, False)
        version = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        try:
            if there is None:
                answer = await self._create(name, text, role, version)
            else:
                answer = await self._aws.call(
                    "stepfunctions",
                    "update_state_machine",
                    stateMachineArn=arn,
                    definition=text,
                    roleArn=role,
                    publish=True,
                    versionDescription=version,
                )
        except AwsRejected as error:
            if error.aws_code == "InvalidDefinition":
                raise _refused() from error
            raise
        return PutMachine(arn, answer.get("stateMachineVersionArn"), True)

    async def apply(
        self, machines: Mapping[str, Mapping[str, Any]], *, built_in: bool = True
    ) -> dict[str, PutMachine]:
        """Puts several; see `put`."""
        return {
            name: await self.put(name, definition, built_in=built_in)
            for name, definition in machines.items()
        }

    async def drift(
        self, machines: Mapping[str, Mapping[str, Any]], *, built_in: bool = True
    ) -> dict[str, str]:
        """Which of these AWS has otherwise, and how: `missing`, `definition` or `role`."""
        found: dict[str, str] = {}
        for name, definition in machines.items():
            there = await self._described(self._places.machine_arn(name))
            if there is None:
                found[name] = "missing"
            elif not _same(there["definition"], self.text(definition, built_in=built_in)):
                found[name] = "definition"
            elif there["roleArn"] != self._role(built_in):
                found[name] = "role"
        return found

    async def delete(self, name: str) -> None:
        """Removes a state machine; executions under way go on. What is not there is no error."""
        arn = self._places.machine_arn(name)
        await self._aws.call("stepfunctions", "delete_state_machine", stateMachineArn=arn)

    async def listed(self) -> list[str]:
        """The names of the mesh's state machines, those that others made under its prefix too."""
        found: list[str] = []
        prefix = self._places.place.prefix
        async for page in self._aws.pages("stepfunctions", "list_state_machines"):
            found += [machine["name"] for machine in page["stateMachines"]]
        return [name.removeprefix(prefix) for name in found if name.startswith(prefix)]

    async def validate(
        self, definition: Mapping[str, Any], *, built_in: bool = False
    ) -> list[Diagnostic] | None:
        """What Step Functions itself says of a definition.

        Returns:
            None where nobody can say: emulators do not have this operation (needs AWS).
        """
        try:
            answer = await self._aws.call(
                "stepfunctions",
                "validate_state_machine_definition",
                definition=self.text(definition, built_in=built_in),
                severity="WARNING",
            )
        except AwsRejected as error:
            if error.aws_code in _UNKNOWN_OPERATION:
                return None
            raise
        except AwsUnavailable:
            if self._places.place.endpoint("stepfunctions") is None:
                raise
            return None
        return [
            Diagnostic(one["severity"], one["code"], one["message"], one.get("location", ""))
            for one in answer["diagnostics"]
        ]

    def text(self, definition: Mapping[str, Any], *, built_in: bool) -> str:
        """A definition's text for AWS; raises as `put`."""
        problems = [one for one in validate(dict(definition)) if one.severity == "ERROR"]
        if problems:
            raise Invalid(
                "DEFINITION_INVALID",
                f"The definition has an error at {problems[0].path or '/'}: {problems[0].message}",
                field=f"definition{problems[0].path}",
            )
        made = definition_for_aws(definition, self._places, built_in=built_in)
        return json.dumps(made, separators=(",", ":"), ensure_ascii=False)

    async def _create(self, name: str, text: str, role: str, version: str) -> dict[str, Any]:
        place = self._places.place
        return await self._aws.call(
            "stepfunctions",
            "create_state_machine",
            name=self._places.machine_name(name),
            definition=text,
            roleArn=role,
            type="STANDARD",
            publish=True,
            versionDescription=version,
            tags=[{"key": TAG, "value": place.prefix.rstrip("-") or "mesh"}],
        )

    async def _described(self, arn: str) -> dict[str, Any] | None:
        try:
            return await self._aws.call(
                "stepfunctions", "describe_state_machine", stateMachineArn=arn
            )
        except AwsRejected as error:
            if error.aws_code == _GONE:
                return None
            raise

    def _role(self, built_in: bool) -> str:
        return self._places.role_arn if built_in else self._places.author_role_arn


def _same(there: str, wanted: str) -> bool:
    return bool(json.loads(there) == json.loads(wanted))


def _refused() -> Invalid:
    return Invalid(
        "DEFINITION_REFUSED",
        "Step Functions does not take this definition: validate it there for its reasons.",
        field="definition",
    )
