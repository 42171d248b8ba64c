"""Catalog: finding data products.

A search sees an asset from the moment in which it is published: its text is indexed in the same
transaction. This service owns no table yet.
"""
