"""Payload templates of the JSONPath flavour: Parameters, ResultSelector, ItemSelector, Assign.

A template is a JSON value; a member whose name ends in `.$` has a path or an intrinsic function
for its value. JSON values are never changed in place, so what has no dynamic part is given back as
it is.
"""

from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl.errors import DATA_LIMIT_EXCEEDED, PathMissing, StateError
from meshplane.workflows.asl.intrinsics import Intrinsic, InvalidIntrinsic, compile_intrinsic
from meshplane.workflows.asl.json_path import InvalidPath, Path, compile_path
from meshplane.workflows.asl.json_path_weight import json_weight
from meshplane.workflows.asl.scope import Scope

LARGEST_RESULT_CHARACTERS = 4_000_000
# So many times the largest payload are still few enough to be written and then refused.
_MOST_READS_UNWEIGHED = 32

Builder = Callable[[Scope], Any]

__all__ = [
    "Expression",
    "InvalidIntrinsic",
    "InvalidPath",
    "InvalidTemplate",
    "Template",
    "compile_expression",
    "compile_template",
]


class InvalidTemplate(ValueError):
    """The template cannot be read.

    Args:
        message: what is wrong.
        path: where, as a JSON pointer within the template.
    """

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message)
        self.path = path


class Expression:
    """A path or an intrinsic call as the value of a field (`ErrorPath`, `SecondsPath`, `name.$`).

    Attributes:
        text: as it was written.
        field: the field's name, which causes tell.
        source: the compiled path or call.
    """

    __slots__ = ("field", "source", "text")

    def __init__(self, text: str, field: str) -> None:
        self.text = text
        self.field = field
        self.source: Path | Intrinsic
        if text.lstrip().startswith("States."):
            self.source = compile_intrinsic(text)
        else:
            self.source = compile_path(text)

    def evaluate(self, scope: Scope) -> Any:
        """Its value.

        Raises:
            StateError: there is none; the cause tells the field.
        """
        try:
            return self.source.evaluate(scope)
        except PathMissing as missing:
            raise missing.for_field(self.field) from None


def compile_expression(text: str, field: str) -> Expression:
    """Compiles the value of a field.

    Raises:
        InvalidPath, InvalidIntrinsic: the text is neither.
    """
    return Expression(text, field)


class Template:
    """A compiled template.

    Attributes:
        source: the JSON value that it was made from.
        constant: it has no dynamic part: its value is its source.
    """

    __slots__ = ("_build", "_reads", "constant", "source")

    def __init__(self, source: Any) -> None:
        self.source = source
        self._reads = 0
        self._build = self._compiled(source, "")
        self.constant = self._build is None

    def evaluate(self, scope: Scope) -> Any:
        """The template's value.

        Raises:
            StateError: a path leads nowhere, a function fails, or the value would be too large.
        """
        if self._build is None:
            return self.source
        value = self._build(scope)
        if self._reads > _MOST_READS_UNWEIGHED:
            _check_size(value)
        return value

    def _compiled(self, node: Any, where: str) -> Builder | None:
        """What makes a part of the value, or None when it is the same each time."""
        if isinstance(node, dict):
            return self._object(node, where)
        if isinstance(node, list):
            return self._list(node, where)
        return None

    def _object(self, node: dict[str, Any], where: str) -> Builder | None:
        constants: dict[str, Any] = {}
        builders: list[tuple[str, Builder]] = []
        for name, part in node.items():
            here = f"{where}/{name}"
            if name.endswith(".$"):
                if name[:-2] in node:
                    raise InvalidTemplate(f"There are both '{name[:-2]}' and '{name}'", here)
                target, build = name[:-2], self._expression(part, name, here)
            else:
                target, inner = name, self._compiled(part, here)
                if inner is None:
                    constants[target] = part
                    continue
                build = inner
            # Its place is kept, so that members come in the order of the template.
            constants[target] = None
            builders.append((target, build))
        if not builders:
            return None

        def make(scope: Scope) -> dict[str, Any]:
            made = constants.copy()
            for target, build in builders:
                made[target] = build(scope)
            return made

        return make

    def _list(self, node: list[Any], where: str) -> Builder | None:
        builders: list[tuple[int, Builder]] = []
        for at, part in enumerate(node):
            build = self._compiled(part, f"{where}/{at}")
            if build is not None:
                builders.append((at, build))
        if not builders:
            return None

        def make(scope: Scope) -> list[Any]:
            made = list(node)
            for at, build in builders:
                made[at] = build(scope)
            return made

        return make

    def _expression(self, text: Any, name: str, where: str) -> Builder:
        if not isinstance(text, str):
            message = f"The value of '{name}' is a JSONPath or an intrinsic function, as a string"
            raise InvalidTemplate(message, where)
        try:
            expression = Expression(text, name)
        except (InvalidPath, InvalidIntrinsic) as invalid:
            raise InvalidTemplate(str(invalid), where) from None
        source = expression.source
        self._reads += len(source.paths) if isinstance(source, Intrinsic) else 1
        return expression.evaluate


def compile_template(source: Any) -> Template:
    """Compiles a template once, for any number of evaluations.

    Raises:
        InvalidTemplate: a member is no expression; it tells where.
    """
    return Template(source)


def _check_size(value: Any) -> None:
    try:
        fits = json_weight(value) <= LARGEST_RESULT_CHARACTERS
    except RecursionError:
        fits = False
    if not fits:
        raise StateError(
            DATA_LIMIT_EXCEEDED,
            "The payload template's result has a size exceeding the maximum number of bytes"
            " service limit.",
        )
