"""What all states have in common, and what a state may ask of the execution that is in it."""

import re
from typing import Any, Protocol

from meshplane.workflows.asl.branch import Branch
from meshplane.workflows.asl.data_flow import JSONATA, Assigned, DataFlow, compile_flow
from meshplane.workflows.asl.retry import Catcher, Retrier
from meshplane.workflows.asl.scope import Scope

# What may read the context object: too many is harmless, too few is not.
_CONTEXT = re.compile(r"\$\$|context|\$states(?!\.[a-z])")


class Stage(Protocol):
    """The execution, as a state sees it during one turn."""

    now: float
    """Epoch seconds."""

    def scope(self, branch: Branch, state: "State", raw: Any) -> Scope:
        """What expressions of the state can see; `raw` is the state's input."""
        ...

    def emit(self, branch: Branch, kind: str, detail: str = "", **details: Any) -> None:
        """Adds an event; `detail` is the name of its details' member."""
        ...

    def leave(
        self, branch: Branch, state: "State", output: Any, assigned: Assigned, after: str | None
    ) -> None:
        """The state succeeded; `after` is the next one's name, None at the end."""
        ...

    def give_up(self, branch: Branch, error: str | None, cause: str | None) -> None:
        """The state failed: `Retry` and `Catch` are asked."""
        ...

    def sleep(self, branch: Branch, until: float) -> None:
        """The branch waits for a moment."""
        ...

    def request(self, branch: Branch, state: "State", wish: "TaskWish") -> None:
        """A task is to be performed, and the branch waits for its answer."""
        ...

    def begin_children(self, branch: Branch) -> None:
        """What the branch was entered with is laid aside; its children will follow."""
        ...

    def start_child(
        self, branch: Branch, flow: int, data: Any, *, index: int, size: int, own_stream: bool
    ) -> None:
        """Starts a child."""
        ...

    def ready_to_join(self, branch: Branch) -> None:
        """All children are over: the branch joins them in a turn of its own."""
        ...

    def children(self, branch: Branch) -> list[Branch]:
        """All children, in their order."""
        ...

    def raw_input(self, branch: Branch) -> Any:
        """What the state was entered with, also while its children run."""
        ...

    def keep_items(self, branch: Branch, items: list[Any]) -> None:
        """Keeps the items of a Map, as they cannot be found again from its input."""
        ...

    def kept_items(self, branch: Branch) -> list[Any] | None:
        """What `keep_items` kept."""
        ...

    def map_run(self, state: "State") -> str:
        """A name for a new run of a distributed Map."""
        ...

    def new_token(self) -> str:
        """A fresh callback token."""
        ...


class TaskWish:
    """What a Task state wants performed."""

    __slots__ = ("credentials", "heartbeat_seconds", "parameters", "timeout_seconds", "token")

    def __init__(
        self,
        parameters: Any,
        token: str | None,
        timeout_seconds: int | None,
        heartbeat_seconds: int | None,
        credentials: Any,
    ) -> None:
        self.parameters = parameters
        self.token = token
        self.timeout_seconds = timeout_seconds
        self.heartbeat_seconds = heartbeat_seconds
        self.credentials = credentials


class State:
    """A compiled state.

    Args:
        name: its name.
        document: its document.
        language: its query language.
    """

    kind = ""
    entered_type = ""
    exited_type = ""

    def __init__(self, name: str, document: dict[str, Any], language: str) -> None:
        self.name = name
        self.language = language
        self.is_jsonata = language == JSONATA
        self.flow: DataFlow = compile_flow(document, language)
        self.after: str | None = None if document.get("End") else document.get("Next")
        self.retriers = [Retrier(each) for each in document.get("Retry", ())]
        self.catchers = [
            Catcher(each, language, index) for index, each in enumerate(document.get("Catch", ()))
        ]
        # A state's own part of the document, without the states inside it.
        own = {
            key: value
            for key, value in document.items()
            if key not in ("ItemProcessor", "Iterator", "Branches")
        }
        self.sees_context = _CONTEXT.search(repr(own)) is not None

    def begin(self, stage: Stage, branch: Branch) -> None:
        """Does the state's work, which was entered just now or is tried again.

        Raises:
            StateError: the work cannot be done.
        """
        raise AssertionError(f"{self.kind} has no work")

    def finish(self, stage: Stage, branch: Branch, result: Any) -> None:
        """Goes on with the result of the work.

        Raises:
            StateError: the output cannot be made.
        """
        raw = stage.raw_input(branch)
        scope = stage.scope(branch, self, raw)
        self.flow.effective(scope)
        output, assigned = self.flow.conclude(scope, raw, result)
        stage.leave(branch, self, output, assigned, self.after)


class ParentState(State):
    """A state that runs children: Parallel or Map."""

    failed_type = ""

    def child_done(self, stage: Stage, branch: Branch, child: Branch) -> None:
        """A child succeeded."""
        raise AssertionError("not a parent")

    def child_failed(self, stage: Stage, branch: Branch, child: Branch) -> bool:
        """A child failed. Tells whether that is tolerated; if not, the state fails."""
        return False

    def failure(self, error: str | None, cause: str | None) -> tuple[str | None, str | None]:
        """The state's own error and cause, after a child's that is not tolerated."""
        return error, cause

    def join(self, stage: Stage, branch: Branch) -> None:
        """All children are over: goes on with their outputs."""
        raise AssertionError("not a parent")

    def resume(self, stage: Stage, branch: Branch) -> None:
        """Goes on after a redrive: children that failed run again already."""
        raise AssertionError("not a parent")
