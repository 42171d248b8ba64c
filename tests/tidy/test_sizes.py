"""Pieces stay small enough to be read at one go. A module's goal is 400 lines; 600 is the end."""

import ast

import pytest

from tests.tidy.tree import File, assert_none, python

FUNCTION_LINES = 70
MODULE_LINES = 600
TEST_FILE_LINES = 800


def long_functions(file: File) -> list[str]:
    """Functions of more lines than may be, their docstring counted, their decorators not."""
    if file.text.count("\n") < FUNCTION_LINES:
        return []  # nothing to parse
    return [
        file.at(node.lineno, f"{node.name} has {lines} lines, more than {FUNCTION_LINES}")
        for node in ast.walk(file.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]


def long_module(file: File) -> list[str]:
    """The file itself, when it has more lines than may be."""
    limit = TEST_FILE_LINES if file.path.startswith("tests/") else MODULE_LINES
    lines = len(file.text.splitlines())
    return [file.at(lines, f"{lines} lines, more than {limit}")] if lines > limit else []


def test_functions__fit_on_a_screen() -> None:
    assert_none([problem for file in python("src", "tests") for problem in long_functions(file)])


def test_modules__can_be_read_at_one_go() -> None:
    assert_none([problem for file in python("src", "tests") for problem in long_module(file)])


@pytest.mark.parametrize(("body_lines", "problems"), [(69, 0), (70, 1)])
def test_long_functions__counts_the_line_of_the_name_too(body_lines: int, problems: int) -> None:
    method = "    async def grow(self):\n" + "        x = 1\n" * body_lines
    file = File("src/meshplane/kit/plant.py", f"class Plant:\n{method}")
    assert len(long_functions(file)) == problems


@pytest.mark.parametrize(
    ("path", "lines", "problems"),
    [
        ("src/meshplane/kit/plant.py", 600, 0),
        ("src/meshplane/kit/plant.py", 601, 1),
        ("tests/kit/test_plant.py", 800, 0),
        ("tests/kit/test_plant.py", 801, 1),
    ],
)
def test_long_module__lets_test_files_be_longer(path: str, lines: int, problems: int) -> None:
    assert len(long_module(File(path, "x = 1\n" * lines))) == problems
