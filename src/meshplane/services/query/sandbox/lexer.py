"""Cuts SQL into words and marks, knowing quotes and comments. Only the PIVOT rewriter needs it.

Nothing rests on it: whatever is written with its help is parsed by the engine and goes through the
gate like any other statement. Where it disagreed with the engine, the outcome would be a refusal.
"""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*|\ufeff)
  | (?P<comment>/\*)
  | (?P<text>[eExX]?'(?:[^']|'')*'|"(?:[^"]|"")*")
  | (?P<dollar>\$(?P<tag>\w*)\$)
  | (?P<word>[^\W\d]\w*)
  | (?P<mark>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A word (unquoted ones in upper case) or mark, its place, how many brackets are open."""

    word: str
    start: int
    end: int
    depth: int


def _comment_end(sql: str, start: int) -> int:
    depth, place = 0, start
    while place < len(sql):
        pair = sql[place : place + 2]
        if pair in ("/*", "*/"):
            depth += 1 if pair == "/*" else -1
            place += 2
            if depth == 0:
                return place
        else:
            place += 1
    return len(sql)


def tokens(sql: str) -> list[Token]:
    """The words and marks of the text, comments and blanks left out."""
    found: list[Token] = []
    place, depth = 0, 0
    while place < len(sql):
        match = _TOKEN.match(sql, place)
        if match is None:  # never: the last alternative takes any character
            break
        start, place = place, match.end()
        if match["comment"]:
            place = _comment_end(sql, start)
            continue
        if match["space"]:
            continue
        if match["dollar"]:
            closing = sql.find(match["dollar"], place)
            place = len(sql) if closing < 0 else closing + len(match["dollar"])
        text = sql[start:place]
        depth -= text in (")", "]", "}")
        found.append(Token(text.upper() if match["word"] else text, start, place, depth))
        depth += text in ("(", "[", "{")
    return found
