"""Sources of events: which are the mesh's own, and in whose name nobody else speaks."""

import unicodedata

RESERVED_SOURCES = ("management-app", "aws", "meshplane")
"""What these sources, and those below them, tell, only the mesh itself can know."""


def is_reserved(source: str) -> bool:
    """Whether a source is one of those, or looks like it to a pattern that ignores case.

    Args:
        source: of an event that somebody wants to send.
    """
    plain = unicodedata.normalize("NFKC", source).casefold().strip()
    return plain.split(".")[0].strip() in RESERVED_SOURCES
