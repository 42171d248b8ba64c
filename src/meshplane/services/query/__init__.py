"""Query: governed SQL over data products.

statement → a turn → sandbox (parse, gate) → names of relations → who may read which rows and
columns of them (assets, projects, permissions; below views, with the rights that they run with) →
files of the wanted snapshots (tables) → sandbox (secure views, locked engine, run) → answer, and in
one commit its audit record and its entry in the sender's history. While a statement runs it is
listed, can be cancelled, and ends when what it reads is taken away.

What a caller may not read does not exist for his statement. A published asset that he may not read
is named in the refusal, with the request that would change it, because everyone may find it in
the catalog; any other name is unknown. The service's own tables are the history of queries and the
views.
"""
