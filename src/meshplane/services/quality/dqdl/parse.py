"""DQDL text to a `Ruleset`."""

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from meshplane.kit.errors import Invalid, TooLarge
from meshplane.services.quality.dqdl.build import NotDqdl, build
from meshplane.services.quality.dqdl.catalogue import RULE_TYPES
from meshplane.services.quality.dqdl.model import Ruleset

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.exceptions import UnexpectedInput

MAX_RULESET_BYTES = 64 * 1024
MAX_NESTING = 32

# Brackets count towards the nesting unless they stand in a text or a comment. One that is never
# closed reaches to the end, so that no part of the text is looked at twice.
_NESTING = re.compile(r'"(?:\\.|[^"\\])*"?|(?://|#)[^\n]*|/\*.*?(?:\*/|\Z)|[()\[\]{}]', re.DOTALL)

_TERMS = {
    "$END": "the end of the ruleset",
    "NAME": "a name",
    "STRING": "a text in double quotes",
    "NUMBER": "a number",
    "VARIABLE": "a constant ($name)",
    "KEYWORD": "NULL, EMPTY or WHITESPACES_ONLY",
    "UNIT": "a unit (minutes, hours, days, B, KB, MB, GB, TB)",
    "NOW": "now()",
    "ORDER": "!=, >, >=, <, <=",
    "METADATA": "Metadata",
    "DATA_SOURCES": "DataSources",
    "DEFAULT_LABELS": "DefaultLabels",
    "RULES": "Rules",
    "ANALYZERS": "Analyzers",
    "EQUAL": "=",
    "PLUS": "+",
    "MINUS": "-",
    "STAR": "*",
    "SLASH": "/",
    "COMMA": ",",
    "COLON": ":",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "LBRACE": "{",
    "RBRACE": "}",
}


def parse(text: str) -> Ruleset:
    """Reads a ruleset.

    Args:
        text: a DQDL document of at most 64 KiB.

    Raises:
        Invalid: `RULESET_INVALID`, with line and column, when the text is not DQDL.
        TooLarge: `RULESET_TOO_LARGE`.
    """
    size_bytes = len(text.encode("utf-8", "replace"))
    if size_bytes > MAX_RULESET_BYTES:
        raise TooLarge(
            "RULESET_TOO_LARGE",
            f"A ruleset has at most {MAX_RULESET_BYTES} bytes; this one has {size_bytes}. "
            "Split it into several rulesets.",
            field="ruleset",
        )
    _check_characters(text)
    _check_nesting(text)
    try:
        return build(_tree(text), text)
    except NotDqdl as problem:
        raise _invalid(problem.line, problem.column, problem.reason) from None


def _invalid(line: int, column: int, reason: str) -> Invalid:
    return Invalid(
        "RULESET_INVALID",
        f"This is not a DQDL ruleset: line {line}, column {column}: {reason}",
        field="ruleset",
        details={"line": line, "column": column},
    )


def _check_characters(text: str) -> None:
    """A lone surrogate is no character of any encoding, and NUL ends a text in many engines."""
    for found in re.finditer("[\0\ud800-\udfff]", text):
        line, column = _line_and_column(text, found.start())
        code = f"U+{ord(found.group()):04X}"
        raise _invalid(line, column, f"the character {code} is not allowed; take it out.")


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


def _check_nesting(text: str) -> None:
    depth = 0
    for found in _NESTING.finditer(text):
        mark = found.group()
        if mark in "([{":
            depth += 1
            if depth > MAX_NESTING:
                line, column = _line_and_column(text, found.start())
                raise _invalid(
                    line, column, f"brackets are nested more than {MAX_NESTING} deep; flatten them."
                )
        elif mark in ")]}":
            depth = max(0, depth - 1)


def _tree(text: str) -> "Tree[Token]":
    from lark.exceptions import UnexpectedInput

    try:
        return _parser().parse(text)
    except UnexpectedInput as problem:
        line, column = _place(problem, text)
        raise _invalid(line, column, _expected(problem, text)) from None


def _place(problem: "UnexpectedInput", text: str) -> tuple[int, int]:
    from lark.exceptions import UnexpectedToken

    if isinstance(problem, UnexpectedToken) and problem.token.type == "$END":
        return _line_and_column(text, len(text))
    return problem.line, problem.column


def _expected(problem: "UnexpectedInput", text: str) -> str:
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    found, names = "something else", set[str]()
    if isinstance(problem, UnexpectedToken):
        names = set(problem.expected)
        found = "the end" if problem.token.type == "$END" else _shown(str(problem.token))
    elif isinstance(problem, UnexpectedCharacters):
        names = set(problem.allowed or ())
        # lark sets this number, and types it as None.
        position: int = getattr(problem, "pos_in_stream", 0)
        found = _shown(text[position:])
    names -= {"COMMENT", "JOINT"}
    terms = sorted(_TERMS.get(name, name.lower()) for name in names if not name.startswith("__"))
    return f"found {found}, expected one of: {' | '.join(terms)}"


def _shown(rest: str) -> str:
    """The next word of the ruleset: a piece of what its author wrote, not of the data."""
    word = re.match(r'"(?:\\.|[^"\\\n])*"?|\w+|\S', rest)
    shown = word.group()[:40] if word else rest[:1]
    return shown if shown.isprintable() else f"the character U+{ord(shown[0]):04X}"


@cache
def _parser() -> "Lark":
    from lark import Lark

    grammar = resources.files(__package__).joinpath("dqdl.lark").read_text("utf-8")
    rule_follows = "|".join(RULE_TYPES)
    joint = f'\nJOINT.3: /and(?=\\s+["$A-Za-z_])(?!\\s+(?:{rule_follows})\\b)/\n'
    return Lark(grammar + joint, parser="lalr", propagate_positions=True, maybe_placeholders=False)
