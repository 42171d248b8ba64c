"""What resources of a template will be called, and whether the stack's role may make them. Pure.

A stack of a project runs as the project's role, which may make what bears the stack's name, and
nothing else, of the services below; of others, it may make anything, or nothing at all. A resource
without a name is called `STACK-LOGICALID-RANDOM` by CloudFormation. Where that is longer than its
service takes, both halves are cut, and it no longer begins with the stack's name; how, nobody
documents, so whatever does not fit whole is refused.

Sources: CloudFormation User Guide, "Name type" and "Pseudo parameters reference"; the quotas of
each service; names that CloudFormation gave (12 or 13 random characters).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from meshplane.kit.errors import FieldProblem, Invalid

# By type, the property that names it, and the most characters of a name.
_KINDS = {
    "AWS::CloudWatch::Alarm": ("AlarmName", 255),
    "AWS::CloudWatch::CompositeAlarm": ("AlarmName", 255),
    "AWS::DynamoDB::GlobalTable": ("TableName", 255),
    "AWS::DynamoDB::Table": ("TableName", 255),
    "AWS::Events::Rule": ("Name", 64),
    "AWS::Logs::LogGroup": ("LogGroupName", 512),
    "AWS::S3::Bucket": ("BucketName", 63),
    "AWS::SNS::Topic": ("TopicName", 256),
    "AWS::SQS::Queue": ("QueueName", 80),
}
NAMED_TYPES = frozenset(_KINDS)
"""Types of which a stack makes what bears its name."""

_RANDOM = 13
_FIFO = ".fifo"  # how the names of such queues and topics must end
_RULE, _BUS, _DEFAULT_BUS = "AWS::Events::Rule", "EventBusName", "default"
_STACK = "AWS::StackName"
_UNNAMED = "AWS::NoValue"
# Pseudo parameters that no name of a stack begins with; a name has no such character.
_OTHER = dict.fromkeys(
    ("AccountId", "NotificationARNs", "Partition", "Region", "StackId", "URLSuffix"), "\0"
)
_LOOKED_UP = "{{resolve:"  # a dynamic reference, whose value CloudFormation looks up
_VARIABLE = re.compile(r"\$\{([^}]{0,300})\}")
# Templates are strangers' text, and no name is nearly as long: what comes after is not looked at.
_LONGEST_TEXT = 4_096
_MOST_SHOWN = 50

_Start = tuple[str, bool]
"""How a text begins, and whether that is all of it."""


def check_names(document: Mapping[str, Any], stack: str, parameters: Mapping[str, str]) -> None:
    """Refuses a template whose resources the stack's role could not make, because of their names.

    What a name is only CloudFormation can tell (`Fn::ImportValue`, `Fn::GetAtt`, `{{resolve:…}}`
    and the like) is let through.

    Args:
        document: the template's sections.
        stack: its name.
        parameters: that the template is given.

    Raises:
        Invalid: TEMPLATE_NAMES_INVALID, with each resource and what to write.
    """
    names = _Names(document, stack, parameters)
    problems = [problem for one in _resources(document) for problem in _problems(names, *one)]
    if problems:
        raise Invalid(
            "TEMPLATE_NAMES_INVALID",
            "The stack works as its project, which makes what is named after the stack and nothing "
            "else: begin names with ${AWS::StackName}. Each resource is listed with what to write.",
            fields=problems[:_MOST_SHOWN],
        )


class _Names:
    """Names of a template, as far as they can be told before it is carried out.

    Args:
        document: the template's sections.
        stack: its name.
        parameters: that the template is given.
    """

    def __init__(
        self, document: Mapping[str, Any], stack: str, parameters: Mapping[str, str]
    ) -> None:
        self.stack = stack
        declared = document.get("Parameters")
        known = {f"AWS::{name}": text for name, text in _OTHER.items()}
        for name, one in declared.items() if isinstance(declared, Mapping) else ():
            said = one if isinstance(one, Mapping) else {}
            value = parameters.get(name, said.get("Default"))
            # The value of such a parameter is looked up by CloudFormation.
            if value is not None and not str(said.get("Type", "")).startswith("AWS::SSM::"):
                known[str(name)] = str(value)
        self._known = {**known, _STACK: stack}

    def starts(self, value: Any) -> list[_Start | None]:
        """How a name begins, in each case that a condition makes; None: it is left out.

        Args:
            value: of the property.
        """
        function, given = _function(value)
        if function == "If" and isinstance(given, list) and len(given) == 3:
            return [start for case in given[1:] for start in self.starts(case)]
        if function == "Ref" and given == _UNNAMED:
            return [None]
        return [self._start(value)]

    def _start(self, value: Any) -> _Start:
        function, given = _function(value)
        if function is None:
            return _cut(value, True) if isinstance(value, str) else ("", False)
        if function == "Ref":
            return self._variable(str(given))
        if function == "Sub":
            text, more = (given, {}) if isinstance(given, str) else _pair(given)
            return self._sub(text, more)
        if function == "Join":
            between, parts = _pair(given)
            return self._join(between, parts)
        return "", False

    def _variable(self, name: str) -> _Start:
        known = self._known.get(name)
        return ("", False) if known is None else _cut(known, True)

    def _sub(self, text: Any, own: Any) -> _Start:
        if not isinstance(text, str) or not isinstance(own, Mapping):
            return "", False
        looked_at, is_all = _cut(text, True)
        # Each once, however often it stands there.
        values: dict[str, _Start] = {}
        made, end = "", 0
        for found in _VARIABLE.finditer(looked_at):
            made += looked_at[end : found.start()]
            end, name = found.end(), found.group(1).strip()
            if name.startswith("!"):  # `${!Name}` stands for the text `${Name}`
                made += f"${{{name[1:]}}}"
                continue
            if name not in values:
                values[name] = self._start(own[name]) if name in own else self._variable(name)
            start, is_whole = values[name]
            made += start
            if not is_whole or len(made) > _LONGEST_TEXT:
                return _cut(made, False)
        return _cut(made + looked_at[end:], is_all)

    def _join(self, between: Any, parts: Any) -> _Start:
        if not isinstance(between, str) or not isinstance(parts, list):
            return "", False
        made = ""
        for number, part in enumerate(parts):
            start, is_whole = self._start(part)
            made += (between if number else "") + start
            if not is_whole or len(made) > _LONGEST_TEXT:
                return _cut(made, False)
        return made, True


def _problems(
    names: _Names, logical_id: str, kind: str, properties: Mapping[str, Any]
) -> Iterator[FieldProblem]:
    key, longest = _KINDS[kind]
    at = f"cfnTemplate.Resources.{logical_id}.Properties"
    ending = _ending(properties)
    write = _advice(names.stack, logical_id, longest, ending)
    for start in names.starts(properties.get(key, {"Ref": _UNNAMED})):
        if start is None:
            made = f"{names.stack}-{logical_id}-{'x' * _RANDOM}{ending}"
            if len(made) > longest:
                told = f"must be there, since the name that CloudFormation gives is cut: {write}"
                yield FieldProblem(f"{at}.{key}", told)
                return
        elif not _begins(start, names.stack):
            yield FieldProblem(f"{at}.{key}", f"must begin with the name of the stack: {write}")
            return
        elif len(start[0]) > longest:
            yield FieldProblem(f"{at}.{key}", f"must have up to {longest} characters: {write}")
            return
    if kind == _RULE and not all(map(_is_default, names.starts(properties.get(_BUS, "default")))):
        told = "must be left out: a project has rules on the account's default bus alone"
        yield FieldProblem(f"{at}.{_BUS}", told)


def _begins(start: _Start, stack: str) -> bool:
    """Whether a name begins with the stack's, or may do so."""
    text, is_whole = start
    return text.startswith(stack) or (not is_whole and stack.startswith(text))


