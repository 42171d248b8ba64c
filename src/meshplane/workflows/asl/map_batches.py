"""ItemBatcher: several items of a distributed Map in the input of one child."""

from collections.abc import Iterator
from typing import Any

from meshplane.workflows.asl.data_flow import JSONATA
from meshplane.workflows.asl.errors import DATA_LIMIT_EXCEEDED, StateError
from meshplane.workflows.asl.history import payload_bytes
from meshplane.workflows.asl.jsonata import JsonataTemplate, compile_jsonata_template
from meshplane.workflows.asl.limits import LARGEST_PAYLOAD_BYTES, MOST_ITEMS
from meshplane.workflows.asl.quantity import Quantity
from meshplane.workflows.asl.scope import Scope
from meshplane.workflows.asl.templates import Template, compile_template

_FRAME_BYTES = len(b'{"BatchInput":,"Items":[]}')


class Batcher:
    """How items are put together.

    Args:
        document: the `ItemBatcher`.
        language: the Map's query language.
    """

    def __init__(self, document: dict[str, Any], language: str) -> None:
        self._most_items = Quantity(document, "MaxItemsPerBatch", MOST_ITEMS)
        self._most_bytes = Quantity(document, "MaxInputBytesPerBatch", LARGEST_PAYLOAD_BYTES)
        self._input: Template | JsonataTemplate | None = None
        if "BatchInput" in document:
            source = document["BatchInput"]
            if language == JSONATA:
                self._input = compile_jsonata_template(source, "ItemBatcher/BatchInput")
            else:
                self._input = compile_template(source)

    def next(self, scope: Scope, items: Iterator[Any]) -> tuple[dict[str, Any], int]:
        """The input of the next child, and how many items are in it.

        Args:
            scope: what the Map's expressions see.
            items: the items that are left, through ItemSelector.

        Raises:
            StateError: one item alone is too large.
        """
        most_items = self._most_items.evaluate(scope) or MOST_ITEMS
        most_bytes = self._most_bytes.evaluate(scope) or LARGEST_PAYLOAD_BYTES
        batch: dict[str, Any] = {}
        size = _FRAME_BYTES
        if self._input is not None:
            batch["BatchInput"] = self._input.evaluate(scope)
            size += len(payload_bytes(batch["BatchInput"]))
        taken: list[Any] = []
        for item in items:
            size += len(payload_bytes(item)) + 1
            if size > most_bytes and taken:
                break
            if size > LARGEST_PAYLOAD_BYTES:
                raise StateError(
                    DATA_LIMIT_EXCEEDED,
                    "An item is too large for a batch of its own: with the batch's input it is over"
                    f" {LARGEST_PAYLOAD_BYTES} bytes.",
                )
            taken.append(item)
            if len(taken) == most_items:
                break
        batch["Items"] = taken
        return batch, len(taken)
