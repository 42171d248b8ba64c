"""What a row filter may ask about the caller: `current_principal()` and `in_group('name')`.

The engine knows neither. Before a filter is embedded, literals take their place in its tree, so
that what is left is a condition like any other; a statement of a caller may use neither.
"""

from collections.abc import Iterator
from typing import Any

from meshplane.services.query.sandbox.gate import Node

CURRENT_PRINCIPAL, IN_GROUP = "current_principal", "in_group"
NAMES = frozenset({CURRENT_PRINCIPAL, IN_GROUP})
_OPTIONS = ("filter", "distinct", "export_state")


def problem(node: Node) -> str | None:
    """Why a call of one of them is not as it should be; None if it is."""
    name = str(node["function_name"]).lower()
    arguments = node["arguments"]
    if any(node.get(option) for option in _OPTIONS) or node["order_bys"]["orders"]:
        return f"“{name}” is called with its arguments and nothing else."
    if name == CURRENT_PRINCIPAL:
        return None if not arguments else "“current_principal()” takes no argument."
    if len(arguments) == 1 and not arguments[0]["name"]:
        literal = arguments[0]["expression"].get("literal") or {}
        if literal.get("kind") == "STRING" and literal.get("text"):
            return None
    return "“in_group” takes one argument, the name of a group as a literal: in_group('pilots')."


def asks(tree: Any) -> bool:
    """Whether the filter asks about the caller."""
    return any(True for _ in _calls(tree))


def answered(tree: Any, principal: str, groups: frozenset[str]) -> Any:
    """The tree with literals in place of the calls.

    Args:
        tree: of a filter that passed its gate.
        principal: the caller, as `user:…`.
        groups: the names of his groups.
    """
    if isinstance(tree, list):
        return [answered(value, principal, groups) for value in tree]
    if not isinstance(tree, dict):
        return tree
    name = _called(tree)
    if name == CURRENT_PRINCIPAL:
        return _literal(tree, "STRING", principal)
    if name == IN_GROUP:
        asked = tree["arguments"][0]["expression"]["literal"]["text"]
        return _literal(tree, "BOOLEAN", "true" if asked in groups else "false")
    return {key: answered(value, principal, groups) for key, value in tree.items()}


def _called(node: Node) -> str | None:
    if node.get("class") != "FUNCTION":
        return None
    name = str(node.get("function_name")).lower()
    return name if name in NAMES else None


def _calls(tree: Any) -> Iterator[Node]:
    if isinstance(tree, list):
        for value in tree:
            yield from _calls(value)
    elif isinstance(tree, dict):
        if _called(tree):
            yield tree
        for value in tree.values():
            yield from _calls(value)


def _literal(call: Node, kind: str, text: str) -> Node:
    places = {name: call[name] for name in call if name.startswith("query_location")}
    return {
        "class": "CONSTANT",
        "type": "VALUE_CONSTANT",
        "alias": call.get("alias", ""),
        **places,
        "literal": {"kind": kind, "text": text},
    }
