"""How terms relate. Pure."""

from collections.abc import Collection, Mapping, Sequence

from meshplane.kit.errors import FieldProblem

IS_A, CLASSIFIES = "isA", "classifies"

Relations = Mapping[str, Sequence[str]]
"""Ids of terms by `isA` and `classifies`."""


def related(relations: Relations) -> list[str]:
    """All terms that it names."""
    return list(dict.fromkeys([*relations[IS_A], *relations[CLASSIFIES]]))


def relation_problems(
    term_id: str, relations: Relations, known: Collection[str]
) -> list[FieldProblem]:
    """What is wrong with the relations of a term, but for circles.

    Args:
        term_id: of the term itself; empty for one that is to be.
        relations: wanted.
        known: those of the terms named that there are.
    """
    found = []
    for kind in (IS_A, CLASSIFIES):
        for position, other in enumerate(relations[kind]):
            field = f"relations.{kind}.{position}"
            if other == term_id:
                found.append(FieldProblem(field, "is the term itself"))
            elif other not in known:
                found.append(FieldProblem(field, "is no term"))
            elif kind == CLASSIFIES and other in relations[IS_A]:
                found.append(FieldProblem(field, "cannot be both broader and narrower"))
    return found


def leads_back(term_id: str, broader: Mapping[str, Sequence[str]]) -> bool:
    """Whether a term would be one of itself.

    Args:
        term_id: where to begin.
        broader: `isA` of each term, as far as they are known.
    """
    waiting, seen = list(broader.get(term_id, ())), set()
    while waiting:
        one = waiting.pop()
        if one == term_id:
            return True
        if one not in seen:
            seen.add(one)
            waiting += broader.get(one, ())
    return False
