"""Names and constants in Redshift's SQL, and what cannot be written there. Pure."""

from dataclasses import dataclass


class CannotSay(Exception):
    """Why a filter cannot be carried into Redshift."""


@dataclass(frozen=True, slots=True)
class Said:
    """A filter in Redshift's words, and the columns that it names with their types there."""

    text: str
    columns: tuple[tuple[str, str], ...]


def quoted(name: str) -> str:
    """A name as a delimited identifier.

    Raises:
        CannotSay: it holds what no name of Redshift holds.
    """
    if "\x00" in name or not name:
        raise CannotSay("a name is empty or holds a NUL")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a constant.

    Raises:
        CannotSay: it holds a backslash or a control, which Redshift may read otherwise.
    """
    if "\\" in text or any(ord(sign) < ord(" ") for sign in text):
        raise CannotSay("a row filter has a constant with a backslash or a control character")
    return "'" + text.replace("'", "''") + "'"
