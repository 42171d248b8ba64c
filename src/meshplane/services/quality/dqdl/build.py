"""The parse tree of a ruleset to its model, with the checks that a grammar cannot make."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from meshplane.services.quality.dqdl.catalogue import RULE_TYPES, RuleType
from meshplane.services.quality.dqdl.conditions import condition_of
from meshplane.services.quality.dqdl.literals import BadLiteral, operand, text_of
from meshplane.services.quality.dqdl.model import (
    Analyzer,
    AnyRule,
    Composite,
    Condition,
    Kind,
    Operand,
    Operator,
    Rule,
    Ruleset,
    Text,
)

if TYPE_CHECKING:
    from lark import Token, Tree

    Node = Tree[Token] | Token

MAX_RULES = 2000
MAX_LABELS = 10

_REFERENCE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


class NotDqdl(Exception):
    """The tree breaks a rule of the language, at this place."""

    def __init__(self, node: "Node", reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line, self.column = _place(node)


def build(tree: "Tree[Token]", text: str) -> Ruleset:
    """The ruleset that a parse tree stands for.

    Args:
        tree: what `dqdl.lark` made of `text`.
        text: the document.

    Raises:
        NotDqdl: the document is no valid ruleset.
    """
    return _Builder(text).ruleset(tree)


def _place(node: "Node") -> tuple[int, int]:
    from lark import Token

    if isinstance(node, Token):
        return node.line or 1, node.column or 1
    return getattr(node.meta, "line", 1), getattr(node.meta, "column", 1)


def _trees(node: "Tree[Token]", *names: str) -> "Iterator[Tree[Token]]":
    return (child for child in _subtrees(node) if child.data in names)


def _subtrees(node: "Tree[Token]") -> "Iterator[Tree[Token]]":
    from lark import Tree

    return (child for child in node.children if isinstance(child, Tree))


def _tokens(node: "Tree[Token]", *kinds: str) -> "list[Token]":
    from lark import Token

    return [
        child
        for child in node.children
        if isinstance(child, Token) and (not kinds or child.type in kinds)
    ]


class _Builder:
    """Walks one tree. Its recursion is bounded by the nesting that `parse` allows."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._constants: dict[str, Text | tuple[Text, ...]] = {}
        self._default_labels: Mapping[str, str] = {}
        self._rule_count = 0

    def ruleset(self, tree: "Tree[Token]") -> Ruleset:
        metadata = self._metadata(tree)
        primary, additional = self._sources(tree)
        for node in _trees(tree, "constant"):
            self._constant(node)
        for node in _trees(tree, "default_labels"):
            self._default_labels = self._label_map(node)
        rules = tuple(
            self._entry(node) for part in _trees(tree, "rules") for node in _subtrees(part)
        )
        analyzers = tuple(
            self._analyzer(node) for part in _trees(tree, "analyzers") for node in _subtrees(part)
        )
        if not rules and not analyzers:
            raise NotDqdl(tree, 'it holds no rule; write one, such as Rules = [ IsComplete "id" ]')
        return Ruleset(rules, analyzers, metadata, primary, additional)

    def _metadata(self, tree: "Tree[Token]") -> Mapping[str, str]:
        found: dict[str, str] = {}
        for part in _trees(tree, "metadata"):
            for pair in _trees(part, "pair"):
                key, *value = _tokens(pair, "STRING")
                if text_of(key).value != "Version" or not value:
                    raise NotDqdl(pair, 'Metadata holds "Version" with a text, and nothing else')
                found["Version"] = text_of(value[0]).value
        return MappingProxyType(found)

    def _sources(self, tree: "Tree[Token]") -> tuple[str | None, tuple[str, ...]]:
        primary, additional = None, tuple[str, ...]()
        for part in _trees(tree, "data_sources"):
            for pair in _trees(part, "pair"):
                key, *value = _tokens(pair, "STRING")
                listed = next(_trees(pair, "string_list"), None)
                name = text_of(key).value
                if name == "Primary" and value:
                    primary = text_of(value[0]).value
                elif name == "AdditionalDataSources" and listed is not None:
                    additional = tuple(text_of(token).value for token in _tokens(listed, "STRING"))
                else:
                    raise NotDqdl(
                        pair,
                        'DataSources holds "Primary" with a text and "AdditionalDataSources" '
                        "with a list of texts",
                    )
        return primary, additional

    def _constant(self, node: "Tree[Token]") -> None:
        name, *value = _tokens(node, "NAME", "STRING")
        listed = next(_trees(node, "string_list"), None)
        if str(name) in self._constants:
            raise NotDqdl(node, f"the constant {name} is defined twice")
        texts = tuple(map(text_of, value if listed is None else _tokens(listed, "STRING")))
        for text in texts:
            for reference in _REFERENCE.findall(text.value):
                if reference in self._constants:
                    raise NotDqdl(node, f"a constant cannot use another one (${reference})")
        self._constants[str(name)] = texts[0] if listed is None else texts

    def _label_map(self, node: "Tree[Token]") -> Mapping[str, str]:
        labels: dict[str, str] = {}
        for label in _trees(node, "label"):
            key, value = (text_of(token).value for token in _tokens(label, "STRING"))
            if not key or not value:
                raise NotDqdl(label, "a label has a key and a value, and neither is empty")
            if key in labels:
                raise NotDqdl(label, "two labels have the same key")
            labels[key] = value
        if not 1 <= len(labels) <= MAX_LABELS:
            raise NotDqdl(node, f"there are 1 to {MAX_LABELS} labels in a list")
        return MappingProxyType(labels)

    def _labels(self, node: "Tree[Token]") -> Mapping[str, str]:
        labels = dict(self._default_labels)
        for part in _trees(node, "labels"):
            labels.update(self._label_map(part))
        return MappingProxyType(labels)

    def _source(self, node: "Tree[Token]") -> str:
        return self._text[node.meta.start_pos : node.meta.end_pos]

    def _entry(self, node: "Tree[Token]") -> AnyRule:
        if node.data == "rule":
            return self._rule(node)
        if node.data == "group":
            inner = self._entry(next(_trees(node, "rule", "group", "all_of", "any_of")))
            own = (self._label_map(part) for part in _trees(node, "labels"))
            labels = {key: value for part in own for key, value in part.items()}
            return replace(inner, labels=MappingProxyType({**inner.labels, **labels}))
        return Composite(
            self._source(node),
            node.meta.line,
            node.data == "all_of",
            tuple(self._entry(member) for member in _subtrees(node)),
            self._labels(node),
        )

    def _rule(self, node: "Tree[Token]") -> Rule:
        self._rule_count += 1
        if self._rule_count > MAX_RULES:
            raise NotDqdl(node, f"a ruleset holds at most {MAX_RULES} rules")
        name = str(_tokens(node, "NAME")[0])
        rule_type = self._type(node, name)
        if rule_type.analyzer_only:
            raise NotDqdl(node, f"{name} stands among the Analyzers only")
        parameters = self._parameters(node, name, rule_type)
        return Rule(
            text=self._source(node),
            line=node.meta.line,
            type=name,
            parameters=parameters,
            condition=self._rule_condition(node, name, rule_type, parameters),
            where=self._where(node, name, rule_type),
            threshold=self._threshold(node, name, rule_type),
            tags=self._tags(node),
            labels=self._labels(node),
        )

    def _analyzer(self, node: "Tree[Token]") -> Analyzer:
        name = str(_tokens(node, "NAME")[0])
        rule_type = self._type(node, name)
        if not rule_type.kinds:
            raise NotDqdl(node, f"{name} is true or false, so it is no analyzer")
        parameters = self._parameters(node, name, rule_type)
        return Analyzer(self._source(node), node.meta.line, name, parameters)

    def _type(self, node: "Tree[Token]", name: str) -> RuleType:
        if name not in RULE_TYPES:
            near = [known for known in RULE_TYPES if known.lower() == name.lower()]
            hint = f"; write {near[0]}" if near else ""
            raise NotDqdl(node, f"there is no rule type {name[:40]}{hint}")
        return RULE_TYPES[name]

    def _parameters(self, node: "Tree[Token]", name: str, rule_type: RuleType) -> tuple[str, ...]:
        values = []
        for parameter in _trees(node, "parameter"):
            token = _tokens(parameter, "STRING", "NAME", "VARIABLE")[0]
            values.append(str(token) if token.type == "NAME" else self._text_operand(token).value)
        fewest, most = rule_type.parameters
        if len(values) < fewest or (most is not None and len(values) > most):
            allowed = f"at least {fewest}" if most is None else f"{fewest} to {most}"
            allowed = str(fewest) if fewest == most else allowed
            raise NotDqdl(
                node, f"{name} has {len(values)} parameter(s) here; the number allowed is {allowed}"
            )
        if any(not value for value in values):
            raise NotDqdl(node, f"a parameter of {name} is empty")
        return tuple(values)

    def _rule_condition(
        self, node: "Tree[Token]", name: str, rule_type: RuleType, parameters: Sequence[str]
    ) -> Condition | None:
        part = next(_trees(node, "comparison", "range", "membership", "match"), None)
        if part is None:
            alone = not rule_type.condition_required and (
                name != "FileMatch" or len(parameters) == 2
            )
            if rule_type.kinds and not alone:
                raise NotDqdl(node, f"{name} needs a condition, such as > 0")
            return None
        if not rule_type.kinds:
            raise NotDqdl(part, f"{name} is true or false itself and takes no condition")
        return self._condition(part, rule_type.kinds, name)

    def _where(self, node: "Tree[Token]", name: str, rule_type: RuleType) -> str | None:
        part = next(_trees(node, "where"), None)
        if part is None:
            return None
        if not rule_type.where:
            raise NotDqdl(part, f"{name} takes no where clause")
        clause = self._text_operand(_tokens(part, "STRING", "VARIABLE")[0]).value
        if not clause.strip():
            raise NotDqdl(part, "the where clause is empty")
        return clause

    def _threshold(self, node: "Tree[Token]", name: str, rule_type: RuleType) -> Condition | None:
        part = next(_trees(node, "threshold"), None)
        if part is None:
            return None
        if not rule_type.threshold:
            raise NotDqdl(part, f"{name} takes no threshold")
        return self._condition(next(_subtrees(part)), frozenset({Kind.NUMBER}), "a threshold")

    def _tags(self, node: "Tree[Token]") -> Mapping[str, str]:
        tags: dict[str, str] = {}
        for part in _trees(node, "tag"):
            name, value = _tokens(part, "NAME", "STRING", "NUMBER")
            tags[str(name)] = text_of(value).value if value.type == "STRING" else str(value)
        return MappingProxyType(tags)

    def _condition(self, node: "Tree[Token]", kinds: frozenset[Kind], name: str) -> Condition:
        operator = Operator(" ".join(_operator_words(node)))
        try:
            operands = tuple(self._operands(node))
        except BadLiteral as problem:
            raise NotDqdl(node, str(problem)) from None
        condition = condition_of(operator, operands, kinds)
        if condition is None:
            wanted = " or ".join(sorted(kind.value for kind in kinds))
            raise NotDqdl(node, f"{name} cannot be compared like this; it compares with {wanted}")
        return condition

    def _operands(self, node: "Tree[Token]") -> Iterator[Operand]:
        from lark import Token

        for child in node.children:
            if isinstance(child, Token) and child.type in _OPERATOR_TOKENS:
                continue
            if isinstance(child, Token) and child.type == "VARIABLE":
                value = self._value_of(child)
                if node.data == "membership" and not isinstance(value, tuple):
                    raise NotDqdl(child, f"{child} is one text; after `in` stands a list of texts")
                yield from value if isinstance(value, tuple) else (value,)
            elif not isinstance(child, Token) and child.data == "operand_list":
                yield from self._operands(child)
            else:
                yield operand(child)

    def _value_of(self, token: "Token") -> Text | tuple[Text, ...]:
        name = str(token)[1:]
        if name not in self._constants:
            raise NotDqdl(token, f"the constant ${name} is not defined above the rules")
        return self._constants[name]

    def _text_operand(self, token: "Token") -> Text:
        if token.type == "STRING":
            return text_of(token)
        value = self._value_of(token)
        if isinstance(value, tuple):
            raise NotDqdl(token, f"{token} is a list; here stands one text")
        return value


_OPERATOR_TOKENS = ("EQUAL", "ORDER", "NOT", "BETWEEN", "IN", "MATCHES", "AND")


def _operator_words(node: "Tree[Token]") -> list[str]:
    words = _tokens(node, "EQUAL", "ORDER", "NOT", "BETWEEN", "IN", "MATCHES")
    return [str(word).lower() for word in words]
