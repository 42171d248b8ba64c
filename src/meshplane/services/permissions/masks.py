"""Masks: what is shown of a cell in place of its value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

MaskKind = Literal["none", "round", "truncate", "partial", "hash", "constant", "null"]
MaskUnit = Literal["year", "quarter", "month", "week", "day", "hour"]

MASK_KINDS: tuple[MaskKind, ...] = (
    "none",
    "round",
    "truncate",
    "partial",
    "hash",
    "constant",
    "null",
)
"""The kinds, from the weakest to the strictest."""

MASK_UNITS: tuple[MaskUnit, ...] = ("hour", "day", "week", "month", "quarter", "year")
"""The units of `truncate`, from the finest to the coarsest."""

_MOST_KEPT = 1000
_MOST_DIGITS = 30
_MOST_CONSTANT = 4096
_TEXT = re.compile(r"(VARCHAR|CHAR|BPCHAR|TEXT|STRING)(\(\d+\))?")
_WHOLE = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|INT|BIGINT|HUGEINT)")
_BINARY_FRACTION = re.compile(r"FLOAT|REAL|DOUBLE")
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC)(?:\((\d+)(?:, *(\d+))?\))?")
_INSTANT = re.compile(r"TIMESTAMP(_S|_MS|_NS|TZ|TZ_NS| WITH TIME ZONE| WITHOUT TIME ZONE)?")


@dataclass(frozen=True, slots=True)
class MaskRule:
    """How a column is shown in place of its values. A cell without a value stays so.

    Args:
        kind: `none` shows it plainly, where a tag would mask it; `round` a number; `truncate` a
            date or instant; `partial` shows the ends of a text; `hash` is keyed, so that equal
            values stay equal and nothing leads back; `constant` shows one text for all; `null`.
        value: of `constant`.
        keep_first, keep_last: of `partial`: how many characters at each end are shown.
        fill: of `partial`: the character that stands, four times, for all the others; how many
            there were does not show.
        unit: of `truncate`: what stays.
        digits: of `round`: how many digits after the point stay; 2 is cents, -3 thousands.
    """

    kind: MaskKind
    value: str | None = None
    keep_first: int = 0
    keep_last: int = 0
    fill: str = "*"
    unit: MaskUnit | None = None
    digits: int | None = None

    def problem(self, sql_type: str) -> str | None:
        """Why the mask does not fit a column of this type, as a sentence; None if it fits.

        A mask that would show each value whole fits nothing.

        Args:
            sql_type: as the engine writes it (`VARCHAR`, `DECIMAL(10,2)`, `TIMESTAMP`).
        """
        wanting = self.wanting()
        if wanting is not None:
            return wanting
        shown = sql_type.strip().upper()
        if self.kind == "partial" and not _TEXT.fullmatch(shown):
            return f"A partial mask shows the ends of a text, and the column is {shown}."
        if self.kind == "constant" and not _TEXT.fullmatch(shown):
            return f"A constant is a text, and the column is {shown}: mask it with null instead."
        if self.kind == "truncate":
            return self._truncating(shown)
        if self.kind == "round":
            return self._rounding(shown)
        return None

    def wanting(self) -> str | None:
        """What the mask itself lacks, whatever the column, as a sentence; None if nothing."""
        if self.kind not in MASK_KINDS:
            return f"There is no such mask; take one of {', '.join(MASK_KINDS)}."
        if self.kind == "constant" and self.value is None:
            return "A constant mask needs the value that is to be shown."
        if self.kind == "constant" and len(self.value or "") > _MOST_CONSTANT:
            return f"A constant has at most {_MOST_CONSTANT} characters."
        if self.kind == "partial":
            if not (0 <= self.keep_first <= _MOST_KEPT and 0 <= self.keep_last <= _MOST_KEPT):
                return f"A partial mask keeps between 0 and {_MOST_KEPT} characters at an end."
            if len(self.fill) != 1:
                return "A partial mask fills with one character."
        if self.kind == "truncate" and self.unit not in MASK_UNITS:
            return f"A truncated date needs a unit: one of {', '.join(MASK_UNITS)}."
        if self.kind == "round" and self.digits is None:
            return "A rounded number needs its digits: 2 is cents, -3 thousands."
        if self.kind == "round" and abs(self.digits or 0) > _MOST_DIGITS:
            return f"A number is rounded to between -{_MOST_DIGITS} and {_MOST_DIGITS} digits."
        return None

    def _truncating(self, shown: str) -> str | None:
        if shown == "DATE":
            if self.unit in {"hour", "day"}:
                return f"A date cut to the {self.unit} is the date itself: take week or coarser."
            return None
        if not _INSTANT.fullmatch(shown):
            return f"Only dates and timestamps can be truncated, and the column is {shown}."
        return None

    def _rounding(self, shown: str) -> str | None:
        digits = self.digits or 0
        if _BINARY_FRACTION.fullmatch(shown):
            return None
        if _WHOLE.fullmatch(shown):
            scale = 0
        elif match := _DECIMAL.fullmatch(shown):
            scale = int(match[2] or 0) if match[1] else 3  # the engine's own scale for bare DECIMAL
        else:
            return f"Only numbers can be rounded, and the column is {shown}."
        if digits >= scale:
            return f"Rounding {shown} to {digits} digits shows each value whole: take fewer."
        return None

    def to_json(self) -> dict[str, Any]:
        """The store form: the kind, and the members that belong to it."""
        members: dict[str, Any] = {"kind": self.kind}
        if self.kind == "constant":
            members["value"] = self.value
        elif self.kind == "partial":
            members |= {"keepFirst": self.keep_first, "keepLast": self.keep_last, "fill": self.fill}
        elif self.kind == "truncate":
            members["unit"] = self.unit
        elif self.kind == "round":
            members["digits"] = self.digits
        return members

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "MaskRule":
        """The mask that `to_json` wrote."""
        return cls(
            kind=value["kind"],
            value=value.get("value"),
            keep_first=value.get("keepFirst", 0),
            keep_last=value.get("keepLast", 0),
            fill=value.get("fill", "*"),
            unit=value.get("unit"),
            digits=value.get("digits"),
        )
