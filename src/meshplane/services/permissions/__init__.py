"""Permissions: grants, which say what rows and columns of an asset a principal may read.

A grant names every column that may be read, with its mask if it has one; a column that it does not
name does not exist for its holder, so a column added later stays hidden. Grants are a union. A
grant ends at its date without anybody doing anything. Only a fulfilled subscription writes grants,
and a revoked one never comes back.
This service owns the tables Grants and AssetDomains.
"""
