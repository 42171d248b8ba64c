"""PIVOT without a list of values, which the engine runs as three statements, as two SELECTs.

`PIVOT t ON a USING sum(b)` asks for a column for each value of `a`. The engine would create a type
from a query for the values, and its tree of that cannot be had. So the values are read first, by a
SELECT that goes through the gate, and then the same PIVOT runs with `IN (values)`, which is one
SELECT with a tree and goes through the gate too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meshplane.services.query.sandbox.faults import NOT_SELECT, invalid, refused
from meshplane.services.query.sandbox.lexer import Token, tokens

MAX_VALUES = 1000
_ENDS = frozenset({"USING", "GROUP", "ORDER", "LIMIT", ";"})
_REFUSAL = (
    "PIVOT without IN (…) is answered as a statement of its own only: "
    "PIVOT table ON column USING aggregate."
)
_NO_VALUES = "PIVOT finds no value in the rows that you may read, and so no column to make."


@dataclass(frozen=True, slots=True)
class Pivot:
    """A PIVOT in parts: what it reads, what its columns come from, and the text around them."""

    source: str
    elements: tuple[str, ...]
    before: str
    after: str

    def probes(self) -> list[str]:
        """For each element without values, the SELECT that reads them; they come sorted."""
        # The caller's own text, in a statement that goes through the gate.
        return [
            f"SELECT DISTINCT CAST(({element}) AS VARCHAR) FROM {self.source} "  # noqa: S608
            f"WHERE ({element}) IS NOT NULL ORDER BY 1 LIMIT {MAX_VALUES + 1}"
            for element in self.elements
        ]

    def statement(self, values: Sequence[Sequence[str]]) -> str:
        """The PIVOT with the values of each element written out.

        Raises:
            Invalid: there is no value to make a column of.
        """
        if not all(values):
            raise invalid(_NO_VALUES)
        lists = [
            f"({element}) IN ({', '.join(_literal(value) for value in found)})"
            for element, found in zip(self.elements, values, strict=True)
        ]
        return f"{self.before}{', '.join(lists)}{self.after}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def pivot(sql: str) -> Pivot:
    """Takes a PIVOT statement apart.

    Raises:
        Refused: it is another statement, or one of the forms that are not taken apart.
    """
    words = [token for token in tokens(sql) if token.depth == 0]
    if not words or words[0].word not in ("PIVOT", "PIVOT_WIDER"):
        raise refused(NOT_SELECT if not words else _REFUSAL)
    on = next((place for place, token in enumerate(words) if token.word == "ON"), None)
    if on is None or on < 2 or any(token.word == "JOIN" for token in words[:on]):
        raise refused(_REFUSAL)
    end = next((place for place in range(on, len(words)) if words[place].word in _ENDS), len(words))
    elements = _elements(sql, words[on + 1 : end])
    rest = words[end].start if end < len(words) else len(sql)
    after = sql[rest:].rstrip().rstrip(";")
    return Pivot(
        source=sql[words[1].start : words[on - 1].end],
        elements=elements,
        before=sql[: words[on].end] + " ",
        after=f" {after}",
    )


def _elements(sql: str, words: Sequence[Token]) -> tuple[str, ...]:
    parts: list[list[Token]] = [[]]
    for token in words:
        if token.word == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    if any(not part or any(token.word == "IN" for token in part) for part in parts):
        raise refused(_REFUSAL)
    return tuple(sql[part[0].start : part[-1].end] for part in parts)
