"""Where a request, a message or a workflow step becomes one transaction.

An operation comes in with an actor; `Boundary` opens a unit of work, lets the use case decide and
write, adds the audit record and the idempotency key, and commits once. A use case that asked for no
decision commits nothing: forgetting authorization is an error, not a hole.
"""
