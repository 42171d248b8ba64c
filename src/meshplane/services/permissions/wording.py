"""Grants, masks and rows in the words of people."""

from collections.abc import Sequence

from meshplane.services.permissions.model import Grant, MaskRule, Target, in_order
from meshplane.services.permissions.tag_expressions import as_text

_MOST_NAMES = 12


def listed(names: Sequence[str], last: str = "and") -> str:
    """`a, b and c`; of many, the first twelve and how many more."""
    if len(names) > _MOST_NAMES:
        return f"{', '.join(names[:_MOST_NAMES])} {last} {len(names) - _MOST_NAMES} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def bracketed(condition: str) -> str:
    """A condition in parentheses, once: canonical ones have them already."""
    return condition if _is_bracketed(condition) else f"({condition})"


def _is_bracketed(condition: str) -> bool:
    """Whether the parenthesis at the beginning is closed by the one at the end."""
    depth, quote = 0, ""
    for place, letter in enumerate(condition):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        if depth == 0:
            return place > 0 and place == len(condition) - 1
    return False


def on_what(target: Target) -> str:
    """What a grant is on, to stand after "on"."""
    kind = target.kind
    if kind == "columns":
        if target.included is not None:
            return f"the columns {listed(target.included)}"
        return f"all columns but {listed(target.excluded or ())}"
    if kind == "filter":
        return f"the data filter {target.filter_name}"
    if kind == "tags":
        things = "databases" if target.resource_type == "DATABASE" else "tables"
        scope = "" if target.domain_id is None else " of its database"
        return f"{things}{scope} whose {as_text(target.expression)}"
    return {
        "database": "the database",
        "tables": "all tables of the database",
        "table": "the table",
        "rows": "rows and columns of the table",
        "location": f"the location {target.path}",
    }[kind]


def masked_as(mask: MaskRule) -> str:
    """What a mask shows, to stand after "as" or "is shown as"."""
    if mask.kind == "partial":
        ends = []
        if mask.keep_first:
            ends.append(f"its first {_characters(mask.keep_first)}")
        if mask.keep_last:
            ends.append(f"its last {_characters(mask.keep_last)}")
        return " and ".join(ends) if ends else f"{mask.fill} in place of each character"
    if mask.kind == "round":
        digits = mask.digits or 0
        if digits > 0:
            return f"a number rounded to {digits} digits after the point"
        return f"a number rounded to a multiple of {10**-digits}"
    return {
        "none": "it is",
        "truncate": f"a date cut to its {mask.unit}",
        "hash": "a keyed hash",
        "constant": "one text for all values",
        "null": "nothing (null)",
    }[mask.kind]


def permitted(grant: Grant) -> str:
    """The grant's permissions: `SELECT and DESCRIBE`."""
    return listed(in_order(grant.permissions))


def _characters(count: int) -> str:
    return "character" if count == 1 else f"{count} characters"
