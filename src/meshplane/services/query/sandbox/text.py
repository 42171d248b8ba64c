"""What a statement's text may be before anything parses it."""

from meshplane.services.query.sandbox.faults import limit, refused
from meshplane.services.query.sandbox.job import SQL_BYTES


def check_text(sql: str) -> None:
    """Refuses what no parser should see.

    Raises:
        Refused: a NUL character, or half of a surrogate pair.
        LimitReached: too long.
    """
    try:
        size = len(sql.encode())
    except UnicodeEncodeError:
        size = None
    if size is None or "\0" in sql:
        raise refused("The text holds a character that SQL may not hold (NUL, or no Unicode).")
    if size > SQL_BYTES:
        raise limit(f"The text is longer than {SQL_BYTES} bytes.")
