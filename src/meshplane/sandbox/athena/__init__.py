"""Athena: SQL over the data of Glue's tables, as the role that asks.

What flows where: `service` takes calls; `workgroups` says where results go and what is too much;
`statements` parses Trino's SQL and brings it into DuckDB's words; `catalog` finds each table in
Glue, over resource links; Lake Formation's fake says what the caller may see of it, and `visible`
makes that a SELECT; `engine` runs the query over what is left; `texts` prints values as Athena
does; `executions` holds states and pages; `refusals` says why a query failed.

A query runs when it is polled, so runs repeat: the first polls answer QUEUED or RUNNING.
"""

from meshplane.sandbox.athena.service import AthenaFake

__all__ = ["AthenaFake"]
