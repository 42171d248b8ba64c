"""Lineage: which tables and columns came from which, through which jobs and runs."""
