"""Audit: the trail of who did what, in order, as a hash chain.

Records are written by the boundary in the commit of what they record; this service reads, exports
and verifies them. A record holds no values from data. This service owns no table of its own.
Who had access to what on a date it asks of permissions, which keeps that history.
"""
