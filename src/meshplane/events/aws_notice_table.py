"""Which notices were sent; apart from what sends them, which loads a client of AWS."""

from meshplane.platform.tables import Table

NOTICES = Table("Notices", "eventId", expires="expires")
"""Notices that were sent or are being sent, for two weeks."""
