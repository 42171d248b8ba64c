"""What flows into one column: a set of source columns, each with how it takes part.

The kinds are those of OpenLineage's ColumnLineageDatasetFacet 1-2-0: DIRECT (IDENTITY,
TRANSFORMATION, AGGREGATION) when the value is made from the source, INDIRECT (JOIN, GROUP_BY,
FILTER, SORT, WINDOW, CONDITIONAL) when the source only decides which values or rows appear.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Kind = Literal["DIRECT", "INDIRECT"]
DirectSubtype = Literal["IDENTITY", "TRANSFORMATION", "AGGREGATION"]
IndirectSubtype = Literal["JOIN", "GROUP_BY", "FILTER", "SORT", "WINDOW", "CONDITIONAL"]
Subtype = DirectSubtype | IndirectSubtype

# A chain of direct steps is named after its strongest one.
STRENGTH: Final[dict[Subtype, int]] = {"IDENTITY": 0, "TRANSFORMATION": 1, "AGGREGATION": 2}


class RelationName(NamedTuple):
    """A table or view that a statement may read."""

    schema: str
    name: str


class ColumnSource(NamedTuple):
    """One column that an output column depends on, and how."""

    relation: RelationName
    column: str
    kind: Kind
    subtype: Subtype


@dataclass(frozen=True, slots=True)
class Flow:
    """The sources of a value or of a set of rows.

    `exact` is False when the set is known to hold every true source but may hold more.
    """

    sources: frozenset[ColumnSource] = frozenset()
    exact: bool = True

    def through(self, subtype: DirectSubtype) -> "Flow":
        """The same sources after one more direct step."""
        if subtype == "IDENTITY" or not self.sources:
            return self
        weakest = STRENGTH[subtype]
        stepped = frozenset(
            source._replace(subtype=subtype)
            if source.kind == "DIRECT" and STRENGTH[source.subtype] < weakest
            else source
            for source in self.sources
        )
        return Flow(stepped, self.exact)

    def indirect(self, subtype: IndirectSubtype) -> "Flow":
        """The same sources where they only decide, as `subtype`, what appears."""
        decided = frozenset(
            source._replace(kind="INDIRECT", subtype=subtype) for source in self.sources
        )
        return Flow(decided, self.exact)

    def inexact(self) -> "Flow":
        """The same sources, flagged as possibly too many."""
        return Flow(self.sources, False)


NOTHING: Final = Flow()


def together(flows: Iterable[Flow]) -> Flow:
    """The union of flows; exact only when each of them is."""
    sources: set[ColumnSource] = set()
    exact = True
    for flow in flows:
        sources |= flow.sources
        exact = exact and flow.exact
    return Flow(frozenset(sources), exact)
