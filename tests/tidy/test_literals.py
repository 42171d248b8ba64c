"""Literal types: the same values stand in the same order wherever they are written.

Python takes two Literal types of the same values for one, and keeps whichever it met first. Of two
orders, which one the OpenAPI document shows would depend on what was imported before.
"""

import ast
from collections import defaultdict

from tests.tidy.tree import ROOT


def test_literals__of_the_same_values_list_them_in_one_order() -> None:
    orders: dict[frozenset[str], set[tuple[str, ...]]] = defaultdict(set)
    for file in sorted((ROOT / "src").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "Literal" not in text:
            continue  # nothing to parse
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
                listed = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                values = tuple(ast.unparse(value) for value in listed)
                orders[frozenset(values)].add(values)
    assert len(orders) > 20
    assert [sorted(found) for found in orders.values() if len(found) > 1] == []
