"""What a template may do besides making resources, and whether that was said. Pure.

CloudFormation asks for it: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
"""

from collections.abc import Iterator, Mapping, Set
from typing import Any, Literal

from meshplane.kit.errors import FieldProblem, Invalid

Capability = Literal["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]

_IAM = "AWS::IAM::"
_ASKED_FOR = frozenset(
    {
        "AccessKey", "Group", "InstanceProfile", "ManagedPolicy", "Policy", "Role", "User",
        "UserToGroupAddition",
    }
)  # fmt: skip
_NAMES = ("GroupName", "InstanceProfileName", "ManagedPolicyName", "RoleName", "UserName")
_NESTED = "AWS::CloudFormation::Stack"


def needed_capabilities(document: Mapping[str, Any]) -> frozenset[Capability]:
    """What CloudFormation will ask for, as far as the template alone tells.

    Args:
        document: the template's sections.
    """
    needed: set[Capability] = set()
    for kind, properties in _resources(document):
        if kind.removeprefix(_IAM) in _ASKED_FOR and kind.startswith(_IAM):
            named = any(name in properties for name in _NAMES)
            needed.add("CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM")
    if "CAPABILITY_NAMED_IAM" in needed:
        # The wider one holds the other.
        needed.discard("CAPABILITY_IAM")
    if "Transform" in document or _transforms(document):
        needed.add("CAPABILITY_AUTO_EXPAND")
    return frozenset(needed)


def check_capabilities(document: Mapping[str, Any], given: Set[Capability]) -> None:
    """Refuses a template that needs more than was given, or a gift that it has no use for.

    Args:
        document: the template's sections.
        given: what its author says that it may do.

    Raises:
        Invalid: CAPABILITY_MISSING, CAPABILITY_NOT_NEEDED.
    """
    needed = needed_capabilities(document)
    if missing := sorted(needed - given):
        raise missing_capabilities(missing)
    # A nested stack, a transform and a rarer resource of IAM may need more than can be seen here.
    kinds = [kind for kind, _ in _resources(document)]
    unseen = "CAPABILITY_AUTO_EXPAND" in needed or any(
        kind == _NESTED or (kind.startswith(_IAM) and not needed) for kind in kinds
    )
    if (extra := sorted(given - needed)) and not unseen:
        raise Invalid(
            "CAPABILITY_NOT_NEEDED",
            f"The template has no use for {', '.join(extra)}: leave it out.",
            fields=[FieldProblem("capabilities", f"must not hold {', '.join(extra)}")],
            details={"capabilities": extra},
        )


def missing_capabilities(missing: list[Any]) -> Invalid:
    """The error of a template that may not do what it does.

    Args:
        missing: names of capabilities; none where CloudFormation did not tell them.
    """
    what = ", ".join(missing) or "a capability"
    return Invalid(
        "CAPABILITY_MISSING",
        f"The template needs {what}: read what it does with rights, and say so in `capabilities`.",
        fields=[FieldProblem("capabilities", f"must hold {what}")],
        details={"capabilities": missing},
    )


def _resources(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    resources = document.get("Resources")
    for one in resources.values() if isinstance(resources, Mapping) else ():
        if isinstance(one, Mapping):
            properties = one.get("Properties")
            yield str(one.get("Type", "")), properties if isinstance(properties, Mapping) else {}


def _transforms(document: Any) -> bool:
    """Whether `Fn::Transform` is anywhere in it."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            # `!Transform` is read as a mapping of that one key; a property may have the name, too.
            short = value.get("Transform")
            if "Fn::Transform" in value or (isinstance(short, Mapping) and "Name" in short):
                return True
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return False
