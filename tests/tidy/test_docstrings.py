"""What others may call says what it does."""

import ast
from collections.abc import Iterator

import pytest

from tests.tidy.tree import File, assert_none, python

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

# A docstring stands at the declaration that these repeat.
_REPEATS = {"override", "overload", "setter", "deleter"}


def _public(body: list[ast.stmt]) -> Iterator[Definition]:
    for node in body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        marks = {ast.unparse(mark).rsplit(".", 1)[-1] for mark in node.decorator_list}
        if not marks & _REPEATS:
            yield node
        if isinstance(node, ast.ClassDef):
            yield from _public(node.body)


def undocumented(file: File) -> list[str]:
    """Public functions, classes and methods, and the file itself, that have no docstring."""
    found = [
        file.at(node.lineno, f"{node.name} has no docstring")
        for node in _public(file.tree.body)
        if not ast.get_docstring(node)
    ]
    if file.text.strip() and not ast.get_docstring(file.tree):
        found.append(file.at(1, "the module has no docstring"))
    return found


def test_public_parts__say_what_they_do() -> None:
    assert_none([problem for file in python("src") for problem in undocumented(file)])


@pytest.mark.parametrize(
    "text",
    [
        "def grow(): ...",
        "async def grow():\n    return 1",
        "class Plant:\n    x = 1",
        'class Plant:\n    """A plant."""\n    def grow(self): ...',
    ],
)
def test_undocumented__finds_functions_classes_and_methods(text: str) -> None:
    assert len(undocumented(File("src/meshplane/plant.py", f'"""Plants."""\n{text}\n'))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "def _grow(): ...",
        "class _Plant:\n    def grow(self): ...",
        'def grow():\n    """Grows."""\n    def step(): ...',
        'class Plant:\n    """A plant."""\n    @override\n    def grow(self): ...',
        'class Plant:\n    """A plant."""\n    @size.setter\n    def size(self, to): ...',
    ],
)
def test_undocumented__leaves_private_and_repeated_ones(text: str) -> None:
    assert undocumented(File("src/meshplane/plant.py", f'"""Plants."""\n{text}\n')) == []


def test_undocumented__wants_a_head_for_each_module_that_holds_something() -> None:
    assert undocumented(File("src/meshplane/plant.py", "x = 1")) != []
    assert undocumented(File("src/meshplane/__init__.py", "")) == []
