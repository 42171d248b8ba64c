"""Workflows: state machines, their executions, and the approvals inbox.

Owns the HTTP side of `meshplane.workflows`, and approvals whole. Invariants: an execution's name
starts it once; a task token is answered once; a step is decided once, never by who asked for it,
and no two steps of an approval by one person.
"""
