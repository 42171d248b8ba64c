"""Which functions of the engine a statement may call. `functions.txt` classifies every one."""

import re
from functools import cache
from importlib import resources
from typing import NamedTuple

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
ESCAPES = frozenset({"like_escape", "not_like_escape", "ilike_escape", "not_ilike_escape"})
# They take the name of an aggregate as text; the gate lets only a literal, allowed name through.
BY_NAME = frozenset({"aggregate", "array_aggr", "array_aggregate", "list_aggr", "list_aggregate"})
# What the binder itself knows and the catalogue does not list.
_BUILT_IN = frozenset({"unnest", "unlist", "coalesce", "ifnull", "row"})
_CALLABLE = ("scalar", "aggregate", "macro", "window")
# A policy must say the same of a row each time it is asked.
_UNSTEADY = frozenset({"random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid"})

_HEADING = re.compile(r"\[(allowed|refused) (\w+)(?:: .*)?\]")
_NAME = re.compile(r'"([^"]+)"|(\S+)')


class Classes(NamedTuple):
    """Pairs of type and name, both in lower case."""

    allowed: frozenset[tuple[str, str]]
    refused: frozenset[tuple[str, str]]


@cache
def classes() -> Classes:
    """Reads `functions.txt`."""
    text = resources.files(__package__).joinpath("functions.txt").read_text(encoding="utf-8")
    found: dict[str, set[tuple[str, str]]] = {"allowed": set(), "refused": set()}
    verdict, kind = "", ""
    for line in text.splitlines():
        heading = _HEADING.fullmatch(line)
        if heading:
            verdict, kind = heading.groups()
        elif verdict:
            for quoted, plain in _NAME.findall(line):
                found[verdict].add((kind, (quoted or plain).lower()))
    return Classes(frozenset(found["allowed"]), frozenset(found["refused"]))


@cache
def _callable() -> frozenset[str]:
    allowed = {name for kind, name in classes().allowed if kind in _CALLABLE}
    refused = {name for kind, name in classes().refused if kind in _CALLABLE}
    return frozenset(allowed - refused) | _BUILT_IN


@cache
def _aggregates() -> frozenset[str]:
    return frozenset(name for kind, name in classes().allowed if kind == "aggregate")


def may_call(name: str) -> bool:
    """May an expression call the function of that name (in lower case)? Unknown: no."""
    return name in _callable()


def is_aggregate(name: str) -> bool:
    """Is it an aggregate that may be called?"""
    return name.lower() in _aggregates() and may_call(name.lower())


def may_filter(name: str) -> bool:
    """May a row filter call it? Only what gives one steady value for one row."""
    rowwise = ("scalar", name) in classes().allowed or ("macro", name) in classes().allowed
    steady = name not in _UNSTEADY and not is_aggregate(name) and name not in BY_NAME
    return may_call(name) and rowwise and steady
