"""What a rule's target is given: the event, a part of it, a constant, or a transformed text.

Specification: EventBridge API Reference, `Target` and `InputTransformer`; User Guide, "Input
transformation".
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from meshplane.events.input_paths import NOTHING, check_path, value_at
from meshplane.events.input_template import LONGEST_TEMPLATE, RESERVED_NAMES, parse_template
from meshplane.kit.errors import Invalid

LONGEST_INPUT = 8192
MOST_VARIABLES = 100

_BUS = "datamesh-events"
_VARIABLE = re.compile(r"[A-Za-z0-9_\-]{1,256}", re.ASCII)
_TRANSFORMER_FIELDS = {"inputPathsMap", "inputTemplate"}


def target_input(
    envelope: Mapping[str, Any],
    *,
    input_path: str | None = None,
    input: str | None = None,  # noqa: A002 - it is EventBridge's name
    transformer: Mapping[str, Any] | None = None,
    rule_name: str = "",
    rule_arn: str | None = None,
) -> Any:
    """What a target is given for an event.

    Args:
        envelope: the event as patterns see it.
        input_path: a path into it; what stands there is given, or null if nothing does.
        input: JSON as text, given instead of the event.
        transformer: `inputPathsMap` and `inputTemplate`.
        rule_name: the rule that matched.
        rule_arn: its ARN; by default it is made of the event's account and region.

    Returns:
        JSON. It does not raise for what `validate_input` let pass.
    """
    if input is not None:
        return orjson.loads(input)
    if input_path is not None:
        found = value_at(envelope, input_path)
        return None if found is NOTHING else found
    if transformer is None:
        return dict(envelope)
    template = parse_template(transformer["inputTemplate"])
    values = _reserved(envelope, rule_name, rule_arn)
    for name, path in (transformer.get("inputPathsMap") or {}).items():
        values[name] = value_at(envelope, path)
    return template.fill(values)


def _reserved(envelope: Mapping[str, Any], rule_name: str, rule_arn: str | None) -> dict[str, Any]:
    place = f"{envelope.get('region', '')}:{envelope.get('account', '')}"
    return {
        "aws.events.rule-arn": rule_arn or f"arn:aws:events:{place}:rule/{_BUS}/{rule_name}",
        "aws.events.rule-name": rule_name,
        # An event is stored in the commit of what it tells of: then it came in.
        "aws.events.event.ingestion-time": envelope.get("time", ""),
        "aws.events.event.json": dict(envelope),
        # EventBridge leaves the detail out here, and spells this one name in camel case.
        "aws.events.event": {
            "detailType" if name == "detail-type" else name: value
            for name, value in envelope.items()
            if name != "detail"
        },
    }


def validate_input(
    *,
    input_path: Any = None,
    input: Any = None,  # noqa: A002 - it is EventBridge's name
    transformer: Any = None,
    field: str = "target",
) -> None:
    """Refuses a target's input that `target_input` could not make.

    Args:
        input_path: as in `target_input`, as is what follows; anything that a request can hold.
        input: constant JSON as text, at most 8192 characters.
        transformer: at most 100 paths, and a template of at most 8192 characters.
        field: where the target stands in the request, as `targets.0`.

    Raises:
        Invalid: INPUT_INVALID, with the field.
    """
    given = [each for each in (input_path, input, transformer) if each is not None]
    if len(given) > 1:
        raise Invalid(
            "INPUT_INVALID",
            "Give only one of input, inputPath and inputTransformer for a target.",
            field=field,
        )
    if input_path is not None:
        check_path(input_path, f"{field}.inputPath")
    if input is not None:
        _check_constant(input, f"{field}.input")
    if transformer is not None:
        _check_transformer(transformer, f"{field}.inputTransformer")


def _check_constant(text: Any, field: str) -> None:
    if not isinstance(text, str) or len(text) > LONGEST_INPUT:
        raise Invalid(
            "INPUT_INVALID",
            f"input is JSON as text, at most {LONGEST_INPUT} characters.",
            field=field,
        )
    try:
        orjson.loads(text)
    except ValueError as error:
        raise Invalid(
            "INPUT_INVALID",
            'input is no JSON. Text, too, needs its quotes: "\\"hello\\"".',
            field=field,
        ) from error


def _check_transformer(transformer: Any, field: str) -> None:
    if not isinstance(transformer, Mapping) or not set(transformer) <= _TRANSFORMER_FIELDS:
        raise Invalid(
            "INPUT_INVALID",
            "An input transformer has inputPathsMap and inputTemplate.",
            field=field,
        )
    names = _checked_paths(transformer.get("inputPathsMap"), f"{field}.inputPathsMap")
    template_field = f"{field}.inputTemplate"
    text = transformer.get("inputTemplate")
    if not isinstance(text, str):
        raise Invalid(
            "INPUT_INVALID",
            f"inputTemplate is text of 1 to {LONGEST_TEMPLATE} characters, and required.",
            field=template_field,
        )
    try:
        template = parse_template(text)
    except ValueError as error:
        raise Invalid(
            "INPUT_INVALID", f"inputTemplate is wrong: {error}.", field=template_field
        ) from error
    unknown = sorted(template.names - names - RESERVED_NAMES)
    if unknown:
        raise Invalid(
            "INPUT_INVALID",
            f"inputTemplate contains the invalid placeholder {unknown[0]}: name it in "
            "inputPathsMap, or use a variable that begins with aws.events.",
            field=template_field,
        )


def _checked_paths(paths: Any, field: str) -> set[str]:
    if paths is None:
        return set()
    if not isinstance(paths, Mapping) or len(paths) > MOST_VARIABLES:
        raise Invalid(
            "INPUT_INVALID",
            f"inputPathsMap gives names to paths, {MOST_VARIABLES} at most.",
            field=field,
        )
    for name, path in paths.items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise Invalid(
                "INPUT_INVALID",
                "A variable's name has 1 to 256 letters, digits, dashes and underscores.",
                field=field,
            )
        check_path(path, f"{field}.{name}")
    return set(paths)
