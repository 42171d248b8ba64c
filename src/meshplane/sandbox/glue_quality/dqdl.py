"""DQDL, the language of Glue's rulesets, as far as the fake evaluates it.

After the DQDL reference of the Glue guide: `Rules = [ rule, … ]`, a rule being
`Type "column" … condition [with threshold condition] [with tag = "value"] [where "SQL"]`, or rules
in parentheses joined by `and` or `or`. Variables and dynamic rules are not read.
"""

import re

from meshplane.sandbox.glue_quality.rules import (
    RULE_TYPES,
    Condition,
    Operand,
    Rule,
    is_whole,
)

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<text>"(?:\\.|[^"\\])*")
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<sign><=|>=|!=|[=<>()\[\]{},:+-])
    |(?P<word>[A-Za-z_][A-Za-z0-9_.]*)""",
    re.VERBOSE | re.DOTALL,
)
_SIGNS = ("=", "!=", "<", "<=", ">", ">=")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_KEYWORDS = ("NULL", "EMPTY", "WHITESPACES_ONLY")


class InvalidRuleset(Exception):
    """The text is no ruleset. The message says where."""


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of a ruleset.

    Raises:
        InvalidRuleset: it is none, it has no rules, or a rule is not written as its type wants.
    """
    return _Reader(text).ruleset()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str, int, int]] = []
        self._at = 0
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise self._wrong(position)
            if match.lastgroup != "space":
                self._tokens.append((match.lastgroup, match.group(), match.start(), match.end()))
            position = match.end()

    def ruleset(self) -> tuple[Rule, ...]:
        rules: tuple[Rule, ...] = ()
        while self._at < len(self._tokens):
            name = self._take("word")
            if name == "Rules":
                self._sign("=")
                rules = self._rules()
            elif name in {"Metadata", "DataSources", "Analyzers", "DefaultLabels"}:
                self._skip_section()
            else:
                raise self._wrong(self._start())
        if not rules:
            raise InvalidRuleset("A ruleset must have a rule in Rules = [ ].")
        return rules

    def _rules(self) -> tuple[Rule, ...]:
        self._sign("[")
        found = []
        while not self._is("sign", "]"):
            found.append(self._joined())
            if not self._is("sign", "]"):
                self._sign(",")
        self._sign("]")
        return tuple(found)

    def _joined(self) -> Rule:
        start = self._start()
        parts, word = [self._part()], ""
        while self._peek()[0] == "word" and self._peek()[1].lower() in {"and", "or"}:
            following = self._take("word").lower()
            if word and following != word:
                # `and` binds closer, as everywhere else.
                return self._mixed(parts, word, following, start)
            word = following
            parts.append(self._part())
        if len(parts) == 1:
            return parts[0]
        return Rule(word, self._since(start), parts=tuple(parts))

    def _mixed(self, parts: list[Rule], word: str, following: str, start: int) -> Rule:
        groups = [parts] if word == "and" else [[one] for one in parts]
        while True:
            part = self._part()
            if following == "and":
                groups[-1] = [*groups[-1], part]
            else:
                groups.append([part])
            if self._peek()[0] != "word" or self._peek()[1].lower() not in {"and", "or"}:
                break
            following = self._take("word").lower()
        text = self._since(start)
        joined = [
            one[0] if len(one) == 1 else Rule("and", text, parts=tuple(one)) for one in groups
        ]
        return Rule("or", text, parts=tuple(joined))

    def _part(self) -> Rule:
        if not self._is("sign", "("):
            return self._rule()
        self._sign("(")
        inner = self._joined()
        self._sign(")")
        return inner

    def _rule(self) -> Rule:
        start = self._start()
        kind = self._take("word")
        if kind not in RULE_TYPES:
            raise self._wrong(start)
        parameters, condition = self._parameters(), self._condition()
        threshold, where, tags = None, None, {}
        while self._peek()[0] == "word" and self._peek()[1] in {"with", "where", "labels"}:
            word = self._take("word")
            if word == "where":
                where = self._take("text")
            elif word == "labels":
                self._sign("=")
                self._skip_list()
            elif self._is("word", "threshold"):
                self._take("word")
                threshold = self._condition()
                if threshold is None:
                    raise self._wrong(self._start())
            else:
                name = self._take("word")
                self._sign("=")
                tags[name] = self._take(self._peek()[0])
        rule = Rule(kind, self._since(start), parameters, condition, threshold, where, tags)
        if not is_whole(rule):
            raise self._wrong(start)
        return rule

    def _parameters(self) -> tuple[str, ...]:
        found: list[str] = []
        while True:
            kind, text, _, _ = self._peek()
            plain = kind == "word" and text not in {
                "between",
                "in",
                "matches",
                "not",
                "with",
                "where",
                "labels",
                "and",
                "or",
                "AND",
                "OR",
            }
            if kind == "word" and text == "and" and found and self._peek(1)[0] in {"text", "word"}:
                self._take("word")  # `of "a" and "b"`
                continue
            if kind != "text" and not plain:
                return tuple(found)
            taken = self._take(kind)
            if not (kind == "word" and taken == "of"):
                found.append(taken)

    def _condition(self) -> Condition | None:
        kind, text, _, _ = self._peek()
        if kind == "sign" and text in _SIGNS:
            self._take("sign")
            return Condition(text, (self._operand(),))
        if kind != "word" or text not in {"between", "in", "matches", "not"}:
            return None
        negated = text == "not"
        word = self._take("word")
        if negated:
            word = self._take("word")
        if word == "between":
            low = self._operand()
            if self._take("word") != "and":
                raise self._wrong(self._start())
            return Condition(word, (low, self._operand()), negated)
        if word == "matches":
            return Condition(word, (Operand("text", self._take("text")),), negated)
        if word != "in":
            raise self._wrong(self._start())
        self._sign("[")
        operands = [self._operand()]
        while self._is("sign", ","):
            self._sign(",")
            operands.append(self._operand())
        self._sign("]")
        return Condition(word, tuple(operands), negated)

    def _operand(self) -> Operand:
        kind, text, start, _ = self._peek()
        if kind == "text":
            return Operand("text", self._take("text"))
        if kind == "number":
            number = self._take("number")
            unit = self._peek()[1].removesuffix("s") if self._peek()[0] == "word" else ""
            if unit in _SECONDS:
                self._take("word")
                return Operand("span", str(float(number) * _SECONDS[unit]))
            return Operand("number", number)
        if kind == "word" and text in _KEYWORDS:
            return Operand("keyword", self._take("word"))
        if kind == "word" and text == "now":
            return self._now()
        if kind == "sign" and text == "(":
            self._sign("(")
            now = self._now()
            sign = -1 if self._peek()[1].startswith("-") else 1
            if self._is("sign", "-") or self._is("sign", "+"):
                self._take("sign")
            span = self._operand()
            self._sign(")")
            if span.kind != "span":
                raise self._wrong(start)
            return Operand("now", str(float(now.text) + sign * abs(float(span.text))))
        raise self._wrong(start)

    def _now(self) -> Operand:
        if self._take("word") != "now":
            raise self._wrong(self._start())
        self._sign("(")
        self._sign(")")
        return Operand("now", "0")

    def _skip_section(self) -> None:
        self._sign("=")
        self._skip_list()

    def _skip_list(self) -> None:
        """Reads over what stands in brackets."""
        opened: list[str] = []
        while True:
            sign = self._peek()[1] if self._peek()[0] == "sign" else ""
            if sign in {"[", "{", "("}:
                opened.append(sign)
            elif not opened:
                raise self._wrong(self._start())
            elif sign in {"]", "}", ")"}:
                opened.pop()
            self._take(self._peek()[0])
            if not opened:
                return

    def _peek(self, ahead: int = 0) -> tuple[str, str, int, int]:
        at = self._at + ahead
        end = len(self._text)
        return self._tokens[at] if at < len(self._tokens) else ("end", "", end, end)

    def _is(self, kind: str, text: str) -> bool:
        return self._peek()[:2] == (kind, text)

    def _take(self, kind: str) -> str:
        found, text, start, _ = self._peek()
        if found != kind or found == "end":
            raise self._wrong(start)
        self._at += 1
        return _unquoted(text) if kind == "text" else text

    def _sign(self, text: str) -> None:
        if not self._is("sign", text):
            raise self._wrong(self._start())
        self._at += 1

    def _start(self) -> int:
        return self._peek()[2]

    def _since(self, start: int) -> str:
        return self._text[start : self._tokens[self._at - 1][3]].strip()

    def _wrong(self, position: int) -> InvalidRuleset:
        before = self._text[:position]
        line, place = before.count("\n") + 1, position - (before.rfind("\n") + 1)
        return InvalidRuleset(f"Parsing error at line {line}:{place}")


def _unquoted(text: str) -> str:
    return text[1:-1].replace('\\"', '"')