def _is_default(start: _Start | None) -> bool:
    """Whether a bus is the default one, or may be; it is named, or its ARN is given."""
    if start is None or not start[1]:
        return True
    return start[0].rpartition("/")[2] == _DEFAULT_BUS


def _ending(properties: Mapping[str, Any]) -> str:
    is_fifo = any(str(properties.get(key)).lower() == "true" for key in ("FifoQueue", "FifoTopic"))
    return _FIFO if is_fifo else ""


def _advice(stack: str, logical_id: str, longest: int, ending: str) -> str:
    room = longest - len(stack) - len(ending)
    if room < 0:
        return (
            f"it cannot, as the stack's name has {len(stack)} characters and this kind takes "
            f"{longest}. The mesh's prefix is too long for it"
        )
    # A hyphen needs something behind it.
    more = f"-{logical_id.lower()}"[:room] if room > 1 else ""
    return f'write !Sub "${{AWS::StackName}}{more}{ending}"'


def _resources(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    resources = document.get("Resources")
    for logical_id, one in resources.items() if isinstance(resources, Mapping) else ():
        kind = one.get("Type") if isinstance(one, Mapping) else None
        if isinstance(kind, str) and kind in _KINDS:
            properties = one.get("Properties")
            yield str(logical_id), kind, properties if isinstance(properties, Mapping) else {}


def _function(value: Any) -> tuple[str | None, Any]:
    """An intrinsic function, without `Fn::`, and what it is given; None: there is none."""
    if not isinstance(value, Mapping):
        return None, None
    if len(value) != 1:
        return "", None
    ((name, given),) = value.items()
    return str(name).removeprefix("Fn::"), given


def _cut(text: str, is_whole: bool) -> _Start:
    known, looked_up, _ = text.partition(_LOOKED_UP)
    return known[:_LONGEST_TEXT], is_whole and not looked_up and len(known) <= _LONGEST_TEXT


def _pair(value: Any) -> tuple[Any, Any]:
    return (value[0], value[1]) if isinstance(value, list) and len(value) == 2 else (None, None)
