"""Runs one SQL statement in a process of its own, over nothing but what its caller may see.

Invariants:
- the process that calls never loads the engine: a fork server does, and every statement gets a
  fresh child of it, which is killed when the statement is answered or its time is over
- the child's engine holds only secure views of the granted relations, filtered and masked; it may
  open the planned data files and no other, and its settings are locked
- a statement runs only if everything in the engine's own parse tree is on a positive list
- errors are four codes with text of ours; they depend on the caller's text and on what he may see
"""

from meshplane.services.query.sandbox.job import (
    CheckedFilter,
    Column,
    Limits,
    Mask,
    Outcome,
    Relation,
    RelationName,
    Scope,
    Spent,
    Statement,
)
from meshplane.services.query.sandbox.parent import Resolve, Sandbox, Sink

__all__ = [
    "CheckedFilter",
    "Column",
    "Limits",
    "Mask",
    "Outcome",
    "Relation",
    "RelationName",
    "Resolve",
    "Sandbox",
    "Scope",
    "Sink",
    "Spent",
    "Statement",
]
