"""The page of errors, read off the code: each place that raises one of our kinds with a code."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from meshplane.cli.reference_pages import HEAD, table
from meshplane.kit import errors

_CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_MOST_MESSAGES = 3
# What carries a code until a rule's place in the ruleset is known, and then becomes that kind.
_CARRIERS = {"CannotEvaluate": "Invalid"}
# How the sandbox names its errors: functions for four codes, and a table for all.
_SHORT = {
    "refused": "SQL_REFUSED",
    "invalid": "SQL_INVALID",
    "runtime": "SQL_RUNTIME",
    "limit": "SQL_LIMIT",
}


@dataclass
class _Found:
    kinds: set[str] = field(default_factory=set)
    messages: dict[str, None] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)


def errors_page() -> str:
    """Every code with its kind, HTTP status, messages, and the parts that raise it."""
    from meshplane.gateway import problems

    found = _collect(Path(errors.__file__).parents[1])
    rows = []
    for code in sorted(found):
        entry = found[code]
        statuses = sorted({int(problems.status_of(_KINDS[kind](code, ""))) for kind in entry.kinds})
        rows.append(
            (
                f"`{code}`",
                ", ".join(sorted(entry.kinds)),
                ", ".join(map(str, statuses)),
                _shown(list(entry.messages)),
                ", ".join(sorted(entry.places)),
            )
        )
    rows += [
        (f"`{code}`", "", str(status), detail, "gateway")
        for status, (code, detail) in sorted(problems._OF_HTTP.items())
    ]
    return (
        HEAD
        + "# Errors\n\n"
        + "Over HTTP an error is a problem document (RFC 9457, `application/problem+json`) with\n"
        + "`type`, `title`, `status`, `code`, `detail`, `errors` (the offending fields) and\n"
        + "`traceId`. `code` is stable; branch on it and on nothing else. Each code has a status\n"
        + "here; those that only the command line or the start of a server raise never reach\n"
        + "HTTP. `…` stands for a value that is filled in.\n\n"
        + table(("code", "kind", "status", "message", "raised by"), rows)
    )


def _all_kinds() -> dict[str, type[errors.MeshplaneError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.MeshplaneError)
    }


_KINDS = _all_kinds()


def _collect(package: Path) -> dict[str, _Found]:
    named: dict[str, str] = {}
    trees = {
        path.relative_to(package): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(package.rglob("*.py"))
    }
    bases = {name: name for name in _KINDS} | _CARRIERS
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    if (name := ast.unparse(base).rsplit(".", 1)[-1]) in bases:
                        bases.setdefault(node.name, bases[name])
    found: defaultdict[str, _Found] = defaultdict(_Found)
    for tree in trees.values():
        named |= {name: text for name, text in _constants(tree).items() if _CODE.fullmatch(text)}
    for path, tree in trees.items():
        constants = named | _constants(tree)
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            for code, kind, message in _errors(call, bases, constants, path):
                found[code].kinds.add(kind)
                found[code].places.add(_part(path))
                if message:
                    found[code].messages[message] = None
    return dict(found)


def _errors(
    call: ast.Call, bases: dict[str, str], constants: dict[str, str], path: Path
) -> Iterator[tuple[str, str, str]]:
    name = ast.unparse(call.func).rsplit(".", 1)[-1]
    texts = [_text(argument, constants) for argument in call.args[:2]]
    if name in bases and texts and _CODE.fullmatch(texts[0] or ""):
        yield texts[0] or "", bases[name], (texts[1] if len(texts) > 1 else None) or ""
    elif "sandbox" in path.parts and name in _SHORT and texts:
        code = _SHORT[name]
        yield code, _sandbox_kind(code), texts[0] or ""
    elif "sandbox" in path.parts and name == "fault" and texts and texts[0]:
        yield texts[0], _sandbox_kind(texts[0]), (texts[1] if len(texts) > 1 else None) or ""


def _sandbox_kind(code: str) -> str:
    from meshplane.services.query.sandbox.faults import fault

    return type(fault(code, "")).__name__


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts that the module names."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = _text(node.value, {})
            if text:
                found[node.targets[0].id] = text
    return found


def _text(node: ast.expr, constants: dict[str, str]) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            parts = [part.value if isinstance(part, ast.Constant) else "…" for part in values]
            return "".join(str(part) for part in parts)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return constants.get(name)
        case _:
            return None


def _shown(messages: list[str]) -> str:
    shown = "<br>".join(" ".join(message.split()) for message in messages[:_MOST_MESSAGES])
    if not shown:
        return "says what was wrong, and where"
    more = len(messages) - _MOST_MESSAGES
    return f"{shown}<br>and {more} more" if more > 0 else shown


def _part(path: Path) -> str:
    """The part of the product that a module belongs to: `services/query`, `gateway`."""
    parts = path.parts[:-1]
    return "/".join(parts[:2] if parts[:1] == ("services",) else parts[:1]) or path.stem
