"""Reads a CloudFormation template: is it one, and what is in it?"""

import json
import re
from typing import Any

from meshplane.kit.errors import FieldProblem, Invalid

_SECTIONS = frozenset(
    {
        "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings",
        "Conditions", "Transform", "Hooks", "Resources", "Outputs",
    }
)  # fmt: skip
_VERSION = "2010-09-09"
_TYPE = re.compile(r"[A-Za-z0-9@]+(::[A-Za-z0-9@_-]+)+")
_MOST_RESOURCES = 500


def resources_of(text: str) -> dict[str, str]:
    """The type of each resource of a template, by its logical name.

    Template anatomy: AWS CloudFormation User Guide, "Template sections".

    Args:
        text: JSON or YAML, with CloudFormation's short tags (`!Ref`).

    Raises:
        Invalid: TEMPLATE_INVALID.
    """
    document = document_of(text)
    unknown = sorted(str(name) for name in document if name not in _SECTIONS)
    if unknown:
        raise _invalid("cfnTemplate", "has a section that CloudFormation does not know")
    if str(document.get("AWSTemplateFormatVersion", _VERSION)) != _VERSION:
        raise _invalid("cfnTemplate.AWSTemplateFormatVersion", f"must be {_VERSION}")
    resources = document.get("Resources")
    if not isinstance(resources, dict) or not resources:
        raise _invalid("cfnTemplate.Resources", "must name at least one resource")
    if len(resources) > _MOST_RESOURCES:
        raise _invalid("cfnTemplate.Resources", f"names more than {_MOST_RESOURCES} resources")
    return {
        str(name): _type_of(number, one) for number, (name, one) in enumerate(resources.items())
    }


def _type_of(number: int, resource: Any) -> str:
    kind = resource.get("Type") if isinstance(resource, dict) else None
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise _invalid(
            f"cfnTemplate.Resources.{number}.Type", "must be a type such as AWS::S3::Bucket"
        )
    return kind


def document_of(text: str) -> dict[str, Any]:
    """The sections of a template; a short tag `!Ref x` is read as `{"Ref": x}`.

    Args:
        text: JSON or YAML.

    Raises:
        Invalid: TEMPLATE_INVALID, it is neither, or no mapping.
    """
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except (ValueError, RecursionError):
        raise _invalid("cfnTemplate", "is neither JSON nor YAML") from None
    if not isinstance(document, dict):
        raise _invalid("cfnTemplate", "is no mapping of sections")
    return document


def _yaml(text: str) -> Any:
    # Loaded with the first template: reading YAML is rare here.
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML without aliases, which a few bytes can make endless, and with short tags as text."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise ValueError("an alias")
            return super().compose_node(parent, index)

    def short_tag(loader: Any, suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return {suffix: loader.construct_scalar(node)}
        if isinstance(node, yaml.SequenceNode):
            return {suffix: loader.construct_sequence(node, deep=True)}
        return {suffix: loader.construct_mapping(node, deep=True)}

    Loader.add_multi_constructor("!", short_tag)
    try:
        return yaml.load(text, Loader)  # noqa: S506 - a safe loader, made stricter
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError("no YAML") from error


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(
        "TEMPLATE_INVALID",
        "The template is not one that CloudFormation takes.",
        fields=[FieldProblem(field, message)],
    )
