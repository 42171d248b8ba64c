"""Policy documents of IAM, compared by what they say. Pure.

IAM gives a document back as it was put, and botocore decodes it. It may be written otherwise and
mean the same: in another order, one value without its list, an account by its number. A principal
that is deleted is told by its id (`AROA…`, `AIDA…`), which means nobody, also where another of that
name is made afterwards.

Source: IAM User Guide, "IAM JSON policy elements reference".
"""

import json
import re
from collections.abc import Mapping
from typing import Any

_EARLIEST = "2008-10-17"  # "Version": where a document has none
_ACCOUNT = re.compile(r"[0-9]{12}")
_PRINCIPALS = frozenset({"Principal", "NotPrincipal"})
_ACTIONS = frozenset({"Action", "NotAction"})
_UNMEANT = frozenset({"Sid"})


def same_policy(one: Any, other: Any) -> bool:
    """Whether two documents say the same.

    Args:
        one: a document as botocore has it; None: there is none, which is the same as no other.
        other: likewise.
    """
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return False
    return _meant(one) == _meant(other)


def principals_of(document: Any) -> frozenset[str]:
    """Who a document names, allowed or not: ARNs, services, ids of those who are deleted.

    Args:
        document: as botocore has it.
    """
    return frozenset(
        name
        for statement in _statements(document)
        for key in _PRINCIPALS & statement.keys()
        for names in _principal(statement[key]).values()
        for name in names
    )


def _meant(document: Mapping[str, Any]) -> tuple[str, list[str]]:
    statements = {json.dumps(_statement(one), sort_keys=True) for one in _statements(document)}
    return str(document.get("Version", _EARLIEST)), sorted(statements)


def _statements(document: Any) -> list[Mapping[str, Any]]:
    found = document.get("Statement", ()) if isinstance(document, Mapping) else ()
    return [one for one in _listed(found) if isinstance(one, Mapping)]


def _statement(statement: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _element(key, value) for key, value in statement.items() if key not in _UNMEANT}


def _element(key: str, value: Any) -> Any:
    if key in _PRINCIPALS:
        return _principal(value)
    if key == "Condition" and isinstance(value, Mapping):
        return {
            # Pairs, as two keys that differ in case alone are two conditions.
            test: sorted([name.lower(), _texts(wanted)] for name, wanted in keys.items())
            for test, keys in value.items()
        }
    return _texts(value, is_any_case=key in _ACTIONS)


def _principal(value: Any) -> dict[str, list[str]]:
    named = value if isinstance(value, Mapping) else {"AWS": value}
    return {
        kind: sorted({_root(name) if kind == "AWS" else name for name in _texts(names)})
        for kind, names in named.items()
    }


def _root(name: str) -> str:
    return f"arn:aws:iam::{name}:root" if _ACCOUNT.fullmatch(name) else name


def _texts(value: Any, *, is_any_case: bool = False) -> list[str]:
    """The values, each as text: IAM takes `true` and `"true"` for the same."""
    texts = {one if isinstance(one, str) else json.dumps(one) for one in _listed(value)}
    return sorted({text.lower() for text in texts} if is_any_case else texts)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
