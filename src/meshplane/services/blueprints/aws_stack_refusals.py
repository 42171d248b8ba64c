"""What CloudFormation's refusals mean. Pure."""

from meshplane.kit.errors import Conflict, Invalid, Stale
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.templates.capabilities import missing_capabilities
from meshplane.services.blueprints.aws_stack_shapes import capabilities_in, has_no_changes

_NOT_THERE = "does not exist"


def is_missing(error: AwsRejected) -> bool:
    """Whether it says that there is no such stack, or no such change set."""
    if error.aws_code in {"ChangeSetNotFound", "ChangeSetNotFoundException"}:
        return True
    return error.aws_code == "ValidationError" and _NOT_THERE in _words(error)


def makes_no_difference(error: AwsRejected) -> bool:
    """Whether a change set was refused because nothing would change.

    Raises:
        Invalid: CAPABILITY_MISSING, TEMPLATE_INVALID.
        AwsRejected: it was refused for what is no fault of the template.
    """
    if error.aws_code == "InsufficientCapabilitiesException":
        raise capability_missing(error) from error
    if error.aws_code != "ValidationError":
        raise error
    if not has_no_changes(_words(error)):
        raise Invalid(
            "TEMPLATE_INVALID",
            "CloudFormation does not take this template with these parameters and tags. CloudTrail "
            "shows what it said.",
            field="cfnTemplate",
        ) from error
    return True


def capability_missing(error: AwsRejected) -> Invalid:
    """The error of a template that may not do what it does."""
    return missing_capabilities(capabilities_in(_words(error)))


def stack_changing() -> Conflict:
    """The error of what cannot be done while something goes on."""
    return Conflict("STACK_CHANGING", "Something goes on in the stack: wait until it has ended.")


def stack_not_changing() -> Conflict:
    """The error of what can only be done while something goes on."""
    return Conflict("STACK_NOT_CHANGING", "Nothing goes on in the stack: it ended already.")


def plan_outdated() -> Stale:
    """The error of a plan that the stack has left behind."""
    return Stale("PLAN_OUTDATED", "The stack was changed since it was planned: plan again.")


def _words(error: AwsRejected) -> str:
    return str(error.answer.get("Error", {}).get("Message", ""))
