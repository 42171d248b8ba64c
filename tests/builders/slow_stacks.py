"""Stacks of a sandbox in this process that go on until a test lets them end, well or not.

moto ends a stack within the call that begins it. CloudFormation takes minutes, and rolls a stack
back that fails: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock


class SlowStacks:
    """The stacks that go on.

    Attributes:
        held: by their names; the oldest first.
    """

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def hold(self, stack: Any) -> None:
        """Takes back that a stack has ended."""
        act = str(stack.status).removesuffix("_COMPLETE")
        assert stack.events[-1].resource_status == stack.status
        stack.events.pop()
        stack.status = f"{act}_IN_PROGRESS"
        self.held[stack.name] = stack

    def finish(self, name: str) -> None:
        """Lets a stack end as it was wished."""
        stack = self.held.pop(name)
        self._turn(stack, f"{stack.status.removesuffix('_IN_PROGRESS')}_COMPLETE")

    def fail(self, name: str, resource: str, reason: str) -> None:
        """Lets a stack fail at a resource, and go back."""
        from moto.cloudformation.models import Event

        stack = self.held.pop(name)
        act = stack.status.removesuffix("_IN_PROGRESS")
        stack.events.append(
            Event(
                stack.stack_id, name, resource, "", "AWS::S3::Bucket", f"{act}_FAILED", reason, None
            )
        )
        back = "ROLLBACK" if act == "CREATE" else "UPDATE_ROLLBACK"
        self._turn(stack, f"{back}_IN_PROGRESS")
        self._turn(stack, f"{back}_COMPLETE")

    def _turn(self, stack: Any, status: str) -> None:
        stack.status = status
        stack._add_stack_event(status)


@contextlib.contextmanager
def slow_stacks() -> Iterator[SlowStacks]:
    """Has every stack that is begun go on."""
    from moto.cloudformation.models import CloudFormationBackend

    slow, real = SlowStacks(), CloudFormationBackend.execute_change_set

    def execute(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
        real(self, change_set_name, stack_name)
        found = next(
            one
            for one in self.change_sets.values()
            if change_set_name in (one.change_set_id, one.change_set_name)
        )
        slow.hold(self.stacks[found.stack_id])

    with mock.patch.object(CloudFormationBackend, "execute_change_set", execute):
        yield slow
