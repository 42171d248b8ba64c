"""Map: runs its states once for each item of a list, inline or distributed.

Children start as others end, so that no more than `MaxConcurrency` of them exist unfinished. A
distributed Map gives each child a history of its own and may put several items into one child.
"""

from typing import Any

from meshplane.workflows.asl.branch import FAILED, Branch, Counters
from meshplane.workflows.asl.history import payload_bytes, payload_text
from meshplane.workflows.asl.jsonata import JsonataTemplate, compile_jsonata_template
from meshplane.workflows.asl.limits import MOST_DISTRIBUTED_AT_ONCE, MOST_INLINE_AT_ONCE
from meshplane.workflows.asl.map_batches import Batcher
from meshplane.workflows.asl.map_items import Items, refusal_of
from meshplane.workflows.asl.quantity import Limit, Percentage
from meshplane.workflows.asl.scope import Scope
from meshplane.workflows.asl.state import ParentState, Stage
from meshplane.workflows.asl.templates import Template, compile_template

THRESHOLD = "States.ExceedToleratedFailureThreshold"
_ANY = 2**63


class MapState(ParentState):
    """A Map.

    Args:
        name: its name.
        document: its document.
        language: its query language.
        flow: the number of its processor's flow.
    """

    kind = "Map"
    entered_type = "MapStateEntered"
    exited_type = "MapStateExited"
    failed_type = "MapStateFailed"

    def __init__(self, name: str, document: dict[str, Any], language: str, flow: int) -> None:
        # Parameters of a Map is the old name of ItemSelector: its input is not changed by it.
        own = {key: value for key, value in document.items() if key != "Parameters"}
        super().__init__(name, own, language)
        self._flow = flow
        processor = document.get("ItemProcessor") or document.get("Iterator") or {}
        mode = processor.get("ProcessorConfig", {}).get("Mode", "INLINE")
        self.distributed = mode == "DISTRIBUTED"
        self._items = Items(document, jsonata=self.is_jsonata, objects=self.distributed)
        selector = document.get("ItemSelector", document.get("Parameters"))
        self._selector: Template | JsonataTemplate | None = None
        if selector is not None:
            self._selector = (
                compile_jsonata_template(selector, "ItemSelector")
                if self.is_jsonata
                else compile_template(selector)
            )
            self.sees_context = True
        self._limit = Limit(
            document,
            "MaxConcurrency",
            _ANY,
            "Expected non-negative integer for MaxConcurrency, got '{}' instead.",
        )
        self._tolerated = Limit(
            document, "ToleratedFailureCount", _ANY, "ToleratedFailureCount cannot be negative."
        )
        self._tolerated_percent = Percentage(document, "ToleratedFailurePercentage")
        batcher = document.get("ItemBatcher") if self.distributed else None
        self._batcher = None if batcher is None else Batcher(batcher, language)
        self._refusal = refusal_of(document)
        writer = document.get("ResultWriter") or {}
        config = writer.get("WriterConfig") or {}
        self._flatten = config.get("Transformation") == "FLATTEN"

    def begin(self, stage: Stage, branch: Branch) -> None:
        """Finds the items and starts the first children."""
        if self._refusal is not None:
            raise self._refusal
        scope = stage.scope(branch, self, branch.data)
        self.flow.effective(scope)
        items, keyed = self._items.find(scope)
        total = len(items)
        counters = Counters(
            total=total,
            keyed=keyed,
            limit=self._most_at_once(scope),
            tolerated=self._most_failures(scope, total),
        )
        stage.emit(branch, "MapStateStarted", "mapStateStartedEventDetails", length=total)
        branch.counters = counters
        branch.items = items
        stage.begin_children(branch)
        if self._items.must_be_kept:
            stage.keep_items(branch, items)
        if self.distributed:
            counters.map_run = stage.map_run(self)
            stage.emit(
                branch,
                "MapRunStarted",
                "mapRunStartedEventDetails",
                mapRunArn=counters.map_run,
            )
        if total == 0:
            self.join(stage, branch)
        else:
            self._start_children(stage, branch, scope)

    def child_done(self, stage: Stage, branch: Branch, child: Branch) -> None:
        """A child succeeded: another may start."""
        self._go_on(stage, branch)

    def child_failed(self, stage: Stage, branch: Branch, child: Branch) -> bool:
        """A child failed. Tells whether that is tolerated."""
        counters = branch.counters
        if counters is None or not self.distributed:
            return False
        counters.failed += child.size
        if counters.failed > counters.tolerated:
            return False
        self._go_on(stage, branch)
        return True

    def failure(self, error: str | None, cause: str | None) -> tuple[str | None, str | None]:
        """The Map's own error, when a child's was not tolerated."""
        if self.distributed:
            return THRESHOLD, "The specified tolerated failure threshold was exceeded"
        return error, cause

    def join(self, stage: Stage, branch: Branch) -> None:
        """Goes on with all outputs."""
        if self.distributed:
            stage.emit(branch, "MapRunSucceeded")
        stage.emit(branch, "MapStateSucceeded")
        outputs: list[Any] = []
        for child in stage.children(branch):
            if child.status == FAILED:
                outputs.append(self._failed_result(stage, branch, child))
            elif self._flatten and isinstance(child.data, list):
                outputs += child.data
            else:
                outputs.append(child.data)
        self.finish(stage, branch, outputs)

    def item(self, stage: Stage, branch: Branch, index: int) -> Any:
        """An item, for the context object of its iteration."""
        return self._all_items(stage, branch)[index]

    def resume(self, stage: Stage, branch: Branch) -> None:
        """Goes on starting children, after a redrive."""
        self._go_on(stage, branch)

    def _go_on(self, stage: Stage, branch: Branch) -> None:
        counters = branch.counters
        if counters is None:
            return
        if counters.next < counters.total:
            raw = stage.raw_input(branch)
            scope = stage.scope(branch, self, raw)
            self.flow.effective(scope)
            self._start_children(stage, branch, scope)
        elif counters.active == 0:
            stage.ready_to_join(branch)

    def _start_children(self, stage: Stage, branch: Branch, scope: Scope) -> None:
        counters = branch.counters or Counters()
        items = self._all_items(stage, branch)
        while counters.next < counters.total and counters.active < counters.limit:
            first = counters.next
            data, size = self._child_input(scope, counters, items, first)
            counters.next = first + size
            stage.start_child(
                branch, self._flow, data, index=first, size=size, own_stream=self.distributed
            )

    def _child_input(
        self, scope: Scope, counters: Counters, items: list[Any], first: int
    ) -> tuple[Any, int]:
        """What the child gets that begins with an item, and how many items are in it."""
        if self._batcher is None:
            return self._selected(scope, counters, items, first), 1
        chosen = (self._selected(scope, counters, items, at) for at in range(first, len(items)))
        return self._batcher.next(scope, chosen)

    def _selected(self, scope: Scope, counters: Counters, items: list[Any], index: int) -> Any:
        item = items[index]
        if self._selector is None:
            return item
        told = {"Index": index, **(item if counters.keyed else {"Value": item})}
        scope.context = {**scope.context, "Map": {"Item": told}}
        return self._selector.evaluate(scope)

    def _failed_result(self, stage: Stage, branch: Branch, child: Branch) -> dict[str, Any]:
        """What stands in the output for a child whose failure is tolerated: what is known of it."""
        scope = stage.scope(branch, self, stage.raw_input(branch))
        self.flow.effective(scope)
        counters = branch.counters or Counters()
        items = self._all_items(stage, branch)
        data, _ = self._child_input(scope, counters, items, child.index)
        result: dict[str, Any] = {
            "ExecutionArn": f"{counters.map_run}:{child.index}",
            "Name": str(child.index),
            "Input": payload_text(payload_bytes(data)),
            "InputDetails": {"Included": True},
            "Status": "FAILED",
        }
        if child.error is not None:
            result["Error"] = child.error
        if child.cause is not None:
            result["Cause"] = child.cause
        return result

    def _all_items(self, stage: Stage, branch: Branch) -> list[Any]:
        if branch.items is None:
            branch.items = stage.kept_items(branch)
        if branch.items is None:
            scope = stage.scope(branch, self, stage.raw_input(branch))
            self.flow.effective(scope)
            branch.items, _ = self._items.find(scope)
        return branch.items

    def _most_at_once(self, scope: Scope) -> int:
        most = MOST_DISTRIBUTED_AT_ONCE if self.distributed else MOST_INLINE_AT_ONCE
        return min(self._limit.evaluate(scope) or most, most)

    def _most_failures(self, scope: Scope, total: int) -> int:
        count = self._tolerated.evaluate(scope)
        share = self._tolerated_percent.share_of(total, scope)
        # Of two thresholds the one that is reached first counts.
        return min((each for each in (count, share) if each is not None), default=0)
