"""Where the items of a Map come from."""

from typing import Any

from meshplane.workflows.asl.errors import (
    DATA_LIMIT_EXCEEDED,
    QUERY_EVALUATION_ERROR,
    RUNTIME,
    StateError,
    json_text,
)
from meshplane.workflows.asl.json_path import compile_path
from meshplane.workflows.asl.jsonata import (
    Jsonata,
    JsonataTemplate,
    compile_jsonata,
    compile_jsonata_template,
    is_jsonata,
)
from meshplane.workflows.asl.limits import MOST_ITEMS
from meshplane.workflows.asl.scope import Scope

READER_FAILED = "States.ItemReaderFailed"
WRITER_FAILED = "States.ResultWriterFailed"


class Items:
    """`ItemsPath`, `Items`, or the input itself.

    Args:
        document: the Map's document.
        jsonata: whether its query language is JSONata.
        objects: whether an object is taken too: its members are the items. A distributed Map does;
            an inline one was recorded to refuse it.
    """

    __slots__ = ("_expression", "_is_jsonata", "_objects", "_path", "_template", "must_be_kept")

    def __init__(self, document: dict[str, Any], *, jsonata: bool, objects: bool) -> None:
        self._is_jsonata = jsonata
        self._objects = objects
        self._path = compile_path(document.get("ItemsPath", "$"))
        self._expression: Jsonata | None = None
        self._template: JsonataTemplate | None = None
        items = document.get("Items") if jsonata else None
        if is_jsonata(items):
            self._expression = compile_jsonata(items)
        elif items is not None:
            self._template = compile_jsonata_template(items, "Items")
        # An expression may give something else the next time.
        self.must_be_kept = self._expression is not None or (
            self._template is not None and not self._template.constant
        )

    def find(self, scope: Scope) -> tuple[list[Any], bool]:
        """The items, given the effective input; and whether they are an object's members.

        Raises:
            StateError: they are no list, or too many.
        """
        if self._expression is not None:
            expected = ("array", "object") if self._objects else ("array",)
            found = self._expression.evaluate(scope, "Items", *expected)
        elif self._template is not None:
            found = self._template.evaluate(scope)
        elif self._is_jsonata:
            found = scope.input
        else:
            found = self._path.evaluate(scope)
        keyed = self._objects and isinstance(found, dict)
        if keyed:
            found = [{"Key": name, "Value": value} for name, value in found.items()]
        if not isinstance(found, list):
            raise self._no_list(found)
        if len(found) > MOST_ITEMS:
            raise StateError(
                DATA_LIMIT_EXCEEDED,
                f"A Map takes at most {MOST_ITEMS} items, but was given {len(found)}.",
            )
        return found, keyed

    def _no_list(self, found: Any) -> StateError:
        if self._is_jsonata:
            return StateError(
                QUERY_EVALUATION_ERROR,
                f"Map state input must be an array but was: {json_text(found)}",
            )
        return StateError(RUNTIME, f'Reference path "{self._path.text}" must point to array.')


def refusal_of(document: dict[str, Any]) -> StateError | None:
    """What a Map with parts that need S3 fails with."""
    if "ItemReader" in document:
        return StateError(
            READER_FAILED,
            "Items cannot be read from S3 here. Pass them to the Map as a list, with ItemsPath or"
            " Items.",
        )
    writer = document.get("ResultWriter")
    if isinstance(writer, dict) and "Resource" in writer:
        return StateError(
            WRITER_FAILED,
            "Results cannot be written to S3 here. Leave ResultWriter out: the Map's output is the"
            " list of its results.",
        )
    return None
