"""An execution as a Mermaid flowchart: what ran, what waits, and what failed.

definition → nodes and arrows; history → the class of each node. Source of the notation:
https://mermaid.js.org/syntax/flowchart.html
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_CLASSES = (
    "classDef ran fill:#d7f0dd,stroke:#1a7f37,color:#0b3d1a",
    "classDef waits fill:#fff3c4,stroke:#9a6700,color:#4d3300",
    "classDef failed fill:#ffd7d5,stroke:#cf222e,color:#5c0a10",
    "classDef untouched fill:#f6f8fa,stroke:#8c959f,color:#57606a",
)
_LONGEST_LABEL = 60
_MOVES = {"stateEnteredEventDetails": "entered", "stateExitedEventDetails": "left"}
_ENDED_BADLY = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})


@dataclass(slots=True)
class _Visits:
    entered: int = 0
    left: int = 0


@dataclass(slots=True)
class _Drawing:
    """Lines of the chart so far, and the node of each state by its name.

    Names of states are unique in a definition, nested ones too.
    """

    visits: Mapping[str, _Visits]
    ended_badly: bool
    lines: list[str] = field(default_factory=list)
    nodes: dict[str, str] = field(default_factory=dict)

    def node(self, name: str) -> str:
        """The id of a state's node."""
        return self.nodes.setdefault(name, f"s{len(self.nodes)}")

    def class_of(self, name: str) -> str:
        """How a state's node is drawn."""
        seen = self.visits.get(name)
        if seen is None or seen.entered == 0:
            return "untouched"
        if seen.left >= seen.entered:
            return "ran"
        return "failed" if self.ended_badly else "waits"


def moves(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a diagram needs of a history: which states were entered and left, without their data."""
    return [
        {details: {"name": event[details]["name"]}}
        for event in events
        for details in _MOVES
        if details in event
    ]


def diagram(definition: Mapping[str, Any], events: Iterable[Mapping[str, Any]], status: str) -> str:
    """The Mermaid text of an execution.

    Args:
        definition: of its state machine.
        events: its history, those of distributed children too; or the `moves` in it.
        status: RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED.
    """
    drawing = _Drawing(_visits(events), status in _ENDED_BADLY)
    drawing.lines.append("flowchart TD")
    drawing.lines.append("    start((start))")
    _draw_states(drawing, definition, "    ")
    drawing.lines.append(f"    start --> {drawing.node(definition['StartAt'])}")
    drawing.lines += [f"    {line}" for line in _CLASSES]
    return "\n".join(drawing.lines) + "\n"


def _visits(events: Iterable[Mapping[str, Any]]) -> dict[str, _Visits]:
    found: dict[str, _Visits] = {}
    for event in events:
        for details, counter in _MOVES.items():
            if details in event:
                seen = found.setdefault(event[details]["name"], _Visits())
                setattr(seen, counter, getattr(seen, counter) + 1)
    # Fail states are entered and never left: they did what they are for.
    return found


def _draw_states(drawing: _Drawing, machine: Mapping[str, Any], indent: str) -> None:
    for name, state in machine["States"].items():
        node = drawing.node(name)
        parts = list(_inner_machines(state))
        if parts:
            drawing.lines.append(f'{indent}subgraph {node}_box["{_label(name)} · {state["Type"]}"]')
            for part in parts:
                _draw_states(drawing, part, f"{indent}    ")
                drawing.lines.append(f"{indent}    {node} --> {drawing.node(part['StartAt'])}")
        _draw_node(drawing, name, state, indent + ("    " if parts else ""))
        if parts:
            drawing.lines.append(f"{indent}end")
        for target, label in _arrows(state):
            arrow = f"-- {label} -->" if label else "-->"
            drawing.lines.append(f"{indent}{node} {arrow} {drawing.node(target)}")


def _draw_node(drawing: _Drawing, name: str, state: Mapping[str, Any], indent: str) -> None:
    visits = drawing.visits.get(name)
    times = f" ×{visits.entered}" if visits is not None and visits.entered > 1 else ""
    label = f"{_label(name)}{times}"
    shape = {
        "Choice": f'{{"{label}"}}',
        "Wait": f'(["{label}"])',
        "Succeed": f'(("{label}"))',
        "Fail": f'>"{label}"]',
    }.get(state["Type"], f'["{label}"]')
    drawing.lines.append(f"{indent}{drawing.node(name)}{shape}:::{drawing.class_of(name)}")


def _inner_machines(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from state.get("Branches", ())
    for key in ("ItemProcessor", "Iterator"):
        if key in state:
            yield state[key]


def _arrows(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where a state leads, and what is written at the arrow."""
    if "Next" in state:
        yield state["Next"], ""
    for number, choice in enumerate(state.get("Choices", ()), start=1):
        yield choice["Next"], f"rule {number}"
    if "Default" in state:
        yield state["Default"], "otherwise"
    for catcher in state.get("Catch", ()):
        yield catcher["Next"], "on " + ", ".join(_label(name) for name in catcher["ErrorEquals"])


def _label(text: str) -> str:
    """Text that means nothing to Mermaid."""
    short = text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"
    return "".join(
        letter if letter.isalnum() or letter in " ._-,…" else f"#{ord(letter)};" for letter in short
    )
