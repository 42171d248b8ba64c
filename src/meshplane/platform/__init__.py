"""What every service stands on: tables and the unit of work, the outbox, the audit chain.

`tables.py` says what a table is, in DynamoDB's terms because every adapter must hold them.
`store.py` is the port; `local/` and `aws/` hold its adapters, all under one contract suite.
"""
