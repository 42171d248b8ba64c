"""What a wish must be before anybody is asked to fulfil it. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from meshplane.kit.errors import FieldProblem, Invalid, TooLarge
from meshplane.services.blueprints.capabilities import check_capabilities
from meshplane.services.blueprints.ports import Wish
from meshplane.services.blueprints.template import document_of

_TAG_KEY, _TAG_VALUE, _MOST_TAGS = 127, 255, 50
_LONGEST_BYTES = 1_048_576
_DEEPEST = 100
_NAME = re.compile(r"[A-Za-z][-A-Za-z0-9]{0,127}")


def accepted(wish: Wish) -> dict[str, Any]:
    """The sections of a wish's template, if the wish can be fulfilled as far as it tells itself.

    Args:
        wish: what a stack shall hold.

    Raises:
        Invalid: STACK_NAME_INVALID, STACK_TAGS_INVALID, TEMPLATE_INVALID, PARAMETERS_INVALID,
            CAPABILITY_MISSING, CAPABILITY_NOT_NEEDED.
        TooLarge: TEMPLATE_TOO_LARGE.
    """
    if not _NAME.fullmatch(wish.stack):
        raise Invalid(
            "STACK_NAME_INVALID",
            "The name of a stack has up to 128 letters, digits and hyphens, a letter first.",
            field="stack",
        )
    _check_tags(wish.tags)
    if len(wish.template.encode()) > _LONGEST_BYTES:
        raise template_too_large(_LONGEST_BYTES)
    document = document_of(wish.template)
    if is_deeper(document, _DEEPEST):
        raise Invalid(
            "TEMPLATE_INVALID",
            f"The template is nested more than {_DEEPEST} levels deep.",
            field="cfnTemplate",
        )
    _check_parameters(document, wish.parameters)
    check_capabilities(document, wish.capabilities)
    return document


def plan_name(wish: Wish) -> str:
    """The name of the change set for a wish: the same for the same wish of the same deployment."""
    said = json.dumps(
        [
            wish.deployment_id,
            wish.stack,
            wish.template,
            sorted(wish.parameters.items()),
            sorted(wish.capabilities),
            sorted(wish.tags.items()),
            wish.role_arn,
        ]
    )
    return f"meshplane-{hashlib.sha256(said.encode()).hexdigest()[:40]}"


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


def _check_tags(tags: Mapping[str, str]) -> None:
    fit = all(
        0 < len(key) <= _TAG_KEY and not key.startswith("aws:") and 0 < len(value) <= _TAG_VALUE
        for key, value in tags.items()
    )
    if not fit or len(tags) > _MOST_TAGS:
        raise Invalid(
            "STACK_TAGS_INVALID",
            f"A stack has up to {_MOST_TAGS} tags, with keys of up to {_TAG_KEY} characters that "
            f"do not begin with aws:, and values of up to {_TAG_VALUE}.",
            field="tags",
        )


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
