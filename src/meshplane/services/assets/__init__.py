"""Assets: data products, each a table with a contract, an owner, a description, a classification.

A published asset can be found and read about by everyone; its rows by those to whom they are
granted. Its name is unique in its domain, and is its name in SQL. Its contract is ODCS 3.x and must
fit the table. What the catalog's words say of an asset, glossary terms and filled forms, stands on
its row, so that one commit says and indexes it. This service owns the tables Assets, AssetNames,
AssetTables, AssetTerms and AssetWordsInPortal.
"""
