"""One line of states that follow one another: the execution's own, or a part of a Parallel or Map.

Branches are all that is kept of an execution besides its record. A branch is kept anew only when
it changes: the results of finished branches lie in those branches until the join, and what a
Parallel or Map was entered with lies apart from its counters, in a `Kept`.
"""

from dataclasses import dataclass, field
from typing import Any

READY = "ready"
WAITING = "waiting"
TASK = "task"
CHILDREN = "children"
DONE = "done"
FAILED = "failed"
ABORTED = "aborted"

ENTER = "enter"
AGAIN = "again"
JOIN = "join"
LEAVE = "leave"

ROOT = "0"


@dataclass(slots=True)
class Counters:
    """How far a Parallel or Map has come. Items count, or branches of a Parallel.

    Args:
        total: how many there are.
        next: the first that has not been started.
        active: how many children run.
        failed: how many items failed and are tolerated.
        limit: how many children may run at once.
        tolerated: how many items may fail.
        map_run: the id of a distributed map run.
        keyed: whether the items are the members of an object, each with `Key` and `Value`.
    """

    total: int = 0
    next: int = 0
    active: int = 0
    failed: int = 0
    limit: int = 0
    tolerated: int = 0
    map_run: str | None = None
    keyed: bool = False

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "total": self.total,
            "next": self.next,
            "active": self.active,
            "failed": self.failed,
            "limit": self.limit,
            "tolerated": self.tolerated,
            "mapRun": self.map_run,
            "keyed": self.keyed,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> "Counters":
        """What `to_json` gave."""
        return Counters(
            data["total"],
            data["next"],
            data["active"],
            data["failed"],
            data["limit"],
            data["tolerated"],
            data["mapRun"],
            # Not there in what was kept before objects were taken as items.
            data.get("keyed", False),
        )


@dataclass(slots=True)
class Kept:
    """What a Parallel or Map was entered with. It is written once.

    Args:
        id: as if it were a child of its branch.
        input: the state's raw input.
        items: the items of a Map, if they cannot be found again from the input.
    """

    id: str
    input: Any
    items: list[Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"id": self.id, "kept": True, "input": self.input, "items": self.items}

    @staticmethod
    def from_json(data: dict[str, Any]) -> "Kept":
        """What `to_json` gave."""
        return Kept(data["id"], data["input"], data["items"])


# The members that are written only when they differ from these.
_DEFAULTS: dict[str, Any] = {
    "variables": None,
    "phase": ENTER,
    "ready_at": 0,
    "entered": 0,
    "entered_at": 0.0,
    "last_event": 0,
    "entries": 0,
    "attempts": 0,
    "born": 0,
    "retries": None,
    "retry_count": 0,
    "due": None,
    "timeout_at": None,
    "beat_at": None,
    "heartbeat_seconds": None,
    "token": None,
    "index": 0,
    "size": 1,
    "stream": "",
    "next_event": 1,
    "error": None,
    "cause": None,
    "kept": None,
}


@dataclass(slots=True)
class Branch:
    """A branch.

    Args:
        id: "0" for the root; a child's id is its parent's, a dot, and a number that no other child
            of that parent ever has.
        flow: the number of the states it runs through, in its machine.
        state: the name of the state that it is in, or enters next.
        data: the raw input of that state; of a branch that is done, its output.
        status: ready, waiting (a Wait, a backoff), task, children, done, failed or aborted.
        variables: what was assigned in this scope.
        phase: what a ready branch does: enter a state, try it again, or join its children; what a
            waiting one does when its time is over: leave the state, or try it again.
        ready_at: its place among the ready ones.
        entered, entered_at: event id and time of the entry of the state.
        last_event: the id of its last event.
        entries: how many states it has entered.
        attempts: how many tasks it has requested.
        born: how many children it has had.
        retries: how many times each retrier of the state was used.
        retry_count: their sum.
        due: when its timer goes off, epoch seconds.
        timeout_at, beat_at: when its task times out, and when its next heartbeat is due.
        heartbeat_seconds: how long its task may be silent.
        token: its task's callback token.
        index: its place among the children of its parent; the first item of a batch.
        size: how many items it has.
        stream: which history it writes to.
        next_event: the next id there, when the stream is its own.
        error, cause: why it failed.
        kept: the id of what is laid aside while it has children.
        counters: of its children.
    """

    id: str
    flow: int
    state: str
    data: Any
    status: str = READY
    variables: dict[str, Any] | None = None
    phase: str = ENTER
    ready_at: int = 0
    entered: int = 0
    entered_at: float = 0.0
    last_event: int = 0
    entries: int = 0
    attempts: int = 0
    born: int = 0
    retries: list[int] | None = None
    retry_count: int = 0
    due: float | None = None
    timeout_at: float | None = None
    beat_at: float | None = None
    heartbeat_seconds: int | None = None
    token: str | None = None
    index: int = 0
    size: int = 1
    stream: str = ""
    next_event: int = 1
    error: str | None = None
    cause: str | None = None
    kept: str | None = None
    counters: Counters | None = None
    # What follows is found again from the above, and not kept.
    parent: "Branch | None" = field(default=None, repr=False, compare=False)
    children: "dict[str, Branch]" = field(default_factory=dict, repr=False, compare=False)
    visible: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    items: list[Any] | None = field(default=None, repr=False, compare=False)
    text: bytes | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON: what is as it is by default is left out."""
        data: dict[str, Any] = {
            "id": self.id,
            "flow": self.flow,
            "state": self.state,
            "status": self.status,
            "data": self.data,
        }
        for name, default in _DEFAULTS.items():
            value = getattr(self, name)
            if value != default:
                data[name] = value
        if self.counters is not None:
            data["counters"] = self.counters.to_json()
        return data

    @staticmethod
    def from_json(data: dict[str, Any]) -> "Branch":
        """What `to_json` gave."""
        members = dict(data)
        counters = members.pop("counters", None)
        branch = Branch(**members)
        if counters is not None:
            branch.counters = Counters.from_json(counters)
        return branch


def parent_id(branch_id: str) -> str | None:
    """The id of the branch that started this one."""
    parent, dot, _ = branch_id.rpartition(".")
    return parent if dot else None
