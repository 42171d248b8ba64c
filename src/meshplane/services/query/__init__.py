"""Governed SQL: one SELECT of a caller over the relations that he may read."""
