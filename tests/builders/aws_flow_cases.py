"""Cases of flows on AWS, in each of which one call fails: they are played in a mesh, and judged."""

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from meshplane.sandbox.faults import Fault, Kind
from tests.builders.aws_flows import FLOWS, World
from tests.builders.aws_mesh import AwsMesh
from tests.builders.aws_mesh_check import Checker

KINDS: tuple[Kind, ...] = ("error", "timeout", "lost_answer")
# What state machines call, not the mesh: of these, Step Functions knows no lost answers.
_OF_MACHINES = {("sqs", "SendMessage"), ("sns", "Publish")}


@dataclass(frozen=True)
class Case:
    """The nth call of an operation, from the flow's begin on, and how it fails."""

    flow: str
    service: str
    operation: str
    nth: int
    kind: Kind

    @classmethod
    def of(cls, text: str) -> "Case":
        """The case that `str` made the text of."""
        flow, service, operation, nth, kind = text.split()
        return cls(flow, service, operation, int(nth), kind)  # type: ignore[arg-type] # checked

    def __str__(self) -> str:
        return f"{self.flow} {self.service} {self.operation} {self.nth} {self.kind}"


class Stand:
    """A mesh, what was played in it, and what its flows call when nothing fails.

    Args:
        mesh: with nothing in it.
        used: whether something was published in it before.
    """

    def __init__(self, mesh: AwsMesh, *, used: bool = True) -> None:
        self.mesh = mesh
        self.world = World(mesh, used=used)
        self.checker = Checker(self.world)
        self._calls: dict[str, Counter[tuple[str, str]]] = {}

    def calls(self, flow: str) -> Counter[tuple[str, str]]:
        """What a flow calls when nothing fails."""
        if flow not in self._calls:
            assert self.play(flow, None) == "done"
            self._calls[flow] = self.mesh.calls()
        return self._calls[flow]

    def play(self, flow: str, fault: Fault | None) -> str:
        """Plays a flow while a call fails, and gives how it ended, once the mesh is at rest."""
        one, sandbox = FLOWS[flow](self.world), self.mesh.sandbox
        one.prepare()
        self.mesh.rest()
        self.checker.note_told()
        if fault is not None:
            sandbox.faults.add(fault)
        one.play()
        self.mesh.rest()
        sandbox.faults.clear()
        return one.look()

    def judge(self, case: Case) -> tuple[bool, list[str]]:
        """Plays a case, reconciles, and tells whether its call came, and what is wrong then."""
        fault = Fault(case.service, case.operation, case.kind, nth=case.nth)
        ended = self.play(case.flow, fault)
        met = [one for one in self.mesh.sandbox.calls.all() if _is_met(one.outcome, case.kind)]
        self.checker.note_told()
        self.checker.reconcile()
        self.mesh.rest()
        found = self.checker.problems()
        if ended not in {"done", "undone"}:
            found.append(f"it ended {ended}")
        say(f"{case}: {ended}{'' if met else ', the call did not come'}")
        return bool(met), [f"{case}: {one}" for one in found]

    def cases(self, flow: str) -> list[Case]:
        """Every call of a flow, failing in every way."""
        return _every(flow, self.calls(flow))

    def first_cases(self, flow: str) -> list[Case]:
        """Those of operations that only the first such flow of a mesh calls."""
        first = self.calls(flow)
        assert self.play(flow, None) == "done"
        again = self.mesh.calls()
        # A session and an invitation, once taken, serve what follows: others come first then.
        once = {
            one: times for one, times in first.items() if not again[one] or one[0] in {"ram", "sts"}
        }
        return _every(flow, once)


def _every(flow: str, calls: Mapping[tuple[str, str], int]) -> list[Case]:
    return [
        Case(flow, service, operation, nth, kind)
        for (service, operation), times in sorted(calls.items())
        for nth in range(1, times + 1)
        for kind in KINDS
        if (service, operation) not in _OF_MACHINES or kind == "error"
    ]


def say(text: str) -> None:
    """Writes a line of what is played."""
    sys.stdout.write(f"{text}\n")


def _is_met(outcome: str, kind: Kind) -> bool:
    return outcome == kind or (kind == "error" and "Internal" in outcome)
