"""Query: governed SQL over data products.

statement → sandbox (parse, gate) → names of relations → who may read which rows and columns of
them (assets, projects, permissions) → files of the wanted snapshots (tables) → sandbox (secure
views, locked engine, run) → answer, and one audit record.

What a caller may not read does not exist for his statement. A published asset that he may not read
is named in the refusal, with the request that would change it, because everyone may find it in
the catalog; any other name is unknown. This service owns no table.
"""
