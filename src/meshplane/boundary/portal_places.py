"""Cursors of lists that are made of other lists: a number, and the cursor within what it counts."""

from meshplane.boundary.schemas import position

_BETWEEN = "."


def outer_place(number: int, cursor: str | None) -> str:
    """The cursor of a place.

    Args:
        number: of the inner list, or of items that were given already.
        cursor: of the inner list; None at its beginning.
    """
    return f"{number}{_BETWEEN}{cursor or ''}"


def inner_place(cursor: str | None) -> tuple[int, str | None]:
    """The number and the inner cursor that `outer_place` made a cursor of; 0 and None without one.

    Raises:
        Invalid: CURSOR_INVALID.
    """
    if cursor is None:
        return 0, None
    number, _, inner = cursor.partition(_BETWEEN)
    return position(number), inner or None
