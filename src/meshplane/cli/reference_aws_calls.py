"""Every call of AWS in the code, found in its syntax: service and operation stand there in full."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

METHODS = frozenset({"call", "run", "pages", "run_pages"})
"""Of `Aws`: what takes a service and an operation."""

_PAGED = frozenset({"pages", "run_pages"})
_ROLES = frozenset({"as_role", "in_account"})
# How an `Aws` is written where it is called: `aws`, `self._aws`, `root_aws`, `aws.as_role(…)`.
_IS_AWS = re.compile(r"(^|[._])aws$|\.(as_role|in_account)\(.*\)$", re.DOTALL)
# `Aws` itself, and what stands in for AWS, which calls nobody.
_NOT_CALLERS = ("platform/aws/calls.py", "sandbox/")
# How botocore and boto3 write the names of services and operations.
_SERVICE, _METHOD = re.compile(r"[a-z0-9-]+"), re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class CallSite:
    """One call.

    Args:
        path: of the file, below the package.
        line: where it begins.
        service: botocore's name.
        method: boto3's name of the operation.
        paged: whether it goes through the pages of a list.
        arguments: by name, unevaluated.
        open_ended: whether more arguments come from a mapping.
    """

    path: str
    line: int
    service: str
    method: str
    paged: bool
    arguments: dict[str, ast.expr] = field(compare=False)
    open_ended: bool = False

    @property
    def place(self) -> str:
        """For messages: `services/lake/aws.py:12: glue get_table`."""
        return f"{self.path}:{self.line}: {self.service} {self.method}"


def sources(package: Path) -> Iterator[tuple[str, str]]:
    """The files of the package that may call AWS, by their path below it, with their text."""
    for file in sorted(package.rglob("*.py")):
        path = file.relative_to(package).as_posix()
        if path.startswith(_NOT_CALLERS):
            continue
        text = file.read_text(encoding="utf-8")
        # Who calls AWS names `Aws`, or the module that it comes from.
        if "aws" in text or "Aws" in text:
            yield path, text


def call_sites(path: str, text: str) -> list[CallSite]:
    """The calls of AWS in a file, in the order of their lines.

    Args:
        path: of the file, for the result.
        text: its code.
    """
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        names = [value for value in map(_text, node.args[:2]) if value is not None]
        if node.func.attr not in METHODS or len(names) != 2:
            continue
        if not _SERVICE.fullmatch(names[0]) or not _METHOD.fullmatch(names[1]):
            continue
        given = {word.arg: word.value for word in node.keywords if word.arg is not None}
        found.append(
            CallSite(
                path=path,
                line=node.lineno,
                service=names[0],
                method=names[1],
                paged=node.func.attr in _PAGED,
                arguments=given,
                open_ended=len(given) < len(node.keywords),
            )
        )
    return sorted(found, key=lambda site: site.line)


def unnamed_calls(path: str, text: str) -> list[str]:
    """Calls of AWS that do not say in full what they call, which nobody could check."""
    tree = ast.parse(text)
    named = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and len([each for each in node.args[:2] if _text(each)]) == 2
    }
    return [
        f"{path}:{node.lineno}: name the service and the operation in the call itself"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in METHODS
        and _IS_AWS.search(ast.unparse(node.value))
        and id(node) not in named
    ]


def takes_roles(text: str) -> bool:
    """Whether a file acts as a role."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _ROLES
        for node in ast.walk(ast.parse(text))
    )


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
