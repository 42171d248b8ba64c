"""Nothing is half done: no reminders, no stubs, no swallowed errors, no tests that test nothing."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.tidy.tree import File, assert_none, python, texts

REMINDER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef

# Where no statement begins so, there is none of `pass` or `...`, and nothing needs to be parsed.
_IDLE = re.compile(r"(?m)(?:^|[:;])[\s(]*(?:pass\b|\.\.\.)")

# A call of a function so named is an assertion that several tests share.
ASSERTING = re.compile(r"^_?(assert|check|expect)_")


def reminders(file: File) -> list[str]:
    """Words that put something off."""
    if file.path.startswith("tests/tidy/"):
        return []  # the words themselves stand here
    return [
        file.at(number, f"{match[0]}: do it, or write down in the guide that it is not done")
        for number, line in enumerate(file.text.splitlines(), 1)
        if (match := REMINDER.search(line))
    ]


def _empty(body: list[ast.stmt]) -> bool:
    rest = body[1:] if isinstance(body[0], ast.Expr) and _is_text(body[0]) else body
    return bool(rest) and all(ast.unparse(statement) in {"pass", "..."} for statement in rest)


def _is_text(statement: ast.Expr) -> bool:
    return isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)


def _declared(tree: ast.Module) -> set[ast.AST]:
    """Functions that only declare: those of a Protocol, abstract ones, overloads."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base).split("[")[0].rsplit(".", 1)[-1] for base in node.bases}
            found |= set(node.body) if "Protocol" in bases else set()
        elif isinstance(node, FUNCTION):
            marks = {ast.unparse(mark).rsplit(".", 1)[-1] for mark in node.decorator_list}
            found |= {node} if marks & {"abstractmethod", "overload"} else set()
    return found


def stubs(file: File) -> list[str]:
    """Functions without a body, and the error that says so."""
    if "NotImplementedError" not in file.text and not _IDLE.search(file.text):
        return []
    declared = _declared(file.tree)
    found = []
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node):
            found.append(file.at(node.lineno, "NotImplementedError: build it, or leave it out"))
        elif isinstance(node, FUNCTION) and node not in declared and _empty(node.body):
            found.append(file.at(node.lineno, f"{node.name} is a stub"))
    return found


def swallowed(file: File) -> list[str]:
    """Errors that are caught and dropped, and `suppress` of everything there is."""
    if "suppress" not in file.text and not ("except" in file.text and _IDLE.search(file.text)):
        return []
    found = []
    for node in ast.walk(file.tree):
        if isinstance(node, ast.ExceptHandler) and _empty(node.body):
            found.append(file.at(node.lineno, "an error is dropped without a trace"))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            names = {ast.unparse(argument) for argument in node.args}
            if names & {"Exception", "BaseException"}:
                found.append(file.at(node.lineno, "every error there is would be dropped"))
    return found


def _asserts(node: ast.AST, asserting: set[str]) -> bool:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assert):
            return True
        if isinstance(inner, ast.Call):
            name = ast.unparse(inner.func)
            last = name.rsplit(".", 1)[-1]
            if name in {"pytest.raises", "pytest.warns", "pytest.fail"}:
                return True
            if last in asserting or ASSERTING.match(last):
                return True
    return False


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, FUNCTION))


def idle_tests(file: File) -> list[str]:
    """Tests that fail by accident alone: neither they nor what they call in the file asserts."""
    asserting: set[str] = set()
    while (
        found := {node.name for node in _functions(file.tree) if _asserts(node, asserting)}
        - asserting
    ):
        asserting |= found
    return [
        file.at(node.lineno, f"{node.name} asserts nothing")
        for node in _functions(file.tree)
        if node.name.startswith("test_") and node.name not in asserting
    ]


def test_files__put_nothing_off() -> None:
    assert_none([problem for file in texts() for problem in reminders(file)])


def test_functions__are_all_built() -> None:
    assert_none([problem for file in python("src") for problem in stubs(file)])


def test_errors__are_never_swallowed() -> None:
    assert_none([problem for file in python("src", "tests") for problem in swallowed(file)])


def test_tests__assert_something() -> None:
    tests = [file for file in python("tests") if file.parts[-1].startswith("test_")]
    assert_none([problem for file in tests for problem in idle_tests(file)])


@pytest.mark.parametrize(
    ("line", "problems"),
    [("# TODO later", 1), ("<!-- FIXME -->", 1), ("todo: a state", 0), ("TODOS", 0)],
)
def test_reminders__finds_whole_words_in_capitals(line: str, problems: int) -> None:
    assert len(reminders(File("docs/guide/plant.md", f"# Plants\n{line}\n"))) == problems


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("def grow():\n    raise NotImplementedError", 1),
        ("def grow():\n    '''Grows.'''\n    ...", 1),
        ("def grow(): pass", 1),
        ("try:\n    x()\nexcept NotImplementedError as error:\n    raise Invalid() from error", 0),
        ("class Plant(Protocol[T]):\n    def grow(self):\n        '''Grows.'''\n        ...", 0),
        ("class Plant(ABC):\n    @abc.abstractmethod\n    def grow(self): ...", 0),
        ("def grow():\n    '''Does nothing: a plant of stone.'''", 0),
    ],
)
def test_stubs__tells_a_declaration_from_an_empty_body(text: str, problems: int) -> None:
    assert len(stubs(File("src/meshplane/plant.py", text))) == problems


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("try:\n    x()\nexcept ValueError:\n    pass", 1),
        ("try:\n    x()\nexcept (KeyError, ValueError):\n    ...", 1),
        ("with contextlib.suppress(Exception):\n    x()", 1),
        ("with suppress(ProcessLookupError):\n    x()", 0),
        ("try:\n    x()\nexcept ValueError as error:\n    log(error)", 0),
    ],
)
def test_swallowed__finds_what_leaves_no_trace(text: str, problems: int) -> None:
    assert len(swallowed(File("src/meshplane/plant.py", text))) == problems


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("def test_grow(): grow()", 1),
        ("class TestPlant:\n    async def test_grow(self): grow()", 1),
        ("def test_grow(): assert grow()", 0),
        ("def test_grow():\n    with pytest.raises(ValueError): grow()", 0),
        ("def test_grow(): deep()\ndef deep(): deeper()\ndef deeper(): assert grow()", 0),
        ("def test_grow(): garden.expect_growth()", 0),
    ],
)
def test_idle_tests__follows_calls_within_the_file(text: str, problems: int) -> None:
    assert len(idle_tests(File("tests/test_plant.py", text))) == problems
