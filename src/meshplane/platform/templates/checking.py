"""What a template must be before anybody is asked to carry it out. Pure."""

from collections.abc import Mapping, Set
from typing import Any

from meshplane.kit.errors import FieldProblem, Invalid, TooLarge
from meshplane.platform.templates.capabilities import Capability, check_capabilities
from meshplane.platform.templates.document import document_of

_LONGEST_BYTES = 1_048_576
_DEEPEST = 100


def checked(
    template: str, parameters: Mapping[str, str], capabilities: Set[Capability]
) -> dict[str, Any]:
    """The sections of a template that can be carried out as far as it tells itself.

    Args:
        template: JSON or YAML, up to 1 MB.
        parameters: that it is given.
        capabilities: what it may do besides.

    Raises:
        Invalid: TEMPLATE_INVALID, PARAMETERS_INVALID, CAPABILITY_MISSING, CAPABILITY_NOT_NEEDED.
        TooLarge: TEMPLATE_TOO_LARGE.
    """
    if len(template.encode()) > _LONGEST_BYTES:
        raise template_too_large(_LONGEST_BYTES)
    document = document_of(template)
    if is_deeper(document, _DEEPEST):
        raise Invalid(
            "TEMPLATE_INVALID",
            f"The template is nested more than {_DEEPEST} levels deep.",
            field="cfnTemplate",
        )
    _check_parameters(document, parameters)
    check_capabilities(document, capabilities)
    return document


def template_too_large(most_bytes: int) -> TooLarge:
    """The error of a template of more bytes than that."""
    return TooLarge(
        "TEMPLATE_TOO_LARGE",
        f"A template has up to {most_bytes:,} bytes: split it into nested stacks.",
        field="cfnTemplate",
    )


def is_deeper(document: Any, levels: int) -> bool:
    """Whether mappings and lists are nested deeper than that."""
    waiting = [(document, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, Mapping | list):
            if depth > levels:
                return True
            inner = value.values() if isinstance(value, Mapping) else value
            waiting += [(each, depth + 1) for each in inner]
    return False


def _check_parameters(document: Mapping[str, Any], given: Mapping[str, str]) -> None:
    declared = document.get("Parameters") or {}
    if not isinstance(declared, Mapping):
        raise Invalid(
            "TEMPLATE_INVALID",
            "The template is not one that CloudFormation takes.",
            fields=[FieldProblem("cfnTemplate.Parameters", "must be a mapping")],
        )
    unset = [
        str(name)
        for name, one in declared.items()
        if name not in given and not (isinstance(one, Mapping) and "Default" in one)
    ]
    problems = [FieldProblem(f"parameters.{name}", "must be given") for name in sorted(unset)]
    # A name that the template does not know is the caller's own text.
    unknown = len(set(given) - set(declared))
    if unknown:
        problems.append(FieldProblem("parameters", f"{unknown} of them are not in the template"))
    if problems:
        raise Invalid(
            "PARAMETERS_INVALID",
            "The parameters are not those that the template declares.",
            fields=problems,
        )
