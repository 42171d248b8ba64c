"""What blueprints need of the outside: a place where a template becomes a stack of resources.

A deployment is planned first (what would change), then carried out, and followed until it ends.
Statuses are CloudFormation's: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from meshplane.platform.templates.capabilities import Capability

Action = Literal["Add", "Modify", "Remove", "Import", "Dynamic"]
Replacement = Literal["yes", "no", "perhaps"]

_WELL = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "DELETE_COMPLETE"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a stack shall hold.

    Args:
        stack: its name, see `stack_names`.
        template: JSON or YAML, up to 1 MB.
        deployment_id: for which deployment; the same wish of the same deployment is planned and
            carried out once, however often it is asked for.
        parameters: of the template, all of them.
        capabilities: what the template may do besides: exactly what it needs.
        tags: of the stack, and so of its resources.
        role_arn: as whom CloudFormation makes the resources; None: as the mesh itself, which is
            right only for templates that the mesh's own people wrote.
    """

    stack: str
    template: str = field(repr=False)
    deployment_id: str
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    capabilities: Set[Capability] = frozenset()
    tags: Mapping[str, str] = field(default_factory=dict)
    role_arn: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource.

    Args:
        action: `Dynamic`: only the run can tell.
        logical_id: its name in the template.
        resource_type: `AWS::S3::Bucket`.
        physical_id: what it is now; None for one that is added.
        replacement: whether a modified one is made anew, and the old one goes.
    """

    action: Action
    logical_id: str
    resource_type: str
    physical_id: str | None = None
    replacement: Replacement = "no"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a wish would change. JSON values only, so that it can be kept.

    Args:
        plan_id: the change set; empty where there is none because nothing changes.
        stack, stack_id: the name and the id of the stack.
        deployment_id: of the wish.
        changes: by resource, in the order of the template's place; none where only outputs change.
        executable: whether there is something to carry out.
        refusal: why it cannot be carried out, in CloudFormation's words; empty where it can.
    """

    plan_id: str
    stack: str
    stack_id: str
    deployment_id: str
    changes: Sequence[Change]
    executable: bool
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class StackState:
    """How a stack is.

    Args:
        stack_id: its id, which stays its own after it is gone.
        stack: its name.
        status: `UPDATE_ROLLBACK_COMPLETE`; `REVIEW_IN_PROGRESS` while it is only planned.
        reason: why, in CloudFormation's words; may be empty.
        outputs: of its template.
    """

    stack_id: str
    stack: str
    status: str
    reason: str
    outputs: Mapping[str, str]

    @property
    def ended(self) -> bool:
        """Whether nothing goes on in it, well or not."""
        return not self.status.endswith("_IN_PROGRESS")

    @property
    def well(self) -> bool:
        """Whether it ended as it was wished; a roll-back is not that."""
        return self.status in _WELL

    @property
    def gone(self) -> bool:
        """Whether it was removed."""
        return self.status == "DELETE_COMPLETE"


@dataclass(frozen=True, slots=True)
class StackEvent:
    """A step of a stack or of one of its resources; `reason` is in CloudFormation's words."""

    event_id: str
    at: datetime
    logical_id: str
    physical_id: str
    resource_type: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class DriftedResource:
    """A resource that is not as its template says.

    Args:
        logical_id: its name in the template.
        resource_type: `AWS::S3::Bucket`.
        how: changed, or gone.
        properties: paths of the properties that differ, without their values.
    """

    logical_id: str
    resource_type: str
    how: Literal["MODIFIED", "DELETED"]
    properties: tuple[str, ...] = ()


class Stacks(Protocol):
    """Makes stacks of templates.

    Every method may raise `Unavailable`, and then it is called again: done twice, it is done once.
    """

    async def plan(self, wish: Wish) -> Plan:
        """What the wish would change; nothing is changed by asking.

        A stack that is not there yet is kept as `REVIEW_IN_PROGRESS` from here on.

        Raises:
            Invalid: TEMPLATE_INVALID; TEMPLATE_NAMES_INVALID; PARAMETERS_INVALID;
                CAPABILITY_MISSING and CAPABILITY_NOT_NEEDED, with the names; STACK_NAME_INVALID;
                STACK_TAGS_INVALID.
            TooLarge: TEMPLATE_TOO_LARGE.
            Conflict: STACK_CHANGING, something goes on in it; STACK_NOT_READY, it failed before and
                must be rolled back first.
        """
        ...

    async def execute(self, plan: Plan) -> None:
        """Begins to carry a plan out. A plan of no changes is carried out already.

        Raises:
            Conflict: PLAN_REFUSED, it cannot be carried out.
            Stale: PLAN_OUTDATED, the stack was changed since, or the plan is gone.
        """
        ...

    async def has_begun(self, plan: Plan) -> bool:
        """Whether a plan is being carried out, or was. One that is gone was not."""
        ...

    async def drop(self, stack: str, plan: str) -> None:
        """Takes away a plan that nobody will carry out, and its stack if that was only planned.

        A stack stays while others plan it, too. A plan that was begun stays, and one that is gone
        stays gone.

        Args:
            stack: its id or its name.
            plan: `plan_id` of the plan, or the `plan_name` of its wish.

        Raises:
            Conflict: STACK_CHANGING, it is planned at this moment.
        """
        ...

    async def state(self, stack: str) -> StackState | None:
        """How a stack is, by its id, or by its name while it is there; None: there is none."""
        ...

    async def events(self, stack_id: str, after: str | None = None) -> Sequence[StackEvent]:
        """What happened in a stack since an event, oldest first; up to the last 10,000.

        Args:
            stack_id: of the stack.
            after: id of the last event that is known; None: from the beginning.
        """
        ...

    async def drift(
        self, stack_id: str, deadline_seconds: float = 300.0
    ) -> Sequence[DriftedResource]:
        """The resources that somebody changed past the stack. It takes up to the deadline.

        Raises:
            Missing: STACK_NOT_FOUND.
            Conflict: STACK_CHANGING; DRIFT_UNKNOWN, it could not be found out for all of them.
            Unavailable: AWS_TOO_SLOW.
        """
        ...

    async def cancel(self, stack_id: str) -> None:
        """Stops what goes on: an update goes back, a stack that is being made is removed.

        What is being undone or removed already goes on so.

        Raises:
            Missing: STACK_NOT_FOUND.
            Conflict: STACK_NOT_CHANGING, it ended already.
        """
        ...

    async def roll_back(self, stack_id: str) -> None:
        """Brings a stack that failed back to where it can be deployed to again.

        A failed update goes back to what was; what is left of a failed making is removed.

        Raises:
            Missing: STACK_NOT_FOUND.
            Conflict: STACK_NOT_FAILED, STACK_PROTECTED.
        """
        ...

    async def remove(self, stack_id: str) -> None:
        """Begins to remove a stack with all it has. One that is gone stays gone.

        Args:
            stack_id: its id, not its name, which another may have by now.

        Raises:
            Invalid: STACK_ID_INVALID, that is a name.
            Conflict: STACK_PROTECTED.
        """
        ...
