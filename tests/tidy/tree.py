"""The repository's own files, as the checks of this folder read them."""

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]

# Made by tools or by a running server, and kept out of version control.
_MADE = {
    ".git", ".hypothesis", ".import_linter_cache", ".meshplane", ".mypy_cache", ".pytest_cache",
    ".ruff_cache", ".venv", "__pycache__", "dist", "node_modules",
}  # fmt: skip


@dataclass(frozen=True)
class File:
    """A text file: its path from the repository's root, with forward slashes, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree, where it is Python."""
        return ast.parse(self.text, self.path)

    @property
    def parts(self) -> tuple[str, ...]:
        """The folders of its path and its name."""
        return PurePosixPath(self.path).parts

    def at(self, line: int, problem: str) -> str:
        """A finding, written so that an editor can jump to it."""
        return f"{self.path}:{line}: {problem}"


def _paths(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(set(folders) - _MADE)
        yield from (Path(here, name) for name in sorted(names))


def texts(folder: str = ".") -> list[File]:
    """Every text file under a folder of the repository; a file that is not UTF-8 is no text."""
    found = []
    for path in _paths(ROOT / folder):
        raw = path.read_bytes()
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            found.append(File(path.relative_to(ROOT).as_posix(), text))
    return found


def python(*folders: str) -> list[File]:
    """Every Python file under these folders."""
    return [file for folder in folders for file in texts(folder) if file.path.endswith(".py")]


def assert_none(problems: list[str]) -> None:
    """Fails with every finding on a line of its own."""
    assert not problems, "\n" + "\n".join(problems)
