"""Masks as options write them: `--mask tailnum=hash`, `--mask distance=round:-2`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import typer

FORMS = (
    "column=hash, =null, =none, =constant:TEXT, =last:4, =first:2, =ends:2:4, "
    "=year (quarter, month, week, day, hour), =round:2"
)
"""What the help of an option says."""

_UNITS = frozenset({"year", "quarter", "month", "week", "day", "hour"})


def masks_of(options: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The masks that options name, by column, as the API takes them.

    Raises:
        typer.BadParameter: one is no mask.
    """
    found = {}
    for option in options:
        column, equals, mask = option.rpartition("=")
        if not equals or not column:
            raise _no_mask(option)
        found[column] = _mask(mask, option)
    return found


def tags_of(options: Iterable[str]) -> list[dict[str, Any]]:
    """The tags that options name: `classification=public|internal`.

    Raises:
        typer.BadParameter: one is no tag.
    """
    found = []
    for option in options:
        key, equals, values = option.partition("=")
        if not (key and equals and values):
            raise typer.BadParameter(f"Write a tag as key=value or key=value|value, not {option}.")
        found.append({"key": key, "values": values.split("|")})
    return found


def assigned_of(pairs: Iterable[str]) -> dict[str, str | None]:
    """The tags to put, by key; None for one that is to be taken away: `team=ops`, `team=`.

    Raises:
        typer.BadParameter: one is neither; a key alone takes nothing away by mistake.
    """
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"Write a tag as key=value, or key= to take it away: {pair}.")
        found[key] = value or None
    return found


def _mask(text: str, option: str) -> dict[str, Any]:
    kind, _, rest = text.partition(":")
    if kind in {"hash", "null", "none"} and not rest:
        return {"kind": kind}
    if kind in _UNITS and not rest:
        return {"kind": "truncate", "unit": kind}
    if kind not in _PARTS:
        raise _no_mask(option)
    try:
        return dict(_PARTS[kind](rest))
    except ValueError:
        raise _no_mask(option) from None


def _ends(rest: str) -> Mapping[str, Any]:
    first, last = rest.split(":")
    return {"kind": "partial", "keepFirst": int(first), "keepLast": int(last)}


_PARTS: Mapping[str, Callable[[str], Mapping[str, Any]]] = {
    "constant": lambda rest: {"kind": "constant", "value": rest},
    "round": lambda rest: {"kind": "round", "digits": int(rest)},
    "last": lambda rest: {"kind": "partial", "keepLast": int(rest)},
    "first": lambda rest: {"kind": "partial", "keepFirst": int(rest)},
    "ends": _ends,
}


def _no_mask(option: str) -> typer.BadParameter:
    return typer.BadParameter(f"{option} is no mask: write {FORMS}.")
