"""Turns an error of the engine into one of ours: by its kind and place, never by its text."""

from collections.abc import Callable
from typing import Any

import orjson

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox.faults import DEEP, MEMORY, invalid, limit, refused, runtime
from meshplane.services.query.sandbox.gate import place

_TOKEN_CHARACTERS = 60
# The engine's words for "this one value is too large", which is a budget and not a mistake.
_TOO_LARGE = ("Cannot create a string of size", "maximum supported string size", "too large")
_BINDING = ("Binder", "Catalog", "Parser", "Syntax")


def kind_of(error: BaseException) -> str:
    """The engine's kind of an error: `Binder`, `Conversion`, …; empty if it is none of its own."""
    name = type(error).__name__
    if type(error).__module__.lstrip("_") == "duckdb" and name.endswith("Exception"):
        return name.removesuffix("Exception")
    head, colon, _ = str(error).partition(" Error:")  # as it comes through an Arrow stream
    return head.replace(" ", "") if colon and len(head) < 40 else ""


def is_binding(error: BaseException) -> bool:
    """Did the statement fail before it read a row? Then text and schema alone decided it."""
    return kind_of(error) in _BINDING


def _structured(error: BaseException) -> dict[str, Any]:
    text = str(error)
    try:
        found = orjson.loads(text[text.index("{") :])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _spot(sql: str, details: dict[str, Any]) -> tuple[str, str]:
    """The caller's own words at the place of the error, and that place; empty if unknown."""
    try:
        start, length = orjson.loads(details["location"])
    except (KeyError, ValueError, TypeError):
        return "", ""
    raw = sql.encode()
    if not (0 <= start < len(raw) and 0 < length <= len(raw) - start):
        return "", place(sql, start)
    words = " ".join(raw[start : start + length].decode(errors="replace").split())
    if len(words) > _TOKEN_CHARACTERS:
        words = words[:_TOKEN_CHARACTERS] + "…"
    return f" “{words}”", place(sql, start)


def _parser(sql: str, details: dict[str, Any]) -> MeshplaneError:
    if "Max expression depth" in str(details.get("exception_message", "")):
        return limit(DEEP)
    words, where = _spot(sql, details)
    near = f" near{words}{where}" if where else ""
    return invalid(f"The statement does not parse{near}.")


def _binder(sql: str, details: dict[str, Any]) -> MeshplaneError:
    words, where = _spot(sql, details)
    subtype = details.get("error_subtype")
    if "lambda arrow" in str(details.get("exception_message", "")):
        return invalid(f"Write a lambda as “lambda x: …”, not with an arrow{where}.")
    if subtype == "COLUMN_NOT_FOUND":
        return invalid(f"There is no column{words} in the tables that this reads{where}.")
    if subtype == "NO_MATCHING_FUNCTION":
        return invalid(f"The types of the arguments of{words or ' a function'} do not fit{where}.")
    near = f" near{words}{where}" if where else ""
    return invalid(
        f"The statement does not fit together{near}: check its names, types, grouping and "
        "aggregates."
    )


def _catalog(sql: str, details: dict[str, Any]) -> MeshplaneError:
    words, where = _spot(sql, details)
    return invalid(f"There is no{words or ' such thing'} here{where}.")


_TEXTS: dict[str, Callable[[str, dict[str, Any]], MeshplaneError]] = {
    "Parser": _parser,
    "Syntax": _parser,
    "Binder": _binder,
    "Catalog": _catalog,
}
_LIMITS = frozenset({"OutOfMemory", "Interrupt", "ObjectSize"})
_REFUSALS = frozenset({"Permission", "NotImplemented", "IO"})


def from_engine(error: BaseException, sql: str) -> MeshplaneError:
    """The error to show for one that the engine raised while it handled a caller's text."""
    kind = kind_of(error)
    if kind in _TEXTS:
        return _TEXTS[kind](sql, _structured(error))
    if kind in _LIMITS or isinstance(error, MemoryError | RecursionError):
        return limit(MEMORY)
    if kind in _REFUSALS:
        return refused("The statement asks for what this engine may not or cannot do.")
    text = str(error)
    if any(words in text for words in _TOO_LARGE):
        return limit("One value of the statement is larger than a value may be.")
    if "malloc" in text or "bad_alloc" in text:
        return limit(MEMORY)
    return runtime()
